"""Sampling from a flow: integrate from noise to latents, chunk by chunk where paths are long.

Known windows are kept, and the others are sampled given them. A window that is known in part is
sampled as a whole, given its known bars. Tied bars share one latent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from musicvae.networks.priors.conditioning import KnownLatents, PathConditioning

UNTIED_FRACTION = 0.25  # last part of the integration, in which tied bars move independently


class Flow(Protocol):
    """Interface of a `FlowPrior` that the sampler uses."""

    context: int
    hint: Any
    shift: Tensor
    steps: Tensor

    def __call__(
        self, x: Tensor, t: Tensor, known: Tensor, conditioning: Tensor, key_bias: Tensor
    ) -> Tensor:
        """Return the velocity at `x`."""
        ...

    def embed_conditioning(self, conditioning: PathConditioning) -> tuple[Tensor, Tensor]:
        """Return the embedding of bars, and the attention bias that masks them."""
        ...

    def embed_partial(self, z: Tensor, share: Tensor) -> Tensor:
        """Return the embedding of partly known windows."""
        ...

    def standardize(self, z: Tensor) -> Tensor:
        """Return standardized latents of bars."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingConstraints:
    """Constraints on samples of T tokens: bars, or windows with one slice for all bars."""

    z: Tensor  # (B, T, latent) standardized latents of known tokens
    known: Tensor  # (B, T) bool
    partial_embedding: Tensor  # (B, T, width) embedding of partly known windows
    label: Tensor  # (B, T) tokens of one label are tied

    @classmethod
    def build(
        cls,
        flow: Flow,
        conditioning: PathConditioning,
        known: KnownLatents | None,
        bar_labels: Tensor | None,
    ) -> SamplingConstraints:
        """Return the constraints of paths `(n, W)`; `bar_labels` is `(n, W, N)`."""
        (n, W), (size, latent) = conditioning.key.shape, flow.shift.shape
        device, tokens = flow.shift.device, conditioning.as_tokens(size)
        if known is None:
            z = torch.zeros(n, W * size, latent, device=device)
            fixed = torch.zeros(n, W * size, dtype=torch.bool, device=device)
            partial = z[..., :1]
        else:
            z = flow.standardize(torch.from_numpy(known.z.astype(np.float32)))
            whole = torch.from_numpy(known.fully_known(conditioning)).to(device)
            fixed = whole.repeat_interleave(size, 1)
            bars = known.bar_mask & known.partly_known(conditioning)[..., None]
            share = known_share(torch.from_numpy(bars), conditioning, size)
            partial = flow.embed_partial(z, share)
        valid = tokens.valid.flatten(1).to(device)
        nth = torch.arange(W * size, device=device).expand(n, -1)
        label = nth if bar_labels is None else _token_labels(bar_labels.to(device), size)
        label = torch.where(valid, label, -1 - nth)
        return cls(z=z, known=fixed, partial_embedding=partial, label=label)

    def __getitem__(self, tokens: slice) -> SamplingConstraints:
        """Return the constraints of some of the tokens."""
        return SamplingConstraints(**{n: value[:, tokens] for n, value in vars(self).items()})


def known_share(bar_mask: Tensor, conditioning: PathConditioning, size: int) -> Tensor:
    """Return the share of each token's bars that is known, `(B, W, N)` bool to `(B, T)`."""
    if size == bar_mask.shape[-1]:
        return bar_mask.flatten(1).float()
    valid = conditioning.valid.to(bar_mask.device)
    return (bar_mask & valid).sum(-1) / valid.sum(-1).clamp(min=1)


