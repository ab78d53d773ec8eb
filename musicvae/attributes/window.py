"""Floor 4: the ten attributes of windows that can be steered by, many windows at once.

All are measured on the notes of a `Table`, on the preset's grid, with pitches in the common key, as
a model hears and gives them. Onsets count where nothing else is said: a note carried in belongs to
the window before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.attributes.metrical_weight import weights_of
from musicvae.representation.note_table import BAR, PART, PITCH, POSITION, VELOCITY, WINDOW, Table
from musicvae.song import Ints

Floats = NDArray[np.float64]

# Krumhansl and Kessler (1982), how well each degree fits: of C major from C, of A minor from C.
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.roll([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17], 9)
_WHITE = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))


@dataclass(frozen=True)
class Attribute:
    """One measure of a window."""

    unit: str
    formula: str
    """In words, with its source where there is one."""
    measure: Callable[[Table, Sequence[str]], Floats]
    """Of each window `(W,)`, nan where it has none; told the preset's names of meters."""
    range: tuple[float, float] = (-np.inf, np.inf)
    """What it can be."""


def measured(
    table: Table, meters: Sequence[str] = (), names: Sequence[str] | None = None
) -> Floats:
    """Attributes of each window, all or those of these names in that order, nan where a window has
    none. `(W, A)`

    `meters` names the table's meters, from 1 on; 0 and what is not named has quarters for beats.
    """
    chosen = [ATTRIBUTES[name] for name in (ATTRIBUTES if names is None else names)]
    return np.stack([each.measure(table, meters) for each in chosen], axis=1)


def lacking(kinds: Sequence[str], *, bars: int, velocity: bool) -> dict[str, str]:
    """The attributes that windows of such parts cannot have, and why.

    `kinds` of the parts, `bars` of a window, `velocity`: whether notes have one of their own.
    """
    pitched = any(kind != "drums" for kind in kinds)
    found = {}
    if not pitched:
        for name in ("range", "register", "mode", "chromaticism"):
            found[name] = "drums have no pitch"
        found["note_length"] = "hits on drums have no length"
    if pitched and not any(kind == "chords" for kind in kinds):
        found["polyphony"] = "its parts play one note at a time, and which of them sound is given"
    if not velocity:
        found["velocity"] = "it does not model velocity, notes are played by rule"
    if bars < 2:
        found["repetition"] = "its windows have one bar"
    return found


def _density(table: Table, meters: Sequence[str]) -> Floats:
    quarters = _open(table) / table.steps_per_quarter
    n = np.bincount(table.rows[table.onsets, WINDOW], minlength=len(table))
    return np.where(quarters > 0, n / np.maximum(quarters, 1e-9), np.nan)


