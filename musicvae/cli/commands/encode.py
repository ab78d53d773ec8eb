"""`musicvae encode`: encode a song to a file of latents, or a folder to arrays."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import (
    ANY_PATH,
    FiniteFloat,
    check_overwrite,
    emit,
    print_line,
    progress_bar,
    stderr_console,
)
from musicvae.cli.inputs import read_with_barlines, sample_songs
from musicvae.cli.options import ModelOptions, model_options
from musicvae.errors import one_line
from musicvae.io.members import song_stem
from musicvae.storage import exclusive_writes, fit_stem, is_folder

ARRAYS_SUFFIX = ".npz"


@click.command(name="encode")
@click.argument("path", type=ANY_PATH)
@click.option(
    "--out",
    type=ANY_PATH,
    help="Output file; by default the name of the song with .z in the working folder, or of a "
    "folder with .npz.",
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
    `musicvae reconstruct`. Of a folder, or with --out NAME.npz, the mean latents of all windows
    are written as named arrays, which numpy opens alone.

    \b
    Examples:
      musicvae encode song.mid --out song.z
      musicvae encode song.mid --out small.z --step 1
      musicvae encode my-songs/ --out latents.npz
    """
    from musicvae.checkpoints import checkpoint_name
    from musicvae.latent import SUFFIX, Quantization, save

    if step is not None and bits is not None:
        raise click.UsageError("give --step or --bits, not both")
    if is_folder(path) or (out and out.suffix.lower() == ARRAYS_SUFFIX):
        if step is not None or bits is not None:
            raise click.UsageError(
                f"--step and --bits are for files of one song, not {out or path}"
            )
        _encode_arrays(path, out or Path((path.name or "latents") + ARRAYS_SUFFIX), shared)
        return
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


def _encode_arrays(path: Path, out: Path, shared: ModelOptions) -> None:
    """Write the mean latents of all windows under `path` as arrays."""
    if out.suffix.lower() != ARRAYS_SUFFIX:
        raise click.UsageError(f"--out {out}: give the name of a {ARRAYS_SUFFIX} file for a folder")
    target = check_overwrite(out, force=shared.force)
    model = shared.model(songs=sample_songs([path], shared.options))
    with progress_bar("encoding") as progress:
        found = model.embed(
            path, read=lambda file: read_with_barlines(file, shared.options), progress=progress
        )
    with exclusive_writes(not shared.force):
        found.save(target)
    shape = {name: list(array.shape) for name, array in found.to_arrays().items()}
    emit(shared.as_json, "arrays", path=target, source=str(path), hash=model.hash, shapes=shape)
    if not shared.as_json:
        M, Z = found.mu.shape
        print_line(f"{target}: {len(found):,} songs, {M:,} windows of {Z} latents")
