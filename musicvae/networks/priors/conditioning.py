"""Conditioning of priors (bars, meters, keys, positions), and paths of latents.

A song of W windows is a path of W latents. Arrays of windows have any leading shape `...`: `(n, W)`
for n songs, or `(M,)` for windows of many songs in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicvae.arrays import Bools, Ints
from musicvae.data import Batch
from musicvae.representation.chord_grid import UNKNOWN


@dataclass(frozen=True, kw_only=True, eq=False)
class PathConditioning:
    """Meter, key, active parts and their traits, chords, and position in the song of windows."""

    meter: Tensor  # (..., N) index in the preset's vocabulary
    valid: Tensor  # (..., N) bool: bars that lie within the song
    pickup_share: Tensor  # (..., N) share of the bar that is masked, as before a pickup
    part_active: Tensor  # (..., N, R) bool: parts that sound
    first_bar: Tensor  # (...) index in its song of a window's first bar
    song_bars: Tensor  # (...) number of bars of its song
    key: Tensor  # (...) semitones by which its pitches were transposed down
    chords: Tensor  # (..., N, Q, 3) int8 chord of each quarter as in `Batch`
    traits: Tensor  # (..., R, 4) int8 traits of the part in each slot

    @classmethod
    def from_batch(cls, batch: Batch, first_bar: Ints, song_bars: Ints) -> PathConditioning:
        """Return the conditioning `(B,)` of a batch's windows, which begin at bar `first_bar`."""
        return cls(
            meter=batch.meter.cpu(),
            valid=batch.steps.cpu() > 0,
            pickup_share=batch.lead_steps.cpu() / batch.steps.cpu().clamp(min=1),
            part_active=batch.present.cpu(),
            first_bar=torch.from_numpy(first_bar),
            song_bars=torch.from_numpy(song_bars),
            key=batch.key.cpu(),
            chords=batch.chords.cpu(),
            traits=batch.traits.cpu(),
        )

    def without_chords(self, hidden: Tensor) -> PathConditioning:
        """Return the windows with unknown chords where `hidden` (...) bool."""
        chords = self.chords.masked_fill(hidden[..., None, None, None], UNKNOWN)
        return replace(self, chords=chords)

    def __getitem__(self, index: Any) -> PathConditioning:
        """Return the windows at an index over the leading shape."""
        return PathConditioning(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def reshape(self, *shape: int) -> PathConditioning:
        """Return the same windows with another leading shape."""
        ndim = self.key.ndim
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        reshaped = {name: t.reshape(*shape, *t.shape[ndim:]) for name, t in columns.items()}
        return PathConditioning(**reshaped)

    @staticmethod
    def concatenate(pieces: list[PathConditioning]) -> PathConditioning:
        """Return windows one after the other, joined along the first axis."""
        names = [f.name for f in fields(PathConditioning)]
        return PathConditioning(**{n: torch.cat([getattr(p, n) for p in pieces]) for n in names})

    def as_tokens(self, n_tokens: int) -> PathConditioning:
        """Return windows of `n_tokens` bars each: unchanged, or with all bars merged into one."""
        if n_tokens == self.n_bars:
            return self
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        columns |= {name: columns[name][..., :1] for name in ("meter", "pickup_share")}
        columns["valid"] = self.valid.any(-1, keepdim=True)
        columns["part_active"] = self.part_active.any(-2, keepdim=True)
        columns["chords"] = self.chords.flatten(-3, -2).unsqueeze(-3)
        return PathConditioning(**columns)

    @property
    def n_bars(self) -> int:
        """Number of bars of a window, N."""
        return self.meter.shape[-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownLatents:
    """Bars of paths that are known before sampling, wherever they stand."""

    z: NDArray[np.floating[Any]]  # (n, W, Z) latents of each window with only its known bars
    bar_mask: Bools  # (n, W, N) bars that are known

    def __getitem__(self, index: Any) -> KnownLatents:
        """Return the paths or windows at an index over the leading shape."""
        return KnownLatents(z=self.z[index], bar_mask=self.bar_mask[index])

    def fully_known(self, conditioning: PathConditioning) -> Bools:
        """Return the windows whose bars are all known: their latents are kept. `(n, W)`"""
        valid = conditioning.valid.numpy()
        return np.asarray((self.bar_mask | ~valid).all(-1) & valid.any(-1))

    def partly_known(self, conditioning: PathConditioning) -> Bools:
        """Return the windows with only some bars known: they are sampled. `(n, W)`"""
        some = (self.bar_mask & conditioning.valid.numpy()).any(-1)
        return np.asarray(some & ~self.fully_known(conditioning))


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedPaths:
    """Posteriors of the windows of many songs, one path after the other."""

    mu: NDArray[np.floating[Any]]  # (M, Z)
    sigma: NDArray[np.floating[Any]]  # (M, Z)
    conditioning: PathConditioning  # (M,)
    path: Ints  # (M,) index of the path of each window, ascending
    partial_encoding: KnownLatents | None = None
    """Mean of each window encoded without some of its bars. `(M,)`"""

    def __len__(self) -> int:
        return len(self.mu)

    @property
    def path_starts(self) -> Ints:
        """First window of each path, then the number of windows. `(n + 1,)`"""
        return np.concatenate([[0], np.flatnonzero(np.diff(self.path)) + 1, [len(self)]])
