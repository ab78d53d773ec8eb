"""Likelihood of held-out windows under a model, in nats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from musicvae.arrays import Ints
from musicvae.data import WindowDataset
from musicvae.networks.losses import NATS_PER_BIT, active_units, deterministic_noise
from musicvae.networks.vae import VAE
from musicvae.representation.note_table import NoteTable
from musicvae.training.validation import batch_on_device, nll_by_field, with_window_offset

_BATCH_SIZE = 256
_LATENT_METRICS = ("kl_bits", "kl_bits_per_bar", "active_units")


def likelihood_metrics(
    vae: VAE, windows: WindowDataset, index: Ints, n_cells: int, *, draws: int = 32, seed: int = 0
) -> dict[str, Any]:
    """Return likelihood metrics of the windows at `index` `(W,)`, teacher-forced.

    `n_cells`: number of their unmasked cells.

    - `nats`: negative log-likelihood by field for a sampled `z`, mean of `draws`; `nats_by_mean`:
      for the posterior mean. Nats a window.
    - `negative_elbo`: the sum of `nats` and the KL.
    - `importance_bound`: ``-log mean_k p(x, z_k) / q(z_k | x)`` over the same draws (Burda, Grosse
      and Salakhutdinov 2016), at most the negative ELBO in expectation. Both in nats a window, and
      in nats a step: a cell of the window, whatever the number of parts.
    - `kl_bits` a window and `kl_bits_per_bar`, `active_units`.

    Conditioning that encoder and decoder share (meter, key, active parts) is free. A deterministic
    code has only `nats_by_mean` and `active_units`; a roll decoder, whose squared error is not a
    likelihood, has no nats.
    """
    preset = vae.preset
    metrics = _estimate(vae, windows, index, n_cells, draws=draws, seed=seed)
    if preset.training.deterministic:
        metrics = {name: metrics[name] for name in ("nats_by_mean", "active_units")}
    if preset.model.decoder == "roll":
        metrics = {name: value for name, value in metrics.items() if name in _LATENT_METRICS}
    return metrics


@torch.no_grad()
def _estimate(
    vae: VAE, windows: WindowDataset, index: Ints, n_cells: int, *, draws: int, seed: int
) -> dict[str, Any]:
    device = next(vae.parameters()).device
    by_kind: dict[str, float] = {}
    by_mean: dict[str, float] = {}
    kl, elbo, bound, n_bars, mus = 0.0, 0.0, 0.0, 0, []
    for nth, begin in enumerate(range(0, len(index), _BATCH_SIZE)):
        batch = batch_on_device(windows, index[begin : begin + _BATCH_SIZE], device)
        posterior = vae.encode(batch)
        for name, nats in nll_by_field(vae.loss(batch, posterior.mu)).items():
            by_mean[name] = by_mean.get(name, 0.0) + float(nats.sum())
        weights, costs = [], []
        for k in range(draws):
            shape = tuple(posterior.mu.shape)
            noise = deterministic_noise(seed, nth * draws + k, shape).to(device)
            z = posterior.sample(noise)
            parts = nll_by_field(vae.loss(batch, z))
            for name, nats in parts.items():
                by_kind[name] = by_kind.get(name, 0.0) + float(nats.sum()) / draws
            cost = torch.stack(list(parts.values())).sum(0).double()
            prior = (-0.5 * z.double() ** 2).sum(1)
            drawn = (-0.5 * noise.double() ** 2 - posterior.sigma.double().log()).sum(1)
            weights.append((prior - drawn).cpu() - cost)
            costs.append(cost)
        kl_nats = posterior.kl().sum(1).double().cpu()
        kl += float(kl_nats.sum())
        elbo += float((torch.stack(costs).mean(0) + kl_nats).sum())
        bound -= float((torch.stack(weights).logsumexp(0) - math.log(draws)).sum())
        n_bars += int(batch.n_bars.sum())
        mus.append(posterior.mu.cpu())
    n = max(len(index), 1)
    return {
        "nats": {name: value / n for name, value in by_kind.items()},
        "nats_by_mean": {name: value / n for name, value in by_mean.items()},
        "negative_elbo": elbo / n,
        "negative_elbo_per_step": elbo / max(n_cells, 1),
        "importance_bound": bound / n,
        "importance_bound_per_step": bound / max(n_cells, 1),
        "draws": draws,
        "kl_bits": kl / n / NATS_PER_BIT,
        "kl_bits_per_bar": kl / max(n_bars, 1) / NATS_PER_BIT,
        "active_units": active_units(torch.cat(mus)),
    }


@torch.no_grad()
def decode_teacher_forced(
    vae: VAE, windows: WindowDataset, index: Ints, truth: NoteTable
) -> NoteTable:
    """Return the most likely notes of each cell given the mean and the previous true notes."""
    device = next(vae.parameters()).device
    pieces = [truth.rows[:0]]
    for begin in range(0, len(index), _BATCH_SIZE):
        batch = batch_on_device(windows, index[begin : begin + _BATCH_SIZE], device)
        rows = vae.decode_teacher_forced(vae.encode(batch).mu, batch).numpy()
        pieces.append(with_window_offset(rows, begin))
    return truth.with_rows(np.concatenate(pieces))
