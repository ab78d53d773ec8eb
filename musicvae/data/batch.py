"""Floor 5: songs as sources to cut windows from, and any of their windows as one batch of tensors.

Windows are cut from the flat note table by array operations; there is no loop over notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicvae.arrays import Ints
from musicvae.config.preset import Preset
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.representation.grid import Grid
from musicvae.representation.key import estimate_diatonic_key
from musicvae.representation.slots import ModelPass, assign_slots
from musicvae.representation.windows import WindowSlicer, column_index, window_bounds

NOTE_FIELDS = ("bar", "position", "part", "pitch", "duration", "velocity", "timing")
PAD_MULTIPLE = 8
CHUNK_SIZE = 256  # sources whose notes are laid end to end together


class Batch(NamedTuple):
    """Windows as tensors, int64 unless said otherwise. K is the most notes of a window here,
    rounded up.

    A note is `(bar, position, part, pitch, duration, velocity, timing)`: position 0 is a carry-in,
    `1 + step` an onset; pitch is normalised by `key`; duration counts cells; timing is in 960ths
    of a quarter.
    """

    notes: Tensor  # (B, K, 7), rows past n_notes are 0
    n_notes: Tensor  # (B,)
    steps: Tensor  # (B, N) cells of each bar, 0 past the song's end
    lead_steps: Tensor  # (B, N) masked cells at the beginning of a pickup
    meter: Tensor  # (B, N) index in the preset's vocabulary of meters
    present: Tensor  # (B, N, R) bool: slots in which something sounds in each bar
    key: Tensor  # (B,) semitones taken off every pitch of a melodic slot
    corruption: Tensor  # (B, D) float32: of each kind in `training.told` how much the notes have

    @property
    def n_bars(self) -> Tensor:
        """Bars of each window that lie within its song. `(B,)`"""
        return (self.steps > 0).sum(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelInput:
    """A run of bars to cut windows from: one group of parts of one song, on a preset's grid.

    `active` `(N, R)` says in which bars each slot sounds. It is side information, one bit for each
    part and bar: where a part is silent, it stays silent.
    """

    bars: Bars
    group: ModelPass
    key: int
    active: NDArray[np.bool_]
    path: str = ""


def model_inputs(bars: Bars, preset: Preset, path: str = "") -> tuple[list[ModelInput], Notes]:
    """What of a song goes through a preset's model, in passes, and the notes that do not.

    `bars` may be on any grid; what is returned is on the preset's.
    """
    bars = bars.at(preset.grid.steps_per_quarter)
    slotted = assign_slots(bars, preset.parts)
    drums = np.array([part.kind == "drums" for part in preset.parts])
    melodic = [g.notes.select(~drums[g.notes.part]) for g in slotted.groups]
    every = Notes.concatenate(melodic)
    key = estimate_diatonic_key(every.pitch, every.duration)
    silent = replace(bars, notes=Notes.concatenate([]))
    found = [
        ModelInput(
            bars=silent, group=group, key=key, active=_active_parts(bars.grid, group), path=path
        )
        for group in slotted.groups
    ]
    return found, slotted.passthrough


def fits_preset(grid: Grid, first: Ints, stop: Ints, preset: Preset) -> NDArray[np.bool_]:
    """Which windows have no bar longer than the preset's longest. `(W,)`"""
    long = np.concatenate([[0], np.cumsum(grid.steps > preset.grid.max_steps)])
    return np.asarray(long[stop] == long[first])


def _active_parts(grid: Grid, group: ModelPass) -> NDArray[np.bool_]:
    """In which bars each slot of a group sounds. `(N, R)`"""
    notes, R = group.notes, len(group.owner)
    last = np.searchsorted(
        grid.cell_offsets[:-1], cell_index(grid, notes) + notes.duration - 1, side="right"
    )
    edges = np.zeros((len(grid) + 1, R), np.int64)
    np.add.at(edges, (notes.bar, notes.part), 1)
    np.add.at(edges, (last, notes.part), -1)
    return np.cumsum(edges, axis=0)[:-1] > 0


