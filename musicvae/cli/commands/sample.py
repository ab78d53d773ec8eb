"""`musicvae sample`: sample new songs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from musicvae.cli.console import TEXT, FiniteFloat, KeyName, progress_bar
from musicvae.cli.options import (
    GenerateOptions,
    ReportFile,
    generate_options,
    report_option,
    temperature_option,
)
from musicvae.cli.pianoroll import check_roll, print_roll, roll_option, shows_roll
from musicvae.config.size_limits import MAX_BARS, MAX_SONGS

if TYPE_CHECKING:
    from musicvae.song import Song

N_REPORT_SONGS = 100  # at most, in a report


@click.command(name="sample")
@click.option(
    "--n", type=click.IntRange(1, MAX_SONGS), default=8, show_default=True, help="Number of songs."
)
@click.option(
    "--bars",
    type=click.IntRange(1, MAX_BARS),
    help="Bars per song; by default 16, or 8 for each letter of --form.",
)
@click.option(
    "--form",
    type=TEXT,
    metavar="LETTERS",
    help="Sections of equal length, equal letters being similar: AABA.",
)
@temperature_option
@click.option(
    "--tempo",
    "qpm",
    type=FiniteFloat(20, 400),
    help="Tempo in quarters per minute; by default one typical of the training songs.",
)
@click.option(
    "--key",
    type=KeyName(),
    metavar="KEY",
    help="Key, such as 'D minor', Eb, F#m or 'G dorian', or the tonic of its major scale in "
    "semitones above C (-6 to 5); random by default.",
)
@click.option(
    "--meter",
    type=TEXT,
    help="Meter, such as 3/4; by default the most common one of the training songs.",
)
@click.option(
    "--pickup",
    type=TEXT,
    metavar="1/8",
    help="Length of the pickup, 0 for none; by default none below 8 bars, else drawn from "
    "those of the training songs in the meter.",
)
@click.option(
    "--swing",
    type=TEXT,
    metavar="2:1",
    help="Ratio of swung eighths, or '3:2 in sixteenths'; 1:1 for none. By default drawn from "
    "those of the training songs.",
)
@click.option(
    "--chords",
    type=TEXT,
    metavar="'C | G | Am F'",
    help="Progression, repeated to the end: bars separated by |, % for the bar before. Needs a "
    "model conditioned on chords.",
)
@roll_option
@report_option
@generate_options("songs", seed=True, reads=False)
def command(
    n: int,
    bars: int | None,
    form: str | None,
    temperature: float,
    qpm: float | None,
    key: int | str | None,
    meter: str | None,
    pickup: str | None,
    swing: str | None,
    chords: str | None,
    roll: bool | None,
    report: ReportFile | None,
    shared: GenerateOptions,
) -> None:
    """Sample new songs and write them to --out as MIDI.

    Each song is written as soon as it is sampled; Ctrl-C keeps those that are written.

    \b
    Examples:
      musicvae sample --n 8 --out songs/
      musicvae sample --bars 32 --meter 3/4 --temperature 0.8 --audio
      musicvae sample --form AABA
      musicvae sample --checkpoint song-4bar --chords "C | G | Am | F"
    """
    check_roll(roll, as_json=shared.as_json)
    writer, seed = shared.writer(), shared.seed
    model = shared.model(seed=seed)
    songs = model.sample_stream(
        n,
        bars=bars,
        form=form,
        temperature=temperature,
        qpm=qpm,
        key=key,
        meter=meter,
        pickup=pickup,
        swing=swing,
        chords=chords,
        seed=seed,
    )
    note = f"musicvae sample --seed {seed} checkpoint {model.hash}"
    shown: dict[str, Song] = {}
    with progress_bar("sampling") as advance:
        for done, song in enumerate(songs, start=1):
            path = writer.write_numbered(song, "song", note=note)
            if len(shown) < (N_REPORT_SONGS if report else 1):
                shown[path.stem] = song
            advance(done, n)
    if not shared.as_json and shows_roll(roll):
        print_roll(next(iter(shown.values())))
    if report:
        from musicvae.report import songs_page

        title, facts = (
            f"Songs sampled from {model.preset.name}",
            f"seed {seed}, checkpoint {model.hash}",
        )
        if n > N_REPORT_SONGS:
            facts += f", the first {N_REPORT_SONGS} of {n:,} songs"
        report.write(
            lambda how, advance: songs_page(
                title, facts, list(shown.values()), list(shown), embedding=how, progress=advance
            )
        )
