"""Floor 7: how a model is judged while it learns: free-running, on songs it has not seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.dataset import Batch, Windows
from musicvae.metrics import note_f1, windows_perfect
from musicvae.models import VAE, Path, PathPrior
from musicvae.models.objectives import NATS_PER_BIT, active_units, deterministic_noise
from musicvae.models.prior import FIRST, LAST, MIDDLE
from musicvae.models.vae import frame_of, rows_of
from musicvae.training.noise import corrupted

_BATCH = 256


def batches(windows: Windows, limit: int, device: torch.device) -> Iterator[Batch]:
    """Up to `limit` windows, spread evenly over the split."""
    n = min(limit, len(windows))
    index = np.linspace(0, len(windows) - 1, n).astype(np.int64)
    for begin in range(0, n, _BATCH):
        whole = windows.batch(index[begin : begin + _BATCH])
        yield Batch(*(tensor.to(device) for tensor in whole))


@torch.no_grad()
def free_running(
    vae: VAE, windows: Windows, *, limit: int = 512, seed: int = 0
) -> dict[str, float]:
    """Reconstruction of held-out windows, decoded greedily from the mean and from a sampled `z`.

    Keys: `f1` (onset and pitch, in the right part), `f1_any_part`, `f1_duration`, `f1_sampled`,
    `perfect` (share of windows without an error), `loss` (nats, of what the objective hears),
    `kl_bits`, `active_units`. Without noise in the latent (`ae`, `dae`) there is nothing to sample
    and bits are not defined: `f1_sampled` and `kl_bits` are absent. With a corruption of the input
    there are also `f1_noisy`, the corrupted notes against the clean ones, and `f1_denoised`, what
    is made of them.
    """
    training = vae.preset.training
    device = next(vae.parameters()).device
    found: dict[str, list[NDArray[np.int64]]] = {}
    mus, loss, kl, n = [], 0.0, 0.0, 0
    for nth, batch in enumerate(batches(windows, limit, device)):
        posterior, frame = vae.encode(batch), frame_of(batch)
        noise = deterministic_noise(seed, nth, tuple(posterior.mu.shape)).to(device)
        z = posterior.sample(noise)
        rows = {"clean": rows_of(batch), "mean": vae.decode(posterior.mu, frame).numpy()}
        if not training.deterministic:
            rows["sampled"] = vae.decode(z, frame).numpy()
        if training.noise != "none":
            heard = corrupted(batch, vae.preset, np.random.default_rng((seed, nth)))
            damaged = vae.encode(heard)
            rows |= {"noisy": rows_of(heard), "denoised": vae.decode(damaged.mu, frame).numpy()}
            z = damaged.sample(noise)
        for name, these in rows.items():
            these[:, 0] += n
            found.setdefault(name, []).append(these)
        loss += float(vae.loss(batch, z).total.sum())
        kl += float(posterior.kl().sum())
        mus.append(posterior.mu.cpu())
        n += len(batch.notes)
    whole = {name: np.concatenate(rows) for name, rows in found.items()}
    by_mean, truth = whole["mean"], whole["clean"]
    scores = {
        "f1": note_f1(by_mean, truth).f1,
        "f1_any_part": note_f1(by_mean, truth, parts=False).f1,
        "f1_duration": note_f1(by_mean, truth, durations=True).f1,
        "perfect": windows_perfect(by_mean, truth, n),
        "loss": loss / max(n, 1),
        "active_units": float(active_units(torch.cat(mus))),
    }
    for name in ("sampled", "noisy", "denoised"):
        if name in whole:
            scores[f"f1_{name}"] = note_f1(whole[name], truth).f1
    if not training.deterministic:
        scores["kl_bits"] = kl / max(n, 1) / NATS_PER_BIT
    return scores


@torch.no_grad()
def fit_prior(vae: VAE, windows: Windows, *, limit: int = 20_000) -> PathPrior:
    """The path prior of these songs under this model, from the first `limit` whole windows.

    `windows` must hop one bar: a song gives as many paths as its windows have bars, so that both
    its beginning and its end are seen at their places.
    """
    device, size = next(vae.parameters()).device, windows.preset.grid.bars
    length = windows.cutter.lengths[windows.source]
    whole = np.flatnonzero(windows.first + size <= length)[:limit]
    if not len(whole):  # only songs shorter than a window
        whole = np.arange(len(windows))[:limit]
    source, first = windows.source[whole], windows.first[whole]
    order = np.lexsort((first, first % size, source))
    whole, source, first = whole[order], source[order], first[order]
    mus, sigmas = [], []
    for begin in range(0, len(whole), _BATCH):
        batch = windows.batch(whole[begin : begin + _BATCH])
        posterior = vae.encode(Batch(*(tensor.to(device) for tensor in batch)))
        mus.append(posterior.mu.cpu().numpy())
        sigmas.append(posterior.sigma.cpu().numpy())
    place = np.where(first == 0, FIRST, MIDDLE)
    place = np.where((first + size >= length[whole]) & (first > 0), LAST, place)
    # A path goes on while the next window is the next one of the same source.
    cuts = np.flatnonzero((np.diff(source) != 0) | (np.diff(first) != size)) + 1
    meter, key = windows.meter_of(whole), windows.cutter.key[source]
    columns = (np.concatenate(mus), np.concatenate(sigmas), meter, place, key)
    paths = [
        Path(mu=mu, sigma=sigma, meter=meter, place=at, key=int(key[0]))
        for mu, sigma, meter, at, key in zip(*(np.split(c, cuts) for c in columns), strict=True)
    ]
    return PathPrior.fit(paths, len(windows.preset.meters) + 1)
