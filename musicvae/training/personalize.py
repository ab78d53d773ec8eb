"""Floor 7: a trained model made one's own in seconds: only where songs lie in it is learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musicvae.checkpoints import (
    MODEL_FILE,
    STATE_FILE,
    find,
    hash_of,
    is_finished,
    load,
    name_of,
    save,
)
from musicvae.data import Shards, WindowDataset, prepare_cached
from musicvae.errors import CheckpointError
from musicvae.networks.priors import tensors_of
from musicvae.networks.vae import VAE
from musicvae.storage import writable_folder
from musicvae.training.fit_prior import fit_prior
from musicvae.training.provenance import provenance


def personalize(
    source: str | Path, weights: str | Path, folder: str | Path, *, source_name: str = ""
) -> Path:
    """A checkpoint that samples songs like those under `source`, in seconds.

    Encoder and decoder of `weights` (a name or a path) stay as they are, and so does all they can
    do; a small VAE over the latents of these songs becomes the prior. Writes
    `folder/model.safetensors`, and returns its path.

    Raises `DataError` without usable songs, `CheckpointError` if `folder` holds a run.
    """
    target = Path(folder)
    if (target / STATE_FILE).exists() or is_finished(target / MODEL_FILE):
        raise CheckpointError(target, "holds a run already", "choose another --name")
    path = find(weights)
    found = load(path)
    preset = replace(found.preset, prior=replace(found.preset.prior, kind="small"))
    windows = WindowDataset(Shards(prepare_cached(source)), preset, split="all")
    vae = VAE(preset)
    vae.load_state_dict(found.under("model"))
    prior = fit_prior(vae.eval(), windows)
    kept = {name: t for name, t in found.tensors.items() if not name.startswith("prior.")}
    precision = str(found.provenance.get("precision", "32-true"))
    songs = provenance(windows, source_name or Path(source).name, precision)
    origin = {"from": {"name": name_of(path), "hash": hash_of(path)}}
    writable_folder(target)
    made = replace(
        found,
        preset=preset,
        tensors=kept | tensors_of(prior),
        provenance=found.provenance | songs | origin | {"finished": True},
    )
    return save(made, target / MODEL_FILE)
