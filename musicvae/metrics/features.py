"""Floor 4: musical features of windows, one number each, for comparing sets of windows.

All are measured on the preset's grid. What a window has nothing to say about is nan: intervals of a
single note, repetition within one bar. Pitches and lengths are those of parts that are no drums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.note_table import BAR, PART, PITCH, POSITION, VELOCITY, WINDOW, Table
from musicvae.song import Ints

Floats = NDArray[np.float64]
_MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], np.float64)
_SCALES = np.stack([np.roll(_MAJOR, tonic) for tonic in range(12)], 1)  # (12 classes, 12 keys)


def features(table: Table, *, velocities: bool = False) -> dict[str, Floats]:
    """Features of each window by name, each `(W,)`.

    - `pitch_class_entropy`: of the onsets' twelve pitch classes, in bits
    - `scale_consistency`: share of onsets within the best major scale
    - `pitches`, `pitch_range`: different pitches, and semitones from lowest to highest
    - `interval`: mean size of steps between a part's successive onsets (their highest notes)
    - `note_length`: mean, in quarters, as cut by the window's end
    - `polyphony`: notes sounding at once, over cells in which any sounds
    - `notes_per_bar`: onsets of all parts; a pickup is as much of a bar as it has open cells
    - `empty_bars`: share of bars in which nothing sounds
    - `groove_consistency`: share of cells that agree on whether anything starts, between each bar
      and the next of the same length
    - `self_similarity`: F1 of the notes (step, part, pitch) of each bar and the next
    - `hits_at_once`, `drum_classes`: drum hits where any is, and how many of the nine are used
    - with `velocities`: `velocity` and its standard deviation `velocity_spread`
    """
    found = _pitches(table) | _time(table) | _bars(table) | _drums(table)
    return found | _velocities(table) if velocities else found


def _pitches(table: Table) -> dict[str, Floats]:
    W, rows = len(table), table.rows
    on = table.onsets & ~table.is_drums[rows[:, PART]]
    window, part, pitch = rows[on][:, [WINDOW, PART, PITCH]].T
    classes = np.bincount(window * 12 + pitch % 12, minlength=W * 12).reshape(W, 12).astype(float)
    total = classes.sum(1)
    share = classes / np.maximum(total, 1)[:, None]
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(1)
    low, high = np.full(W, 999), np.full(W, -999)
    np.minimum.at(low, window, pitch)
    np.maximum.at(high, window, pitch)
    different = np.bincount(np.unique(window * 128 + pitch) // 128, minlength=W)
    line = window * len(table.kinds) + part
    moment, nth = np.unique(line * (table.n_cells + 1) + table.start[on], return_inverse=True)
    top = np.zeros(len(moment), np.int64)
    np.maximum.at(top, nth, pitch)
    same = np.diff(moment // (table.n_cells + 1)) == 0
    of_step = moment[1:][same] // (table.n_cells + 1) // len(table.kinds)
    some = total > 0
    return {
        "pitch_class_entropy": np.where(some, entropy, np.nan),
        "scale_consistency": np.where(some, (share @ _SCALES).max(1), np.nan),
        "pitches": np.where(some, different, np.nan),
        "pitch_range": np.where(some, high - low, np.nan),
        "interval": _mean(np.abs(np.diff(top))[same], of_step, W),
    }


def _time(table: Table) -> dict[str, Floats]:
    W, rows = len(table), table.rows
    pitched = ~table.is_drums[rows[:, PART]]
    on = pitched & table.onsets
    length = (table.stop - table.start)[on] / table.steps_per_quarter
    sounding = _sounding(table, pitched)
    cells = np.flatnonzero(sounding)
    of_cell = np.searchsorted(table.end, cells, side="right")
    return {
        "note_length": _mean(length, rows[on, WINDOW], W),
        "polyphony": _mean(sounding[cells], of_cell, W),
    }


def _bars(table: Table) -> dict[str, Floats]:
    (W, N), rows = table.steps.shape, table.rows
    open_ = table.steps - table.lead
    within = table.steps > 0
    bars = (open_ / np.maximum(table.steps, 1)).sum(1)
    n = np.bincount(rows[table.onsets, WINDOW], minlength=W)
    heard = np.concatenate([[0], np.cumsum(_sounding(table, np.ones(len(rows), bool)))])
    silent = (heard[table.base[1:]] == heard[table.base[:-1]]).reshape(W, N) & within
    return {
        "notes_per_bar": n / np.maximum(bars, 1e-9),
        "empty_bars": silent.sum(1) / np.maximum(within.sum(1), 1),
        "groove_consistency": _groove(table),
        "self_similarity": _similarity(table),
    }


def _groove(table: Table) -> Floats:
    (W, N), rows = table.steps.shape, table.rows[table.onsets]
    T = int(table.steps.max(initial=1))
    grid = np.zeros((W, N, T), bool)
    step = np.minimum(rows[:, POSITION] - 1, T - 1)
    grid[rows[:, WINDOW], rows[:, BAR], step] = True
    index = np.arange(T)
    open_ = (index >= table.lead[..., None]) & (index < table.steps[..., None])
    both = open_[:, 1:] & open_[:, :-1]
    alike = ((grid[:, 1:] == grid[:, :-1]) & both).sum(-1) / np.maximum(both.sum(-1), 1)
    pair = (table.steps[:, 1:] == table.steps[:, :-1]) & (table.steps[:, 1:] > 0)
    return _mean(alike[pair], np.nonzero(pair)[0], W)


def _similarity(table: Table) -> Floats:
    (W, N), rows = table.steps.shape, table.rows[table.onsets]
    bar = rows[:, WINDOW] * N + rows[:, BAR]
    what = (rows[:, POSITION] * 64 + rows[:, PART]) * 128 + rows[:, PITCH]
    note = np.unique(bar * 2**26 + what)
    bar = note >> 26
    count = np.bincount(bar, minlength=W * N)
    again = np.isin(note + 2**26, note)
    hits = np.bincount(bar[again], minlength=W * N).reshape(W, N)[:, :-1]
    either = (count + np.roll(count, -1)).reshape(W, N)[:, :-1]
    pair = (table.steps[:, 1:] > 0) & (either > 0)
    return _mean((2 * hits / np.maximum(either, 1))[pair], np.nonzero(pair)[0], W)


def _drums(table: Table) -> dict[str, Floats]:
    W, rows = len(table), table.rows[table.onsets & table.is_drums[table.rows[:, PART]]]
    if not len(rows):
        return {"hits_at_once": np.full(W, np.nan), "drum_classes": np.full(W, np.nan)}
    place = (rows[:, WINDOW] * 64 + rows[:, BAR]) * 4096 + rows[:, POSITION]
    struck = np.bincount(np.unique(place) // (64 * 4096), minlength=W)
    hits = np.bincount(rows[:, WINDOW], minlength=W)
    used = np.bincount(np.unique(rows[:, WINDOW] * 128 + rows[:, PITCH]) // 128, minlength=W)
    return {
        "hits_at_once": np.where(struck > 0, hits / np.maximum(struck, 1), np.nan),
        "drum_classes": np.where(struck > 0, used, np.nan),
    }


def _velocities(table: Table) -> dict[str, Floats]:
    W, rows = len(table), table.rows[table.onsets]
    mean = _mean(rows[:, VELOCITY], rows[:, WINDOW], W)
    off = (rows[:, VELOCITY] - mean[rows[:, WINDOW]]) ** 2
    return {"velocity": mean, "velocity_spread": np.sqrt(_mean(off, rows[:, WINDOW], W))}


def _sounding(table: Table, which: NDArray[np.bool_]) -> Ints:
    """How many of these notes sound in each cell. `(cells,)`"""
    edges = np.bincount(table.start[which], minlength=table.n_cells + 1)
    edges = edges - np.bincount(table.stop[which], minlength=table.n_cells + 1)
    return np.cumsum(edges)[:-1]


def _mean(values: NDArray[np.floating] | Ints, window: Ints, W: int) -> Floats:
    """The mean of the values of each window, nan where there are none. `(W,)`"""
    count = np.bincount(window, minlength=W)
    total = np.bincount(window, weights=values, minlength=W)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
