"""`musicvae encode`: a song as latents in a file."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import (
    INPUT_PATH,
    FiniteFloat,
    check_overwrite,
    checkpoint_option,
    device_option,
    emit,
    force_option,
    json_option,
    print_line,
    stderr_console,
)
from musicvae.cli.inputs import load_model, read_with_barlines
from musicvae.cli.options import song_read_options
from musicvae.errors import one_line
from musicvae.io.options import ReadOptions


@click.command(name="encode")
@click.argument("path", type=INPUT_PATH)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write; the song's name with .z beside "
    "you if not given.",
)  # fmt: skip
@click.option(
    "--step",
    type=FiniteFloat(0.01, 100),
    help="Round the latents to multiples of so many sigmas; 1 is hardly heard.",
)
@click.option(
    "--bits", type=click.IntRange(2, 15), help="Round them to so many bits a dimension instead."
)
@song_read_options
@force_option
@checkpoint_option
@device_option
@json_option
def command(
    path: Path,
    out: Path | None,
    step: float | None,
    bits: int | None,
    options: ReadOptions,
    force: bool,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Write the song of PATH as latents, `mu` and `sigma`, with what `musicvae decode` needs.

    Without --step or --bits the latents are exact, and decode gives what reconstruct gives.

    \b
    Examples:
      musicvae encode song.mid --out song.z
      musicvae encode song.mid --out small.z --step 1
    """
    from musicvae.checkpoints import checkpoint_name
    from musicvae.latent import SUFFIX, Quantization, save

    if step is not None and bits is not None:
        raise click.UsageError("give --step or --bits, not both")
    target = check_overwrite(out or Path(path.stem + SUFFIX), force=force)
    aligned = read_with_barlines(path, options)
    model = load_model(checkpoint, device, songs=[aligned])
    encoding = model.encode(aligned)
    rounding = None if step is None and bits is None else Quantization(step=step, bits=bits)
    name = checkpoint_name(model.path) if model.path else ""
    sizes = save(encoding, target, checkpoint=name, quantization=rounding)
    N = max(len(encoding.bars), 1)
    share = encoding.n_passthrough / max(aligned.song.n_notes, 1)
    emit(
        as_json,
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
    if not as_json:
        told = f"{8 * sizes.file / N:.0f} bits a bar, {8 * sizes.latents / N:.0f} of them latents"
        print_line(f"{target}: {len(encoding.bars)} bars, {sizes.file:,} bytes, {told}")
    if share:
        words = f"{path}: {share:.0%} of its notes pass unchanged"
        stderr_console().print(one_line(words), soft_wrap=True)
