"""`musicvae sample`: sample new songs."""

from __future__ import annotations

import click

from musicvae.cli.console import FiniteFloat, KeyName, progress_bar
from musicvae.cli.options import (
    GenerateOptions,
    ReportFile,
    generate_options,
    report_option,
    temperature_option,
)
from musicvae.cli.pianoroll import check_roll, print_roll, roll_option


@click.command(name="sample")
@click.option(
    "--n", type=click.IntRange(min=1), default=8, show_default=True, help="Number of songs."
)
@click.option(
    "--bars",
    type=click.IntRange(min=1),
    help="Bars per song; by default 16, or 8 for each letter of --form.",
)
@click.option(
    "--form", metavar="LETTERS", help="Sections of equal length, equal letters being similar: AABA."
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
    "--meter", help="Meter, such as 3/4; by default the most common one of the training songs."
)
@click.option(
    "--pickup",
    metavar="1/8",
    help="Length of the pickup, 0 for none; by default none below 8 bars, else the most common one "
    "of the meter.",
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
    roll: bool | None,
    report: ReportFile | None,
    shared: GenerateOptions,
) -> None:
    """Sample new songs and write them to --out as MIDI.

    \b
    Examples:
      musicvae sample --n 8 --out songs/
      musicvae sample --bars 32 --meter 3/4 --temperature 0.8 --audio
      musicvae sample --form AABA
    """
    check_roll(roll, as_json=shared.as_json)
    writer, seed = shared.writer(), shared.seed
    model = shared.model(seed=seed)
    songs = model.sample(
        n,
        bars=bars,
        form=form,
        temperature=temperature,
        qpm=qpm,
        key=key,
        meter=meter,
        pickup=pickup,
        seed=seed,
    )
    note = f"musicvae sample --seed {seed} checkpoint {model.hash}"
    paths = []
    with progress_bar("writing") as advance:
        for done, song in enumerate(songs, start=1):
            paths.append(writer.write_numbered(song, "song", note=note))
            advance(done, n)
    if not shared.as_json:
        print_roll(songs[0], roll)
    if report:
        from musicvae.report import songs_page

        title, facts = (
            f"Songs sampled from {model.preset.name}",
            f"seed {seed}, checkpoint {model.hash}",
        )
        names = [path.stem for path in paths]
        report.write(
            lambda how, advance: songs_page(
                title, facts, songs, names, embedding=how, progress=advance
            )
        )
