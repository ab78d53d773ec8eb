"""`musicvae reconstruct`: songs through the bottleneck and back."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.common import (
    INPUT,
    checkpoint_option,
    complain,
    console,
    device_option,
    force_option,
    json_option,
)
from musicvae.cli.reading import song_options
from musicvae.cli.songs import Models, Writer, read_aligned, songs_under
from musicvae.cli.sound import Sound, audio_option
from musicvae.errors import MusicVAEError, one_line
from musicvae.options import ReadOptions


@click.command(name="reconstruct")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reconstructed"),
    show_default=True,
    help="Folder to write to.",
)
@song_options
@force_option
@audio_option
@checkpoint_option
@device_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path,
    options: ReadOptions,
    force: bool,
    audio: Sound | None,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Send songs (files or folders) through the bottleneck and back, one file each in --out.

    Length, tempo, meter and programs are kept. What the model cannot represent passes unchanged;
    its share is reported. Without --checkpoint each song goes through the model that suits it.

    \b
    Example:
      musicvae reconstruct song.mid --out reconstructed/
    """
    writer = Writer(out, as_json=as_json, audio=audio)
    models = Models(checkpoint, device)
    failed = 0
    for path in songs_under(paths):
        try:
            aligned = read_aligned(path, options)
            model = models.suiting(aligned)
            encoding = model.encode(aligned)
            made = model.decode(encoding)
            share = encoding.n_untouched / max(aligned.song.n_notes, 1)
            writer.named(
                made,
                path.stem,
                force=force,
                note=f"musicvae reconstruct {path.name} checkpoint {model.hash}",
                kl_bits=round(encoding.kl_bits, 2),
                windows=encoding.n_windows,
                untouched=round(share, 4),
                checkpoint=str(model.path),
                source=str(path),
            )
            if share:
                told = f"{path}: {share:.0%} of its notes passed unchanged"
                console().print(one_line(told), soft_wrap=True)
        except MusicVAEError as error:
            failed += 1
            complain(error)
    if failed:
        raise SystemExit(1)
