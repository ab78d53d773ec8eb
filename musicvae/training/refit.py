"""Fit the prior, the attribute directions or the statistics of a trained model again.

The weights and the metrics of the model stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from musicvae.checkpoints import (
    Checkpoint,
    load,
    load_tensors,
    locked_checkpoint,
    save_tensors,
)
from musicvae.checkpoints.compression import to_half
from musicvae.config.sections import PriorConfig
from musicvae.data import WindowDataset
from musicvae.errors import ConfigError
from musicvae.networks.priors import prior_tensors
from musicvae.networks.weights import load_vae
from musicvae.storage import exclusive_writes
from musicvae.training.finishing import reference_provenance
from musicvae.training.fit_directions import direction_tensors, fit_directions
from musicvae.training.fit_prior import fit_prior
from musicvae.training.provenance import statistics

PARTS = ("prior", "directions", "norms", "statistics")


@dataclass(frozen=True, kw_only=True)
class RefitResult:
    """The checkpoint written, and which of `PARTS` were fitted again."""

    path: Path
    parts: tuple[str, ...]


def existing_parts(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return which of `PARTS` a checkpoint has."""
    present = {
        "prior": bool(checkpoint.tensors_under("prior")),
        "directions": bool(checkpoint.tensors_under("directions")),
        "norms": "norms" in checkpoint.provenance,
        "statistics": False,  # only if asked for
    }
    return tuple(part for part in PARTS if present[part])


def refit(
    checkpoint: str | Path,
    folder: str | Path,
    parts: Collection[str] = (),
    *,
    change_prior: Callable[[PriorConfig], PriorConfig] = lambda config: config,
    out: str | Path | None = None,
    overwrite: bool = True,
) -> RefitResult:
    """Fit parts of a checkpoint again on the songs that it was trained on.

    Args:
        checkpoint: file of the model.
        folder: its songs; prior, directions and the statistics that samples follow (keys, tempos,
            meters, pickups, swing) learn from those of the training split, the reference statistics
            of `norms` from those of the validation split.
        parts: which of `PARTS` to fit; by default all that the checkpoint has.
        change_prior: returns the `[prior]` section to use instead of the preset's.
        out: file to write; by default the checkpoint itself.
        overwrite: replace the file if it exists; otherwise raise `ExistsError`.

    Raises `ConfigError` if there is nothing to fit or the model cannot have a part, `WriteError` if
    another process writes the file.
    """
    with locked_checkpoint(out or checkpoint):
        result, tensors, header = _refit(checkpoint, folder, parts, change_prior, out)
        with exclusive_writes(not overwrite):
            save_tensors(result.path, tensors, header)
    return result


def _refit(
    checkpoint: str | Path,
    folder: str | Path,
    parts: Collection[str],
    change_prior: Callable[[PriorConfig], PriorConfig],
    out: str | Path | None,
) -> tuple[RefitResult, dict[str, Tensor], dict[str, Any]]:
    """Return the result with the tensors and the header to write."""
    tensors, header = load_tensors(checkpoint)  # in the precision in which they are stored
    trained = load(checkpoint)
    chosen = tuple(part for part in PARTS if part in parts) or existing_parts(trained)
    if not chosen:
        raise ConfigError(f"{checkpoint}: has nothing to refit; choose a part to fit")
    preset = trained.preset
    if "prior" in chosen:
        preset = replace(preset, prior=change_prior(preset.prior))
    vae = load_vae(preset, trained.tensors_under("model"))
    provenance, seed = dict(trained.provenance), preset.training.seed
    if {"prior", "directions", "statistics"} & set(chosen):
        windows = WindowDataset(folder, preset, split="train", seed=seed)
    if "prior" in chosen:
        prior = fit_prior(vae, windows, seconds=60 * preset.prior.minutes)
        tensors = {n: t for n, t in tensors.items() if not n.startswith("prior.")}
        tensors |= prior_tensors(prior)
    if "directions" in chosen:
        found = direction_tensors(fit_directions(vae, windows))
        tensors = {n: t for n, t in tensors.items() if not n.startswith("directions.")}
        tensors |= {name: to_half(tensor) for name, tensor in found.items()}
        provenance.pop("effects", None)  # measured with the directions before
    if "statistics" in chosen:
        provenance |= statistics(windows)
    if "norms" in chosen:
        bars = preset.grid.bars
        held_out = WindowDataset(folder, preset, split="valid", hop_bars=bars, seed=seed)
        norms = reference_provenance(vae, held_out)
        if not norms:
            reason = "not a denoising model, so it has no reference statistics"
            raise ConfigError(f"{checkpoint}: {reason}; leave out --norms")
        provenance |= norms
    header |= {"preset": preset.to_dict(), "provenance": provenance}
    return RefitResult(path=Path(out or checkpoint), parts=chosen), tensors, header
