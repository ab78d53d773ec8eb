"""Training batches as a function of seed and step alone.

Batch number `step` does not depend on the ones before it, so resuming needs no sampler state. The
rows of a batch are dealt out in equal pieces: to the ranks of a distributed run, and on each rank
to the micro-batches whose gradients are accumulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from musicvae.arrays import Bools, Ints
from musicvae.data import Batch, WindowDataset
from musicvae.errors import DataError
from musicvae.representation.chord_grid import UNKNOWN
from musicvae.training.attribute_regularization import batch_attributes
from musicvae.training.augmentation import corrupt_batch, mix_drum_kits
from musicvae.training.replay import replace_windows

KEY_SHIFTS = np.array([-7, -5, -2, -1, 1, 2, 5, 7])  # semitones


class TrainingExample(NamedTuple):
    """The input of one training step."""

    batch: Batch
    corrupted: Batch | None
    """The same windows with corrupted notes, for the encoder of a denoising model."""
    attributes: Tensor | None
    """Attributes of the windows `(B, A)`, if latent dimensions are regularized by some."""


def microbatch_index(micro: int, rank: int, world: int) -> int:
    """Return which piece of a batch is a rank's micro-batch `micro`.

    Of P pieces, piece p holds rows p, p + P, p + 2P and so on.
    """
    return micro * world + rank


class BatchSampler(IterableDataset[TrainingExample]):
    """An endless sequence of training batches, each in `accumulate` micro-batches.

    Args:
        windows: the training windows.
        batch_size: windows of one micro-batch of all ranks together.
        seed: seed of order and augmentation.
        key_jitter: share of windows whose key is shifted.
        part_dropout: share of windows with some parts left out.
        start: the first step.
        rank, world: rank of this process, and number of processes.
        accumulate: micro-batches per step.
        replay: windows of which the preset's `replay_share` is mixed into each batch.

    Raises `DataError` if there are fewer windows than pieces of a batch.
    """

    def __init__(
        self,
        windows: WindowDataset,
        *,
        batch_size: int,
        seed: int,
        key_jitter: float,
        part_dropout: float = 0.0,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        accumulate: int = 1,
        replay: Batch | None = None,
    ) -> None:
        self.windows, self.replay = windows, replay
        self.accumulate, self.n_pieces = accumulate, world * accumulate
        self.size = min(batch_size * accumulate, len(windows)) // self.n_pieces * self.n_pieces
        if not self.size:
            raise DataError(
                f"{len(windows)} windows are too few to divide among {self.n_pieces} micro-batches"
            )
        self.per_epoch = max(1, len(windows) // self.size)
        self.seed, self.key_jitter, self.start = seed, key_jitter, start
        self.part_dropout = part_dropout
        self.rank, self.world = rank, world
        self._slot_active = np.array([each.model_pass.slot_active for each in windows.inputs])
        self._epoch = -1
        self._order = np.zeros(0, np.int64)

    def batch(self, step: int, micro: int = 0) -> Batch:
        """Return this rank's rows of micro-batch `micro` of batch number `step`."""
        return self._batch(step, self._rows(micro))

    def example(self, step: int, micro: int = 0) -> TrainingExample:
        """Return the same rows, with corrupted notes and attributes if the preset uses them."""
        preset = self.windows.preset
        if preset.training.effective_corruption == "none":
            batch = self.batch(step, micro)
            return TrainingExample(batch, None, batch_attributes(batch, preset))
        # Corruption is drawn for all rows, so that the result does not depend on ranks.
        whole = self._batch(step, slice(None))
        corrupted = corrupt_batch(whole, preset, np.random.default_rng((self.seed, step, 2)))
        whole = whole._replace(corruption=corrupted.corruption)  # the decoder is conditioned, too
        rows = self._rows(micro)
        batch, corrupted = (Batch(*(column[rows] for column in b)) for b in (whole, corrupted))
        return TrainingExample(batch, corrupted, batch_attributes(batch, preset))

    def _rows(self, micro: int) -> slice:
        return slice(microbatch_index(micro, self.rank, self.world), None, self.n_pieces)

    def _batch(self, step: int, rows: slice) -> Batch:
        epoch, nth = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self.seed, epoch))
            self._epoch, self._order = epoch, self._epoch_order(rng)
        rng = np.random.default_rng((self.seed, step, 1))
        is_shifted = rng.random(self.size) < self.key_jitter
        shift = np.where(is_shifted, rng.choice(KEY_SHIFTS, self.size), 0)
        index = self._order[nth * self.size : (nth + 1) * self.size]
        dropped, mix_share = self._dropped(index, rng), self.windows.preset.training.drum_mix_share
        if mix_share:  # mixed among all rows, so that the result does not depend on ranks
            whole = mix_drum_kits(self.windows.batch(index, shift, dropped), mix_share, rng)
            batch = Batch(*(column[rows] for column in whole))
        else:
            batch = self.windows.batch(index[rows], shift[rows], dropped[rows])
        batch = self._hide_conditions(batch, step, rows)
        if self.replay is None:
            return batch
        is_replayed = (rng.random(self.size) < self.windows.preset.training.replay_share)[rows]
        which = rng.integers(0, len(self.replay.n_notes), self.size)[rows]
        into = torch.from_numpy(np.flatnonzero(is_replayed))
        return replace_windows(batch, self.replay, into, torch.from_numpy(which[is_replayed]))

    def _epoch_order(self, rng: np.random.Generator) -> Ints:
        """Return the windows of an epoch in random order, `(n,)`; see `training.balance`."""
        n, balance = len(self.windows), self.windows.preset.training.balance
        if balance == 1:
            return rng.permutation(n)
        tops = ["/".join(source.path.split("/")[:-1][:1]) for source in self.windows.inputs]
        top = np.unique(tops, return_inverse=True)[1][self.windows.input_index]
        folder, of_window, count = np.unique(top, return_inverse=True, return_counts=True)
        share = np.cumsum(count**balance)
        quota = np.diff(np.round(share / share[-1] * n), prepend=0).astype(np.int64)
        chosen = []
        for nth in range(len(folder)):  # whole rounds of its windows, and a part of one
            own = np.flatnonzero(of_window == nth)
            rounds, rest = divmod(int(quota[nth]), len(own))
            chosen += [*[own] * rounds, rng.permutation(own)[:rest]]
        return rng.permutation(np.concatenate(chosen))

    def _hide_conditions(self, batch: Batch, step: int, rows: slice) -> Batch:
        """Hide the chords, and the traits of parts, of some windows each."""
        preset, rng = self.windows.preset, np.random.default_rng((self.seed, step, 4))
        no_chords, no_traits = (
            torch.from_numpy(rng.random(self.size) < share)[rows]
            for share in (preset.training.chord_dropout, preset.training.trait_dropout)
        )
        if preset.conditions.chords:
            chords = batch.chords.masked_fill(no_chords[:, None, None, None], UNKNOWN)
            batch = batch._replace(chords=chords)
        if preset.conditions.parts:
            batch = batch._replace(traits=batch.traits * ~no_traits[:, None, None])
        return batch

    def _dropped(self, index: Ints, rng: np.random.Generator) -> Bools:
        """Draw the parts to leave out of each window, never all that sound, `(B, R)`."""
        active = self._slot_active[self.windows.input_index[index]]
        has_dropout = rng.random(len(index)) < self.part_dropout
        dropped = rng.random(active.shape) < 0.5
        kept = np.argmax(rng.random(active.shape) * active, axis=1)
        dropped[np.arange(len(index)), kept] = False
        return dropped & has_dropout[:, None]

    def __iter__(self) -> Iterator[TrainingExample]:
        step = self.start
        while True:
            for micro in range(self.accumulate):
                yield self.example(step, micro)
            step += 1


class WindowDataModule(pl.LightningDataModule):
    """Training batches for a Lightning trainer, from step `start` on."""

    def __init__(
        self, windows: WindowDataset, *, start: int = 0, replay: Batch | None = None
    ) -> None:
        super().__init__()
        self.windows, self.start, self.replay = windows, start, replay

    def train_dataloader(self) -> DataLoader[TrainingExample]:
        """Return a loader without workers: slicing a batch takes a few milliseconds."""
        training = self.windows.preset.training
        trainer = self.trainer
        sampler = BatchSampler(
            self.windows,
            batch_size=training.batch,
            seed=training.seed,
            key_jitter=training.key_jitter,
            part_dropout=training.part_dropout,
            start=self.start,
            rank=trainer.global_rank if trainer else 0,
            world=trainer.world_size if trainer else 1,
            accumulate=training.accumulate,
            replay=self.replay,
        )
        return DataLoader(sampler, batch_size=None, num_workers=0)
