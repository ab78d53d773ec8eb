"""Floor 9: how likely held-out windows are under a model, in nats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from musicvae.data import Windows
from musicvae.networks.losses import NATS_PER_BIT, active_units, deterministic_noise
from musicvae.networks.vae import VAE
from musicvae.representation.note_table import Table
from musicvae.song import Ints
from musicvae.training.validation import batch_of, numbered, told

_BATCH = 256
_OF_LATENT = ("kl_bits", "kl_bits_per_bar", "active_units")


def likelihood(
    vae: VAE, windows: Windows, index: Ints, n_cells: int, *, draws: int = 32, seed: int = 0
) -> dict[str, Any]:
    """What the notes of the windows at `index` cost, teacher-forced. `n_cells`: their open cells.

    - `nats`: by kind, given a drawn `z`; `nats_by_mean`: given the posterior mean. Nats a window.
    - `negative_elbo`: those of a drawn `z`, the mean of `draws`, and the KL.
    - `importance_bound`: ``-log mean_k p(x, z_k) / q(z_k | x)`` over as many draws (Burda, Grosse
      and Salakhutdinov 2016), never above the former but for chance. Both in nats a window, and in
      nats a step: a cell of the window, whatever the number of parts.
    - `kl_bits` a window and `kl_bits_per_bar`, `active_units`.

    What both sides are told beside the latent (meter, key, which parts sound where) costs nothing.
    Of a code without noise there are only `nats_by_mean` and `active_units`; the squared errors of
    a roll are no nats, so that of such a decoder there are no nats at all.
    """
    preset = vae.preset
    found = _weighed(vae, windows, index, n_cells, draws=draws, seed=seed)
    if preset.training.deterministic:
        found = {name: found[name] for name in ("nats_by_mean", "active_units")}
    if preset.model.decoder == "roll":
        found = {name: value for name, value in found.items() if name in _OF_LATENT}
    return found


@torch.no_grad()
def _weighed(
    vae: VAE, windows: Windows, index: Ints, n_cells: int, *, draws: int, seed: int
) -> dict[str, Any]:
    device = next(vae.parameters()).device
    by_kind: dict[str, float] = {}
    by_mean: dict[str, float] = {}
    kl, elbo, bound, n_bars, mus = 0.0, 0.0, 0.0, 0, []
    for nth, begin in enumerate(range(0, len(index), _BATCH)):
        batch = batch_of(windows, index[begin : begin + _BATCH], device)
        posterior = vae.encode(batch)
        for name, nats in told(vae.loss(batch, posterior.mu)).items():
            by_mean[name] = by_mean.get(name, 0.0) + float(nats.sum())
        weights, costs = [], []
        for k in range(draws):
            shape = tuple(posterior.mu.shape)
            noise = deterministic_noise(seed, nth * draws + k, shape).to(device)
            z = posterior.sample(noise)
            parts = told(vae.loss(batch, z))
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
def teacher_forced(vae: VAE, windows: Windows, index: Ints, truth: Table) -> Table:
    """The likeliest notes of each cell from the mean, when all true notes before it were heard."""
    device = next(vae.parameters()).device
    pieces = [truth.rows[:0]]
    for begin in range(0, len(index), _BATCH):
        batch = batch_of(windows, index[begin : begin + _BATCH], device)
        rows = vae.teacher_forced(vae.encode(batch).mu, batch).numpy()
        pieces.append(numbered(rows, begin))
    return truth.with_rows(np.concatenate(pieces))
