"""Floor 6: a song as a path in the latent space, with what is needed to make a song of it again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.downbeats import TimeMap
from musicvae.latent.interpolation import Latents
from musicvae.representation.bars import Bars
from musicvae.song import Part


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """A song in the latent space, with what is needed to make a song of it again.

    A song passes through the model in groups of parts (`parts.into_slots`): `mu` and `sigma` are
    `(G, W, Z)`. `bars` is its frame on the preset's grid, without its notes.
    """

    bars: Bars
    owners: tuple[Ints, ...]
    """For each group the song's part in each slot, -1 where a slot is empty. `(R,)` each"""
    active: tuple[NDArray[np.bool_], ...]
    """For each group the bars in which each slot sounds. `(N, R)` each"""
    key: int
    """Semitones taken off every melodic pitch before encoding."""
    mu: Latents
    sigma: Latents
    passthrough: tuple[Part, ...]
    """Of each part the notes that the model cannot represent, exactly as they were."""
    bar_velocities: NDArray[np.float64]
    """Mean velocity of each part in each bar, whole numbers. `(N, parts)`"""
    alignment: TimeMap | None = None
    """Where the song is in its file; none for a song that is on no file."""
    checkpoint: str = ""

    def __repr__(self) -> str:
        facts = f"{self.n_windows} windows of {self.mu.shape[2]} latents, {self.kl_bits:,.0f} bits"
        return f"<Encoding: {facts}>"

    @property
    def kl_bits(self) -> float:
        """What the latents carry, summed over windows and groups; `nan` where they are points, as
        those of an autoencoder without noise, for which bits are not defined.
        """
        if not self.sigma.all():
            return math.nan
        variance = self.sigma.astype(np.float64) ** 2
        nats = 0.5 * (self.mu.astype(np.float64) ** 2 + variance - 1 - np.log(variance))
        return float(nats.sum() / np.log(2))

    @property
    def n_passthrough(self) -> int:
        """Notes that the model cannot represent."""
        return sum(len(part) for part in self.passthrough)

    @property
    def n_windows(self) -> int:
        """Windows of all groups together."""
        return self.mu.shape[0] * self.mu.shape[1]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it that the model represents."""
        return not self.owners or not len(self.bars)
