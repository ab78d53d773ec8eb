"""Validation during training: free-running reconstruction of held-out windows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from musicvae.arrays import Ints
from musicvae.data import Batch, WindowDataset
from musicvae.metrics.reconstruction import note_f1, reconstruction_metrics
from musicvae.networks.cell_decoder import NoteNLL
from musicvae.networks.losses import NATS_PER_BIT, active_units, deterministic_noise
from musicvae.networks.vae import VAE, to_note_rows, to_note_table, without_notes
from musicvae.representation.note_table import WINDOW, NoteTable
from musicvae.training.augmentation import corrupt_batch

BATCH_SIZE = 128
TABLE_CHUNK = 4096  # windows per note table


def spread_indices(windows: WindowDataset, limit: int) -> Ints:
    """Return indices of up to `limit` windows, spread evenly over the split, `(W,)`."""
    return np.linspace(0, len(windows) - 1, min(limit, len(windows))).astype(np.int64)


def batch_on_device(windows: WindowDataset, index: Ints, device: torch.device) -> Batch:
    """Return the windows at `index` as a batch on a device."""
    return Batch(*(tensor.to(device) for tensor in windows.batch(index)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction:
    """Windows with their reconstructions by a model, and the terms of its loss."""

    truth: NoteTable
    mean: NoteTable
    """Decoded greedily from the posterior mean, free-running."""
    others: dict[str, NoteTable]
    """`sampled`: decoded from one sample of the posterior, if the model has one. Of a denoising
    model, `noisy`: its corrupted input, and `denoised`: the reconstruction from it."""
    mu: Tensor  # (W, Z)
    kl_bits: float | None
    """Mean KL per window; None for deterministic codes."""
    loss: float
    """Mean negative log-likelihood per window in nats, with the encoder input of training."""


@torch.no_grad()
def reconstruct_windows(
    vae: VAE, windows: WindowDataset, *, limit: int = 512, seed: int = 0
) -> Reconstruction:
    """Encode and decode up to `limit` windows; the result is on the CPU."""
    device, training = next(vae.parameters()).device, vae.preset.training
    index = spread_indices(windows, limit)
    pieces: dict[str, list[Ints]] = {}
    mus, loss, kl = [], 0.0, 0.0
    for nth, begin in enumerate(range(0, len(index), BATCH_SIZE)):
        batch = batch_on_device(windows, index[begin : begin + BATCH_SIZE], device)
        posterior, context = vae.encode(batch), without_notes(batch)
        noise = deterministic_noise(seed, nth, tuple(posterior.mu.shape)).to(device)
        z = posterior.sample(noise)
        rows = {"mean": vae.decode(posterior.mu, context).numpy()}
        if not training.deterministic:
            rows["sampled"] = vae.decode(z, context).numpy()
        if training.effective_corruption != "none":
            corrupted = corrupt_batch(batch, vae.preset, np.random.default_rng((seed, nth)))
            noisy_posterior = vae.encode(corrupted)
            denoised = vae.decode(noisy_posterior.mu, without_notes(corrupted)).numpy()
            rows |= {"noisy": to_note_rows(corrupted), "denoised": denoised}
            z = noisy_posterior.sample(noise)
            batch = batch._replace(corruption=corrupted.corruption)
        for name, batch_rows in rows.items():
            pieces.setdefault(name, []).append(with_window_offset(batch_rows, begin))
        loss += float(vae.loss(batch, z).total.sum())
        kl += float(posterior.kl().sum())
        mus.append(posterior.mu.cpu())
    truth = note_table(windows, index)
    tables = {name: truth.with_rows(np.concatenate(rows)) for name, rows in pieces.items()}
    n = max(len(index), 1)
    return Reconstruction(
        truth=truth,
        mean=tables.pop("mean"),
        others=tables,
        mu=torch.cat(mus),
        kl_bits=None if training.deterministic else kl / n / NATS_PER_BIT,
        loss=loss / n,
    )


def validate(
    vae: VAE, windows: WindowDataset, *, limit: int = 512, seed: int = 0
) -> dict[str, float]:
    """Return metrics of the reconstruction of held-out windows.

    Keys: those of `reconstruction_metrics` that apply, decoded from the mean; `loss` (nats per
    window, with the encoder input of training); `active_units`; for a `vae`, `f1_sampled` (decoded
    from a sample of the posterior) and `kl_bits`; for a denoising model, `f1_noisy` (corrupted
    against clean notes) and `f1_denoised` (reconstructions from corrupted input).
    """
    found = reconstruct_windows(vae, windows, limit=limit, seed=seed)
    metrics = reconstruction_metrics(found.mean, found.truth)
    scores = {name: score for name, score in metrics.items() if score is not None}
    scores |= {"loss": found.loss, "active_units": float(active_units(found.mu))}
    for name, table in found.others.items():
        scores[f"f1_{name}"] = note_f1(table.rows, found.truth.rows).f1
    if found.kl_bits is not None:
        scores["kl_bits"] = found.kl_bits
    return scores


def nll_by_field(loss: NoteNLL) -> dict[str, Tensor]:
    """Return the NLL of each attribute of notes in nats, on the CPU. Each `(B,)`"""
    names = {"expression": "touch"}  # the key in the JSON output of `musicvae evaluate`
    fields = {n: nats for n, nats in loss._asdict().items() if n != "context_free_nll"}
    return {names.get(name, name): nats.cpu() for name, nats in fields.items()}


def with_window_offset(rows: Ints, begin: int) -> Ints:
    """Return rows with `begin` added to their window numbers."""
    rows = rows.copy()
    rows[:, WINDOW] += begin
    return rows


def note_table(windows: WindowDataset, index: Ints) -> NoteTable:
    """Return the windows at `index` `(W,)` as a note table, with pitches relative to the key."""
    songs = {path: nth for nth, path in enumerate(windows.songs)}
    song_of_input = np.array([songs.get(each.path, -1) for each in windows.inputs])
    tables = []
    for begin in range(0, max(len(index), 1), TABLE_CHUNK):
        chunk = index[begin : begin + TABLE_CHUNK]
        inputs, bars = windows.input_index[chunk], windows.first_bar[chunk]
        qpm = [_tempo_qpm(windows, *at) for at in zip(inputs.tolist(), bars.tolist(), strict=True)]
        table = to_note_table(windows.batch(chunk), windows.preset)
        tables.append(replace(table, song=song_of_input[inputs], qpm=np.array(qpm, np.float64)))
    return tables[0] if len(tables) == 1 else NoteTable.concatenate(tables)


def _tempo_qpm(windows: WindowDataset, input_index: int, first_bar: int) -> float:
    """Return the tempo at the start of a window."""
    bars = windows.inputs[input_index].bars
    tempo, at = bars.header.tempo, bars.grid.start_ticks[first_bar]
    return float(tempo.qpm[max(int(np.searchsorted(tempo.ticks, at, side="right")) - 1, 0)])
