"""Model inputs of songs, and batches of their windows as tensors.

Windows are sliced from one flat note table by array operations, without a loop over notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicvae.arrays import Bools, Ints
from musicvae.config.preset import Preset
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.representation.grid import Grid
from musicvae.representation.key import estimate_diatonic_key
from musicvae.representation.slots import ModelPass, assign_slots
from musicvae.representation.windows import WindowSlicer, column_index, window_bounds

NOTE_FIELDS = ("bar", "position", "part", "pitch", "duration", "velocity", "timing")
PAD_MULTIPLE = 8  # the number of notes of a batch is a multiple of it
CHUNK_SIZE = 256  # inputs whose notes are concatenated at a time


class Batch(NamedTuple):
    """B windows of N bars as tensors, int64 unless stated otherwise.

    K is the largest number of notes of a window in the batch, rounded up to `PAD_MULTIPLE`. A note
    is `(bar, position, part, pitch, duration, velocity, timing)`: position 0 is a carry-in,
    `1 + step` an onset; pitch is relative to `key`; duration is in cells; timing is in 960ths of a
    quarter.
    """

    notes: Tensor  # (B, K, 7), rows past n_notes are 0
    n_notes: Tensor  # (B,)
    steps: Tensor  # (B, N) cells of each bar, 0 past the end of the song
    lead_steps: Tensor  # (B, N) masked cells at the start of a pickup bar
    meter: Tensor  # (B, N) index in the preset's meter vocabulary, 0 for others
    present: Tensor  # (B, N, R) bool: slots that sound in each bar
    key: Tensor  # (B,) semitones subtracted from the pitches of melodic slots
    corruption: Tensor  # (B, D) float32 amount of each of `training.condition_kinds`

    @property
    def n_bars(self) -> Tensor:
        """Number of bars of each window that lie within its song, `(B,)`."""
        return (self.steps > 0).sum(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelInput:
    """One model pass of a song on a preset's grid, from which windows are sliced.

    `bars` has no notes; they are in `model_pass`. `active` `(N, R)` marks the bars in which each
    slot sounds. It is side information, one bit per part and bar: a silent part stays silent.
    """

    bars: Bars
    model_pass: ModelPass
    key: int
    active: Bools
    path: str = ""

    @classmethod
    def without_notes(cls, bars: Bars, n_parts: int, key: int) -> ModelInput:
        """Return an input over `bars` in which all `n_parts` slots may sound, each a part."""
        return cls(
            bars=bars,
            model_pass=ModelPass(notes=Notes.concatenate([]), source_part=np.arange(n_parts)),
            key=key,
            active=np.ones((len(bars), n_parts), bool),
        )


def model_inputs(bars: Bars, preset: Preset, path: str = "") -> tuple[list[ModelInput], Notes]:
    """Split a song into the passes through a preset's model, and the notes that pass through.

    `bars` may be on any grid; the result is on the preset's.
    """
    bars = bars.at(preset.grid.steps_per_quarter)
    assignment = assign_slots(bars, preset.parts)
    drums = np.array([part.kind == "drums" for part in preset.parts])
    melodic = [p.notes.select(~drums[p.notes.part]) for p in assignment.passes]
    notes = Notes.concatenate(melodic)
    key = estimate_diatonic_key(notes.pitch, notes.duration)
    empty = replace(bars, notes=Notes.concatenate([]))
    inputs = [
        ModelInput(
            bars=empty,
            model_pass=model_pass,
            key=key,
            active=_active_parts(bars.grid, model_pass),
            path=path,
        )
        for model_pass in assignment.passes
    ]
    return inputs, assignment.passthrough


def fits_preset(grid: Grid, first: Ints, stop: Ints, preset: Preset) -> Bools:
    """Return which windows have no bar longer than the preset's maximum, `(W,)`."""
    n_long = np.concatenate([[0], np.cumsum(grid.steps > preset.grid.max_steps)])
    return np.asarray(n_long[stop] == n_long[first])


