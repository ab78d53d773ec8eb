"""Floor 5: how a flow draws paths: from noise to latents, piece by piece where they are long.

Windows that are known stay as they are and are heard by the others. Of a window that is known in
part the rest is drawn with the whole of it. Tied bars have one latent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from musicvae.networks.priors.conditioning import KnownLatents, PathConditioning

if TYPE_CHECKING:
    from musicvae.networks.priors.flow import FlowPrior

_LOOSE = 0.25  # share of the way, its last part, in which tied bars go their own ways


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingConstraints:
    """What paths are drawn under, over their T bars (or windows, if a flow takes these whole)."""

    z: Tensor  # (B, T, latent) standardised, of known bars
    known: Tensor  # (B, T) bool
    told: Tensor  # (B, T, width) hints
    label: Tensor  # (B, T) bars of one label are tied

    @classmethod
    def of(
        cls, flow: FlowPrior, frame: PathConditioning, given: KnownLatents | None, tied: Tensor | None
    ) -> SamplingConstraints:
        """The terms of paths of this frame `(n, W)`; `tied` are labels `(n, W, N)` of bars."""
        (n, W), (size, latent) = frame.key.shape, flow.shift.shape
        device, parted = flow.shift.device, frame.parted(size)
        if given is None:
            z = torch.zeros(n, W * size, latent, device=device)
            known, told = torch.zeros(n, W * size, dtype=torch.bool, device=device), z[..., :1]
        else:
            z = flow.standardised(torch.from_numpy(given.z.astype(np.float32)))
            whole = torch.from_numpy(given.whole(frame)).to(device)
            known = whole.repeat_interleave(size, 1)
            bars = torch.from_numpy(given.bars & given.partly(frame)[..., None])
            told = flow.hints(z, known_share(bars, frame, size))
        real = parted.real.flatten(1).to(device)
        nth = torch.arange(W * size, device=device).expand(n, -1)
        label = nth if tied is None else _labels(tied.to(device), size)
        return cls(z=z, known=known, told=told, label=torch.where(real, label, -1 - nth))

    def __getitem__(self, bars: slice) -> SamplingConstraints:
        """Those of some of the bars."""
        return SamplingConstraints(**{name: value[:, bars] for name, value in vars(self).items()})


def known_share(bars: Tensor, frame: PathConditioning, size: int) -> Tensor:
    """Of each bar, or of each window taken whole, the share that is known. `(B, W, N)` bool to
    `(B, T)`.
    """
    if size == bars.shape[-1]:
        return bars.flatten(1).float()
    real = frame.real.to(bars.device)
    return (bars & real).sum(-1) / real.sum(-1).clamp(min=1)


def integrate(
    flow: FlowPrior, noise: Tensor, frame: PathConditioning, terms: SamplingConstraints, begin: float = 0.0
) -> Tensor:
    """Standardised latents `(B, T, latent)` from noise of that shape.

    With `begin` above 0 the way begins near `terms.z`, noise mixed in, and is that much shorter.
    """
    size, W = len(flow.shift), frame.key.shape[1]
    first = (terms.label[:, :, None] == terms.label[:, None]).int().argmax(-1)  # (B, T)
    noise = noise.gather(1, first[..., None].expand_as(noise))
    x = torch.where(terms.known[..., None], terms.z, noise)
    done = terms.known.clone()
    at_once = min(flow.context // size, W)
    while not done.all():
        missing = ~done.all(0).reshape(W, size).all(-1)
        u = int(missing.int().argmax())
        run = int((~missing[u:]).int().argmax()) or W - u
        before = (at_once + 1) // 2 if run > at_once // 2 else (at_once - run + 1) // 2
        start = max(0, min(u - before, W - at_once))
        bars = slice(start * size, (start + at_once) * size)
        # A bar that is tied to one that was drawn before is that one.
        there = done.gather(1, first) & ~done
        x = torch.where(there[..., None], x.gather(1, first[..., None].expand_as(x)), x)
        known = (done | there)[:, bars]
        piece = terms[bars]
        piece = SamplingConstraints(z=piece.z, known=known, told=piece.told, label=piece.label)
        inside = frame[:, start : start + at_once]
        x[:, bars] = _solve(flow, x[:, bars], noise[:, bars], inside, piece, begin)
        done[:, bars] = True
    return x


def _solve(
    flow: FlowPrior, x: Tensor, noise: Tensor, frame: PathConditioning, terms: SamplingConstraints, begin: float
) -> Tensor:
    """From noise to latents in equal steps of Euler; bars that are known stay."""
    told, seen = flow.embed_conditioning(frame)
    told, known, z = told + terms.told, terms.known[..., None], x
    if begin:
        x = torch.where(known, x, (1 - begin) * noise + begin * terms.z)
    late = _late(known) if flow.hint is None else torch.zeros_like(known)
    steps = max(1, math.ceil(int(flow.steps) * (1 - begin)))
    share = _ties(terms.label, terms.known)
    for step in range(steps):
        at = begin + (1 - begin) * step / steps
        t = torch.full((1,), at, device=x.device)
        x = torch.where(late, (1 - at) * noise + at * z, x)
        move = flow(x, t, known & ~late, told, seen)
        if step < (1 - _LOOSE) * steps:
            move = share @ move.float()
        x = torch.where(known, x, x + move * ((1 - begin) / steps))
    return torch.where(known, z, x)


def _ties(label: Tensor, known: Tensor) -> Tensor:
    """What of each bar's velocity counts for each: the mean of those tied together. `(B, T, T)`"""
    same = (label[:, :, None] == label[:, None]) & ~known[:, None]
    same = same | torch.eye(label.shape[1], dtype=torch.bool, device=label.device)
    return same / same.sum(-1, keepdim=True)


def _late(known: Tensor) -> Tensor:
    """Known bars `(B, T, 1)` that come after one which is not: a flow that has not learned to hear
    these is held to them by putting them under noise as all else (Lugmayr et al. 2022).
    """
    return known & ((~known).cumsum(1) > 0)


def _labels(tied: Tensor, size: int) -> Tensor:
    """Labels `(n, W, N)` of bars as labels of what a flow takes as one. `(n, T)`"""
    if size == tied.shape[-1]:
        return tied.flatten(1)
    # A window taken whole is tied to the first one that is tied to it in all its bars.
    same = (tied[:, :, None] == tied[:, None]).all(-1)
    return same.int().argmax(-1)
