"""Musical features of windows, for comparing the distributions of two sets of windows.

Measured on the grid of the preset. A feature that a window does not define, such as the intervals
of a single note, is nan. Pitch and length features leave drums out.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats, group_mean
from musicvae.attributes.measures import (
    consecutive_bar_f1,
    is_pitched,
    mean_polyphony,
    onset_counts,
    pitch_extent,
    sounding_counts,
)
from musicvae.representation.key import MAJOR_SCALE_MASK
from musicvae.representation.note_table import (
    BAR,
    PART,
    PITCH,
    POSITION,
    VELOCITY,
    WINDOW,
    NoteTable,
)

# (12 pitch classes, 12 keys)
_SCALES = np.stack([np.roll(MAJOR_SCALE_MASK.astype(np.float64), key) for key in range(12)], 1)


def window_features(table: NoteTable, *, velocities: bool = False) -> dict[str, Floats]:
    """Return the features of each window by name, each `(W,)`.

    - `pitch_class_entropy`: of the pitch classes of onsets, in bits
    - `scale_consistency`: share of onsets in the best-fitting major scale
    - `pitches`, `pitch_range`: number of different pitches; lowest to highest, in semitones
    - `interval`: mean absolute interval between successive onsets of a part (its highest notes)
    - `note_length`: mean, in quarters, truncated at the end of the window
    - `polyphony`: mean number of notes sounding at once, rests left out
    - `notes_per_bar`: onsets of all parts; a pickup counts by its share of unmasked cells
    - `empty_bars`: share of bars in which nothing sounds
    - `groove_consistency`: share of cells in which a bar and the next one of the same length agree
      on whether there is an onset
    - `self_similarity`: F1 of the notes (step, part, pitch) of each bar and the next
    - `hits_at_once`, `drum_classes`: simultaneous drum hits; number of the nine classes used
    - with `velocities`: `velocity` and its standard deviation `velocity_spread`
    """
    features = _pitch_features(table) | _note_features(table) | _bar_features(table)
    features |= _drum_features(table)
    return features | _velocity_features(table) if velocities else features


def _pitch_features(table: NoteTable) -> dict[str, Floats]:
    W, rows = len(table), table.rows
    on = table.is_onset & is_pitched(table)
    window, part, pitch = rows[on][:, [WINDOW, PART, PITCH]].T
    classes = np.bincount(window * 12 + pitch % 12, minlength=W * 12).reshape(W, 12).astype(float)
    total = classes.sum(1)
    share = classes / np.maximum(total, 1)[:, None]
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(1)
    low, high = pitch_extent(pitch, window, W)
    different = np.bincount(np.unique(window * 128 + pitch) // 128, minlength=W)
    line = window * len(table.part_kinds) + part
    moment, nth = np.unique(line * (table.n_cells + 1) + table.start[on], return_inverse=True)
    top = np.zeros(len(moment), np.int64)
    np.maximum.at(top, nth, pitch)
    same = np.diff(moment // (table.n_cells + 1)) == 0
    of_step = moment[1:][same] // (table.n_cells + 1) // len(table.part_kinds)
    some = total > 0
    return {
        "pitch_class_entropy": np.where(some, entropy, np.nan),
        "scale_consistency": np.where(some, (share @ _SCALES).max(1), np.nan),
        "pitches": np.where(some, different, np.nan),
        "pitch_range": np.where(some, high - low, np.nan),
        "interval": group_mean(np.abs(np.diff(top))[same], of_step, W),
    }


def _note_features(table: NoteTable) -> dict[str, Floats]:
    W, rows = len(table), table.rows
    on = is_pitched(table) & table.is_onset
    length = (table.stop - table.start)[on] / table.steps_per_quarter
    return {
        "note_length": group_mean(length, rows[on, WINDOW], W),
        "polyphony": mean_polyphony(table),
    }


def _bar_features(table: NoteTable) -> dict[str, Floats]:
    W, N = table.steps.shape
    unmasked = table.steps - table.lead_steps
    within = table.steps > 0
    bars = (unmasked / np.maximum(table.steps, 1)).sum(1)
    sounding = sounding_counts(table.start, table.stop, table.n_cells)
    total = np.concatenate([[0], np.cumsum(sounding)])
    f1 = consecutive_bar_f1(table, pitches=True)
    silent = total[table.cell_offsets[1:]] == total[table.cell_offsets[:-1]]
    silent = silent.reshape(W, N) & within
    return {
        "notes_per_bar": onset_counts(table) / np.maximum(bars, 1e-9),
        "empty_bars": silent.sum(1) / np.maximum(within.sum(1), 1),
        "groove_consistency": _groove_consistency(table),
        "self_similarity": group_mean(f1.ravel(), np.repeat(np.arange(W), N - 1), W),
    }


def _groove_consistency(table: NoteTable) -> Floats:
    (W, N), rows = table.steps.shape, table.rows[table.is_onset]
    T = int(table.steps.max(initial=1))
    grid = np.zeros((W, N, T), bool)
    step = np.minimum(rows[:, POSITION] - 1, T - 1)
    grid[rows[:, WINDOW], rows[:, BAR], step] = True
    index = np.arange(T)
    unmasked = (index >= table.lead_steps[..., None]) & (index < table.steps[..., None])
    both = unmasked[:, 1:] & unmasked[:, :-1]
    agreement = ((grid[:, 1:] == grid[:, :-1]) & both).sum(-1) / np.maximum(both.sum(-1), 1)
    pair = (table.steps[:, 1:] == table.steps[:, :-1]) & (table.steps[:, 1:] > 0)
    return group_mean(agreement[pair], np.nonzero(pair)[0], W)


def _drum_features(table: NoteTable) -> dict[str, Floats]:
    W, rows = len(table), table.rows[table.is_onset & table.is_drums[table.rows[:, PART]]]
    if not len(rows):
        return {"hits_at_once": np.full(W, np.nan), "drum_classes": np.full(W, np.nan)}
    place = (rows[:, WINDOW] * 64 + rows[:, BAR]) * 4096 + rows[:, POSITION]
    n_positions = np.bincount(np.unique(place) // (64 * 4096), minlength=W)
    hits = np.bincount(rows[:, WINDOW], minlength=W)
    used = np.bincount(np.unique(rows[:, WINDOW] * 128 + rows[:, PITCH]) // 128, minlength=W)
    return {
        "hits_at_once": np.where(n_positions > 0, hits / np.maximum(n_positions, 1), np.nan),
        "drum_classes": np.where(n_positions > 0, used, np.nan),
    }


def _velocity_features(table: NoteTable) -> dict[str, Floats]:
    W, rows = len(table), table.rows[table.is_onset]
    mean = group_mean(rows[:, VELOCITY], rows[:, WINDOW], W)
    off = (rows[:, VELOCITY] - mean[rows[:, WINDOW]]) ** 2
    return {"velocity": mean, "velocity_spread": np.sqrt(group_mean(off, rows[:, WINDOW], W))}
