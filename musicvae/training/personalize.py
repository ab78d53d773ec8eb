"""Personalization of a trained model in seconds: only a prior over its latents is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musicvae.checkpoints import (
    MODEL_FILE,
    STATE_FILE,
    checkpoint_name,
    file_hash,
    find,
    is_finished,
    load,
    locked_checkpoint,
    save,
)
from musicvae.data import Shards, WindowDataset, prepare_cached
from musicvae.errors import CheckpointError
from musicvae.networks.priors import prior_tensors
from musicvae.networks.weights import load_vae
from musicvae.storage import ensure_writable_folder
from musicvae.training.fit_prior import fit_prior
from musicvae.training.provenance import provenance


def personalize(
    source: str | Path, weights: str | Path, folder: str | Path, *, source_name: str = ""
) -> Path:
    """Write a checkpoint that samples songs like those under `source`, and return its path.

    Encoder and decoder of `weights` (a name or a path) are unchanged. Its prior becomes a small VAE
    over the latents of these songs, as in MidiMe (Dinculescu et al. 2019). The checkpoint is
    `folder/model.safetensors`.

    Raises `DataError` without usable songs, `CheckpointError` if `folder` holds a run, `WriteError`
    if it cannot be written or another process writes to it.
    """
    target = ensure_writable_folder(folder, "--name")
    with locked_checkpoint(target / MODEL_FILE):
        if (target / STATE_FILE).exists() or is_finished(target / MODEL_FILE):
            raise CheckpointError(target, "holds a run already", "choose another --name")
        return _personalize(source, find(weights), target, source_name)


def _personalize(source: str | Path, path: Path, target: Path, source_name: str) -> Path:
    base = load(path)
    preset = replace(base.preset, prior=replace(base.preset.prior, kind="small"))
    windows = WindowDataset(Shards(prepare_cached(source)), preset, split="all")
    prior = fit_prior(load_vae(preset, base.tensors_under("model")), windows)
    kept = {name: t for name, t in base.tensors.items() if not name.startswith("prior.")}
    precision = str(base.provenance.get("precision", "32-true"))
    facts = provenance(windows, source_name or Path(source).name, precision)
    origin = {"from": {"name": checkpoint_name(path), "hash": file_hash(path)}}
    personal = replace(
        base,
        preset=preset,
        tensors=kept | prior_tensors(prior),
        provenance=base.provenance | facts | origin | {"finished": True},
    )
    return save(personal, target / MODEL_FILE)
