"""Training objectives, and the control of beta, the weight of the KL divergence.

With `x` the notes of a window, `c(x)` a corruption of them, `f` the encoder's mean and `s` its
standard deviation, and `-log p(x | z)` the decoder's loss, as cross-entropy in nats or, on a roll,
as squared error `||x - x'||^2`:

- `ae`: ``L = -log p(x | f(x))``. No noise, no KL: `z` is a point, and bits are undefined.
- `dae`: ``L = -log p(x | f(c(x)))``: reconstruct the clean notes from corrupted ones
  (Vincent et al. 2008).
- `vae`: ``L = -log p(x | z) + beta KL(N(f(x), s(x)^2) || N(0, I))`` with
  ``z = f(x) + s(x) * noise``: the negative ELBO at beta 1 (Kingma and Welling 2013), else the
  beta-VAE of Higgins et al. (2017). With a corruption, `f` and `s` are of `c(x)`: the denoising
  VAE of Im et al. (2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from musicvae.config.plugins import plugin
from musicvae.config.training import OBJECTIVES, TrainingConfig
from musicvae.data import Batch
from musicvae.networks.cell_decoder import NoteNLL
from musicvae.networks.vae import VAE, Posterior

NATS_PER_BIT = math.log(2)
ACTIVE_UNIT_VARIANCE = 0.01


@dataclass(frozen=True)
class LossTerms:
    """The two terms of an objective on a batch, in nats a window."""

    notes: NoteNLL
    kl: Tensor  # (B,), 0 where the code is a point

    def loss(self, beta: float, context_free_weight: float = 0.0, free_bits: float = 0.0) -> Tensor:
        """Return ``-log p(x | z) + beta * max(KL - free, 0)``, mean over windows, a scalar.

        Args:
            beta: weight of the KL.
            context_free_weight: weight of the loss of predictions from the latent alone, which
                keeps an autoregressive decoder from ignoring the latent.
            free_bits: bits of a whole window that cost nothing, as in MusicVAE (not of each
                dimension).
        """
        kl = (self.kl - free_bits * NATS_PER_BIT).clamp(min=0) if free_bits else self.kl
        notes = self.notes.total + context_free_weight * self.notes.context_free_nll
        return (notes + beta * kl).mean()


def compute_loss_terms(
    vae: VAE, batch: Batch, noise: Tensor, encoder_input: Batch | None = None
) -> tuple[LossTerms, Posterior]:
    """Return the terms of `training.objective`, and the posteriors.

    Args:
        vae: the model.
        batch: the windows to reconstruct.
        noise: standard normal, ignored by a deterministic encoder. `(B, Z)`
        encoder_input: the windows with corrupted notes, if not `batch` itself is encoded.

    An objective that is a plug-in gets the same arguments.
    """
    objective = vae.preset.training.objective
    if objective not in OBJECTIVES:
        found: tuple[LossTerms, Posterior] = plugin("objective", objective)(
            vae, batch, noise, encoder_input
        )
        return found
    posterior = vae.encode(batch if encoder_input is None else encoder_input)
    notes = vae.loss(batch, posterior.sample(noise))
    return LossTerms(notes, posterior.kl().sum(1)), posterior


def active_units(mu: Tensor) -> int:
    """Return the number of latent dimensions whose mean varies over windows (Burda et al. 2016).

    `mu` is `(W, Z)`.
    """
    return int((mu.var(0) > ACTIVE_UNIT_VARIANCE).sum()) if len(mu) > 1 else 0


def deterministic_noise(seed: int, step: int, shape: tuple[int, ...]) -> Tensor:
    """Return standard normal noise that is a function of seed, step and shape alone."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    return torch.randn(shape, generator=generator)


@dataclass
class BetaController:
    """Feedback control of beta that keeps the KL of a window near a target in bits.

    Each step multiplies beta by a factor near 1, in proportion to the error of a running mean of
    the KL. The state, `beta` and `mean_bits`, is kept in the checkpoint.
    """

    target_bits: float
    beta: float = 0.03
    mean_bits: float = -1.0  # negative before the first update
    rate: float = 0.02
    min_beta: float = 1e-3
    max_beta: float = 4.0

    def update(self, kl_bits: float) -> None:
        """Adjust beta to the mean KL of a step's windows."""
        self.mean_bits = _running_mean(self.mean_bits, kl_bits)
        error = 3 * (self.mean_bits - self.target_bits) / self.target_bits
        factor = math.exp(self.rate * max(-1.0, min(1.0, error)))
        self.beta = max(self.min_beta, min(self.max_beta, self.beta * factor))


@dataclass
class BetaWarmup:
    """Linear warm-up of beta to a fixed value (Bowman et al. 2016).

    Has the state of a `BetaController`; the KL is recorded and has no influence.
    """

    final_beta: float
    warmup_steps: int = 0
    beta: float = 0.0
    mean_bits: float = -1.0

    def __post_init__(self) -> None:
        self._advance()

    def update(self, kl_bits: float) -> None:
        """Record the mean KL of a step's windows, and advance the warm-up."""
        self.mean_bits = _running_mean(self.mean_bits, kl_bits)
        self._advance()

    def _advance(self) -> None:
        increment = self.final_beta / max(self.warmup_steps, 1)
        self.beta = min(self.final_beta, self.beta + increment)


def make_beta_controller(training: TrainingConfig) -> BetaController | BetaWarmup:
    """Return the controller for `training.kl_control`; `LossTerms.loss` applies free bits."""
    if training.kl_control == "target":
        return BetaController(target_bits=training.kl_target_bits)
    return BetaWarmup(training.beta, training.beta_warmup_steps)


def _running_mean(before: float, now: float) -> float:
    return 0.9 * before + 0.1 * now if before >= 0 else now
