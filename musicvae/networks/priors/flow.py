"""Floor 5: a learnt prior over paths of latents: a rectified flow over bars.

The latent of a window is cut into one token a bar (it is one token if it has one slice for all its
bars), and a small transformer over the bars of several windows learns the velocity that carries
normal noise to latents of real songs in a straight line:
`x(t) = (1 - t) noise + t z`, `v(x, t) = E[z - noise | x(t)]` (Lipman et al. 2023; Liu et al. 2023).
It is told meter, place and key of every bar and which parts sound there. Windows may be known
already, wherever they stand: a long path is drawn piece by piece, each hearing the one before, and
a hole is filled between what is on its two sides. Of a window that is known in part the encoding
without its other bars is told, and all of it drawn.

Bars may be tied: those of one label have one latent, which is what suits all their places best
(`form`). Velocities of tied bars are averaged at every step of the solver, but for the last steps,
which make of them variations of each other.

Like the linear-Gaussian prior it is fitted on frozen encodings and changes nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.arrays import Floats32, Ints
from musicvae.config.preset import Preset
from musicvae.networks.devices import autocast, pick_precision
from musicvae.networks.layers import Layout
from musicvae.networks.priors.conditioning import KnownLatents, PathConditioning
from musicvae.networks.priors.flow_layers import FlowBlock
from musicvae.networks.priors.flow_sampler import SamplingConstraints, integrate, known_share

_BEGIN, _PHRASE, _END = 32, 8, 16  # bars from the beginning that are told apart, then by eights
_TIMES = 32
_CONTEXT = 16  # bars seen at once, or two windows where those are longer
MAX_FORM_BARS = 64  # bars of the forms that a flow keeps
_CHUNK = 2048  # bars that are drawn at once


class FlowBatch(NamedTuple):
    """Stretches of songs to learn from: posteriors, two draws of noise, times, and what is told."""

    mu: Tensor  # (B, W, Z)
    sigma: Tensor  # (B, W, Z)
    eps: Tensor  # (B, W, Z) of the posterior: z = mu + sigma * eps
    noise: Tensor  # (B, W, Z) that the flow begins with
    t: Tensor  # (B,)
    known: Tensor  # (B, W) bool: windows that are given
    frame: PathConditioning  # (B, W)
    hint: Tensor | None = None  # (B, W, Z) of windows that are drawn, what is known of them
    hinted: Tensor | None = None  # (B, W, N) bool: bars of theirs that are known


class FlowPrior(nn.Module):
    """The velocity of `z`, standardised by `shift` and `scale`, under the frame of its bars.

    Args:
        latent: dimensions of a bar.
        bars: bars of a window, or 1 if one slice of the latent describes all of them.
        meters, parts: sizes of the preset's vocabulary of meters, and of its slots.
        width, layers: of the transformer.
        context: bars that it sees at once, a whole number of windows.
        steps: of the solver; a checkpoint keeps their number.
        hints: whether it has learned with any windows known, whole or in part; the flows of older
            checkpoints know only what stands before, and are held to what else is known by noise.
        forms: how many forms of songs it keeps.
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
        hints: bool = True,
        forms: int = 0,
    ) -> None:
        super().__init__()
        self.context = context
        self.hint = nn.Linear(latent, width, bias=False) if hints else None
        if hints:
            self.hinted = nn.Parameter(torch.zeros(width))
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
        self.blocks = nn.ModuleList(FlowBlock(width, context) for _ in range(layers))
        self.leave = nn.Linear(width, latent)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.shift: Tensor
        self.scale: Tensor
        self.steps: Tensor
        self.forms: Tensor  # (F, MAX_FORM_BARS) labels of bars, see `statistics.forms`; -1 past the end
        self.register_buffer("steps", torch.tensor([float(steps)]))
        self.register_buffer("forms", torch.zeros(forms, MAX_FORM_BARS))
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
                hints="hint.weight" in tensors,
                forms=len(tensors["forms"]) if "forms" in tensors else 0,
            )
        except (KeyError, IndexError) as error:
            raise RuntimeError(f"no {error}") from None
        found = {name: tensor.float() for name, tensor in tensors.items()}
        flow.load_state_dict({"forms": flow.forms} | found)
        return flow.eval()

    def tensors(self) -> dict[str, Floats32]:
        """What a checkpoint keeps."""
        return {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}

    def embed_conditioning(self, frame: PathConditioning) -> tuple[Tensor, Tensor]:
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
        nothing. `told`, `seen` as `embed_conditioning` gives them. The part of the velocity that is right for
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

    def loss(self, stretch: FlowBatch) -> Tensor:
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
        told, seen = self.embed_conditioning(stretch.frame)
        if stretch.hint is not None and stretch.hinted is not None:
            share = known_share(stretch.hinted, stretch.frame, size)
            told = told + self.hints(self.standardised(stretch.hint), share)
        off = self(torch.where(known, z, x), t, known, told, seen) - wanted
        off = off * (at[..., 0] ** 2 + (1 - at[..., 0]) ** 2).sqrt()
        real = stretch.frame.parted(size).real.flatten(1).to(device)
        drawn = real & ~known[..., 0]
        return ((off**2).mean(-1) * drawn).sum() / drawn.sum().clamp(min=1)

    @torch.no_grad()
    def sample(
        self,
        frame: PathConditioning,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        given: KnownLatents | None = None,
        tied: Ints | None = None,
        amount: float = 1.0,
    ) -> Floats32:
        """EncodedPaths `(n, W, Z)` for songs of this frame `(n, W)`.

        `temperature` scales the noise that the flow begins with: below 1 nearer to the usual.
        Windows that are `given` whole come back as they are, all others are drawn to suit them.
        Bars of one label in `tied` `(n, W, N)` are alike. With an `amount` below 1 paths are drawn
        near those given: so much of the way from noise is gone from there (Meng et al. 2022).
        """
        n, W = frame.key.shape
        T, D = self.shift.shape
        noise = rng.standard_normal((n, W, T * D), dtype=np.float32) * np.float32(temperature)
        chunk = max(1, _CHUNK // max(min(W * T, self.context), 1))
        labels = None if tied is None else torch.from_numpy(tied)
        drawn = []
        with autocast(self.shift.device, pick_precision("auto", self.shift.device.type)):
            for i in range(0, n, chunk):
                part = slice(i, i + chunk)
                terms = SamplingConstraints.of(
                    self,
                    frame[part],
                    None if given is None else given[part],
                    None if labels is None else labels[part],
                )
                if amount < 1:
                    terms = replace(terms, known=torch.zeros_like(terms.known))
                start = torch.from_numpy(noise[part]).to(self.shift.device)
                start = start.reshape(-1, W * T, D)
                x = integrate(self, start, frame[part], terms, 1 - amount)
                drawn.append((x.reshape(-1, W, T, D) * self.scale + self.shift).flatten(2))
        paths = torch.cat(drawn).cpu().numpy() if drawn else noise
        if given is None or amount < 1:
            return paths
        return np.where(given.whole(frame)[..., None], given.z, paths).astype(np.float32)

    def sample_forms(self, n: int, n_bars: int, rng: np.random.Generator) -> Ints:
        """Labels of the bars of `n` songs of that many `(n, n_bars)`, as songs about as long had
        them, an eighth more or less; bars that those did not have are like no others.
        """
        label = np.tile(np.arange(n_bars), (n, 1))
        if len(self.forms):
            forms = self.forms.cpu().numpy()
            apart = np.abs((forms >= 0).sum(1) - min(n_bars, MAX_FORM_BARS))
            near = np.flatnonzero(apart <= max(int(apart.min()), n_bars // 8))
            chosen = forms[rng.choice(near, n), :n_bars].round().astype(np.int64)
            width = chosen.shape[1]
            label[:, :width] = np.where(chosen >= 0, chosen, label[:, :width])
        return label

    def standardised(self, z: Tensor) -> Tensor:
        """Latents `(B, W, Z)` as the flow knows them, bar by bar. `(B, T, latent)`"""
        z = z.to(self.shift.device).reshape(*z.shape[:2], *self.shift.shape)
        return ((z - self.shift) / self.scale).flatten(1, 2)

    def hints(self, z: Tensor, share: Tensor) -> Tensor:
        """What is told of bars whose window is known in part: of latents `(B, T, latent)` without
        what is to be drawn, and which share of each bar `(B, T)` is known. `(B, T, width)`
        """
        if self.hint is None:
            return torch.zeros(*z.shape[:2], 1, device=z.device)
        share = share.to(z.device)[..., None]
        size = len(self.shift)
        of_window = share.reshape(len(share), -1, size).amax(2) > 0
        heard = of_window.repeat_interleave(size, 1)[..., None]
        told: Tensor = self.hint(z) * heard + share * self.hinted
        return told
