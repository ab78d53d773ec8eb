"""`musicvae decode`: a song from a file of latents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import INPUT_PATH
from musicvae.cli.inputs import load_model
from musicvae.cli.options import GenerateOptions, generate_options
from musicvae.errors import CheckpointError

if TYPE_CHECKING:
    from musicvae.latent import LatentFile
    from musicvae.model import MusicVAE


@click.command(name="decode")
@click.argument("path", type=INPUT_PATH)
@generate_options(
    None,
    help="File to write, .mid or .musicxml; PATH's name with .mid if not given.",
    force=True,
    reads=False,
)
def command(path: Path, shared: GenerateOptions) -> None:
    """Make a song of the latents that `musicvae encode` wrote to PATH.

    The model is the one that made them, by its hash, unless --checkpoint says another one.

    \b
    Examples:
      musicvae decode song.z --out again.mid
      musicvae decode song.z --out again.musicxml
    """
    from musicvae.io import SCORE_SUFFIXES
    from musicvae.latent import load

    target = shared.out or Path(path.with_suffix(".mid").name)
    if target.suffix.lower() not in (".mid", *SCORE_SUFFIXES):
        raise click.UsageError(f"--out {target}: give the name of a .mid or .musicxml file")
    stored = load(path)
    model = _find_model(path, stored, shared.checkpoint, shared.device)
    encoding = stored.encoding
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


def _find_model(path: Path, stored: LatentFile, checkpoint: str | None, device: str) -> MusicVAE:
    """The model that made the latents, or the one asked for, if they fit it."""
    from musicvae.checkpoints import find_by_hash

    made_by = f"checkpoint {stored.checkpoint or '?'} ({stored.hash})"
    if checkpoint is None:
        found = find_by_hash(stored.checkpoint, stored.hash)
        if found is None:
            reason = f"made by {made_by}, which is not here"
            raise CheckpointError(path, reason, "say where it is with --checkpoint")
        return load_model(str(found), device)
    model = load_model(checkpoint, device)
    if not model.is_compatible(stored.encoding):
        reason = f"made by {made_by}, whose latents do not fit {checkpoint}"
        raise CheckpointError(path, reason, "decode it without --checkpoint")
    return model
