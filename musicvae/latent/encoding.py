"""A song in the latent space, with all that is needed to decode it again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.downbeats import TimeMap
from musicvae.latent.interpolation import Latents
from musicvae.representation.bars import Bars
from musicvae.song import Part


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """A song in the latent space, with all that is needed to decode it again.

    A song goes through the model in G passes, each with some of its parts: `mu` and `sigma` are
    `(G, W, Z)`. `bars` are its N bars on the preset's grid, without notes; R slots.
    """

    bars: Bars
    source_parts: tuple[Ints, ...]
    """For each pass the part in each slot, -1 where a slot is empty. `(R,)` each"""
    active: tuple[Bools, ...]
    """For each pass the bars in which each slot sounds. `(N, R)` each"""
    chords: Ints | None = None
    """Chord of each quarter of each bar, on which the model is conditioned: `(N, Q, 3)` as in
    `ModelInput`; None where none is known."""
    traits: tuple[Ints, ...] | None = None
    """For each pass the traits of the part in each slot, `(R, 4)` each as in `ModelInput`; None for
    a model that is not told them."""
    key: int
    """Semitones subtracted from every melodic pitch before encoding."""
    mu: Latents
    sigma: Latents
    passthrough: tuple[Part, ...]
    """For each part the notes that the model cannot represent, unchanged."""
    bar_velocities: Floats
    """Mean velocity of each part in each bar, whole numbers. `(N, parts)`"""
    time_map: TimeMap | None = None
    """Position of the bars in the song's file; `None` for a song without a file."""
    checkpoint: str = ""
    """Hash of the checkpoint."""

    def __repr__(self) -> str:
        facts = f"{self.n_windows} windows of {self.mu.shape[2]} latents, {self.kl_bits:,.0f} bits"
        return f"<Encoding: {facts}>"

    @property
    def kl_bits(self) -> float:
        """KL divergence from N(0, 1), summed over windows and passes, in bits.

        `nan` for an autoencoder without noise, where `sigma` is 0.
        """
        if not self.sigma.all():
            return math.nan
        variance = self.sigma.astype(np.float64) ** 2
        nats = 0.5 * (self.mu.astype(np.float64) ** 2 + variance - 1 - np.log(variance))
        return float(nats.sum() / np.log(2))

    @property
    def n_passthrough(self) -> int:
        """Number of notes that the model cannot represent."""
        return sum(len(part) for part in self.passthrough)

    @property
    def n_windows(self) -> int:
        """Number of windows of all passes together."""
        return self.mu.shape[0] * self.mu.shape[1]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that the model represents."""
        return not self.source_parts or not len(self.bars)
