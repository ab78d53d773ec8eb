"""`musicvae sample`: new songs."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.common import Finite, checkpoint_option, device_option, json_option, seed_option
from musicvae.cli.songs import Writer, load_model
from musicvae.cli.sound import Sound, audio_option


@click.command(name="sample")
@click.option(
    "--n", type=click.IntRange(min=1), default=8, show_default=True, help="How many songs."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("songs"),
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--bars",
    type=click.IntRange(min=1),
    help="Bars of each song; 16 if not given, or 8 for each letter of --form.",
)
@click.option(
    "--form", metavar="LETTERS", help="Sections of equal length, those of one letter alike: AABA."
)
@click.option(
    "--temperature",
    type=Finite(min=0),
    default=1.0,
    show_default=True,
    help="Below 1 nearer to the usual, above 1 bolder.",
)
@click.option(
    "--tempo",
    "qpm",
    type=Finite(20, 400),
    help="Quarters a minute; a usual one if not given.",
)
@click.option(
    "--key",
    type=click.IntRange(-6, 5),
    help="Semitones above C of the major scale used; drawn if not given.",
)
@click.option("--meter", help="Such as 3/4; the training songs' usual one if not given.")
@audio_option
@checkpoint_option
@seed_option
@device_option
@json_option
def command(
    n: int,
    out: Path,
    bars: int | None,
    form: str | None,
    temperature: float,
    qpm: float | None,
    key: int | None,
    meter: str | None,
    audio: Sound | None,
    checkpoint: str | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make new songs and write them to --out as MIDI.

    \b
    Examples:
      musicvae sample --n 8 --out songs/
      musicvae sample --bars 32 --meter 3/4 --temperature 0.8 --audio
      musicvae sample --form AABA
    """
    writer = Writer(out, as_json=as_json, audio=audio)
    model = load_model(checkpoint, device, seed=seed)
    songs = model.sample(
        n, bars=bars, form=form, temperature=temperature, qpm=qpm, key=key, meter=meter, seed=seed
    )
    for song in songs:
        writer.numbered(song, "song", note=f"musicvae sample --seed {seed} checkpoint {model.hash}")
