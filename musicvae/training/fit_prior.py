"""Floor 7: songs as paths of posteriors, and the prior over paths that is fitted to them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicvae.checkpoints import load, save
from musicvae.config.sections import PriorConfig
from musicvae.data import Batch, WindowDataset
from musicvae.networks.priors import Prior, prior_of, tensors_of
from musicvae.networks.priors.conditioning import Given, PathFrame, Paths
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import PathPrior
from musicvae.networks.priors.midime import SmallPrior
from musicvae.networks.vae import VAE, without_bars
from musicvae.training.fit_flow import fit_flow
from musicvae.training.song_forms import forms_of

_BATCH, _FRAMES = 64, 4096


@torch.no_grad()
def encoded(
    vae: VAE, windows: WindowDataset, *, limit: int | None = None, heard: bool = False
) -> Paths:
    """The posteriors of these songs under this model, those of the first `limit` windows.

    With `heard` also the mean of each window without some of its bars, drawn at random.

    `windows` must hop one bar: a song gives as many paths as its windows have bars, each from
    another bar on. A path ends where a window is left out, as one without notes is.
    """
    device, size = next(vae.parameters()).device, windows.preset.grid.bars
    chosen = np.arange(len(windows))[:limit]
    source, first = windows.source[chosen], windows.first[chosen]
    order = np.lexsort((first, first % size, source))
    chosen, source, first = chosen[order], source[order], first[order]
    pieces = []
    for begin in range(0, len(chosen), _FRAMES):
        part = slice(begin, begin + _FRAMES)
        lengths = windows.cutter.lengths[source[part]]
        pieces.append(PathFrame.of(windows.batch(chosen[part]), first[part], lengths))
    frame = PathFrame.concatenate(pieces)
    mu, sigma, left = np.zeros((3, len(chosen), vae.Z), np.float16)
    kept = kept_bars(frame.real.numpy(), np.random.default_rng(0))
    for begin in range(0, len(chosen), _BATCH):
        part = slice(begin, begin + _BATCH)
        batch = Batch(*(tensor.to(device) for tensor in windows.batch(chosen[part])))
        posterior = vae.encode(batch)
        mu[part], sigma[part] = posterior.mu.float().cpu(), posterior.sigma.float().cpu()
        if heard:
            some = without_bars(batch, torch.from_numpy(kept[part]).to(device))
            left[part] = vae.encode(some).mu.float().cpu()
    new = (np.diff(source, prepend=-1) != 0) | (np.diff(first, prepend=0) != size)
    return Paths(
        mu=mu,
        sigma=sigma,
        frame=frame,
        path=np.cumsum(new) - 1,
        heard=Given(z=left, bars=kept) if heard else None,
    )


def kept_bars(real: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Of windows `(M, N)` of real bars some that are kept: all but a run at random, which begins or
    ends a window more often than not. Of windows of a single bar none are.
    """
    M, N = real.shape
    n = real.sum(1)
    run = 1 + (rng.random(M) * (n - 1)).astype(np.int64)  # bars taken away, at least one stays
    where = rng.random(M)
    begin = np.where(where < 0.4, 0, np.where(where < 0.8, n - run, rng.integers(0, N, M)))
    begin = np.minimum(begin, n - run)
    bar = np.arange(N)
    taken = (bar >= begin[:, None]) & (bar < (begin + run)[:, None])
    return np.asarray(real & ~taken & (n > 1)[:, None])


def fit_prior(
    vae: VAE,
    windows: WindowDataset,
    *,
    steps: int | None = None,
    seconds: float = math.inf,
    start: Mapping[str, Tensor] | None = None,
) -> Prior | None:
    """The prior over paths that the preset asks for, if any, fitted to all of these songs.

    A flow learns for `steps`, the preset's if not given, and for no longer than `seconds`; it goes
    on from the prior `start` of the model that this one began from, if that is a flow too.
    """
    began, preset = time.monotonic(), windows.preset
    if preset.prior.kind == "none":
        return None
    paths = encoded(vae, windows, heard=preset.prior.kind == "flow")
    if preset.prior.kind == "gaussian":
        return PathPrior.fit(paths, len(preset.meters) + 1)
    if preset.prior.kind == "small":
        return SmallPrior.fit(paths, len(preset.meters) + 1, seed=preset.training.seed)
    device, most = next(vae.parameters()).device, steps or preset.prior.steps
    left = max(seconds - (time.monotonic() - began), 1.0)
    begun = prior_of(start or {})
    flow, _ = fit_flow(
        paths,
        preset,
        steps=most,
        seconds=left,
        device=device,
        start=begun if isinstance(begun, FlowPrior) else None,
    )
    flow.forms = torch.from_numpy(forms_of(windows)).float().to(device)
    return flow


def quick_prior(vae: VAE, windows: WindowDataset, *, limit: int = 2000) -> PathPrior | None:
    """What an unfinished run has: the linear-Gaussian prior of the first `limit` windows, unless
    its preset wants none.
    """
    if windows.preset.prior.kind == "none":
        return None
    paths = encoded(vae, windows, limit=limit)
    return PathPrior.fit(paths, len(windows.preset.meters) + 1)


def replace_prior(
    checkpoint: str | Path,
    folder: str | Path,
    change: Callable[[PriorConfig], PriorConfig] = lambda config: config,
    *,
    out: str | Path | None = None,
) -> Path:
    """Fit a prior anew for a checkpoint on the training songs of `folder`; the rest stays.

    `change` makes the section `[prior]` of its preset. Writes `out`, or the checkpoint itself.
    """
    found = load(checkpoint)
    preset = replace(found.preset, prior=change(found.preset.prior))
    vae = VAE(preset)
    vae.load_state_dict(found.under("model"))
    windows = WindowDataset(folder, preset, split="train", seed=preset.training.seed)
    prior = fit_prior(vae.eval(), windows, seconds=60 * preset.prior.minutes)
    kept = {name: t for name, t in found.tensors.items() if not name.startswith("prior.")}
    new = replace(found, preset=preset, tensors=kept | tensors_of(prior))
    return save(new, out or checkpoint)
