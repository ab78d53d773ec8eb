"""Floor 5: a learnt prior over paths of latents: a rectified flow over bars.

The latent of a window is cut into one token a bar (it is one token if it has one slice for all its
bars), and a small transformer over the bars of several windows learns the velocity that carries
normal noise to latents of real songs in a straight line:
`x(t) = (1 - t) noise + t z`, `v(x, t) = E[z - noise | x(t)]` (Lipman et al. 2023; Liu et al. 2023).
It is told meter, place and key of every bar and which parts sound there. Bars may be known already,
so that a long path is drawn piece by piece, each hearing the one before.

Like the linear-Gaussian prior it is fitted on frozen encodings and changes nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config import Preset
from musicvae.models.devices import autocast, pick_precision
from musicvae.models.layers import Layout
from musicvae.models.paths import Floats, PathFrame

_BEGIN, _PHRASE, _END = 32, 8, 16  # bars from the beginning that are told apart, then by eights
_TIMES = 32
_HEAD = 32
_CONTEXT = 16  # bars seen at once, or two windows where those are longer
_CHUNK = 2048  # bars that are drawn at once


class Stretch(NamedTuple):
    """Stretches of songs to learn from: posteriors, two draws of noise, times, and what is told."""

    mu: Tensor  # (B, W, Z)
    sigma: Tensor  # (B, W, Z)
    eps: Tensor  # (B, W, Z) of the posterior: z = mu + sigma * eps
    noise: Tensor  # (B, W, Z) that the flow begins with
    t: Tensor  # (B,)
    known: Tensor  # (B, W) bool: windows that are given
    frame: PathFrame  # (B, W)


class FlowPrior(nn.Module):
    """The velocity of `z`, standardised by `shift` and `scale`, under the frame of its bars.

    Args:
        latent: dimensions of a bar.
        bars: bars of a window, or 1 if one slice of the latent describes all of them.
        meters, parts: sizes of the preset's vocabulary of meters, and of its slots.
        width, layers: of the transformer.
        context: bars that it sees at once, a whole number of windows.
        steps: of the solver; a checkpoint keeps their number.
    """

    def __init__(
        self,
        *,
        latent: int,
        bars: int,
        meters: int,
        parts: int,
        width: int,
        layers: int,
        context: int,
        steps: int,
    ) -> None:
        super().__init__()
        self.context = context
        self.enter = nn.Linear(latent, width)
        self.meter = nn.Embedding(meters, width)
        self.within = nn.Embedding(bars, width)
        self.begin = nn.Embedding(_BEGIN, width)
        self.end = nn.Embedding(_END, width)
        self.key = nn.Embedding(12, width)
        self.told = nn.Linear(1 + parts, width, bias=False)
        for table in (self.meter, self.within, self.begin, self.end, self.key, self.told):
            nn.init.normal_(table.weight, std=0.1)
        self.known = nn.Parameter(torch.zeros(width))
        self.time = nn.Sequential(nn.Linear(_TIMES, width), nn.SiLU())
        self.modulate = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(_Layer(width, context) for _ in range(layers))
        self.leave = nn.Linear(width, latent)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.shift: Tensor
        self.scale: Tensor
        self.steps: Tensor
        self.register_buffer("steps", torch.tensor([float(steps)]))
        self.register_buffer("shift", torch.zeros(bars, latent))
        self.register_buffer("scale", torch.ones(bars, latent))

    @classmethod
    def of(cls, preset: Preset) -> FlowPrior:
        """A new one, as a preset says."""
        config = preset.prior
        bars = 1 if preset.model.slices == "window" else preset.grid.bars
        slices = Layout.of(preset).quarters if preset.model.slices == "quarter" else 1
        return cls(
            latent=preset.model.latent * slices,
            bars=bars,
            meters=len(preset.meters) + 1,
            parts=len(preset.parts),
            width=config.width,
            layers=config.layers,
            context=max(_CONTEXT // preset.grid.bars, 2) * bars,
            steps=config.solver_steps,
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> FlowPrior:
        """The inverse of `tensors`; what is not there or does not fit is a `RuntimeError`."""
        try:
            layers = {name.split(".")[1] for name in tensors if name.startswith("blocks.")}
            flow = cls(
                latent=tensors["shift"].shape[1],
                bars=tensors["shift"].shape[0],
                meters=tensors["meter.weight"].shape[0],
                parts=tensors["told.weight"].shape[1] - 1,
                width=tensors["enter.weight"].shape[0],
                layers=len(layers),
                context=(tensors["blocks.0.apart"].shape[1] + 1) // 2,
                steps=int(tensors["steps"]),
            )
        except (KeyError, IndexError) as error:
            raise RuntimeError(f"no {error}") from None
        flow.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        return flow.eval()

    def tensors(self) -> dict[str, Floats]:
        """What a checkpoint keeps."""
        return {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}

    def told_of(self, frame: PathFrame) -> tuple[Tensor, Tensor]:
        """What is told of bars `(B, T, width)`, and between which one may look, as a bias.

        `frame` is `(B, W)`, T the bars of its windows.
        """
        frame = frame.parted(len(self.shift))
        size = frame.size
        bar = (frame.first[..., None] + torch.arange(size)).flatten(1)  # (B, T)
        left = (frame.bars.repeat_interleave(size, 1) - 1 - bar).clamp(0, _END - 1)
        late = _BEGIN - _PHRASE + bar % _PHRASE
        key = (frame.key[..., None] + 6).remainder(12).expand(*frame.meter.shape).flatten(1)
        extra = torch.cat([frame.lead[..., None], frame.present.float()], -1).flatten(1, 2)
        at = torch.arange(size).repeat(frame.meter.shape[1])
        device = self.shift.device
        told = (
            self.meter(frame.meter.flatten(1).to(device))
            + self.within(at.to(device))
            + self.begin(torch.where(bar < _BEGIN, bar, late).to(device))
            + self.end(left.to(device))
            + self.key(key.to(device))
            + self.told(extra.to(device))
        )
        seen = frame.real.flatten(1).to(device)
        return told, torch.zeros(seen.shape, device=device).masked_fill(~seen, -1e4)

    def forward(self, x: Tensor, t: Tensor, known: Tensor, told: Tensor, seen: Tensor) -> Tensor:
        """Velocities of standardised `x` `(B, T, latent)` at times `t` `(B,)` or `(1,)`.

        Bars that are `known` `(B, T, 1)` bool hold latents without noise; their velocities mean
        nothing. `told`, `seen` as `told_of` gives them. The part of the velocity that is right for
        normal latents is computed; the network adds the rest, at unit size whatever the time.
        """
        at = t[:, None, None]
        size = (at**2 + (1 - at) ** 2).sqrt()
        turns = at * torch.arange(1, _TIMES // 2 + 1, device=t.device) * (math.pi / 2)
        time = self.time(torch.cat([turns.sin(), turns.cos()], -1))  # (B, 1, width)
        change = self.modulate(time)  # (B, 1, 6 * width)
        h = self.enter(torch.where(known, x, x / size)) + told + known * self.known
        for block in self.blocks:
            h = block(h, change, seen)
        rest: Tensor = self.leave(F.layer_norm(h, h.shape[-1:]))
        return (2 * at - 1) / size**2 * x + rest.float() / size

    def loss(self, stretch: Stretch) -> Tensor:
        """Squared error of the velocity at unit size, mean over the bars that are to be drawn.

        What is learned is the mean velocity of all `z` that the posterior of a window may have
        given, `E[z - noise | x(t), mu, sigma]`: the same mean as `z - noise`, but less variance.
        """
        shape = (*stretch.mu.shape[:2], *self.shift.shape)
        size, device = len(self.shift), self.shift.device
        mu, sigma, eps, noise = (
            each.to(device).reshape(shape)
            for each in (stretch.mu, stretch.sigma, stretch.eps, stretch.noise)
        )
        mu, sigma = (mu - self.shift) / self.scale, sigma / self.scale
        z = mu + sigma * eps
        t = stretch.t.to(device)
        at = t[:, None, None, None]
        x = (1 - at) * noise + at * z
        wanted = (mu - x) * (1 - at) + sigma**2 * at * x
        wanted = wanted / ((1 - at) ** 2 + sigma**2 * at**2)
        known = stretch.known.to(device).repeat_interleave(size, 1)[..., None]  # (B, T, 1)
        x, z, wanted = (each.flatten(1, 2) for each in (x, z, wanted))
        told, seen = self.told_of(stretch.frame)
        off = self(torch.where(known, z, x), t, known, told, seen) - wanted
        off = off * (at[..., 0] ** 2 + (1 - at[..., 0]) ** 2).sqrt()
        real = stretch.frame.parted(size).real.flatten(1).to(device)
        drawn = real & ~known[..., 0]
        return ((off**2).mean(-1) * drawn).sum() / drawn.sum().clamp(min=1)

    @torch.no_grad()
    def sample(
        self, frame: PathFrame, *, temperature: float = 1.0, rng: np.random.Generator
    ) -> Floats:
        """Paths `(n, W, Z)` for songs of this frame `(n, W)`.

        `temperature` scales the noise that the flow begins with: below 1 nearer to the usual.
        """
        n, W = frame.key.shape
        T, D = self.shift.shape
        noise = rng.standard_normal((n, W, T * D), dtype=np.float32) * np.float32(temperature)
        chunk = max(1, _CHUNK // max(min(W * T, self.context), 1))
        with autocast(self.shift.device, pick_precision("auto", self.shift.device.type)):
            drawn = [
                self._path(torch.from_numpy(noise[i : i + chunk]), frame[i : i + chunk])
                for i in range(0, n, chunk)
            ]
        return torch.cat(drawn).cpu().numpy() if drawn else noise

    def _path(self, noise: Tensor, frame: PathFrame) -> Tensor:
        """Songs from their noise, piece by piece where they are longer than the context."""
        size, W = len(self.shift), noise.shape[1]
        path = noise.to(self.shift.device).reshape(len(noise), W * size, -1)  # (B, T, latent)
        at_once, done = self.context // size, 0
        while done < W:
            stop = min(W, max(done + (at_once + 1) // 2, at_once))
            begin = max(0, stop - at_once)
            known = (torch.arange(begin, stop) < done).expand(len(noise), -1)
            bars = slice(begin * size, stop * size)
            path[:, bars] = self._solve(path[:, bars], known, frame[:, begin:stop])
            done = stop
        return (path.reshape(len(noise), W, *self.shift.shape) * self.scale + self.shift).flatten(2)

    def _solve(self, x: Tensor, known: Tensor, frame: PathFrame) -> Tensor:
        """From noise to latents in equal steps of Euler; windows that are `known` `(B, W)` stay."""
        known = known.repeat_interleave(len(self.shift), 1)[..., None].to(x.device)
        told, seen = self.told_of(frame)
        steps = int(self.steps)
        for step in range(steps):
            t = torch.full((1,), step / steps, device=x.device)
            x = torch.where(known, x, x + self(x, t, known, told, seen) / steps)
        return x


class _Layer(nn.Module):
    """Attention between bars, then an MLP, both scaled, shifted and gated by the time."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD)
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.apart = nn.Parameter(torch.zeros(self.heads, 2 * context - 1))
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.own = nn.Parameter(torch.zeros(6 * width))
        with torch.no_grad():
            self.own[2 * width : 3 * width] = 0.5  # gates begin half open
            self.own[5 * width :] = 0.5

    def forward(self, h: Tensor, change: Tensor, seen: Tensor) -> Tensor:
        """`h` `(B, T, width)`, `change` `(B, T, 6 * width)`, `seen` `(B, T)`; the same shape."""
        a, b, gate, c, d, gate_too = (change + self.own).chunk(6, -1)
        T, width = h.shape[1:]
        y = F.layer_norm(h, (width,)) * (1 + a) + b
        q, k, v = self.mix(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        place = torch.arange(T, device=h.device)
        apart = self.apart[:, place[:, None] - place + self.apart.shape[1] // 2]  # (heads, T, T)
        bias = apart + seen[:, None, None]  # (B, heads, T, T)
        with torch.autocast(h.device.type, enabled=False):  # so few bars are quicker in float32
            looked = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), bias)
        heard = looked.transpose(1, 2).flatten(2)
        h = h + gate * self.out(heard)
        y = F.layer_norm(h, (width,)) * (1 + c) + d
        out: Tensor = h + gate_too * self.narrow(F.gelu(self.widen(y)))
        return out
