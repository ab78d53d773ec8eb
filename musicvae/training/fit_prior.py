"""Fit of a prior over paths of latents to the posteriors of songs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from musicvae.arrays import Bools, Ints
from musicvae.config.plugins import plugin
from musicvae.data import Batch, WindowDataset
from musicvae.networks.priors import Prior, load_prior
from musicvae.networks.priors.conditioning import EncodedPaths, KnownLatents, PathConditioning
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.priors.midime import MidiMePrior
from musicvae.networks.vae import VAE, keep_bars
from musicvae.training.fit_flow import fit_flow
from musicvae.training.song_forms import song_forms

BATCH_SIZE, CONDITIONING_CHUNK = 64, 4096
INTERIM_WINDOWS = 2000  # windows of the prior of an unfinished run
MAX_ENCODING_SHARE = 0.5  # of a time limit, for encoding windows rather than fitting to them
MIN_WINDOWS = 256


@torch.no_grad()
def encode_paths(
    vae: VAE, windows: WindowDataset, *, limit: int | None = None, with_partial: bool = False
) -> EncodedPaths:
    """Encode songs as paths of posteriors; only `limit` windows if given, of random songs.

    `windows` must hop one bar: a song gives as many paths as its windows have bars, each starting
    at another bar. A path ends where a window was skipped, such as one without notes. With
    `with_partial` each window is also encoded without some random bars.
    """
    device, size = next(vae.parameters()).device, windows.preset.grid.bars
    chosen = _windows_of_random_songs(windows, limit)
    song, first_bar = windows.input_index[chosen], windows.first_bar[chosen]
    order = np.lexsort((first_bar, first_bar % size, song))
    chosen, song, first_bar = chosen[order], song[order], first_bar[order]
    pieces = []
    for begin in range(0, len(chosen), CONDITIONING_CHUNK):
        part = slice(begin, begin + CONDITIONING_CHUNK)
        song_bars = windows.batcher.lengths_bars[song[part]]
        pieces.append(
            PathConditioning.from_batch(windows.batch(chosen[part]), first_bar[part], song_bars)
        )
    conditioning = PathConditioning.concatenate(pieces)
    mu, sigma, partial_mu = np.zeros((3, len(chosen), vae.Z), np.float16)
    bar_mask = sample_known_bars(conditioning.valid.numpy(), np.random.default_rng(0))
    for begin in range(0, len(chosen), BATCH_SIZE):
        part = slice(begin, begin + BATCH_SIZE)
        batch = Batch(*(tensor.to(device) for tensor in windows.batch(chosen[part])))
        posterior = vae.encode(batch)
        mu[part], sigma[part] = posterior.mu.float().cpu(), posterior.sigma.float().cpu()
        if with_partial:
            partial = keep_bars(batch, torch.from_numpy(bar_mask[part]).to(device))
            partial_mu[part] = vae.encode(partial).mu.float().cpu()
    is_start = (np.diff(song, prepend=-1) != 0) | (np.diff(first_bar, prepend=0) != size)
    return EncodedPaths(
        mu=mu,
        sigma=sigma,
        conditioning=conditioning,
        path=np.cumsum(is_start) - 1,
        partial_encoding=KnownLatents(z=partial_mu, bar_mask=bar_mask) if with_partial else None,
    )


def _windows_of_random_songs(windows: WindowDataset, limit: int | None) -> Ints:
    """Return `limit` windows of random songs, in order, or all; the choice is always the same."""
    song = np.asarray(windows.input_index)
    if limit is None or limit >= len(song):
        return np.arange(len(song))
    rank = np.random.default_rng(0).permutation(int(song.max()) + 1)[song]
    return np.sort(np.argsort(rank, kind="stable")[:limit])


def sample_known_bars(valid: Bools, rng: np.random.Generator) -> Bools:
    """Draw known bars of windows, `(M, N)`, from the bars within the song, `valid` `(M, N)`.

    All but a random run of bars are known; most runs are at the start or the end of the window.
    Of a window with a single bar none is known.
    """
    M, N = valid.shape
    n = valid.sum(1)
    run = 1 + (rng.random(M) * (n - 1)).astype(np.int64)  # unknown bars; at least one is known
    where = rng.random(M)
    begin = np.where(where < 0.4, 0, np.where(where < 0.8, n - run, rng.integers(0, N, M)))
    begin = np.minimum(begin, n - run)
    bar = np.arange(N)
    is_unknown = (bar >= begin[:, None]) & (bar < (begin + run)[:, None])
    return np.asarray(valid & ~is_unknown & (n > 1)[:, None])


def fit_prior(
    vae: VAE,
    windows: WindowDataset,
    *,
    steps: int | None = None,
    seconds: float = math.inf,
    window_s: float = 0.0,
    start: Mapping[str, Tensor] | None = None,
) -> Prior | None:
    """Fit the preset's kind of prior to all songs; None if the preset has no prior.

    If encoding them would take more than half of a time limit, to as many as that time allows.

    Args:
        vae: the trained model.
        windows: windows of the songs, with a hop of one bar.
        steps: training steps of a flow, by default the preset's.
        seconds: time limit, for encoding windows and training a flow.
        window_s: seconds of encoding one window, by which a time limit is planned.
        start: tensors of a prior from which a flow starts, if they are of a flow, too.
    """
    began, preset = time.monotonic(), windows.preset
    if preset.prior.kind == "none":
        return None
    is_flow = preset.prior.kind == "flow"
    limit = _window_limit(len(windows), window_s * (1 + is_flow), seconds)
    paths = encode_paths(vae, windows, limit=limit, with_partial=is_flow)
    if preset.prior.kind == "gaussian":
        return LinearGaussianPrior.fit(paths, len(preset.meters) + 1)
    if preset.prior.kind == "small":
        return MidiMePrior.fit(paths, len(preset.meters) + 1, seed=preset.training.seed)
    if not is_flow:
        fitted: Prior = plugin("prior", preset.prior.kind).fit(paths, preset)
        return fitted
    device = next(vae.parameters()).device
    base = load_prior(start or {})
    flow, _ = fit_flow(
        paths,
        preset,
        steps=steps or preset.prior.steps,
        seconds=max(seconds - (time.monotonic() - began), 1.0),
        device=device,
        start=base if isinstance(base, FlowPrior) else None,
    )
    flow.forms = torch.from_numpy(song_forms(windows)).float().to(device)
    return flow


def _window_limit(n: int, window_s: float, seconds: float) -> int | None:
    """Return how many of `n` windows to encode within a time limit, None for all."""
    if n * window_s <= MAX_ENCODING_SHARE * seconds:
        return None
    return max(MIN_WINDOWS, int(MAX_ENCODING_SHARE * seconds / window_s))


def fit_interim_prior(
    vae: VAE, windows: WindowDataset, *, limit: int = INTERIM_WINDOWS
) -> LinearGaussianPrior | None:
    """Fit a linear-Gaussian prior to `limit` windows, for an unfinished run.

    None if the preset has no prior.
    """
    if windows.preset.prior.kind == "none":
        return None
    paths = encode_paths(vae, windows, limit=limit)
    return LinearGaussianPrior.fit(paths, len(windows.preset.meters) + 1)