def _active_parts(grid: Grid, model_pass: ModelPass) -> Bools:
    """Return the bars in which each slot sounds, `(N, R)`."""
    notes, R = model_pass.notes, len(model_pass.source_part)
    last = np.searchsorted(
        grid.cell_offsets[:-1], cell_index(grid, notes) + notes.duration - 1, side="right"
    )
    edges = np.zeros((len(grid) + 1, R), np.int64)
    np.add.at(edges, (notes.bar, notes.part), 1)
    np.add.at(edges, (last, notes.part), -1)
    return np.cumsum(edges, axis=0)[:-1] > 0


class WindowBatcher:
    """Slicer of batches of windows from concatenated model inputs.

    `inputs` may be an iterator; only their grids are kept. `corruption` `(D,)` is the condition of
    denoising models for all windows, as in `Batch`; zero by default.

    Attributes:
        lengths_bars: number of bars of each input.
        offsets_bars: first bar of each input in the concatenation, and the total.
        key: semitones that normalize each input.
        meter: index of each bar's meter in the preset's vocabulary.
    """

    def __init__(
        self, inputs: Iterable[ModelInput], preset: Preset, corruption: Tensor | None = None
    ) -> None:
        self.preset = preset
        self.corruption = (
            torch.zeros(len(preset.training.condition_kinds)) if corruption is None else corruption
        )
        none = np.zeros((0, len(preset.parts)), bool)
        grids, active, keys, chunks, notes = list[Grid](), [none], list[int](), list[Notes](), []
        offset = 0
        for each in inputs:
            its_notes = each.model_pass.notes
            if len(its_notes):
                notes.append(replace(its_notes, bar=its_notes.bar + offset))
            if len(notes) == CHUNK_SIZE:
                chunks, notes = [*chunks, _concatenate_compact(notes)], []
            grids.append(each.bars.grid)
            active.append(each.active)
            keys.append(each.key)
            offset += len(each.bars)
        self.lengths_bars = np.array([len(grid) for grid in grids], np.int64)
        self.offsets_bars = np.concatenate([[0], np.cumsum(self.lengths_bars)])
        names = ("steps", "lead_steps", "numerator", "denominator", "start_ticks", "length_ticks")
        self._grid = Grid(
            steps_per_quarter=preset.grid.steps_per_quarter,
            ticks_per_quarter=1,
            **{name: _concatenate_column(grids, name) for name in names},
        )
        self._slicer = WindowSlicer(self._grid, _concatenate_compact([*chunks, *notes]))
        self._active = np.concatenate(active)
        self.key = np.array(keys, np.int64)
        self._drums = np.array([part.kind == "drums" for part in preset.parts])
        pairs, index = np.unique(
            np.stack([self._grid.numerator, self._grid.denominator]), axis=1, return_inverse=True
        )
        meters = [preset.meter_id(int(n), int(d)) for n, d in pairs.T]
        self.meter = np.array(meters, np.int64)[index.reshape(-1)]

    @property
    def concatenated(self) -> tuple[Grid, Notes]:
        """The concatenated bars of all inputs, and their notes with pitches not normalized."""
        return self._grid, self._slicer.notes

    def input_notes(self, index: int) -> Notes:
        """Return the notes of one input."""
        begin, stop = self.offsets_bars[index : index + 2].tolist()
        first, last = np.searchsorted(self._slicer.notes.bar, (begin, stop))
        compact = self._slicer.notes.select(slice(int(first), int(last)))
        notes = Notes(**{name: column.astype(np.int64) for name, column in vars(compact).items()})
        return replace(notes, bar=notes.bar - begin)

    def meter_names(self, input_index: Ints, first_bar: Ints) -> NDArray[np.str_]:
        """Return the meter of bars `first_bar` of inputs, such as `3/4`. `(B,)`"""
        at = self.offsets_bars[input_index] + first_bar
        pairs = zip(self._grid.numerator[at], self._grid.denominator[at], strict=True)
        return np.array([f"{numerator}/{denominator}" for numerator, denominator in pairs], np.str_)

    @property
    def n_notes(self) -> int:
        """Number of notes of all inputs."""
        return len(self._slicer.notes)

    def window_starts(self, hop_bars: int) -> tuple[Ints, Ints, dict[str, int]]:
        """Return input and first bar `(W,)` of every usable window.

        The third value counts skipped windows by reason: a bar too long for the preset, no note.
        """
        size = self.preset.grid.bars
        starts = [window_bounds(int(n), size, hop_bars)[0] for n in self.lengths_bars]
        input_index = np.repeat(np.arange(len(starts)), [len(each) for each in starts])
        first_bar = _concatenate(starts)
        at = self.offsets_bars[input_index] + first_bar
        stop = np.minimum(at + size, self.offsets_bars[input_index + 1])
        notes = np.searchsorted(self._slicer.notes.bar, np.arange(len(self._grid) + 1))
        long, silent = ~fits_preset(self._grid, at, stop, self.preset), notes[stop] == notes[at]
        skipped = {
            f"with a bar of over {self.preset.grid.max_steps} cells": int(long.sum()),
            "without a note": int((silent & ~long).sum()),
        }
        use = ~long & ~silent
        return input_index[use], first_bar[use], skipped

    def batch(
        self,
        input_index: Ints,
        first_bar: Ints,
        shift: Ints | None = None,
        dropped: Bools | None = None,
    ) -> Batch:
        """Return windows as one batch.

        Args:
            input_index: the input of each window, `(B,)`.
            first_bar: its first bar within the input, `(B,)`.
            shift: semitones by which its key is shifted, `(B,)`; none by default.
            dropped: parts to leave out, `(B, R)`; none by default.
        """
        size, B = self.preset.grid.bars, len(input_index)
        at = self.offsets_bars[input_index] + first_bar
        stop = np.minimum(at + size, self.offsets_bars[input_index + 1])
        sliced = self._slicer.slice(at, stop)
        if dropped is not None:
            sliced = sliced.select(~dropped[sliced.window, sliced.part])
        key = self.key[input_index] + (0 if shift is None else shift)
        melodic = ~self._drums[sliced.part]
        pitch = sliced.pitch - np.where(melodic, key[sliced.window], 0)
        column, count, _ = column_index(sliced.window, B)
        K = -(-int(count.max(initial=1)) // PAD_MULTIPLE) * PAD_MULTIPLE  # few distinct shapes
        notes = np.zeros((B, K, len(NOTE_FIELDS)), np.int64)
        values = {name: getattr(sliced, name) for name in NOTE_FIELDS} | {"pitch": pitch}
        notes[sliced.window, column] = np.stack(list(values.values()), axis=1)
        bar = at[:, None] + np.arange(size)
        is_real = bar < stop[:, None]
        bar = np.minimum(bar, len(self._grid) - 1)
        present = self._active[bar] & is_real[..., None]
        if dropped is not None:
            present &= ~dropped[:, None]
        return Batch(
            notes=torch.from_numpy(notes),
            n_notes=torch.from_numpy(count),
            steps=torch.from_numpy(np.where(is_real, self._grid.steps[bar], 0)),
            lead_steps=torch.from_numpy(np.where(is_real, self._grid.lead_steps[bar], 0)),
            meter=torch.from_numpy(np.where(is_real, self.meter[bar], 0)),
            present=torch.from_numpy(present),
            key=torch.from_numpy(key),
            corruption=self.corruption.expand(B, -1),
        )


def _concatenate_compact(many: list[Notes]) -> Notes:
    """Concatenate notes as int32, in half of the memory."""
    columns = vars(Notes.concatenate(many))
    return Notes(**{name: column.astype(np.int32) for name, column in columns.items()})


def _concatenate_column(grids: Sequence[Grid], name: str) -> Ints:
    """Concatenate a column of grids; generated songs share one grid object."""
    if grids and all(grid is grids[0] for grid in grids):
        return np.tile(getattr(grids[0], name), len(grids))
    return _concatenate([getattr(grid, name) for grid in grids])


def _concatenate(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *arrays])
