"""Floor 5: what is known of a song's windows before their latents are: bars, meters, key, place."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicvae.arrays import Ints
from musicvae.data import Batch


@dataclass(frozen=True, kw_only=True, eq=False)
class PathConditioning:
    """Frames of windows, any leading shape `...`: `(n, W)` of songs, `(M,)` of many in a row."""

    meter: Tensor  # (..., N) index in the preset's vocabulary
    real: Tensor  # (..., N) bool: bars that lie within the song
    lead: Tensor  # (..., N) share of the bar that is masked, as before a pickup
    present: Tensor  # (..., N, R) bool: parts that sound
    first: Tensor  # (...) which bar of its song a window begins with
    bars: Tensor  # (...) how many bars its song has
    key: Tensor  # (...) semitones taken off its pitches

    @classmethod
    def of(cls, batch: Batch, first: Ints, bars: Ints) -> PathConditioning:
        """Frames `(B,)` of a batch's windows, which begin at bar `first` of songs of `bars`."""
        return cls(
            meter=batch.meter.cpu(),
            real=batch.steps.cpu() > 0,
            lead=batch.lead.cpu() / batch.steps.cpu().clamp(min=1),
            present=batch.present.cpu(),
            first=torch.from_numpy(first),
            bars=torch.from_numpy(bars),
            key=batch.key.cpu(),
        )

    def __getitem__(self, index: Any) -> PathConditioning:
        """The frames at an index over the leading shape."""
        return PathConditioning(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def reshape(self, *shape: int) -> PathConditioning:
        """The same frames, another leading shape."""
        lead = self.key.ndim
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return PathConditioning(**{n: t.reshape(*shape, *t.shape[lead:]) for n, t in columns.items()})

    @staticmethod
    def concatenate(frames: list[PathConditioning]) -> PathConditioning:
        """Frames one after the other."""
        names = [f.name for f in fields(PathConditioning)]
        return PathConditioning(**{n: torch.cat([getattr(f, n) for f in frames]) for n in names})

    def parted(self, size: int) -> PathConditioning:
        """The same windows as `size` bars each: as they are, or all their bars as one."""
        if size == self.size:
            return self
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        columns |= {name: columns[name][..., :1] for name in ("meter", "lead")}
        columns["real"] = self.real.any(-1, keepdim=True)
        columns["present"] = self.present.any(-2, keepdim=True)
        return PathConditioning(**columns)

    @property
    def size(self) -> int:
        """Bars of a window."""
        return self.meter.shape[-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownLatents:
    """What is known of paths before they are drawn: any bars of them, wherever they stand."""

    z: NDArray[
        np.floating[Any]
    ]  # (n, W, Z) latents of what is known of each window, the rest of it being silent
    bars: NDArray[np.bool_]  # (n, W, N) bars that are known

    def __getitem__(self, index: Any) -> KnownLatents:
        """Of the paths or windows at an index over the leading shape."""
        return KnownLatents(z=self.z[index], bars=self.bars[index])

    def whole(self, frame: PathConditioning) -> NDArray[np.bool_]:
        """Windows of which all bars are known: their latents stay. `(n, W)`"""
        real = frame.real.numpy()
        return np.asarray((self.bars | ~real).all(-1) & real.any(-1))

    def partly(self, frame: PathConditioning) -> NDArray[np.bool_]:
        """Windows of which some bars are known: they are drawn anew, hearing these. `(n, W)`"""
        return np.asarray((self.bars & frame.real.numpy()).any(-1) & ~self.whole(frame))


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedPaths:
    """Posteriors of the windows of many songs, one path after the other."""

    mu: NDArray[np.floating[Any]]  # (M, Z)
    sigma: NDArray[np.floating[Any]]  # (M, Z)
    frame: PathConditioning  # (M,)
    path: Ints  # (M,) which path each window belongs to; sorted
    heard: KnownLatents | None = None
    """Of each window the mean that is left of it when some of its bars are taken away `(M,)`."""

    def __len__(self) -> int:
        return len(self.mu)

    @property
    def starts(self) -> Ints:
        """Where each path begins, and at the end how many windows there are. `(n + 1,)`"""
        return np.concatenate([[0], np.flatnonzero(np.diff(self.path)) + 1, [len(self)]])
