"""Floor 4: how well notes were given back: scores of a table of notes against the true one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.bars import Bars, cells
from musicvae.representation.note_table import (
    BAR,
    DURATION,
    PART,
    PITCH,
    POSITION,
    TIMING,
    VELOCITY,
    WINDOW,
    Table,
)
from musicvae.representation.windows import CARRY
from musicvae.song import Ints, Song

Rows = NDArray[np.int64]
VELOCITY_RANGE = 127
_LOUD_ENOUGH = 0.1  # how far a velocity may be off, as a share of its range
_BAR = 4096  # steps from one bar to the next, where songs are compared bar by bar
_PER_MS = 960 / 60_000  # 960ths of a quarter in a millisecond, at one quarter a minute


class F1(NamedTuple):
    """Precision, recall and their harmonic mean over notes."""

    precision: float
    recall: float
    f1: float


def note_f1(
    predicted: Rows,
    actual: Rows,
    *,
    parts: bool = True,
    durations: bool = False,
    velocities: bool = False,
) -> F1:
    """Onset-and-pitch F1 over all notes of all windows (micro average).

    `predicted`, `actual`: rows of notes as in `tables.Table`. Carry-ins have no onset and do not
    count. `parts`: a note must be in the right part; `durations`: it must also last as long;
    `velocities`: it must also be as loud within a tenth of the range. Two empty sides score 1.
    """
    a, b = (_keys(rows, parts, durations) for rows in (predicted, actual))
    n_a, n_b = len(np.unique(a)), len(np.unique(b))
    if not n_a and not n_b:
        return F1(1.0, 1.0, 1.0)
    found, i, j = np.intersect1d(a, b, return_indices=True)
    hits = len(found)
    if velocities:
        one, other = _onsets(predicted)[i, VELOCITY], _onsets(actual)[j, VELOCITY]
        hits = int((np.abs(one - other) <= _LOUD_ENOUGH * VELOCITY_RANGE).sum())
    return F1(hits / max(n_a, 1), hits / max(n_b, 1), 2 * hits / (n_a + n_b))


def windows_perfect(predicted: Rows, actual: Rows, n_windows: int) -> float:
    """Share of windows whose notes (onset, part, pitch, duration) are all right and no others."""
    a, b = (_keys(rows, True, True) for rows in (predicted, actual))
    wrong = np.zeros(n_windows, bool)
    wrong[_onsets(predicted)[~np.isin(a, b), WINDOW]] = True
    wrong[_onsets(actual)[~np.isin(b, a), WINDOW]] = True
    return float(1 - wrong.mean()) if n_windows else 1.0


def step_accuracy(predicted: Table, actual: Table) -> float:
    """Share of cells of which each part does exactly what it should; see `Table.states`.

    Cells outside bars are left out, and parts in bars where they are told to be silent.
    """
    able = actual.able
    same = (predicted.states == actual.states)[able]
    return float(same.mean()) if len(same) else 1.0


def hold_accuracy(actual: Table) -> float:
    """The exact-step accuracy of always holding on: the share of cells without an event.

    What any model must beat, since most cells of music hold what the one before had.
    """
    events = actual.events[actual.able]
    return float(1 - events.mean()) if len(events) else 1.0


def repeats_kept(predicted: Table, actual: Table) -> float | None:
    """Of the notes that repeat a pitch of the onset before them in their part, the share that come
    back as onsets. None where nothing repeats. Drums, which do nothing else, are left out.
    """
    which = repeated(actual) & ~actual.is_drums[actual.rows[:, PART]]
    if not which.any():
        return None
    wanted, there = _keys(actual.rows[which], True, False), _keys(predicted.rows, True, False)
    return float(np.isin(wanted, there).mean())


def repeated(table: Table) -> NDArray[np.bool_]:
    """Which onsets have a pitch that the onset (or carry-in) before in their part had. `(M,)`"""
    rows = table.rows
    line = rows[:, WINDOW] * len(table.kinds) + rows[:, PART]
    # Each line's onsets in time, numbered; a note repeats if its pitch is in the one before.
    time = np.where(table.onsets, table.start + 1, table.start)
    moment, nth = np.unique(line * (table.n_cells + 2) + time, return_inverse=True)
    of_line = moment // (table.n_cells + 2)
    follows = np.append(False, np.diff(of_line) == 0)[: len(moment)]
    sung = nth * 128 + rows[:, PITCH]
    return np.asarray(table.onsets & follows[nth] & np.isin(sung - 128, sung))


def note_cells(song: Song, steps_per_quarter: int = 4, *, by_bar: bool = True) -> Ints:
    """The cell in which each note of a song begins: step and pitch. `(M, 2)`

    All parts together; the pitches of drums count from 256, apart from all others. Steps count from
    the beginning of each bar, and bars are as far apart in every song: songs of different meters
    are compared bar by bar. If not `by_bar`, steps count from the song's beginning.
    """
    bars = Bars.from_song(song, steps_per_quarter)
    notes, drums = bars.notes, np.array([part.is_drum for part in song.parts], bool)
    step = notes.bar * _BAR + notes.step if by_bar else cells(bars.grid, notes)
    return np.stack([step, notes.pitch + 256 * drums[notes.part]], axis=1)


def note_distance(a: Ints, b: Ints) -> float:
    """How far apart the notes of two songs are: 0 the same, 1 nothing near anything.

    1 - F1 over (step, pitch) cells, smoothed by one step and one semitone. `a`, `b`: cells in which
    notes begin, `(M, 2)` and `(K, 2)`, as `note_cells` gives them. Each note weighs 1 in its cell,
    1/2 a step or a semitone away, 1/4 where both differ by one; where notes meet, weights add up.
    Of the two weights of each cell the smaller one is what agrees: F1 is twice its sum by the sum
    of all weights. So a note off by a step or by a semitone still counts half. Two empty sides are
    the same.
    """
    if not len(a) and not len(b):
        return 0.0
    (cell_a, weight_a), (cell_b, weight_b) = _smoothed(a), _smoothed(b)
    _, i, j = np.intersect1d(cell_a, cell_b, assume_unique=True, return_indices=True)
    agreed = np.minimum(weight_a[i], weight_b[j]).sum()
    return float(1 - 2 * agreed / (weight_a.sum() + weight_b.sum()))


class DrumErrors(NamedTuple):
    """How far hits that were found are off on average.

    None where there is nothing to know: no velocities made, all true hits exactly on the grid.
    """

    velocity_error: float | None
    """As a share of the range, 127."""
    timing_error_ms: float | None


def drum_errors(predicted: Table, actual: Table) -> DrumErrors:
    """Mean absolute errors of velocity and of timing over drum hits that both tables have."""
    one, other = (t.rows[t.onsets & t.is_drums[t.rows[:, PART]]] for t in (predicted, actual))
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
        timing = float((ticks / (_PER_MS * actual.qpm[other[:, WINDOW]])).mean())
    return DrumErrors(velocity, timing)


def flat(actual: Table) -> Table:
    """The same notes all as loud as the mean, and all on the grid: how much touch there is."""
    rows = actual.rows.copy()
    rows[:, VELOCITY] = round(float(rows[:, VELOCITY].mean())) if len(rows) else 0
    rows[:, TIMING] = 0
    return actual.with_rows(rows)


def judged(predicted: Table, actual: Table) -> dict[str, float | None]:
    """All scores of a table against the true one over the same windows, by name.

    `step_accuracy`; `f1` of onset, pitch and part, `f1_any_part`, `f1_duration`, `f1_velocity`;
    `repeats` (see `repeats_kept`), `perfect` windows; of drums `velocity_error` as a share of its
    range and `timing_error_ms`. None where a score does not apply: `f1_velocity` of what has no
    velocities, errors of drums where there are none.
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
        "repeats": repeats_kept(predicted, actual),
        "perfect": windows_perfect(a, b, len(actual)),
        "velocity_error": drums.velocity_error,
        "timing_error_ms": drums.timing_error_ms,
    }


def _smoothed(notes: Ints) -> tuple[Ints, NDArray[np.float64]]:
    """Cells around notes, each once as a number, and how much weighs on each."""
    near = np.array([[s, p] for s in (-1, 0, 1) for p in (-1, 0, 1)])
    weight = 0.5 ** np.abs(near).sum(1)
    around = notes[:, None] + near  # (M, 9, 2)
    number, which = np.unique(around[..., 0] * 1024 + around[..., 1], return_inverse=True)
    total = np.bincount(which.ravel(), weights=np.tile(weight, len(notes)))
    return number.astype(np.int64), total.astype(np.float64)


def _onsets(rows: Rows) -> Rows:
    return rows[rows[:, POSITION] != CARRY]


def _keys(rows: Rows, parts: bool, durations: bool) -> Ints:
    """One number for each onset: where it is and which pitch, as far as these count."""
    rows = _onsets(rows)
    key = (rows[:, WINDOW] * 64 + rows[:, BAR]) * 4096 + rows[:, POSITION]
    key = (key * 64 + (rows[:, PART] if parts else 0)) * 128 + rows[:, PITCH]
    return key * 1024 + np.minimum(rows[:, DURATION], 1023) if durations else key
