"""Floor 5: how the KL is weighed: steered to a number of bits, by a fixed beta, or free bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from musicvae.config import TrainingConfig


@dataclass
class BetaControl:
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
class FixedBeta:
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


def control_of(training: TrainingConfig) -> BetaControl | FixedBeta:
    """What `training.kl_control` asks for; free bits are subtracted in `Terms.loss`."""
    if training.kl_control == "target":
        return BetaControl(target_bits=training.kl_target_bits)
    return FixedBeta(training.beta, training.beta_warmup_steps)


def _running(before: float, now: float) -> float:
    return 0.9 * before + 0.1 * now if before >= 0 else now
