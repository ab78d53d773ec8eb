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
from musicvae.chords import ChordMap
from musicvae.config.preset import Preset
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.representation.chord_grid import UNKNOWN, quarter_chords, transpose_quarters
from musicvae.representation.grid import Grid
from musicvae.representation.key import estimate_diatonic_key
from musicvae.representation.part_traits import (
    DRUMS,
    KIND,
    RESOLUTION,
    RESOLUTIONS,
    TRAITS,
    part_traits,
    snap_to_resolution,
)
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
    quarter. A chord is `(root, quality, bass)` as in `representation.chord_grid`, with root and
    bass relative to `key`; Q are the quarters of the longest bar.
    """

    notes: Tensor  # (B, K, 7), rows past n_notes are 0
    n_notes: Tensor  # (B,)
    steps: Tensor  # (B, N) cells of each bar, 0 past the end of the song
    lead_steps: Tensor  # (B, N) masked cells at the start of a pickup bar
    meter: Tensor  # (B, N) index in the preset's meter vocabulary, 0 for others
    present: Tensor  # (B, N, R) bool: slots that sound in each bar
    key: Tensor  # (B,) semitones subtracted from the pitches of melodic slots
    corruption: Tensor  # (B, D) float32 amount of each of `training.condition_kinds`
    chords: Tensor  # (B, N, Q, 3) int8: the chord of each quarter, -1 where it is not known
    traits: Tensor  # (B, R, 4) int8: traits of the part in each slot, see `part_traits`

    @property
    def n_bars(self) -> Tensor:
        """Number of bars of each window that lie within its song, `(B,)`."""
        return (self.steps > 0).sum(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelInput:
    """One model pass of a song on a preset's grid, from which windows are sliced.

    `bars` has no notes; they are in `model_pass`. `active` `(N, R)` marks the bars in which each
    slot sounds. It is side information, one bit per part and bar: a silent part stays silent.
    `chords` `(N, Q, 3)` is the chord of each quarter (`quarter_chords`), and `traits` `(R, 4)` are
    those of the part in each slot (`part_traits`); None where none are known. The pitches of drums
    in a slot for any part are not normalized: their `key` is 0.
    """

    bars: Bars
    model_pass: ModelPass
    key: int
    active: Bools
    chords: Ints | None = None
    traits: Ints | None = None
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


def model_inputs(
    bars: Bars, preset: Preset, path: str = "", chords: ChordMap | None = None
) -> tuple[list[ModelInput], Notes]:
    """Split a song into the passes through a preset's model, and the notes that pass through.

    `bars` may be on any grid; the result is on the preset's. `chords` are by default those that the
    song states.
    """
    bars = bars.at(preset.grid.steps_per_quarter)
    assignment = assign_slots(bars, preset.parts)
    passes, is_drum = assignment.passes, [part.is_drum for part in bars.header.parts]
    drums = [_drum_slots(each, is_drum) for each in passes]
    melodic = [p.notes.select(~d[p.notes.part]) for p, d in zip(passes, drums, strict=True)]
    notes = Notes.concatenate(melodic)
    key = estimate_diatonic_key(notes.pitch, notes.duration)
    traits: list[Ints | None] = [None] * len(passes)
    if preset.conditions.parts:
        passes, traits = _with_traits(bars, passes)
    empty = replace(bars, notes=Notes.concatenate([]))
    chords = bars.header.chords if chords is None else chords
    by_quarter = quarter_chords(chords, bars.grid, preset.grid.quarters) if len(chords) else None
    inputs = [
        ModelInput(
            bars=empty,
            model_pass=model_pass,
            key=input_key(key, its_traits),
            active=_active_parts(bars.grid, model_pass),
            chords=by_quarter,
            traits=its_traits,
            path=path,
        )
        for model_pass, its_traits in zip(passes, traits, strict=True)
    ]
    return inputs, assignment.passthrough


def input_key(key: int, traits: Ints | None) -> int:
    """Return the key of an input with these traits in a song of `key`: 0 for drums."""
    return 0 if traits is not None and (traits[:, KIND] == DRUMS).any() else key


def _drum_slots(model_pass: ModelPass, is_drum: list[bool]) -> Bools:
    """Return the slots that have drums, given which parts of the song are drums. `(R,)`"""
    return np.array([part >= 0 and is_drum[part] for part in model_pass.source_part.tolist()])


def _with_traits(
    bars: Bars, passes: tuple[ModelPass, ...]
) -> tuple[tuple[ModelPass, ...], list[Ints | None]]:
    """Return passes with the onsets of each part at its resolution, and the traits of each."""
    snapped, found = [], list[Ints | None]()
    for each in passes:
        traits = np.zeros((len(each.source_part), len(TRAITS)), np.int64)
        notes = []
        for slot, part in enumerate(each.source_part.tolist()):
            own = each.notes.select(each.notes.part == slot)
            if part >= 0 and len(own):
                traits[slot] = part_traits(bars, own, bars.header.parts[part])
                steps = RESOLUTIONS[traits[slot, RESOLUTION] - 1]
                notes.append(snap_to_resolution(bars, own, steps))
        snapped.append(replace(each, notes=Notes.sorted(**vars(Notes.concatenate(notes)))))
        found.append(traits)
    return tuple(snapped), found


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
        no_chords = np.full((0, preset.grid.quarters, 3), UNKNOWN, np.int8)
        grids, active, keys, chunks, notes = list[Grid](), [none], list[int](), list[Notes](), []
        chords, traits = [no_chords], [np.zeros((0, len(preset.parts), len(TRAITS)), np.int8)]
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
            chords.append(_compact_chords(each, no_chords))
            traits.append(_compact_traits(each, len(preset.parts)))
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
        self._chords, self._traits = np.concatenate(chords), np.concatenate(traits)
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

    def has_drums(self, input_index: Ints) -> Bools:
        """Return whether inputs have drums in a slot for any part. `(B,)`"""
        return np.asarray((self._traits[input_index, :, KIND] == DRUMS).any(1))

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
        traits, key = self._traits[input_index], self.key[input_index]
        if shift is not None:
            key = key + np.where(self.has_drums(input_index), 0, shift)
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
        chords = transpose_quarters(self._chords[bar], -key[:, None, None])
        return Batch(
            notes=torch.from_numpy(notes),
            n_notes=torch.from_numpy(count),
            steps=torch.from_numpy(np.where(is_real, self._grid.steps[bar], 0)),
            lead_steps=torch.from_numpy(np.where(is_real, self._grid.lead_steps[bar], 0)),
            meter=torch.from_numpy(np.where(is_real, self.meter[bar], 0)),
            present=torch.from_numpy(present),
            key=torch.from_numpy(key),
            corruption=self.corruption.expand(B, -1),
            chords=torch.from_numpy(
                np.where(is_real[..., None, None], chords, UNKNOWN).astype(np.int8)
            ),
            traits=torch.from_numpy(traits),
        )


def _compact_chords(source: ModelInput, no_chords: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the chords of an input as int8 `(N, Q, 3)`, -1 where there are none."""
    if source.chords is None:
        return np.broadcast_to(np.int8(UNKNOWN), (len(source.bars), *no_chords.shape[1:]))
    return source.chords.astype(np.int8)


def _compact_traits(source: ModelInput, n_slots: int) -> NDArray[np.int8]:
    """Return the traits of an input as int8 `(1, R, 4)`, 0 where they are unknown."""
    known = np.zeros((n_slots, len(TRAITS))) if source.traits is None else source.traits
    return known[None].astype(np.int8)


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