def _range(table: Table, meters: Sequence[str]) -> Floats:
    W, R, rows = len(table), len(table.kinds), table.rows[_pitched(table) & table.onsets]
    line, pitch = rows[:, WINDOW] * R + rows[:, PART], rows[:, PITCH]
    low, high = np.full(W * R, 999), np.full(W * R, -999)
    np.minimum.at(low, line, pitch)
    np.maximum.at(high, line, pitch)
    which = np.flatnonzero(np.bincount(line, minlength=W * R) > 1)
    return _mean((high - low)[which], which // R, W)


def _register(table: Table, meters: Sequence[str]) -> Floats:
    rows = table.rows[_pitched(table) & table.onsets]
    return _mean(rows[:, PITCH], rows[:, WINDOW], len(table))


def _syncopation(table: Table, meters: Sequence[str]) -> Floats:
    weights = weights_of(table, meters)
    surprise, window = [np.zeros(0)], [np.zeros(0, np.int64)]
    for part in range(len(table.kinds)):
        moment = np.unique(table.start[table.onsets & (table.rows[:, PART] == part)])
        if not len(moment):
            continue
        edges = np.union1d(moment, table.end[:-1])
        edges = edges[edges < len(weights)]
        passed = np.maximum.reduceat(weights, edges)[np.searchsorted(edges, moment)]
        surprise.append(passed - weights[moment])
        window.append(np.searchsorted(table.end, moment, side="right"))
    return _mean(np.concatenate(surprise), np.concatenate(window), len(table))


def _polyphony(table: Table, meters: Sequence[str]) -> Floats:
    pitched = _pitched(table)
    if table.is_drums.all():
        hits = np.bincount(table.start[table.onsets], minlength=table.n_cells)
        cells = np.flatnonzero(hits)
        return _mean(hits[cells], np.searchsorted(table.end, cells, side="right"), len(table))
    edges = np.bincount(table.start[pitched], minlength=table.n_cells + 1)
    edges = edges - np.bincount(table.stop[pitched], minlength=table.n_cells + 1)
    sounding = np.cumsum(edges)[:-1]
    cells = np.flatnonzero(sounding)
    return _mean(sounding[cells], np.searchsorted(table.end, cells, side="right"), len(table))


def _note_length(table: Table, meters: Sequence[str]) -> Floats:
    W, R, on = len(table), len(table.kinds), _pitched(table) & table.onsets
    window, part = table.rows[on][:, [WINDOW, PART]].T
    start, length = table.start[on], (table.stop - table.start)[on].astype(float)
    far = table.n_cells + 1
    moment = (window * R + part) * far + start
    every = np.unique(moment)
    after = np.append(every, -1)[np.searchsorted(every, moment, side="right")]
    gap = np.where(after // far == moment // far, after % far, table.end[window]) - start
    squares, plain, gaps = (_mean(x, window, W) for x in (length**2, length, gap))
    return squares / plain / gaps


def _velocity(table: Table, meters: Sequence[str]) -> Floats:
    rows = table.rows[table.onsets]
    return _mean(rows[:, VELOCITY], rows[:, WINDOW], len(table))


def _mode(table: Table, meters: Sequence[str]) -> Floats:
    which = _pitched(table)
    length = (table.stop - table.start)[which].astype(float)
    place = table.rows[which, WINDOW] * 12 + table.rows[which, PITCH] % 12
    classes = np.bincount(place, weights=length, minlength=len(table) * 12).reshape(-1, 12)
    off = classes - classes.mean(1, keepdims=True)
    norm = np.linalg.norm(off, axis=1)

    def fit(profile: Floats) -> Floats:
        centred = profile - profile.mean()
        return off @ (centred / np.linalg.norm(centred)) / np.maximum(norm, 1e-9)

    return np.where(norm > 0, fit(_MAJOR) - fit(_MINOR), np.nan)


def _chromaticism(table: Table, meters: Sequence[str]) -> Floats:
    rows = table.rows[_pitched(table) & table.onsets]
    return _mean(~_WHITE[rows[:, PITCH] % 12], rows[:, WINDOW], len(table))


def _repetition(table: Table, meters: Sequence[str]) -> Floats:
    (W, N), rows = table.steps.shape, table.rows[table.onsets]
    bar = rows[:, WINDOW] * N + rows[:, BAR]
    found = []
    for pitch in (0, rows[:, PITCH]):
        what = (rows[:, POSITION] * 64 + rows[:, PART]) * 128 + pitch
        note = np.unique(bar * 2**26 + what)
        at = note >> 26
        count = np.bincount(at, minlength=W * N)
        again = np.bincount(at[np.isin(note + 2**26, note)], minlength=W * N)
        found.append(2 * again / np.maximum(count + np.roll(count, -1), 1))
    some = np.bincount(bar, minlength=W * N).reshape(W, N) > 0
    pair = np.zeros((W, N), bool)
    pair[:, :-1] = (table.steps[:, 1:] > 0) & (some[:, 1:] | some[:, :-1])
    alike = (found[0] + found[1]).reshape(W, N) / 2
    return _mean(alike[pair], np.nonzero(pair)[0], W)


def _pitched(table: Table) -> NDArray[np.bool_]:
    return ~table.is_drums[table.rows[:, PART]]


def _open(table: Table) -> Ints:
    return np.diff(table.end, prepend=0)


def _mean(values: NDArray[np.generic], window: Ints, W: int) -> Floats:
    """The mean of the values of each window, nan where there are none. `(W,)`"""
    count = np.bincount(window, minlength=W)
    total = np.bincount(window, weights=values, minlength=W)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


ATTRIBUTES = {
    "density": Attribute(
        "onsets a quarter", "onsets of all parts / quarters of open bars", _density, (0, np.inf)
    ),
    "range": Attribute(
        "semitones",
        "highest minus lowest onset of a part, mean over pitched parts",
        _range,
        (0, np.inf),
    ),
    "register": Attribute("semitones", "mean MIDI pitch of onsets in the common key", _register),
    "syncopation": Attribute(
        "levels",
        "for each onset how much stronger than itself the strongest beat is that passes before its "
        "part's next onset, mean (after Longuet-Higgins and Lee 1984)",
        _syncopation,
        (0, np.inf),
    ),
    "polyphony": Attribute(
        "notes",
        "notes sounding at once where any sounds; of drums hits at once",
        _polyphony,
        (1, np.inf),
    ),
    "note_length": Attribute(
        "gaps",
        "length of the note that sounds at a random moment (sum of squared lengths / sum of "
        "lengths) / mean time from an onset to the next of its part: mean length by itself is the "
        "reciprocal of density in a line without rests",
        _note_length,
        (0, np.inf),
    ),
    "velocity": Attribute("MIDI velocity", "mean of onsets", _velocity, (1, 127)),
    "mode": Attribute(
        "correlation",
        "correlation of sounding pitch classes with the profile of the key's major scale minus "
        "that with its relative minor's (Krumhansl and Kessler 1982)",
        _mode,
    ),
    "chromaticism": Attribute(
        "share", "onsets outside the piece's major scale", _chromaticism, (0, 1)
    ),
    "repetition": Attribute(
        "F1",
        "how far each bar repeats the one before: mean of F1 over (step, part) and over (step, "
        "part, pitch)",
        _repetition,
        (0, 1),
    ),
}
"""What can be measured of a window, by name."""
