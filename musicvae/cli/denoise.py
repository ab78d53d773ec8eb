"""`musicvae denoise`: what is improbable in songs is put right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.common import (
    INPUT,
    Finite,
    checkpoint_option,
    columns,
    complain,
    console,
    device_option,
    force_option,
    json_option,
    named_path,
    say,
)
from musicvae.cli.reading import song_options
from musicvae.cli.songs import Models, Writer, read_aligned, songs_under
from musicvae.cli.sound import Sound, audio_option
from musicvae.damage import expected
from musicvae.errors import MusicVAEError, one_line
from musicvae.keys import pitch_name
from musicvae.options import ReadOptions

if TYPE_CHECKING:
    from musicvae.model.repair import Mend

_MENDS = ("wrong", "dropped", "added", "jitter")


@click.command(name="denoise")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("denoised"),
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--strength",
    type=Finite(0, 1),
    default=0.5,
    show_default=True,
    help="At 0 nothing is changed; the more, the less improbable need notes be.",
)
@click.option(
    "--expect",
    metavar="KIND=SHARE,...",
    help="What is wrong, if it is known, such as jitter=0.2,dropped=0.1; found out if not given.",
)
@click.option("--plot", is_flag=True, help="Draw what was changed, a picture beside each song.")
@song_options
@force_option
@audio_option
@checkpoint_option
@device_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path,
    strength: float,
    expect: str | None,
    plot: bool,
    options: ReadOptions,
    force: bool,
    audio: Sound | None,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Repair songs (files or folders): wrong, missing, added and displaced notes.

    Only notes that are improbable are changed; all others come back exactly as they were. The
    changes are listed, with how probable each note was before and is now.

    \b
    Examples:
      musicvae denoise take.mid --out repaired/ --plot
      musicvae denoise take.mid --strength 0.8 --expect jitter=0.3
    """
    damage = expected(expect) if expect else None
    writer = Writer(out, as_json=as_json, audio=audio)
    models = Models(checkpoint, device, tuple(damage or _MENDS))
    failed = False
    for path in songs_under(paths):
        try:
            aligned = read_aligned(path, options)
            model = models.suiting(aligned)
            found = model.denoise(aligned, strength=strength, damage=damage)
            picture = out / f"{path.stem}-changes.png"
            if plot:
                named_path(picture, force=force)
            writer.named(
                found.song,
                path.stem,
                force=force,
                note=f"musicvae denoise {path.name} --strength {strength:g} "
                f"checkpoint {model.hash}",
                changed=found.n_changed,
                changes=[change.to_dict() for change in found.changes],
                untouched=round(found.n_untouched / max(aligned.original.n_notes, 1), 4),
                checkpoint=str(model.path),
                source=str(path),
                **({"plot": str(picture)} if plot else {}),
            )
            if plot:
                from musicvae.plots import plot_changes

                plot_changes(found.original, found.song, picture, path.stem)
            if not as_json:
                for line in listed(found.changes):
                    say(line)
            if found.n_untouched:
                share = found.n_untouched / max(aligned.original.n_notes, 1)
                words = f"{path}: {share:.0%} of its notes passed unheard"
                console().print(one_line(words), soft_wrap=True)
        except MusicVAEError as error:
            failed = True
            complain(error)
    if failed:
        raise SystemExit(1)


def listed(changes: list[Mend]) -> list[str]:
    """Changes in words, a line each."""
    rows: list[tuple[str, ...]] = []
    for one in changes:
        was = "" if one.pitch is None else pitch_name(one.pitch)
        now = "" if one.to_pitch is None else pitch_name(one.to_pitch)
        what = {
            "removed": f"{was} taken out",
            "added": f"{now} put in",
            "moved": f"{was} moved to bar {one.to_bar} beat {one.to_beat or 0:g}",
            "pitch": f"{was} is {now} now",
        }[one.kind]
        sure = [
            f"{word} {value:.0%}"
            for word, value in (("was", one.heard), ("is", one.believed))
            if value is not None
        ]
        why = f"probable: {', '.join(sure)}"
        rows.append((f"  bar {one.bar}", f"beat {one.beat:g}", one.name, what, why))
    return columns(rows).splitlines() if rows else []
