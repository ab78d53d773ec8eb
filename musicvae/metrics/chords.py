"""How well notes keep given chords: chord tones, and the chords found in the notes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicvae.arrays import Ints
from musicvae.chords import QUALITIES
from musicvae.chords.chord_map import QUALITY_TONES
from musicvae.representation.bars import Bars, cell_index

_MODES = np.array(
    [1 if {4, 7} <= q.intervals else 2 if {3, 7} <= q.intervals else 0 for q in QUALITIES]
)
"""Mode of each quality: 1 major, 2 minor, 0 for others."""


class Count(NamedTuple):
    """How many of `total` are right; a share is defined for the sum of several."""

    right: int
    total: int


def chord_tones(bars: Bars, chords: Ints) -> Count:
    """Count the cells of pitched notes, and those in which the note is a tone of the chord.

    `chords` `(N, Q, 3)` are those of each quarter, as from `quarter_chords`. The bass counts as a
    tone. Cells without a known chord do not count.
    """
    grid, notes = bars.grid, bars.notes
    is_drum = np.array([part.is_drum for part in bars.header.parts], bool)
    notes = notes.select(~is_drum[notes.part])
    start, length = cell_index(grid, notes), notes.duration
    note = np.repeat(np.arange(len(notes)), length)
    cell = np.arange(len(note)) - np.repeat(np.cumsum(length) - length - start, length)
    inside = cell < grid.cell_offsets[-1]
    note, cell = note[inside], cell[inside]
    bar = np.searchsorted(grid.cell_offsets, cell, side="right") - 1
    quarter = (cell - grid.cell_offsets[bar] + grid.lead_steps[bar]) // grid.steps_per_quarter
    inside = quarter < chords.shape[1]
    note, bar, quarter = note[inside], bar[inside], quarter[inside]
    root, quality, bass = chords[bar, quarter].T
    pitch_class = notes.pitch[note] % 12
    is_tone = QUALITY_TONES[np.maximum(quality, 0), (pitch_class - root) % 12] | (
        pitch_class == bass
    )
    has_chord = quality > 0
    return Count(int((is_tone & has_chord).sum()), int(has_chord.sum()))


def majmin_matches(asked: Ints, found: Ints) -> Count:
    """Count the quarters with a major or minor chord, and those where the same is found.

    Both are `(N, Q, 3)`, as from `quarter_chords`. Chords are compared by root and mode, sevenths
    and other additions apart, as `majmin` of `mir_eval.chord` does.
    """
    modes = [np.where(each[..., 1] > 0, _MODES[each[..., 1]], 0) for each in (asked, found)]
    counted = modes[0] > 0
    equal = counted & (modes[0] == modes[1]) & (asked[..., 0] == found[..., 0])
    return Count(int(equal.sum()), int(counted.sum()))
