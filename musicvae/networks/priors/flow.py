"""Learned prior over paths of latents: a rectified flow over bars.

The latent of a window is cut into one token a bar (it is one token if it has a single slice for all
its bars), and a small transformer over the bars of several windows learns the velocity that carries
normal noise to latents of real songs in a straight line:
`x(t) = (1 - t) noise + t z`, `v(x, t) = E[z - noise | x(t)]` (Lipman et al. 2023; Liu et al. 2023).
It is conditioned on meter, position and key of every bar, on the parts that sound there and, by
choice, on its chords. Windows
may be known already, wherever they stand: a long path is sampled in chunks, each given the one
before, and a gap is filled given both of its sides. Of a window that is known in part, the encoding
without its other bars is a further condition, and all of it is sampled.

Bars may be tied: those of one label share one latent that suits all their positions (song form).
Velocities of tied bars are averaged at every step of the solver but the last ones, which turn them
into variations of each other.

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
from musicvae.config.size_limits import MAX_PRIOR_SIZES
from musicvae.networks.devices import autocast, pick_precision
from musicvae.networks.layers import (
    MASKED_BIAS,
    N_CHORD_FEATURES,
    ChordEmbedding,
    RelativeAttention,
    TraitEmbedding,
    latent_size,
)
from musicvae.networks.priors.conditioning import KnownLatents, PathConditioning
from musicvae.networks.priors.flow_sampler import SamplingConstraints, integrate, known_share
from musicvae.networks.weights import load_network
from musicvae.representation.part_traits import SIZES as TRAIT_SIZES

N_START_BARS, PHRASE_BARS = 32, 8  # bars with embeddings of their own; later ones repeat by eights
N_END_BARS = 16
N_TIME_FEATURES = 32
CONTEXT_BARS = 16  # bars in one context, or two windows where those are longer
MAX_FORM_BARS = 64
MAX_BATCH_TOKENS = 2048  # sampled together


class FlowBatch(NamedTuple):
    """Training examples: stretches of paths with noise, times, and which windows are known."""

    mu: Tensor  # (B, W, Z)
    sigma: Tensor  # (B, W, Z)
    eps: Tensor  # (B, W, Z) noise of the posterior: z = mu + sigma * eps
    noise: Tensor  # (B, W, Z) where the flow starts
    t: Tensor  # (B,)
    known: Tensor  # (B, W) bool: windows that are known
    conditioning: PathConditioning  # (B, W)
    partial_mu: Tensor | None = None  # (B, W, Z) means given only the known bars
    partial_bar_mask: Tensor | None = None  # (B, W, N) bool: those bars


class FlowBlock(RelativeAttention):
    """A transformer block: attention between bars, then an MLP, both conditioned on time.

    Time scales, shifts and gates them (adaLN, Peebles and Xie 2023).
    """

    def __init__(self, width: int, context: int) -> None:
        super().__init__(width, context, affine_norm=False)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.own = nn.Parameter(torch.zeros(6 * width))  # bias of the modulation
        with torch.no_grad():
            self.own[2 * width : 3 * width] = 0.5  # gates begin half open
            self.own[5 * width :] = 0.5

    def forward(self, h: Tensor, modulation: Tensor, key_bias: Tensor) -> Tensor:
        """Return `h` `(B, T, width)` transformed.

        `modulation` `(B, T, 6 * width)` comes from the time, `key_bias` `(B, T)` masks bars.
        """
        scale, shift, gate, mlp_scale, mlp_shift, mlp_gate = (modulation + self.own).chunk(6, -1)
        h = h + gate * self.attend(self.norm(h) * (1 + scale) + shift, key_bias)
        y = self.norm(h) * (1 + mlp_scale) + mlp_shift
        out: Tensor = h + mlp_gate * self.narrow(F.gelu(self.widen(y)))
        return out


class FlowPrior(nn.Module):
    """The velocity of `z`, standardized by `shift` and `scale`, conditioned on its bars.

    Args:
        latent: dimensions of a token.
        bars: tokens of a window: its bars, or 1 if one slice of the latent describes all of them.
        meters: number of meters in the preset's vocabulary.
        parts: number of slots of the preset.
        width: channels of the transformer.
        layers: its blocks.
        context: tokens in one context, a whole number of windows.
        steps: of the solver; stored in the checkpoint.
        partial: whether it was trained with any windows known, whole or in part; flows of older
            checkpoints condition only on what stands before, and later windows that are known are
            imposed by adding noise to them.
        forms: number of song forms it stores.
        chord_quarters: quarters of a token whose chords it is conditioned on; 0 for none.
        traits: whether it is conditioned on the traits of parts.
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
        partial: bool = True,
        forms: int = 0,
        chord_quarters: int = 0,
        traits: bool = False,
    ) -> None:
        super().__init__()
        self.context = context
        self.hint = nn.Linear(latent, width, bias=False) if partial else None
        if partial:
            self.hinted = nn.Parameter(torch.zeros(width))
        self.enter = nn.Linear(latent, width)
        self.meter = nn.Embedding(meters, width)
        self.within = nn.Embedding(bars, width)
        self.begin = nn.Embedding(N_START_BARS, width)
        self.end = nn.Embedding(N_END_BARS, width)
        self.key = nn.Embedding(12, width)
        self.told = nn.Linear(1 + parts, width, bias=False)  # pickup share and active parts
        for table in (self.meter, self.within, self.begin, self.end, self.key, self.told):
            nn.init.normal_(table.weight, std=0.1)
        self.chord_quarters = chord_quarters
        self.chords = ChordEmbedding(width, chord_quarters) if chord_quarters else None
        self.traits = TraitEmbedding(parts, width) if traits else None
        self.known = nn.Parameter(torch.zeros(width))
        self.time = nn.Sequential(nn.Linear(N_TIME_FEATURES, width), nn.SiLU())
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
        self.forms: Tensor  # (F, MAX_FORM_BARS) bar labels, see `attributes.form`; -1 past the end
        self.register_buffer("steps", torch.tensor([float(steps)]))
        self.register_buffer("forms", torch.zeros(forms, MAX_FORM_BARS))
        self.register_buffer("shift", torch.zeros(bars, latent))
        self.register_buffer("scale", torch.ones(bars, latent))

    @classmethod
    def from_preset(cls, preset: Preset) -> FlowPrior:
        """Return an untrained flow of the sizes in a preset."""
        config = preset.prior
        bars, latent = _token_shape(preset)
        return cls(
            latent=latent,
            bars=bars,
            meters=len(preset.meters) + 1,
            parts=len(preset.parts),
            width=config.width,
            layers=config.layers,
            context=max(CONTEXT_BARS // preset.grid.bars, 2) * bars,
            steps=config.solver_steps,
            chord_quarters=_chord_quarters(preset),
            traits=preset.conditions.parts,
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> FlowPrior:
        """Return the flow stored in `tensors`. Raises `RuntimeError` if they do not fit."""
        found = {name: tensor.float() for name, tensor in tensors.items()}
        found = {"forms": torch.zeros(0, MAX_FORM_BARS)} | found
        try:
            chords = found.get("chords.embed.weight")
            chord_features = 0 if chords is None else chords.shape[1]
            layers = {name.split(".")[1] for name in found if name.startswith("blocks.")}
            sizes = {
                "latent": found["shift"].shape[1],
                "bars": found["shift"].shape[0],
                "meters": found["meter.weight"].shape[0],
                "parts": found["told.weight"].shape[1] - 1,
                "width": found["enter.weight"].shape[0],
                "layers": len(layers),
                "context": (found["blocks.0.apart"].shape[1] + 1) // 2,
                "steps": int(found["steps"]),
                "forms": len(found["forms"]),
                "chord_quarters": chord_features // N_CHORD_FEATURES,
            }
        except (KeyError, IndexError, ValueError) as error:
            raise RuntimeError(f"no {error}") from None
        if not 1 <= int(found["steps"]) <= MAX_PRIOR_SIZES["solver_steps"]:
            raise RuntimeError("invalid number of solver steps")
        layers_width = (len(layers) + 1) * sizes["width"]
        n_weights = layers_width * (12 * sizes["width"] + 3 * sum(sizes.values()) + 128)  # at most
        n_weights += sizes["bars"] * 2 * sizes["latent"] + MAX_FORM_BARS * sizes["forms"]
        n_told = N_CHORD_FEATURES * sizes["chord_quarters"] + sum(TRAIT_SIZES) * sizes["parts"]
        n_weights += sizes["width"] * n_told
        partial, traits = "hint.weight" in found, "traits.table.weight" in found
        return load_network(lambda: cls(**sizes, partial=partial, traits=traits), found, n_weights)

    def fits(self, preset: Preset) -> bool:
        """Return whether it is one for latents, meters and parts of models of a preset."""
        found = (*self.shift.shape, self.meter.num_embeddings, self.told.in_features)
        found += (self.chord_quarters, self.traits is not None)
        sizes = (*_token_shape(preset), len(preset.meters) + 1, len(preset.parts) + 1)
        return found == (*sizes, _chord_quarters(preset), preset.conditions.parts)

    def tensors(self) -> dict[str, Floats32]:
        """Return the tensors that a checkpoint stores; `from_tensors` is the inverse."""
        return {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}

    def embed_conditioning(self, conditioning: PathConditioning) -> tuple[Tensor, Tensor]:
        """Return the embedding of tokens `(B, T, width)`, and the attention bias of each `(B, T)`.

        `conditioning` is `(B, W)`, T the tokens of its windows. The bias masks bars past the end.
        """
        windows = conditioning.as_tokens(len(self.shift))
        size = windows.n_bars
        bar = (windows.first_bar[..., None] + torch.arange(size)).flatten(1)  # (B, T)
        left = windows.song_bars.repeat_interleave(size, 1) - 1 - bar
        phrase_bar = N_START_BARS - PHRASE_BARS + bar % PHRASE_BARS
        key = (windows.key[..., None] + 6).remainder(12).expand(*windows.meter.shape).flatten(1)
        parts = torch.cat([windows.pickup_share[..., None], windows.part_active.float()], -1)
        within = torch.arange(size).repeat(windows.meter.shape[1])
        device = self.shift.device
        embedding = (
            self.meter(windows.meter.flatten(1).to(device))
            + self.within(within.to(device))
            + self.begin(torch.where(bar < N_START_BARS, bar, phrase_bar).to(device))
            + self.end(left.clamp(0, N_END_BARS - 1).to(device))
            + self.key(key.to(device))
            + self.told(parts.flatten(1, 2).to(device))
        )
        if self.chords is not None:
            embedding = embedding + self.chords(windows.chords.flatten(1, 3).to(device))
        if self.traits is not None:
            told = self.traits(windows.traits.to(device))  # (B, W, width)
            embedding = embedding + told.repeat_interleave(size, 1)
        valid = windows.valid.flatten(1).to(device)
        return embedding, torch.zeros(valid.shape, device=device).masked_fill(~valid, MASKED_BIAS)

    def forward(
        self, x: Tensor, t: Tensor, known: Tensor, conditioning: Tensor, key_bias: Tensor
    ) -> Tensor:
        """Return velocities of standardized `x` `(B, T, latent)` at times `t` `(B,)` or `(1,)`.

        Tokens that are `known` `(B, T, 1)` bool hold latents without noise; their velocities are
        meaningless. `conditioning` and `key_bias` come from `embed_conditioning`. The part of the
        velocity that is right for normal latents is computed; the network adds the rest, at unit
        scale whatever the time.
        """
        at = t[:, None, None]
        scale = (at**2 + (1 - at) ** 2).sqrt()
        n_frequencies = N_TIME_FEATURES // 2
        angle = at * torch.arange(1, n_frequencies + 1, device=t.device) * (math.pi / 2)
        time = self.time(torch.cat([angle.sin(), angle.cos()], -1))  # (B, 1, width)
        modulation = self.modulate(time)  # (B, 1, 6 * width)
        h = self.enter(torch.where(known, x, x / scale)) + conditioning + known * self.known
        for block in self.blocks:
            h = block(h, modulation, key_bias)
        rest: Tensor = self.leave(F.layer_norm(h, h.shape[-1:]))
        return (2 * at - 1) / scale**2 * x + rest.float() / scale

    def loss(self, batch: FlowBatch) -> Tensor:
        """Return the squared error of the velocity at unit scale, mean over unknown tokens.

        The target is the mean velocity of all `z` under the posterior of a window,
        `E[z - noise | x(t), mu, sigma]`: the same mean as `z - noise`, with less variance.
        """
        shape = (*batch.mu.shape[:2], *self.shift.shape)
        size, device = len(self.shift), self.shift.device
        mu, sigma, eps, noise = (
            each.to(device).reshape(shape)
            for each in (batch.mu, batch.sigma, batch.eps, batch.noise)
        )
        mu, sigma = (mu - self.shift) / self.scale, sigma / self.scale
        z = mu + sigma * eps
        t = batch.t.to(device)
        at = t[:, None, None, None]
        x = (1 - at) * noise + at * z
        target = (mu - x) * (1 - at) + sigma**2 * at * x
        target = target / ((1 - at) ** 2 + sigma**2 * at**2)
        known = batch.known.to(device).repeat_interleave(size, 1)[..., None]  # (B, T, 1)
        x, z, target = (each.flatten(1, 2) for each in (x, z, target))
        embedding, key_bias = self.embed_conditioning(batch.conditioning)
        if batch.partial_mu is not None and batch.partial_bar_mask is not None:
            share = known_share(batch.partial_bar_mask, batch.conditioning, size)
            embedding = embedding + self.embed_partial(self.standardize(batch.partial_mu), share)
        error = self(torch.where(known, z, x), t, known, embedding, key_bias) - target
        error = error * (at[..., 0] ** 2 + (1 - at[..., 0]) ** 2).sqrt()
        valid = batch.conditioning.as_tokens(size).valid.flatten(1).to(device)
        unknown = valid & ~known[..., 0]
        return ((error**2).mean(-1) * unknown).sum() / unknown.sum().clamp(min=1)

    @torch.no_grad()
    def sample(
        self,
        conditioning: PathConditioning,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        known: KnownLatents | None = None,
        bar_labels: Ints | None = None,
        amount: float = 1.0,
    ) -> Floats32:
        """Return sampled paths `(n, W, Z)`; arguments as in `Prior.sample`.

        `temperature` scales the noise that the flow starts from. With an `amount` below 1 the known
        paths are mixed with noise and integrated from there, that share of the whole time
        (SDEdit, Meng et al. 2022).
        """
        n, W = conditioning.key.shape
        T, D = self.shift.shape
        noise = rng.standard_normal((n, W, T * D), dtype=np.float32) * np.float32(temperature)
        chunk = max(1, MAX_BATCH_TOKENS // max(min(W * T, self.context), 1))
        labels = None if bar_labels is None else torch.from_numpy(bar_labels)
        sampled = []
        with autocast(self.shift.device, pick_precision("auto", self.shift.device.type)):
            for i in range(0, n, chunk):
                part = slice(i, i + chunk)
                constraints = SamplingConstraints.build(
                    self,
                    conditioning[part],
                    None if known is None else known[part],
                    None if labels is None else labels[part],
                )
                if amount < 1:
                    nothing = torch.zeros_like(constraints.known)
                    constraints = replace(constraints, known=nothing)
                start = torch.from_numpy(noise[part]).to(self.shift.device)
                start = start.reshape(-1, W * T, D)
                x = integrate(self, start, conditioning[part], constraints, 1 - amount)
                sampled.append((x.reshape(-1, W, T, D) * self.scale + self.shift).flatten(2))
        paths = torch.cat(sampled).cpu().numpy() if sampled else noise
        if known is None or amount < 1:
            return paths
        fixed = known.fully_known(conditioning)[..., None]
        return np.where(fixed, known.z, paths).astype(np.float32)

    def sample_forms(self, n: int, n_bars: int, rng: np.random.Generator) -> Ints:
        """Return bar labels `(n, n_bars)` of the forms of training songs of about that length.

        Their lengths differ by an eighth at most; bars past their end get labels of their own.
        """
        label = np.tile(np.arange(n_bars), (n, 1))
        if len(self.forms):
            forms = self.forms.cpu().numpy()
            difference = np.abs((forms >= 0).sum(1) - min(n_bars, MAX_FORM_BARS))
            tolerance = max(int(difference.min()), n_bars // 8)
            candidates = np.flatnonzero(difference <= tolerance)
            chosen = forms[rng.choice(candidates, n), :n_bars].round().astype(np.int64)
            width = chosen.shape[1]
            label[:, :width] = np.where(chosen >= 0, chosen, label[:, :width])
        return label

    def standardize(self, z: Tensor) -> Tensor:
        """Return latents `(B, W, Z)` as standardized tokens. `(B, T, latent)`"""
        z = z.to(self.shift.device).reshape(*z.shape[:2], *self.shift.shape)
        return ((z - self.shift) / self.scale).flatten(1, 2)

    def embed_partial(self, z: Tensor, share: Tensor) -> Tensor:
        """Return the embedding of partly known windows. `(B, T, width)`

        `z` `(B, T, latent)` are latents encoded from the known bars alone, and `share` `(B, T)` is
        the share of each token's bars that is known.
        """
        if self.hint is None:
            return torch.zeros(*z.shape[:2], 1, device=z.device)
        share = share.to(z.device)[..., None]
        size = len(self.shift)
        of_window = share.reshape(len(share), -1, size).amax(2) > 0
        partly_known = of_window.repeat_interleave(size, 1)[..., None]
        embedding: Tensor = self.hint(z) * partly_known + share * self.hinted
        return embedding


def _token_shape(preset: Preset) -> tuple[int, int]:
    """Return the number of tokens of a window of a preset, and the dimensions of one."""
    bars = 1 if preset.model.slices == "window" else preset.grid.bars
    return bars, latent_size(preset) // bars


def _chord_quarters(preset: Preset) -> int:
    """Return the quarters of a token whose chords a flow of a preset is conditioned on."""
    n_tokens, _ = _token_shape(preset)
    return preset.conditions.chords * preset.grid.quarters * preset.grid.bars // n_tokens
