"""Edits of single notes: which are needed by their probability, and how a part takes them.

Unedited notes stay exact to the tick. In a monophonic part an edit may change the duration of its
neighbors: the note before is extended or shortened to the new onset if it ended at the old one, and
covers the gap of a removed note.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from musicvae.arrays import Ints
from musicvae.latent.note_posterior import NotePosterior
from musicvae.representation.bars import Bars, cell_index
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.grid import (
    STORED_STEPS_PER_QUARTER,
    Grid,
    cells_to_ticks,
    convert_cells,
    header_of,
    ticks_to_cells,
)
from musicvae.song import Part, Song, resolve_overlaps

DEFAULT_VELOCITY = 76  # of notes added to a part without notes
MAX_OFFSET_CELLS = 2  # largest move of an onset


@dataclass(frozen=True, kw_only=True)
class NoteEdit:
    """An edit of one note: removed, added, moved, or changed in pitch.

    `before` is the note as observed, `after` the note as it should be, each (cell, pitch) or
    `None`. Cells are unmasked cells of the model's grid.
    """

    part: int
    slot: int
    before: tuple[int, int] | None
    after: tuple[int, int] | None
    probability_before: float
    """Probability of the observed note; nan if there is none."""
    probability_after: float
    """Probability of the new note; nan if there is none."""
    duration: int
    """Most probable duration of the new note, in cells."""

    @property
    def kind(self) -> str:
        """`removed`, `added`, `moved` in time, or `pitch` for another pitch at the same time."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        return "moved" if self.before[1] == self.after[1] else "pitch"

    @property
    def cell(self) -> int:
        """The cell of the observed note, or of the added one."""
        where = self.before or self.after
        assert where is not None
        return where[0]


@dataclass(frozen=True)
class Thresholds:
    """Probability below which a note is `wrong`, and above which an absent note is `missing`."""

    wrong: float
    missing: float

    @classmethod
    def from_strength(cls, strength: float) -> Thresholds:
        """Return the thresholds of a strength; 0 edits nothing.

        The default of 0.5 was chosen on validation songs.
        """
        return cls(0.4 * strength, 1 - 0.5 * min(1.0, 2 * strength))


def propose_edits(posterior: NotePosterior, thresholds: Thresholds) -> list[NoteEdit]:
    """Return the edits of one pass of a song through the model, in the order of time."""
    cell, slot, column = posterior.observed
    source_part, p = posterior.model_input.model_pass.source_part, posterior.onset_probability
    wrong = (p[cell, slot, column] < thresholds.wrong) & posterior.is_covered[cell]
    rest = p.copy()
    rest[cell, slot, column] = 0
    rest[:, source_part < 0] = 0
    monophonic = ~posterior.is_polyphonic
    kept = ~wrong & monophonic[slot]
    rest[cell[kept], slot[kept]] = 0  # no second note beside one that is kept
    new = np.argwhere(rest > thresholds.missing)  # (cell, slot, column)
    partner = _match_edits(np.stack([cell, slot, column], 1), np.flatnonzero(wrong), new)
    edits = []
    for i in np.flatnonzero(wrong).tolist():
        observed = (int(cell[i]), int(slot[i]), int(column[i]))
        edits.append(_make_edit(posterior, observed, new, partner.get(i)))
    taken = set(partner.values())
    edits += [_make_edit(posterior, None, new, j) for j in range(len(new)) if j not in taken]
    return sorted(edits, key=lambda edit: (edit.cell, edit.slot))


def _match_edits(observed: Ints, wrong: Ints, new: Ints) -> dict[int, int]:
    """Match wrong notes with new ones: of the same pitch nearby, else at the same time.

    `observed` and `new` are `(M, 3)` and `(K, 3)` of cell, slot and column; `wrong` are rows of
    `observed`. Returns rows of `new` by rows of `observed`.
    """
    partner: dict[int, int] = {}
    free = np.ones(len(new), bool)
    for same_pitch in (True, False):
        for i in wrong.tolist():
            if i in partner or not len(new):
                continue
            away = np.abs(new - observed[i])
            fits = free & (away[:, 1] == 0)
            if same_pitch:
                fits &= (away[:, 2] == 0) & (away[:, 0] <= MAX_OFFSET_CELLS)
            else:
                fits &= away[:, 0] == 0
            if fits.any():
                distance = np.where(fits, away[:, 0] * 128 + away[:, 2], 1 << 30)
                partner[i] = int(distance.argmin())
                free[partner[i]] = False
    return partner