class WindowBatcher:
    """Batches of windows from any number of sources laid end to end.

    `sources` are taken one after the other and, but for their grids, not kept. `damage` is what a
    model that learned to mend is told of their notes, as in `Batch`; nothing if not given.
    """

    def __init__(
        self, sources: Iterable[ModelInput], preset: Preset, corruption: Tensor | None = None
    ) -> None:
        self.preset = preset
        self.corruption = (
            torch.zeros(len(preset.training.condition_kinds)) if corruption is None else corruption
        )
        none = np.zeros((0, len(preset.parts)), bool)
        grids, active, keys, chunks, notes = list[Grid](), [none], list[int](), list[Notes](), []
        offset = 0
        for source in sources:
            mine = source.group.notes
            if len(mine):
                notes.append(replace(mine, bar=mine.bar + offset))
            if len(notes) == CHUNK_SIZE:
                chunks, notes = [*chunks, _concatenate_compact(notes)], []
            grids.append(source.bars.grid)
            active.append(source.active)
            keys.append(source.key)
            offset += len(source.bars)
        self.lengths_bars = np.array([len(grid) for grid in grids], np.int64)
        self.offsets_bars = np.concatenate([[0], np.cumsum(self.lengths_bars)])
        names = ("steps", "lead_steps", "numerator", "denominator", "start_ticks", "length_ticks")
        self._grid = Grid(
            steps_per_quarter=preset.grid.steps_per_quarter,
            ticks_per_quarter=1,
            **{name: _concatenate_column(grids, name) for name in names},
        )
        self._cutter = WindowSlicer(self._grid, _concatenate_compact([*chunks, *notes]))
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
        """The bars of all sources one after the other, those of each from `offsets` on, and their
        notes, not moved by their key.
        """
        return self._grid, self._cutter.notes

    def input_notes(self, source: int) -> Notes:
        """The notes of one of the sources, as it had them."""
        begin, stop = self.offsets_bars[source : source + 2].tolist()
        first, last = np.searchsorted(self._cutter.notes.bar, (begin, stop))
        mine = self._cutter.notes.select(slice(int(first), int(last)))
        whole = Notes(**{name: column.astype(np.int64) for name, column in vars(mine).items()})
        return replace(whole, bar=whole.bar - begin)

    @property
    def n_notes(self) -> int:
        """Notes of all sources."""
        return len(self._cutter.notes)

    def window_starts(self, hop: int) -> tuple[Ints, Ints, dict[str, int]]:
        """Source and first bar of every usable window, and how many were left out, by reason."""
        size = self.preset.grid.bars
        first = [window_bounds(int(n), size, hop)[0] for n in self.lengths_bars]
        source = np.repeat(np.arange(len(first)), [len(f) for f in first])
        begin = _concatenate(first)
        at = self.offsets_bars[source] + begin
        stop = np.minimum(at + size, self.offsets_bars[source + 1])
        notes = np.searchsorted(self._cutter.notes.bar, np.arange(len(self._grid) + 1))
        long, silent = ~fits_preset(self._grid, at, stop, self.preset), notes[stop] == notes[at]
        left_out = {
            f"with a bar of over {self.preset.grid.max_steps} cells": int(long.sum()),
            "without a note": int((silent & ~long).sum()),
        }
        use = ~long & ~silent
        return source[use], begin[use], left_out

    def batch(
        self,
        source: Ints,
        first: Ints,
        shift: Ints | None = None,
        dropped: NDArray[np.bool_] | None = None,
    ) -> Batch:
        """These windows as one batch; arrays `(B,)`.

        `shift` moves each from its key by semitones; `dropped` `(B, R)` leaves out parts.
        """
        size, B = self.preset.grid.bars, len(source)
        at = self.offsets_bars[source] + first
        stop = np.minimum(at + size, self.offsets_bars[source + 1])
        found = self._cutter.slice(at, stop)
        if dropped is not None:
            found = found.select(~dropped[found.window, found.part])
        key = self.key[source] + (0 if shift is None else shift)
        melodic = ~self._drums[found.part]
        pitch = found.pitch - np.where(melodic, key[found.window], 0)
        column, count, _ = column_index(found.window, B)
        K = -(-int(count.max(initial=1)) // PAD_MULTIPLE) * PAD_MULTIPLE  # few different shapes
        notes = np.zeros((B, K, len(NOTE_FIELDS)), np.int64)
        values = {name: getattr(found, name) for name in NOTE_FIELDS} | {"pitch": pitch}
        notes[found.window, column] = np.stack(list(values.values()), axis=1)
        bar = at[:, None] + np.arange(size)
        real = bar < stop[:, None]
        bar = np.minimum(bar, len(self._grid) - 1)
        present = self._active[bar] & real[..., None]
        if dropped is not None:
            present &= ~dropped[:, None]
        return Batch(
            notes=torch.from_numpy(notes),
            n_notes=torch.from_numpy(count),
            steps=torch.from_numpy(np.where(real, self._grid.steps[bar], 0)),
            lead_steps=torch.from_numpy(np.where(real, self._grid.lead_steps[bar], 0)),
            meter=torch.from_numpy(np.where(real, self.meter[bar], 0)),
            present=torch.from_numpy(present),
            key=torch.from_numpy(key),
            corruption=self.corruption.expand(B, -1),
        )


def _concatenate_compact(many: list[Notes]) -> Notes:
    """Notes one after the other, in half of the memory."""
    columns = vars(Notes.concatenate(many))
    return Notes(**{name: column.astype(np.int32) for name, column in columns.items()})


def _concatenate_column(grids: Sequence[Grid], name: str) -> Ints:
    """A column of many grids; new songs have one and the same."""
    if grids and all(grid is grids[0] for grid in grids):
        return np.tile(getattr(grids[0], name), len(grids))
    return _concatenate([getattr(grid, name) for grid in grids])


def _concatenate(arrays: Sequence[NDArray[np.int64]]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *arrays])
