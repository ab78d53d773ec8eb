"""Floor 5: what training minimises; `models.kl` says how beta comes about.

With `x` the notes of a window, `c(x)` a corruption of them, `f` the encoder's mean and `s` its
deviations, and `-log p(x | z)` what the decoder pays for the notes, as cross-entropy in nats or, on
a roll, as squared error `||x - x'||^2`:

- `ae`: ``L = -log p(x | f(x))``. No noise, no KL: `z` is a point, and bits are not defined.
- `dae`: ``L = -log p(x | f(c(x)))``: hear the corrupted notes, give back the clean ones
  (Vincent et al. 2008).
- `vae`: ``L = -log p(x | z) + beta KL(N(f(x), s(x)^2) || N(0, I))`` with
  ``z = f(x) + s(x) * noise``: the negative ELBO at beta 1 (Kingma and Welling 2013), else the
  objective of Higgins et al. (2017). With a corruption, `f` and `s` are of `c(x)`: the denoising
  VAE of Im et al. (2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from musicvae.config.training import TrainingConfig
from musicvae.data import Batch
from musicvae.networks.cell_decoder import NoteNLL
from musicvae.networks.vae import VAE, Posterior

NATS_PER_BIT = math.log(2)
_ACTIVE_VARIANCE = 0.01


@dataclass(frozen=True)
class LossTerms:
    """The two terms of an objective on a batch, in nats a window."""

    notes: NoteNLL
    kl: Tensor  # (B,), 0 where the code is a point

    def loss(self, beta: float, direct_weight: float = 0.0, free_bits: float = 0.0) -> Tensor:
        """``-log p(x | z) + beta * max(KL - free, 0)``, mean over windows.

        `free_bits` are for a whole window, as in the reference, not for each dimension.

        `direct_weight` counts what the latents alone say of the notes once more, so that a decoder
        that hears its own notes does not ignore them.
        """
        kl = (self.kl - free_bits * NATS_PER_BIT).clamp(min=0) if free_bits else self.kl
        return (self.notes.total + direct_weight * self.notes.direct + beta * kl).mean()


def compute_loss_terms(
    vae: VAE, batch: Batch, noise: Tensor, heard: Batch | None = None
) -> tuple[LossTerms, Posterior]:
    """The terms of `training.objective`; the three differ in what is heard and how `z` is made.

    Encodes `heard`, the windows of `batch` with corrupted notes, or `batch` itself if not given;
    draws `z` with the standard normal `noise` `(B, Z)`, which a deterministic code ignores; and
    weighs the notes of `batch` under it.
    """
    posterior = vae.encode(batch if heard is None else heard)
    notes = vae.loss(batch, posterior.sample(noise))
    return LossTerms(notes, posterior.kl().sum(1)), posterior


def active_units(mu: Tensor) -> int:
    """Dimensions of the latent whose mean varies over windows (Burda et al. 2016). `mu` (W, Z)"""
    return int((mu.var(0) > _ACTIVE_VARIANCE).sum()) if len(mu) > 1 else 0


def deterministic_noise(seed: int, step: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers that depend on nothing but seed, step and shape."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    return torch.randn(shape, generator=generator)


@dataclass
class BetaController:
    """Steers beta so that the KL of a window stays near a target in bits.

    Small multiplicative steps towards the target, in proportion to how far a running mean of the
    KL is from it. Two numbers of state, kept in the checkpoint.
    """

    target_bits: float
    beta: float = 0.03
    mean_bits: float = -1.0  # below 0: nothing seen yet
    rate: float = 0.02
    lowest: float = 1e-3
    highest: float = 4.0

    def update(self, kl_bits: float) -> None:
        """Take note of a step's mean KL."""
        self.mean_bits = _running(self.mean_bits, kl_bits)
        error = 3 * (self.mean_bits - self.target_bits) / self.target_bits
        factor = math.exp(self.rate * max(-1.0, min(1.0, error)))
        self.beta = max(self.lowest, min(self.highest, self.beta * factor))


@dataclass
class BetaWarmup:
    """Beta grows in equal steps from near 0 to its final value, and stays there (Bowman et al.
    2016). The same two numbers of state; the KL is only looked at.
    """

    final: float
    warmup_steps: int = 0
    beta: float = 0.0
    mean_bits: float = -1.0

    def __post_init__(self) -> None:
        self._grow()

    def update(self, kl_bits: float) -> None:
        """Take note of a step's mean KL, and go on with the warm-up."""
        self.mean_bits = _running(self.mean_bits, kl_bits)
        self._grow()

    def _grow(self) -> None:
        self.beta = min(self.final, self.beta + self.final / max(self.warmup_steps, 1))


def make_beta_controller(training: TrainingConfig) -> BetaController | BetaWarmup:
    """What `training.kl_control` asks for; free bits are subtracted in `LossTerms.loss`."""
    if training.kl_control == "target":
        return BetaController(target_bits=training.kl_target_bits)
    return BetaWarmup(training.beta, training.beta_warmup_steps)


def _running(before: float, now: float) -> float:
    return 0.9 * before + 0.1 * now if before >= 0 else now
