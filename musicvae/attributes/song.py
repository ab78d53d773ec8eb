"""Floor 4: musical measures of a song, one number each."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.bars import Bars, Notes, cells
from musicvae.representation.key import diatonic_key
from musicvae.song import Ints

_CONSONANT = np.isin(np.arange(12), (0, 3, 4, 5, 7, 8, 9))
_MAJOR = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))


def describe(bars: Bars) -> dict[str, float]:
    """Measures of the pitched parts of a song; drums are left out.

    - `bars`, `notes`, `notes_per_bar`
    - `bars_sounding`: share of bars in which something starts or sounds on
    - `pitch_classes`: how many of the twelve occur
    - `in_scale`: share of notes within the best major scale
    - `polyphony`: sounding notes a cell, over cells that sound
    - `consonant`: share of consonant intervals among notes that sound together
    - `repeated`: share of notes that repeat the pitch before them in their part
    - `steps_and_thirds`: share of melodic moves of at most four semitones, unisons left out
    - `mean_duration_quarters`, `rest`: mean length of a note, share of silent cells
    - `longest_chord_bars`: the longest time during which nothing moves, in bars
    """
    pitched = np.array([not part.is_drum for part in bars.frame.parts], bool)
    notes = bars.notes.take(pitched[bars.notes.part]) if len(bars.notes) else bars.notes
    N, M, total = len(bars), len(notes), int(bars.grid.base[-1])
    measures = {"bars": float(N), "notes": float(M), "notes_per_bar": M / max(N, 1)}
    if not M or not total:
        return measures
    start = cells(bars.grid, notes)
    stop = np.minimum(start + notes.duration, total)
    sounding = np.bincount(_spread(start, stop), minlength=total)
    base = bars.grid.base
    alive = np.array([sounding[a:b].any() for a, b in pairwise(base)])
    key = diatonic_key(notes.pitch, notes.duration)
    return measures | {
        "bars_sounding": float(alive.mean()),
        "pitch_classes": float(len(np.unique(notes.pitch % 12))),
        "in_scale": float(_MAJOR[(notes.pitch - key) % 12].mean()),
        "polyphony": float(sounding[sounding > 0].mean()),
        "consonant": _consonance(start, stop, notes.pitch, total),
        **_moves(notes, start),
        "mean_duration_quarters": float(notes.duration.mean()) / bars.grid.steps_per_quarter,
        "rest": float((sounding == 0).mean()),
        "longest_chord_bars": _longest_still(start, stop, bars),
    }


def _spread(start: Ints, stop: Ints) -> Ints:
    """Every cell in which a note sounds, once for each note."""
    length = stop - start
    note = np.repeat(np.arange(len(start)), length)
    return start[note] + np.arange(len(note)) - np.repeat(np.cumsum(length) - length, length)


def _consonance(start: Ints, stop: Ints, pitch: Ints, total: int) -> float:
    roll = np.zeros((total, 128), bool)
    length = stop - start
    roll[_spread(start, stop), np.repeat(pitch, length)] = True
    good = every = 0
    for interval in range(1, 48):
        together = int((roll[:, interval:] & roll[:, :-interval]).sum())
        every += together
        good += together * bool(_CONSONANT[interval % 12])
    return good / every if every else 1.0


def _moves(notes: Notes, start: Ints) -> dict[str, float]:
    order = np.lexsort((notes.pitch, start, notes.part))
    same_part = np.diff(notes.part[order]) == 0
    move = np.abs(np.diff(notes.pitch[order]))[same_part]
    going = move[move > 0]
    return {
        "repeated": float((move == 0).mean()) if len(move) else 0.0,
        "steps_and_thirds": float((going <= 4).mean()) if len(going) else 0.0,
    }


def _longest_still(start: Ints, stop: Ints, bars: Bars) -> float:
    """The longest run of cells in which no note begins or ends, in bars."""
    edges: NDArray[np.int64] = np.unique(np.concatenate([start, stop]))
    longest = int(np.diff(edges).max(initial=0))
    return longest / max(float(np.median(bars.grid.open_steps)), 1.0)
