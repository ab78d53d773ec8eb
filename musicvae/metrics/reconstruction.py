"""Reconstruction metrics: a note table against the true one over the same windows.

Arguments `predicted` and `actual` are `NoteTable`s, or their rows `(M, 8)`. A carry-in, a note that
sounds on from the previous window, has no onset and is ignored by all F1 scores. Cells, parts and
states are defined in `representation.note_table`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicvae.arrays import Bools, Ints
from musicvae.representation.note_table import (
    BAR,
    DURATION,
    PART,
    PITCH,
    POSITION,
    TIMING,
    VELOCITY,
    WINDOW,
    NoteTable,
)
from musicvae.representation.windows import CARRY

VELOCITY_RANGE = 127
_VELOCITY_TOLERANCE = 0.1  # as a share of the range
_TIMING_UNITS_PER_MS = 960 / 60_000  # 960ths of a quarter, at 1 qpm


class F1(NamedTuple):
    """Precision, recall and their harmonic mean over notes."""

    precision: float
    recall: float
    f1: float


def note_f1(
    predicted: Ints,
    actual: Ints,
    *,
    parts: bool = True,
    durations: bool = False,
    velocities: bool = False,
) -> F1:
    """Return the F1 of onset and pitch over all notes of all windows (micro average).

    Args:
        predicted: note rows `(M, 8)`.
        actual: note rows `(K, 8)`.
        parts: the part must match.
        durations: the duration must match.
        velocities: the velocity must match within a tenth of its range.

    Two empty tables score 1.
    """
    a, b = (_keys(rows, parts, durations) for rows in (predicted, actual))
    n_a, n_b = len(np.unique(a)), len(np.unique(b))
    if not n_a and not n_b:
        return F1(1.0, 1.0, 1.0)
    found, i, j = np.intersect1d(a, b, return_indices=True)
    hits = len(found)
    if velocities:
        one, other = _onsets(predicted)[i, VELOCITY], _onsets(actual)[j, VELOCITY]
        hits = int((np.abs(one - other) <= _VELOCITY_TOLERANCE * VELOCITY_RANGE).sum())
    return F1(hits / max(n_a, 1), hits / max(n_b, 1), 2 * hits / (n_a + n_b))


def exact_window_share(predicted: Ints, actual: Ints, n_windows: int) -> float:
    """Return the share of windows with exactly the true notes (onset, part, pitch, duration)."""
    a, b = (_keys(rows, True, True) for rows in (predicted, actual))
    wrong = np.zeros(n_windows, bool)
    wrong[_onsets(predicted)[~np.isin(a, b), WINDOW]] = True
    wrong[_onsets(actual)[~np.isin(b, a), WINDOW]] = True
    return float(1 - wrong.mean()) if n_windows else 1.0


def step_accuracy(predicted: NoteTable, actual: NoteTable) -> float:
    """Return the share of cells and parts with the true state; see `NoteTable.states`.

    Masked cells are left out, and parts in the bars where they are given to be silent.
    """
    able = actual.part_active
    same = (predicted.states == actual.states)[able]
    return float(same.mean()) if len(same) else 1.0


def hold_baseline_accuracy(actual: NoteTable) -> float:
    """Return the step accuracy of always predicting "no event", a lower bound for any model."""
    events = actual.events[actual.part_active]
    return float(1 - events.mean()) if len(events) else 1.0


def repeat_recall(predicted: NoteTable, actual: NoteTable) -> float | None:
    """Return the recall of onsets that repeat a pitch of the previous onset of their part.

    Drums are left out; None if nothing repeats.
    """
    which = repeated_onsets(actual) & ~actual.is_drums[actual.rows[:, PART]]
    if not which.any():
        return None
    wanted, there = _keys(actual.rows[which], True, False), _keys(predicted.rows, True, False)
    return float(np.isin(wanted, there).mean())


def repeated_onsets(table: NoteTable) -> Bools:
    """Mask of onsets with a pitch of the previous onset (or carry-in) of their part. `(M,)`"""
    rows = table.rows
    line = rows[:, WINDOW] * len(table.part_kinds) + rows[:, PART]
    # Number the onset times of each line; a note repeats if its pitch is in the previous one.
    time = np.where(table.is_onset, table.start + 1, table.start)
    moment, nth = np.unique(line * (table.n_cells + 2) + time, return_inverse=True)
    of_line = moment // (table.n_cells + 2)
    follows = np.append(False, np.diff(of_line) == 0)[: len(moment)]
    sung = nth * 128 + rows[:, PITCH]
    return np.asarray(table.is_onset & follows[nth] & np.isin(sung - 128, sung))


class DrumErrors(NamedTuple):
    """Mean absolute errors over matched drum hits.

    None where undefined: the model has no velocities, or all true hits are exactly on the grid.
    """

    velocity_error: float | None
    """As a share of the velocity range, 127."""
    timing_error_ms: float | None


def drum_errors(predicted: NoteTable, actual: NoteTable) -> DrumErrors:
    """Return the errors of velocity and timing over the drum hits that both tables have."""
    one, other = (t.rows[t.is_onset & t.is_drums[t.rows[:, PART]]] for t in (predicted, actual))
    keys = [_keys(side, True, False) for side in (one, other)]
    _, i, j = np.intersect1d(keys[0], keys[1], return_indices=True)
    one, other = one[i], other[j]
    if not len(one):
        return DrumErrors(None, None)
    velocity = timing = None
    if one[:, VELOCITY].any():
        velocity = float(np.abs(one[:, VELOCITY] - other[:, VELOCITY]).mean()) / VELOCITY_RANGE
    if other[:, TIMING].any():
        ticks = np.abs(one[:, TIMING] - other[:, TIMING])
        timing = float((ticks / (_TIMING_UNITS_PER_MS * actual.qpm[other[:, WINDOW]])).mean())
    return DrumErrors(velocity, timing)


def expressionless(actual: NoteTable) -> NoteTable:
    """Return the baseline with constant velocity and no microtiming."""
    rows = actual.rows.copy()
    rows[:, VELOCITY] = round(float(rows[:, VELOCITY].mean())) if len(rows) else 0
    rows[:, TIMING] = 0
    return actual.with_rows(rows)


def reconstruction_metrics(predicted: NoteTable, actual: NoteTable) -> dict[str, float | None]:
    """Return all reconstruction metrics by name.

    `step_accuracy`; `f1` of onset, pitch and part, `f1_any_part`, `f1_duration`, `f1_velocity`;
    `repeats` (`repeat_recall`), `perfect` (`exact_window_share`); of drums `velocity_error` as a
    share of the range and `timing_error_ms`. None where a metric does not apply: `f1_velocity`
    without velocities, drum errors without drums.
    """
    a, b = predicted.rows, actual.rows
    loud = bool(a[:, VELOCITY].any())
    drums = drum_errors(predicted, actual)
    return {
        "step_accuracy": step_accuracy(predicted, actual),
        "f1": note_f1(a, b).f1,
        "f1_any_part": note_f1(a, b, parts=False).f1,
        "f1_duration": note_f1(a, b, durations=True).f1,
        "f1_velocity": note_f1(a, b, velocities=True).f1 if loud else None,
        "repeats": repeat_recall(predicted, actual),
        "perfect": exact_window_share(a, b, len(actual)),
        "velocity_error": drums.velocity_error,
        "timing_error_ms": drums.timing_error_ms,
    }


def _onsets(rows: Ints) -> Ints:
    return rows[rows[:, POSITION] != CARRY]


def _keys(rows: Ints, parts: bool, durations: bool) -> Ints:
    """Return a number for each onset that identifies the compared fields. `(M,)`"""
    rows = _onsets(rows)
    key = (rows[:, WINDOW] * 64 + rows[:, BAR]) * 4096 + rows[:, POSITION]
    key = (key * 64 + (rows[:, PART] if parts else 0)) * 128 + rows[:, PITCH]
    return key * 1024 + np.minimum(rows[:, DURATION], 1023) if durations else key
