"""`musicvae encode`: encode a song to a file of latents."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import (
    ANY_PATH,
    FiniteFloat,
    check_overwrite,
    emit,
    print_line,
    stderr_console,
)
from musicvae.cli.inputs import read_with_barlines
from musicvae.cli.options import ModelOptions, model_options
from musicvae.errors import one_line
from musicvae.io.members import song_stem
from musicvae.storage import exclusive_writes, fit_stem


@click.command(name="encode")
@click.argument("path", type=ANY_PATH)
@click.option(
    "--out",
    type=ANY_PATH,
    help="Output file; by default the name of the song with .z in the working folder.",
)
@click.option(
    "--step",
    type=FiniteFloat(0.01, 100),
    help="Quantization step of the latents in units of sigma; 1 is nearly inaudible.",
)
@click.option(
    "--bits", type=click.IntRange(2, 15), help="Quantize to this many bits per dimension instead."
)
@model_options(force=True)
def command(
    path: Path,
    out: Path | None,
    step: float | None,
    bits: int | None,
    shared: ModelOptions,
) -> None:
    """Encode the song PATH and write its latents, `mu` and `sigma`, for `musicvae decode`.

    Without --step or --bits the latents are exact, and decoding gives the same song as
    `musicvae reconstruct`.

    \b
    Examples:
      musicvae encode song.mid --out song.z
      musicvae encode song.mid --out small.z --step 1
    """
    from musicvae.checkpoints import checkpoint_name
    from musicvae.latent import SUFFIX, Quantization, save

    if step is not None and bits is not None:
        raise click.UsageError("give --step or --bits, not both")
    default = Path(fit_stem(song_stem(path), len(SUFFIX)) + SUFFIX)
    target = check_overwrite(out or default, force=shared.force)
    song = read_with_barlines(path, shared.options)
    model = shared.model(songs=[song])
    encoding = model.encode(song)
    quantization = None if step is None and bits is None else Quantization(step=step, bits=bits)
    name = checkpoint_name(model.path) if model.path else ""
    with exclusive_writes(not shared.force):
        sizes = save(encoding, target, checkpoint=name, quantization=quantization)
    N = max(len(encoding.bars), 1)
    share = encoding.n_passthrough / max(song.song.n_notes, 1)
    emit(
        shared.as_json,
        "latents",
        path=target,
        source=str(path),
        checkpoint=str(model.path),
        hash=model.hash,
        bars=len(encoding.bars),
        windows=encoding.n_windows,
        untouched=round(share, 4),
        kl_bits=round(encoding.kl_bits, 2),
        kl_bits_per_bar=round(encoding.kl_bits / N, 2),
        bytes=sizes.file,
        bits_per_bar=round(8 * sizes.file / N, 2),
        latent_bits_per_bar=round(8 * sizes.latents / N, 2),
        sigma_bits_per_bar=round(8 * sizes.sigma / N, 2),
        frame_bits_per_bar=round(8 * sizes.metadata / N, 2),
    )
    if not shared.as_json:
        text = f"{8 * sizes.file / N:.0f} bits per bar, {8 * sizes.latents / N:.0f} of them latents"
        print_line(f"{target}: {len(encoding.bars)} bars, {sizes.file:,} bytes, {text}")
    if share:
        text = f"{path}: {share:.0%} of its notes are outside the model and are kept unchanged"
        stderr_console().print(one_line(text), soft_wrap=True)
