"""`musicvae decode`: decode a file of latents to a song, or raw latents to songs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import ANY_PATH
from musicvae.cli.inputs import load_model, print_unreadable_runs
from musicvae.cli.options import GenerateOptions, generate_options
from musicvae.errors import CheckpointError, ReadError, os_reason

if TYPE_CHECKING:
    from musicvae.latent import LatentFile
    from musicvae.model import MusicVAE


RAW_SUFFIX = ".npy"


@click.command(name="decode")
@click.argument("path", type=ANY_PATH)
@generate_options(
    None,
    help="Output file, .mid or .musicxml; the name of PATH with .mid by default.",
    force=True,
    reads=False,
)
def command(path: Path, shared: GenerateOptions) -> None:
    """Decode the latents that `musicvae encode` wrote to PATH to a song.

    The model is found by the hash in the file unless --checkpoint is given. Raw latents, an array
    `(windows, Z)` or `(songs, windows, Z)` in a .npy file, are decoded by --checkpoint into songs
    of the model's most frequent meter in C, numbered.

    \b
    Examples:
      musicvae decode song.z --out again.mid
      musicvae decode song.z --out again.musicxml
      musicvae decode points.npy --checkpoint melody-2bar
    """
    from musicvae.io import SCORE_SUFFIXES
    from musicvae.latent import load

    target = shared.out or Path(path.with_suffix(".mid").name)
    if target.suffix.lower() not in (".mid", *SCORE_SUFFIXES):
        raise click.UsageError(f"--out {target}: give the name of a .mid or .musicxml file")
    if path.suffix.lower() == RAW_SUFFIX:
        _decode_raw(path, target, shared)
        return
    latents = load(path)
    model = _find_model(path, latents, shared.checkpoint, shared.device)
    encoding = latents.encoding
    song = model.decode(encoding)
    shared.writer(target.parent).write_named(
        song,
        target.stem,
        force=shared.force,
        suffix=target.suffix,
        note=f"musicvae decode {path.name} checkpoint {model.hash}",
        kl_bits=round(encoding.kl_bits, 2),
        windows=encoding.n_windows,
        checkpoint=str(model.path),
        source=str(path),
    )


def _decode_raw(path: Path, target: Path, shared: GenerateOptions) -> None:
    """Decode an array of latents and write its songs under numbered names."""
    import numpy as np

    if shared.checkpoint is None:
        raise click.UsageError(f"{path}: raw latents name no model; give --checkpoint")
    try:
        z = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ReadError(path, os_reason(error), "check the path") from None
    except (ValueError, EOFError) as error:
        raise ReadError(path, f"no array ({error})", "save one with numpy.save") from None
    model = load_model(shared.checkpoint, shared.device)
    writer = shared.writer(target.parent)
    for song in model.decode_latents(z):
        note = f"musicvae decode {path.name} checkpoint {model.hash}"
        writer.write_numbered(song, target.stem, note=note, source=str(path))


def _find_model(path: Path, latents: LatentFile, checkpoint: str | None, device: str) -> MusicVAE:
    """Return the model that encoded the latents, or the named one if it is compatible."""
    from musicvae.checkpoints import find_by_hash

    made_by = f"checkpoint {latents.checkpoint or '?'} ({latents.hash})"
    if checkpoint is None:
        print_unreadable_runs()
        maker = find_by_hash(latents.checkpoint, latents.hash)
        if maker is None:
            reason = f"made by {made_by}, which was not found"
            raise CheckpointError(path, reason, "give its path with --checkpoint")
        checkpoint = str(maker)
    model = load_model(checkpoint, device)
    if not model.is_compatible(latents.encoding):
        reason = f"made by {made_by}, which is not compatible with {checkpoint}"
        raise CheckpointError(path, reason, "decode it with its own model, or encode again")
    return model