def integrate(
    flow: Flow,
    noise: Tensor,
    conditioning: PathConditioning,
    constraints: SamplingConstraints,
    start_time: float = 0.0,
) -> Tensor:
    """Return standardized latents `(B, T, latent)` sampled from noise of that shape.

    With a `start_time` above 0 integration starts there, from `constraints.z` mixed with noise
    (SDEdit, Meng et al. 2022).
    """
    size, W = len(flow.shift), conditioning.key.shape[1]
    first = (constraints.label[:, :, None] == constraints.label[:, None]).int().argmax(-1)  # (B, T)
    noise = noise.gather(1, first[..., None].expand_as(noise))
    x = torch.where(constraints.known[..., None], constraints.z, noise)
    done = constraints.known.clone()
    chunk_windows = min(flow.context // size, W)
    while not done.all():
        missing = ~done.all(0).reshape(W, size).all(-1)
        w = int(missing.int().argmax())
        run = int((~missing[w:]).int().argmax()) or W - w
        if run > chunk_windows // 2:
            before = (chunk_windows + 1) // 2
        else:
            before = (chunk_windows - run + 1) // 2
        start = max(0, min(w - before, W - chunk_windows))
        tokens = slice(start * size, (start + chunk_windows) * size)
        # A token that is tied to one sampled before is a copy of it.
        copied = done.gather(1, first) & ~done
        x = torch.where(copied[..., None], x.gather(1, first[..., None].expand_as(x)), x)
        chunk = constraints[tokens]
        chunk = SamplingConstraints(
            z=chunk.z,
            known=(done | copied)[:, tokens],
            partial_embedding=chunk.partial_embedding,
            label=chunk.label,
        )
        windows = conditioning[:, start : start + chunk_windows]
        x[:, tokens] = _integrate_chunk(
            flow, x[:, tokens], noise[:, tokens], windows, chunk, start_time
        )
        done[:, tokens] = True
    return x


def _integrate_chunk(
    flow: Flow,
    x: Tensor,
    noise: Tensor,
    conditioning: PathConditioning,
    constraints: SamplingConstraints,
    start_time: float,
) -> Tensor:
    """Return latents from noise by Euler's method in equal steps; known tokens are kept."""
    embedding, key_bias = flow.embed_conditioning(conditioning)
    embedding = embedding + constraints.partial_embedding
    known, z = constraints.known[..., None], x
    if start_time:
        x = torch.where(known, x, (1 - start_time) * noise + start_time * constraints.z)
    renoised = _known_after_gap(known) if flow.hint is None else torch.zeros_like(known)
    steps = max(1, math.ceil(int(flow.steps) * (1 - start_time)))
    weights = _tie_weights(constraints.label, constraints.known)
    for step in range(steps):
        at = start_time + (1 - start_time) * step / steps
        t = torch.full((1,), at, device=x.device)
        x = torch.where(renoised, (1 - at) * noise + at * z, x)
        velocity = flow(x, t, known & ~renoised, embedding, key_bias)
        if step < (1 - UNTIED_FRACTION) * steps:
            velocity = weights @ velocity.float()
        x = torch.where(known, x, x + velocity * ((1 - start_time) / steps))
    return torch.where(known, z, x)


def _tie_weights(label: Tensor, known: Tensor) -> Tensor:
    """Return the weights that average the velocities of tied tokens. `(B, T, T)`"""
    same = (label[:, :, None] == label[:, None]) & ~known[:, None]
    same = same | torch.eye(label.shape[1], dtype=torch.bool, device=label.device)
    return same / same.sum(-1, keepdim=True)


def _known_after_gap(known: Tensor) -> Tensor:
    """Return the known tokens `(B, T, 1)` that follow an unknown one.

    A flow that was not trained to condition on these is held to them by adding noise to them at
    each step, as for all others (RePaint, Lugmayr et al. 2022).
    """
    return known & ((~known).cumsum(1) > 0)


def _token_labels(bar_labels: Tensor, size: int) -> Tensor:
    """Return labels `(n, W, N)` of bars as labels of tokens. `(n, T)`"""
    if size == bar_labels.shape[-1]:
        return bar_labels.flatten(1)
    # A window as one token is tied to the first that shares the labels of all its bars.
    same = (bar_labels[:, :, None] == bar_labels[:, None]).all(-1)
    return same.int().argmax(-1)
