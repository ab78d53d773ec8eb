"""`musicvae denoise`: what is improbable in songs is put right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import FiniteFloat, print_line, songs_argument, stderr_console
from musicvae.cli.options import GenerateOptions, generate_options, theme_options
from musicvae.cli.terminal import format_columns
from musicvae.cli.writer import sibling_path
from musicvae.config.corruptions import parse_corruption_shares
from musicvae.errors import one_line
from musicvae.representation.key import pitch_name

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.plots import Theme
    from musicvae.tools.denoise import NoteChange

PLOT_SUFFIX = "-changes.png"
REQUIRED_CORRUPTIONS = ("wrong", "dropped", "added", "jitter")


@click.command(name="denoise")
@songs_argument
@click.option(
    "--strength",
    type=FiniteFloat(0, 1),
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
@theme_options
@generate_options("denoised", force=True)
def command(
    paths: tuple[Path, ...],
    strength: float,
    expect: str | None,
    plot: bool,
    theme: Theme,
    shared: GenerateOptions,
) -> None:
    """Repair songs (files or folders): wrong, missing, added and displaced notes.

    Only notes that are improbable are changed; all others come back exactly as they were. The
    changes are listed, with how probable each note was before and is now.

    \b
    Examples:
      musicvae denoise take.mid --out repaired/ --plot
      musicvae denoise take.mid --strength 0.8 --expect jitter=0.3
    """
    damage = parse_corruption_shares(expect) if expect else None
    writer, force = shared.writer(), shared.force
    models = shared.models(tuple(damage or REQUIRED_CORRUPTIONS))

    def process(path: Path, song: BarlineEstimate) -> None:
        model = models.for_song(song)
        found = model.denoise(song, strength=strength, damage=damage)
        share = found.n_passthrough / max(song.original.n_notes, 1)
        written = writer.write_named(
            found.song,
            path.stem,
            force=force,
            note=f"musicvae denoise {path.name} --strength {strength:g} checkpoint {model.hash}",
            changed=found.n_changed,
            changes=[change.to_dict() for change in found.changes],
            untouched=round(share, 4),
            checkpoint=str(model.path),
            source=str(path),
            plot=PLOT_SUFFIX if plot else "",
        )
        if plot:
            from musicvae.plots import plot_changes

            picture = sibling_path(written, PLOT_SUFFIX)
            plot_changes(found.original, found.song, picture, written.stem, theme=theme)
        if not shared.as_json:
            for line in change_lines(found.changes):
                print_line(line)
        if share:
            words = f"{path}: {share:.0%} of its notes passed unheard"
            stderr_console().print(one_line(words), soft_wrap=True)

    shared.for_each_song(paths, process)


def change_lines(changes: list[NoteChange]) -> list[str]:
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
    return format_columns(rows).splitlines() if rows else []
