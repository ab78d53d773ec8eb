"""Training of a flow prior over paths of latents."""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import torch

from musicvae.arrays import Bools, Ints
from musicvae.config.preset import Preset
from musicvae.networks.devices import is_bf16_fast
from musicvae.networks.priors.conditioning import EncodedPaths
from musicvae.networks.priors.flow import FlowBatch, FlowPrior

EMA_DECAY = 0.999  # of the exponential average of weights, which is the result
WARMUP_STEPS = 50
CHUNK_SIZE = 1024  # windows whose latents are summed at a time
FINE_TUNING_RATE = 0.25  # factor of the learning rate for a flow that starts from another
MAX_FINE_TUNING_STEPS = 300
UNCONDITIONAL_SHARE = 0.4  # examples without known windows (generation)
CONTINUATION_SHARE = 0.2  # examples with all windows before one known
INFILLING_SHARE = 0.25  # examples with all windows around a gap known; the rest is random
PARTIAL_SHARES = 0.15, 0.4  # windows known in part, in unconditional and in other examples


class FlowBatches:
    """Random training examples of `W` consecutive windows from paths of posteriors.

    The chords of a share of them, `chord_dropout`, are hidden.
    """

    def __init__(self, paths: EncodedPaths, W: int, chord_dropout: float = 0.0) -> None:
        self.paths, self.W, self.chord_dropout = paths, W, chord_dropout
        starts, length = paths.path_starts, np.diff(paths.path_starts)
        self.start, self.stop = (np.repeat(bound, length) for bound in (starts[:-1], starts[1:]))

    def draw(self, B: int, rng: np.random.Generator) -> FlowBatch:
        """Draw `B` examples, such that all windows are equally likely to be in one."""
        paths, W = self.paths, self.W
        window = rng.integers(0, len(paths), B)
        latest = np.maximum(self.stop[window] - W, self.start[window])
        begin = np.clip(window - rng.integers(0, W, B), self.start[window], latest)
        at = begin[:, None] + np.arange(W)
        inside = at < self.stop[window, None]
        at = np.minimum(at, len(paths) - 1)
        conditioning = paths.conditioning[torch.from_numpy(at)]
        conditioning.valid.logical_and_(torch.from_numpy(inside)[..., None])
        if self.chord_dropout:
            hidden = torch.from_numpy(rng.random(B) < self.chord_dropout)
            conditioning = conditioning.without_chords(hidden[:, None].expand(at.shape))
        shape = (*at.shape, paths.mu.shape[1])
        # Half of the times are uniform, half logit-normal (Esser et al. 2024).
        middle = 1 / (1 + np.exp(-rng.standard_normal(B)))
        t = np.where(rng.random(B) < 0.5, middle, rng.random(B)).clip(max=0.999)
        known, is_partial = sample_known_windows(inside.sum(1), W, rng)
        partial_mu = partial_bar_mask = None
        if paths.partial_encoding is not None:
            partial_mu = torch.from_numpy(paths.partial_encoding.z[at].astype(np.float32))
            bars = paths.partial_encoding.bar_mask[at] & is_partial[..., None]
            partial_bar_mask = torch.from_numpy(bars)
        return FlowBatch(
            mu=torch.from_numpy(paths.mu[at].astype(np.float32)),
            sigma=torch.from_numpy(paths.sigma[at].astype(np.float32)),
            eps=torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
            noise=torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
            t=torch.from_numpy(t.astype(np.float32)),
            known=torch.from_numpy(known),
            conditioning=conditioning,
            partial_mu=partial_mu,
            partial_bar_mask=partial_bar_mask,
        )


