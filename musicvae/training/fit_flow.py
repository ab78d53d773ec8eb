"""Floor 7: how a flow over paths of latents is learned."""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.config.preset import Preset
from musicvae.networks.devices import bf16_pays
from musicvae.networks.priors.conditioning import Paths
from musicvae.networks.priors.flow import FlowPrior, Stretch
from musicvae.song import Ints

_AVERAGE = 0.999  # decay of the running average of weights, which is what is kept
_WARMUP = 50
_AT_ONCE = 1024  # windows whose latents are summed together
_SLOWER, _FURTHER = 0.25, 300  # rate and most steps of a flow that goes on from another
_ALONE, _BEFORE, _HOLE = 0.4, 0.2, 0.25  # shares of stretches of which nothing is known, or what is
# before, or what is around a hole; of the rest it is known here and there
_HINTED = 0.15, 0.4  # share of windows known in part, where nothing else is known and where it is


class Stretches:
    """Random stretches of paths, `W` windows each; latents are drawn anew each time."""

    def __init__(self, paths: Paths, W: int) -> None:
        self.paths, self.W = paths, W
        starts, length = paths.starts, np.diff(paths.starts)
        self.start, self.stop = (np.repeat(bound, length) for bound in (starts[:-1], starts[1:]))

    def draw(self, B: int, rng: np.random.Generator) -> Stretch:
        """`B` stretches: every window is as likely to be in one, and beginnings are as they are."""
        paths, W = self.paths, self.W
        some = rng.integers(0, len(paths), B)
        latest = np.maximum(self.stop[some] - W, self.start[some])
        begin = np.clip(some - rng.integers(0, W, B), self.start[some], latest)
        at = begin[:, None] + np.arange(W)
        inside = at < self.stop[some, None]
        at = np.minimum(at, len(paths) - 1)
        frame = paths.frame[torch.from_numpy(at)]
        frame.real.logical_and_(torch.from_numpy(inside)[..., None])
        shape = (*at.shape, paths.mu.shape[1])
        # Half of the times uniform, half in the middle, where most is to be learned.
        middle = 1 / (1 + np.exp(-rng.standard_normal(B)))
        t = np.where(rng.random(B) < 0.5, middle, rng.random(B)).clip(max=0.999)
        known, hinted = known_windows(inside.sum(1), W, rng)
        hint = None
        if paths.heard is not None:
            hint = torch.from_numpy(paths.heard.z[at].astype(np.float32))
            bars = paths.heard.bars[at] & hinted[..., None]
        return Stretch(
            mu=torch.from_numpy(paths.mu[at].astype(np.float32)),
            sigma=torch.from_numpy(paths.sigma[at].astype(np.float32)),
            eps=torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
            noise=torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
            t=torch.from_numpy(t.astype(np.float32)),
            known=torch.from_numpy(known),
            frame=frame,
            hint=hint,
            hinted=None if hint is None else torch.from_numpy(bars),
        )


def known_windows(
    length: Ints, W: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which windows of stretches of `length` `(B,)` are known, and which of the others are known in
    part. `(B, W)`

    Nothing at all, all that is before a window, all but a hole, or windows here and there.
    """
    B, n = len(length), length[:, None]
    w, kind = np.arange(W), rng.random(B)[:, None]
    begin = rng.integers(0, n)
    stop = begin + 1 + rng.integers(0, np.maximum(n // 2, 1))
    before, around = w < begin, (w < begin) | (w >= stop)
    some = rng.random((B, W)) < rng.random((B, 1))
    known = np.select(
        [kind < _ALONE, kind < _ALONE + _BEFORE, kind < _ALONE + _BEFORE + _HOLE],
        [np.zeros_like(before), before, around],
        some,
    )
    hinted = rng.random((B, W)) < np.where(kind < _ALONE, *_HINTED)
    return known, hinted & ~known


def fit_flow(
    paths: Paths,
    preset: Preset,
    *,
    steps: int,
    seconds: float = math.inf,
    device: torch.device | str = "cpu",
    start: FlowPrior | None = None,
) -> tuple[FlowPrior, list[float]]:
    """A flow that learned these songs for so many steps or seconds, whichever was over first.

    It goes on from the weights of `start`, more slowly, if that is given. Also the loss of every
    step. Without a limit of time all depends on the preset's seed alone.
    """
    config, device = preset.prior, torch.device(device)
    torch.manual_seed(preset.training.seed)
    rng = np.random.default_rng((preset.training.seed, 2))
    flow, rate = FlowPrior.of(preset).to(device).requires_grad_(False), config.learning_rate
    if start is None or _shapes(start) != _shapes(flow):
        standardise(flow, paths)
    else:
        flow.load_state_dict(start.state_dict() | {"forms": flow.forms})
        rate, steps = rate * _SLOWER, min(steps, _FURTHER)
    stretches = Stretches(paths, flow.context // len(flow.shift))
    learning = copy.deepcopy(flow).requires_grad_(True)
    optimizer = torch.optim.AdamW(
        learning.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    losses: list[float] = []
    began = time.monotonic()
    for step in range(steps):
        done = max(step / steps, (time.monotonic() - began) / seconds)
        if done >= 1:
            break
        warm = rate * min(1.0, (step + 1) / _WARMUP)
        for group in optimizer.param_groups:
            group["lr"] = warm * 0.5 * (1 + math.cos(math.pi * done))
        stretch = stretches.draw(config.batch, rng)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16_pays(device.type)):
            loss = learning.loss(stretch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        _average(flow, learning, min(_AVERAGE, (1 + step) / (10 + step)))
    return flow.eval(), losses


def standardise(flow: FlowPrior, paths: Paths) -> None:
    """Set the mean and the spread of latents of each bar of a window."""
    real = paths.frame.parted(len(flow.shift)).real.numpy()[..., None]  # (M, N, 1)
    n = np.maximum(real.sum(0), 1)
    first, second = np.zeros((2, *flow.shift.shape))
    for begin in range(0, len(real), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        mu, sigma = (
            each[part].reshape(*real[part].shape[:2], -1).astype(np.float64)
            for each in (paths.mu, paths.sigma)
        )
        first += (mu * real[part]).sum(0)
        second += ((mu**2 + sigma**2) * real[part]).sum(0)
    mean = first / n
    variance = np.maximum(second / n - mean**2, 0)
    flow.shift.copy_(torch.from_numpy(mean))
    flow.scale.copy_(torch.from_numpy(np.sqrt(variance + 1e-6)))


def _shapes(flow: FlowPrior) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in flow.named_parameters()}


@torch.no_grad()
def _average(kept: FlowPrior, learning: FlowPrior, decay: float) -> None:
    for a, b in zip(kept.parameters(), learning.parameters(), strict=True):
        a.lerp_(b, 1 - decay)
