"""Floor 7: training batches as a function of seed and step, and nothing else.

Because batch number `step` can be made without the ones before it, going on after an interruption
needs no state of a sampler. A batch is dealt out in pieces of equal size: to the ranks of a
distributed run, and on each to the micro-batches whose gradients are summed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from musicvae.data import Batch, WindowDataset
from musicvae.errors import DataError
from musicvae.song import Ints
from musicvae.training.attribute_regularization import values_of
from musicvae.training.augmentation import kits_mixed
from musicvae.training.corruption import corrupted
from musicvae.training.replay import mixed

_JITTER = np.array([-7, -5, -2, -1, 1, 2, 5, 7])


class Lesson(NamedTuple):
    """What one step learns from."""

    batch: Batch
    heard: Batch | None
    """The same windows with corrupted notes, where the encoder hears such ones."""
    values: Tensor | None
    """Attributes of the windows `(B, A)`, where dimensions of the latent are to follow some."""


def piece_of(micro: int, rank: int, world: int) -> int:
    """Which piece of a batch a rank learns from in its micro-batch `micro`: row `piece` and every
    so many rows after it as there are pieces.
    """
    return micro * world + rank


class Steps(IterableDataset[Lesson]):
    """An endless row of training batches, from `start` on, each in `accumulate` micro-batches.

    `batch` windows are one micro-batch of all `world` ranks together. Of `dreams`, if there are
    any, the preset's share is rehearsed in each.
    """

    def __init__(
        self,
        windows: WindowDataset,
        *,
        batch: int,
        seed: int,
        key_jitter: float,
        part_dropout: float = 0.0,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        accumulate: int = 1,
        dreams: Batch | None = None,
    ) -> None:
        self.windows, self.dreams = windows, dreams
        self.accumulate, self.pieces = accumulate, world * accumulate
        self.size = min(batch * accumulate, len(windows)) // self.pieces * self.pieces
        if not self.size:
            raise DataError(f"{len(windows)} windows are too few to share out among {self.pieces}")
        self.per_epoch = max(1, len(windows) // self.size)
        self.seed, self.key_jitter, self.start = seed, key_jitter, start
        self.part_dropout = part_dropout
        self.rank, self.world = rank, world
        self._present = np.array([source.group.present for source in windows.sources])
        self._epoch = -1
        self._order = np.zeros(0, np.int64)

    def at(self, step: int, micro: int = 0) -> Batch:
        """This rank's rows of micro-batch `micro` of batch number `step`."""
        return self._batch(step, self._mine(micro))

    def _mine(self, micro: int) -> slice:
        return slice(piece_of(micro, self.rank, self.world), None, self.pieces)

    def lesson(self, step: int, micro: int = 0) -> Lesson:
        """The same, with what the encoder hears of it if that is something else."""
        preset = self.windows.preset
        if preset.training.noise == "none":
            batch = self.at(step, micro)
            return Lesson(batch, None, values_of(batch, preset))
        # The noise is drawn for all rows, so that it does not matter how they are dealt out.
        whole = self._batch(step, slice(None))
        heard = corrupted(whole, preset, np.random.default_rng((self.seed, step, 2)))
        whole = whole._replace(damage=heard.damage)  # the decoder is told of it too
        mine = self._mine(micro)
        batch, heard = (Batch(*(tensor[mine] for tensor in each)) for each in (whole, heard))
        return Lesson(batch, heard, values_of(batch, preset))

    def _batch(self, step: int, mine: slice) -> Batch:
        epoch, nth = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self.seed, epoch))
            self._epoch, self._order = epoch, rng.permutation(len(self.windows))
        rng = np.random.default_rng((self.seed, step, 1))
        moved = rng.random(self.size) < self.key_jitter
        shift = np.where(moved, rng.choice(_JITTER, self.size), 0)
        index = self._order[nth * self.size : (nth + 1) * self.size]
        dropped, mixing = self._dropped(index, rng), self.windows.preset.training.kit_mixing
        if mixing:  # among all rows, so that it does not matter how they are dealt out
            whole = kits_mixed(self.windows.batch(index, shift, dropped), mixing, rng)
            batch = Batch(*(tensor[mine] for tensor in whole))
        else:
            batch = self.windows.batch(index[mine], shift[mine], dropped[mine])
        if self.dreams is None:
            return batch
        share = self.windows.preset.training.rehearsal
        dreamt = (rng.random(self.size) < share)[mine]
        which = rng.integers(0, len(self.dreams.n_notes), self.size)[mine]
        into = torch.from_numpy(np.flatnonzero(dreamt))
        return mixed(batch, self.dreams, into, torch.from_numpy(which[dreamt]))

    def _dropped(self, index: Ints, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Parts to leave out: of some windows some, never all that sound. `(B, R)`"""
        inside = self._present[self.windows.source[index]]
        some = rng.random(len(index)) < self.part_dropout
        dropped = rng.random(inside.shape) < 0.5
        keeper = np.argmax(rng.random(inside.shape) * inside, axis=1)
        dropped[np.arange(len(index)), keeper] = False
        return dropped & some[:, None]

    def __iter__(self) -> Iterator[Lesson]:
        step = self.start
        while True:
            for micro in range(self.accumulate):
                yield self.lesson(step, micro)
            step += 1


class WindowsModule(pl.LightningDataModule):
    """Training windows for a Lightning trainer, from step `start` on."""

    def __init__(
        self, windows: WindowDataset, *, start: int = 0, dreams: Batch | None = None
    ) -> None:
        super().__init__()
        self.windows, self.start, self.dreams = windows, start, dreams

    def train_dataloader(self) -> DataLoader[Lesson]:
        """Whole batches, made in this process: cutting them takes a few milliseconds."""
        training = self.windows.preset.training
        trainer = self.trainer
        steps = Steps(
            self.windows,
            batch=training.batch,
            seed=training.seed,
            key_jitter=training.key_jitter,
            part_dropout=training.part_dropout,
            start=self.start,
            rank=trainer.global_rank if trainer else 0,
            world=trainer.world_size if trainer else 1,
            accumulate=training.accumulate,
            dreams=self.dreams,
        )
        return DataLoader(steps, batch_size=None, num_workers=0)
