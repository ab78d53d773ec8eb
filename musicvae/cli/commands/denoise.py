"""`musicvae denoise`: correct improbable notes of songs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import TEXT, FiniteFloat, print_line, songs_argument, stderr_console
from musicvae.cli.options import GenerateOptions, generate_options, theme_options
from musicvae.cli.terminal import format_columns
from musicvae.cli.writer import sibling_path
from musicvae.config.corruption_kinds import parse_corruption_shares
from musicvae.errors import one_line
from musicvae.io.members import song_stem
from musicvae.representation.key import pitch_name
from musicvae.storage import exclusive_writes

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.plots import Theme
    from musicvae.tools.denoise import NoteChange

PLOT_SUFFIX = "-changes.png"
REQUIRED_CORRUPTIONS = ("pitch_substitution", "deletion", "insertion", "onset_jitter")


@click.command(name="denoise")
@songs_argument
@click.option(
    "--strength",
    type=FiniteFloat(0, 1),
    default=0.5,
    show_default=True,
    help="Strength of the correction: 0 changes nothing, higher values change more notes.",
)
@click.option(
    "--expect",
    type=TEXT,
    metavar="KIND=SHARE,...",
    help="Expected errors, such as onset_jitter=0.2,deletion=0.1; by default estimated.",
)
@click.option("--plot", is_flag=True, help="Plot the changes of each song beside its file.")
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

    Only improbable notes are changed; all others are kept exactly. The changes are listed, with
    the probability of each note before and after.

    \b
    Examples:
      musicvae denoise take.mid --out repaired/ --plot
      musicvae denoise take.mid --strength 0.8 --expect onset_jitter=0.3
    """
    corruptions = parse_corruption_shares(expect) if expect else None
    writer, force = shared.writer(), shared.force
    models = shared.models(tuple(corruptions or REQUIRED_CORRUPTIONS))

    def process(path: Path, song: BarlineEstimate) -> None:
        model = models.for_song(song)
        result = model.denoise(song, strength=strength, corruption=corruptions)
        share = result.n_passthrough / max(song.original.n_notes, 1)
        written = writer.write_named(
            result.song,
            song_stem(path),
            force=force,
            note=f"musicvae denoise {path.name} --strength {strength:g} checkpoint {model.hash}",
            changed=result.n_changed,
            changes=[change.to_dict() for change in result.changes],
            untouched=round(share, 4),
            checkpoint=str(model.path),
            source=str(path),
            plot=PLOT_SUFFIX if plot else "",
        )
        if plot:
            from musicvae.plots import plot_note_edits

            picture = sibling_path(written, PLOT_SUFFIX)
            with exclusive_writes(not force):
                plot_note_edits(result.original, result.song, picture, written.stem, theme=theme)
        if not shared.as_json:
            for line in change_lines(result.changes):
                print_line(line)
        if share:
            text = f"{path}: {share:.0%} of its notes are outside the model and were kept unchanged"
            stderr_console().print(one_line(text), soft_wrap=True)

    shared.for_each_song(paths, process)


def change_lines(changes: list[NoteChange]) -> list[str]:
    """Return one line of text for each change."""
    rows: list[tuple[str, ...]] = []
    for change in changes:
        was = "" if change.pitch is None else pitch_name(change.pitch)
        now = "" if change.to_pitch is None else pitch_name(change.to_pitch)
        what = {
            "removed": f"{was} removed",
            "added": f"{now} added",
            "moved": f"{was} moved to bar {change.to_bar} beat {change.to_beat or 0:g}",
            "pitch": f"{was} changed to {now}",
        }[change.kind]
        percentages = [
            f"{word} {value:.0%}"
            for word, value in (
                ("before", change.probability_before),
                ("now", change.probability_after),
            )
            if value is not None
        ]
        probability = f"probability: {', '.join(percentages)}"
        rows.append(
            (f"  bar {change.bar}", f"beat {change.beat:g}", change.name, what, probability)
        )
    return format_columns(rows).splitlines() if rows else []