def _make_edit(
    posterior: NotePosterior, observed: tuple[int, int, int] | None, new: Ints, j: int | None
) -> NoteEdit:
    def note(at: tuple[int, int, int] | None) -> tuple[tuple[int, int] | None, float]:
        if at is None:
            return None, float("nan")
        pitch = posterior.column_to_pitch(np.array([at[2]]), np.array([at[1]]))
        return (at[0], int(pitch[0])), float(posterior.onset_probability[at])

    target = None if j is None else (int(new[j, 0]), int(new[j, 1]), int(new[j, 2]))
    before, probability_before = note(observed)
    after, probability_after = note(target)
    place = observed or target
    assert place is not None
    return NoteEdit(
        part=int(posterior.model_input.model_pass.source_part[place[1]]),
        slot=place[1],
        before=before,
        after=after,
        probability_before=probability_before,
        probability_after=probability_after,
        duration=int(posterior.duration_steps[(target or place)[:2]]),
    )


def apply_edits(
    song: Song, bars: Bars, posteriors: list[NotePosterior], edits: list[list[NoteEdit]]
) -> Song:
    """Return a song with the edits of each pass applied; `bars` is it on the model's grid."""
    editors = [_PartEditor(part, bars.grid, song) for part in song.parts]
    for posterior, own in zip(posteriors, edits, strict=True):
        by_slot: dict[int, list[NoteEdit]] = defaultdict(list)
        for edit in own:
            by_slot[edit.slot].append(edit)
        for slot, of_slot in by_slot.items():
            part = int(posterior.model_input.model_pass.source_part[slot])
            _VoiceEditor(editors[part], posterior, slot, bars.grid).apply(of_slot)
    parts = tuple(
        editor.to_part() if editor.modified else part
        for part, editor in zip(song.parts, editors, strict=True)
    )
    return replace(song, parts=parts)


class _PartEditor:
    """The notes of one part as lists that can be edited."""

    def __init__(self, part: Part, grid: Grid, song: Song) -> None:
        self.part = part
        self.start: list[int] = part.onset_ticks.tolist()
        self.stop: list[int] = (part.onset_ticks + part.duration_ticks).tolist()
        self.pitch: list[int] = part.pitch.tolist()
        self.velocity: list[int] = part.velocity.tolist()
        self.removed: set[int] = set()
        self.modified = False
        pitch = canonical_pitch(part.pitch) if part.is_drum else part.pitch
        cell = onset_cells(part.onset_ticks, grid, song)
        by_cell: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, key in enumerate(zip(cell.tolist(), pitch.tolist(), strict=True)):
            by_cell[key].append(i)
        self.by_cell = dict(by_cell)
        """Notes by cell and pitch."""
        self.mean_velocity = round(float(part.velocity.mean())) if len(part) else DEFAULT_VELOCITY

    def to_part(self) -> Part:
        """Return the part with its edited notes."""
        keep = [i for i in range(len(self.start)) if i not in self.removed]
        onset, stop, pitch, velocity = (
            np.array(column, np.int64)[keep]
            for column in (self.start, self.stop, self.pitch, self.velocity)
        )
        alone, duration, _ = resolve_overlaps(onset, np.maximum(stop - onset, 1), pitch)
        return self.part.with_notes(onset[alone], duration[alone], pitch[alone], velocity[alone])


