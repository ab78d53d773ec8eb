"""`musicvae reconstruct`: encode and decode songs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import songs_argument, stderr_console
from musicvae.cli.options import GenerateOptions, generate_options
from musicvae.errors import one_line
from musicvae.io.members import song_stem

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate


@click.command(name="reconstruct")
@songs_argument
@generate_options("reconstructed", force=True)
def command(
    paths: tuple[Path, ...],
    shared: GenerateOptions,
) -> None:
    """Encode songs (files or folders) and decode them again, one file each in --out.

    Length, tempo, meter and programs are kept. Notes that the model cannot represent are kept
    unchanged, and their share is reported. Without --checkpoint, the model that fits best is
    chosen for each song.

    \b
    Example:
      musicvae reconstruct song.mid --out reconstructed/
    """
    writer, models = shared.writer(), shared.models()

    def process(path: Path, song: BarlineEstimate) -> None:
        model = models.for_song(song)
        encoding = model.encode(song)
        share = encoding.n_passthrough / max(song.song.n_notes, 1)
        writer.write_named(
            model.decode(encoding),
            song_stem(path),
            force=shared.force,
            note=f"musicvae reconstruct {path.name} checkpoint {model.hash}",
            kl_bits=round(encoding.kl_bits, 2),
            windows=encoding.n_windows,
            untouched=round(share, 4),
            checkpoint=str(model.path),
            source=str(path),
        )
        if share:
            text = f"{path}: {share:.0%} of its notes are outside the model and were kept unchanged"
            stderr_console().print(one_line(text), soft_wrap=True)

    shared.for_each_song(paths, process)
