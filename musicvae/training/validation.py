"""Floor 7: how a model is judged while it learns: free-running, on songs it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from musicvae.data import Batch, WindowDataset
from musicvae.metrics.reconstruction import judged, note_f1
from musicvae.networks.cell_decoder import NoteLoss
from musicvae.networks.losses import NATS_PER_BIT, active_units, deterministic_noise
from musicvae.networks.vae import VAE, frame_of, rows_of, table_of_batch
from musicvae.representation.note_table import WINDOW, Table
from musicvae.song import Ints
from musicvae.training.corruption import corrupted

_BATCH = 128


def spread(windows: WindowDataset, limit: int) -> Ints:
    """Indices of up to `limit` windows, spread evenly over the split."""
    return np.linspace(0, len(windows) - 1, min(limit, len(windows))).astype(np.int64)


def batch_of(windows: WindowDataset, index: Ints, device: torch.device) -> Batch:
    """The windows at `index` on a device."""
    return Batch(*(tensor.to(device) for tensor in windows.batch(index)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction:
    """Windows as they are and as a model gives them back, and what that costs."""

    truth: Table
    mean: Table
    """Decoded greedily from the posterior mean, free-running."""
    others: dict[str, Table]
    """`sampled`: from one `z` drawn from the posterior, where there is one. Of a model that learns
    to repair, `noisy`: what it hears when notes are corrupted, and `denoised`, what it makes of it.
    """
    mu: Tensor  # (W, Z)
    kl_bits: float | None
    """Mean of a window; none where a window has a code instead of a posterior."""
    loss: float
    """Mean negative log-likelihood of a window in nats, given what training would give it."""


@torch.no_grad()
def reconstructed(
    vae: VAE, windows: WindowDataset, *, limit: int = 512, seed: int = 0
) -> Reconstruction:
    """Up to `limit` windows through the bottleneck and back, all on the CPU."""
    device, training = next(vae.parameters()).device, vae.preset.training
    index = spread(windows, limit)
    found: dict[str, list[Ints]] = {}
    mus, loss, kl = [], 0.0, 0.0
    for nth, begin in enumerate(range(0, len(index), _BATCH)):
        batch = batch_of(windows, index[begin : begin + _BATCH], device)
        posterior, frame = vae.encode(batch), frame_of(batch)
        noise = deterministic_noise(seed, nth, tuple(posterior.mu.shape)).to(device)
        z = posterior.sample(noise)
        rows = {"mean": vae.decode(posterior.mu, frame).numpy()}
        if not training.deterministic:
            rows["sampled"] = vae.decode(z, frame).numpy()
        if training.noise != "none":
            heard = corrupted(batch, vae.preset, np.random.default_rng((seed, nth)))
            damaged = vae.encode(heard)
            mended = vae.decode(damaged.mu, frame_of(heard)).numpy()
            rows |= {"noisy": rows_of(heard), "denoised": mended}
            z, batch = damaged.sample(noise), batch._replace(damage=heard.damage)
        for name, these in rows.items():
            found.setdefault(name, []).append(numbered(these, begin))
        loss += float(vae.loss(batch, z).total.sum())
        kl += float(posterior.kl().sum())
        mus.append(posterior.mu.cpu())
    truth = table_of(windows, index)
    tables = {name: truth.with_rows(np.concatenate(rows)) for name, rows in found.items()}
    n = max(len(index), 1)
    return Reconstruction(
        truth=truth,
        mean=tables.pop("mean"),
        others=tables,
        mu=torch.cat(mus),
        kl_bits=None if training.deterministic else kl / n / NATS_PER_BIT,
        loss=loss / n,
    )


def free_running(
    vae: VAE, windows: WindowDataset, *, limit: int = 512, seed: int = 0
) -> dict[str, float]:
    """Reconstruction of held-out windows, decoded greedily from the mean and from a sampled `z`.

    Keys: those of `metrics.judged` that apply, of the mean; `loss` (nats, of what the objective
    hears), `active_units`, `f1_sampled` and `kl_bits`. Without noise in the latent (`ae`, `dae`)
    there is nothing to sample and bits are not defined: the last two are absent. With a corruption
    of the input there are also `f1_noisy`, the corrupted notes against the clean ones, and
    `f1_denoised`, what is made of them.
    """
    found = reconstructed(vae, windows, limit=limit, seed=seed)
    every = judged(found.mean, found.truth)
    scores = {name: score for name, score in every.items() if score is not None}
    scores |= {"loss": found.loss, "active_units": float(active_units(found.mu))}
    for name, table in found.others.items():
        scores[f"f1_{name}"] = note_f1(table.rows, found.truth.rows).f1
    if found.kl_bits is not None:
        scores["kl_bits"] = found.kl_bits
    return scores


def told(loss: NoteLoss) -> dict[str, Tensor]:
    """The nats of each kind of thing that a decoder tells, on the CPU. Each `(B,)`"""
    return {name: nats.cpu() for name, nats in loss._asdict().items() if name != "direct"}


def numbered(rows: Ints, begin: int) -> Ints:
    """Rows of a batch whose first window is number `begin`."""
    rows = rows.copy()
    rows[:, WINDOW] += begin
    return rows


_CHUNK = 4096


def table_of(windows: WindowDataset, index: Ints) -> Table:
    """The windows at `index` `(W,)` with their notes, pitches normalised by key."""
    songs = {path: nth for nth, path in enumerate(windows.songs)}
    of_source = np.array([songs.get(source.path, -1) for source in windows.sources])
    pieces = []
    for begin in range(0, max(len(index), 1), _CHUNK):
        which = index[begin : begin + _CHUNK]
        source, first = windows.source[which], windows.first[which]
        tempo = [_qpm(windows, *at) for at in zip(source.tolist(), first.tolist(), strict=True)]
        table = table_of_batch(windows.batch(which), windows.preset)
        pieces.append(replace(table, song=of_source[source], qpm=np.array(tempo, np.float64)))
    return pieces[0] if len(pieces) == 1 else Table.concatenate(pieces)


def _qpm(windows: WindowDataset, source: int, first: int) -> float:
    """The tempo that holds as a window begins, in quarters a minute."""
    bars = windows.sources[source].bars
    tempo, at = bars.frame.tempo, bars.grid.start_ticks[first]
    return float(tempo.qpm[max(int(np.searchsorted(tempo.ticks, at, side="right")) - 1, 0)])