class _VoiceEditor:
    """The notes of one slot, some of those of a part, in the order of time."""

    def __init__(self, notes: _PartEditor, posterior: NotePosterior, slot: int, grid: Grid) -> None:
        self.notes, self.grid = notes, grid
        self.is_monophonic = not posterior.is_polyphonic[slot]
        self.is_drum = bool(posterior.is_drum[slot])
        source = posterior.model_input
        own = source.model_pass.notes.select(source.model_pass.notes.part == slot)
        keys = zip(cell_index(source.bars.grid, own).tolist(), own.pitch.tolist(), strict=True)
        self.order = sorted(
            (notes.start[i], i) for key in keys for i in notes.by_cell.get(key, ())[:1]
        )

    def apply(self, edits: Iterable[NoteEdit]) -> None:
        """Apply edits one after the other."""
        self.notes.modified = True
        for edit in edits:
            before = None if edit.before is None else self.notes.by_cell.get(edit.before)
            if edit.before is not None and not before:
                continue
            if before and edit.after is None:
                self._remove(before)
            elif before and edit.after is not None:
                self._move(before, edit)
            elif edit.after is not None:
                self._add(edit)

    def _neighbors(self, at: tuple[int, int]) -> tuple[int | None, int | None]:
        """Return the notes before and after an entry of `order`."""
        nth = bisect_left(self.order, at)
        after = nth + (nth < len(self.order) and self.order[nth] == at)
        before = self.order[nth - 1][1] if nth else None
        return before, self.order[after][1] if after < len(self.order) else None

    def _remove(self, which: list[int]) -> None:
        notes, first = self.notes, which[0]
        entry = (notes.start[first], first)
        before, _ = self._neighbors(entry)
        if self.is_monophonic and before is not None and notes.stop[before] == notes.start[first]:
            notes.stop[before] = notes.stop[first]
        notes.removed.update(which)
        self.order.remove(entry)

    def _move(self, which: list[int], edit: NoteEdit) -> None:
        assert edit.before is not None and edit.after is not None
        notes, first = self.notes, which[0]
        ticks = cells_to_ticks(self.grid, np.array([edit.before[0], edit.after[0]]))
        by, up = int(ticks[1] - ticks[0]), edit.after[1] - edit.before[1]
        entry = (notes.start[first], first)
        before, after = self._neighbors(entry)
        start = max(notes.start[first] + by, 0)
        if by and self.is_monophonic:
            if before is not None:
                adjoining = notes.stop[before] == notes.start[first]
                start = max(start, notes.start[before] + 1)
                if adjoining or notes.stop[before] > start:
                    notes.stop[before] = start
            if after is None or notes.stop[first] != notes.start[after]:
                notes.stop[first] += by
            if after is not None:
                start = min(start, notes.start[after] - 1)
                notes.stop[first] = min(notes.stop[first], notes.start[after])
            notes.stop[first] = max(notes.stop[first], start + 1)
        elif by:
            notes.stop[first] += by
        for i in which:
            if i != first and by:
                notes.removed.add(i)
            notes.pitch[i] = edit.after[1] if self.is_drum else notes.pitch[i] + up
        notes.start[first] = start
        self.order.remove(entry)
        self.order.append((start, first))
        self.order.sort()

    def _add(self, edit: NoteEdit) -> None:
        assert edit.after is not None
        notes, (cell, pitch) = self.notes, edit.after
        start, stop = cells_to_ticks(self.grid, np.array([cell, cell + edit.duration])).tolist()
        before, after = self._neighbors((start, -1))
        near = [notes.velocity[i] for i in (before, after) if i is not None]
        if self.is_monophonic:
            if after is not None:
                stop = min(stop, notes.start[after])
            if before is not None and notes.stop[before] > start:
                notes.stop[before] = start
        i = len(notes.start)
        notes.start.append(start)
        notes.stop.append(max(stop, start + 1))
        notes.pitch.append(pitch)
        notes.velocity.append(round(sum(near) / len(near)) if near else notes.mean_velocity)
        self.order.append((start, i))
        self.order.sort()


def onset_cells(ticks: Ints, grid: Grid, song: Song) -> Ints:
    """Return the cell of the model's grid on which each onset falls, as in `Bars`. `(M,)`"""
    stored = Bars.from_song(header_of(song)).grid
    cell = convert_cells(stored, grid, ticks_to_cells(stored, ticks))
    assert stored.steps_per_quarter == STORED_STEPS_PER_QUARTER
    return np.minimum(cell, grid.cell_offsets[-1] - 1) if len(grid) else cell
