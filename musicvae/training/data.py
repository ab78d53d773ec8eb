"""Floor 7: training batches as a function of seed and step, and nothing else.

Because batch number `step` can be made without the ones before it, going on after an interruption
needs no state of a sampler, and every rank of a distributed run takes its rows of the same batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset

from musicvae.dataset import Batch, Windows
from musicvae.errors import DataError
from musicvae.song import Ints
from musicvae.training.noise import corrupted

_JITTER = np.array([-7, -5, -2, -1, 1, 2, 5, 7])


class Lesson(NamedTuple):
    """What one step learns from."""

    batch: Batch
    heard: Batch | None
    """The same windows with corrupted notes, where the encoder hears such ones."""


class Steps(IterableDataset[Lesson]):
    """An endless row of training batches, from `start` on."""

    def __init__(
        self,
        windows: Windows,
        *,
        batch: int,
        seed: int,
        key_jitter: float,
        part_dropout: float = 0.0,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.windows = windows
        self.size = min(batch, len(windows)) // world * world
        if not self.size:
            raise DataError(f"{len(windows)} windows are too few for {world} processes")
        self.per_epoch = max(1, len(windows) // self.size)
        self.seed, self.key_jitter, self.start = seed, key_jitter, start
        self.part_dropout = part_dropout
        self.rank, self.world = rank, world
        self._present = np.array([source.group.present for source in windows.sources])
        self._epoch = -1
        self._order = np.zeros(0, np.int64)

    def at(self, step: int) -> Batch:
        """This rank's rows of batch number `step`."""
        return self._batch(step, slice(self.rank, None, self.world))

    def lesson(self, step: int) -> Lesson:
        """The same, with what the encoder hears of it if that is something else."""
        preset = self.windows.preset
        if preset.training.noise == "none":
            return Lesson(self.at(step), None)
        # The noise is drawn for all ranks' rows, so that it does not matter how many there are.
        whole = self._batch(step, slice(None))
        heard = corrupted(whole, preset, np.random.default_rng((self.seed, step, 2)))
        mine = slice(self.rank, None, self.world)
        return Lesson(*(Batch(*(tensor[mine] for tensor in each)) for each in (whole, heard)))

    def _batch(self, step: int, mine: slice) -> Batch:
        epoch, nth = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self.seed, epoch))
            self._epoch, self._order = epoch, rng.permutation(len(self.windows))
        rng = np.random.default_rng((self.seed, step, 1))
        moved = rng.random(self.size) < self.key_jitter
        shift = np.where(moved, rng.choice(_JITTER, self.size), 0)
        index = self._order[nth * self.size : (nth + 1) * self.size]
        return self.windows.batch(index[mine], shift[mine], self._dropped(index, rng)[mine])

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
            yield self.lesson(step)
            step += 1


class WindowsModule(pl.LightningDataModule):
    """Training windows for a Lightning trainer, from step `start` on."""

    def __init__(self, windows: Windows, *, start: int = 0) -> None:
        super().__init__()
        self.windows, self.start = windows, start

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
        )
        return DataLoader(steps, batch_size=None, num_workers=0)