def sample_known_windows(length: Ints, W: int, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Draw which windows of examples of `length` `(B,)` are known, and which in part, `(B, W)`.

    Known are none, all before a window, all around a gap, or random windows.
    """
    B, n = len(length), length[:, None]
    w, kind = np.arange(W), rng.random(B)[:, None]
    begin = rng.integers(0, n)
    stop = begin + 1 + rng.integers(0, np.maximum(n // 2, 1))
    before, around = w < begin, (w < begin) | (w >= stop)
    scattered = rng.random((B, W)) < rng.random((B, 1))
    unconditional, continuation = UNCONDITIONAL_SHARE, UNCONDITIONAL_SHARE + CONTINUATION_SHARE
    bounds = (unconditional, continuation, continuation + INFILLING_SHARE)
    known = np.select(
        [kind < bound for bound in bounds],
        [np.zeros_like(before), before, around],
        scattered,
    )
    is_partial = rng.random((B, W)) < np.where(kind < UNCONDITIONAL_SHARE, *PARTIAL_SHARES)
    return known, is_partial & ~known


def fit_flow(
    paths: EncodedPaths,
    preset: Preset,
    *,
    steps: int,
    seconds: float = math.inf,
    device: torch.device | str = "cpu",
    start: FlowPrior | None = None,
) -> tuple[FlowPrior, list[float]]:
    """Train a flow for `steps` or `seconds`, whichever ends first; return it and all losses.

    With `start` it is fine-tuned from those weights: fewer steps at a lower learning rate. Without
    a time limit the result depends on the preset's seed alone.
    """
    config, device = preset.prior, torch.device(device)
    torch.manual_seed(preset.training.seed)
    rng = np.random.default_rng((preset.training.seed, 2))
    flow = FlowPrior.from_preset(preset).to(device).requires_grad_(False)
    rate = config.learning_rate
    if start is None or _parameter_shapes(start) != _parameter_shapes(flow):
        standardize(flow, paths)
    else:
        flow.load_state_dict(start.state_dict() | {"forms": flow.forms})
        rate, steps = rate * FINE_TUNING_RATE, min(steps, MAX_FINE_TUNING_STEPS)
    dropout = preset.training.chord_dropout if flow.chords is not None else 0.0
    batches = FlowBatches(paths, flow.context // len(flow.shift), dropout)
    learner = copy.deepcopy(flow).requires_grad_(True)
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    losses: list[float] = []
    began = time.monotonic()
    for step in range(steps):
        progress = max(step / steps, (time.monotonic() - began) / seconds)
        if progress >= 1:
            break
        warmup = rate * min(1.0, (step + 1) / WARMUP_STEPS)
        for group in optimizer.param_groups:
            group["lr"] = warmup * 0.5 * (1 + math.cos(math.pi * progress))
        batch = batches.draw(config.batch, rng)
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16_fast(device.type)):
            loss = learner.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        _update_ema(flow, learner, min(EMA_DECAY, (1 + step) / (10 + step)))
    return flow.eval(), losses


def standardize(flow: FlowPrior, paths: EncodedPaths) -> None:
    """Set shift and scale of a flow to mean and standard deviation of latents, for each token."""
    valid = paths.conditioning.as_tokens(len(flow.shift)).valid.numpy()[..., None]  # (M, N, 1)
    n = np.maximum(valid.sum(0), 1)
    total, total_squares = np.zeros((2, *flow.shift.shape))
    for begin in range(0, len(valid), CHUNK_SIZE):
        part = slice(begin, begin + CHUNK_SIZE)
        mu, sigma = (
            each[part].reshape(*valid[part].shape[:2], -1).astype(np.float64)
            for each in (paths.mu, paths.sigma)
        )
        total += (mu * valid[part]).sum(0)
        total_squares += ((mu**2 + sigma**2) * valid[part]).sum(0)
    mean = total / n
    variance = np.maximum(total_squares / n - mean**2, 0)
    flow.shift.copy_(torch.from_numpy(mean))
    flow.scale.copy_(torch.from_numpy(np.sqrt(variance + 1e-6)))


def _parameter_shapes(flow: FlowPrior) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in flow.named_parameters()}


@torch.no_grad()
def _update_ema(average: FlowPrior, learner: FlowPrior, decay: float) -> None:
    for a, b in zip(average.parameters(), learner.parameters(), strict=True):
        a.lerp_(b, 1 - decay)
