"""Prior of note values: which bars, meters and tempos a rhythm suggests by itself.

A meter is simple unless onsets are heard at compound subdivisions (the second or third eighth of a
dotted quarter); note values are not dotted throughout; there are 60 to 140 beats a minute; the
shortest common note value is an eighth or longer, and no longer than a quarter. Long notes begin at
bar lines and beats, bars have some five notes, and rhythms recur two bars later.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats, Ints

_COMPOUND = ("6/8", "9/8", "12/8")
_HEARD_SHARE = 0.15  # of onsets at compound subdivisions in a tune in a compound meter, at least
_COMMON_SHARE = 0.15  # of intervals that a common note value has
_SLOWEST_BPM, _FASTEST_BPM = 60.0, 140.0
_CELLS_PER_EIGHTH, _CELLS_PER_QUARTER, _CELLS_PER_DOTTED_QUARTER = 2, 4, 6
_LAST_NOTE_CELLS = 8  # assumed, as the end of a held note says little
_TYPICAL_NOTES_PER_BAR = 5.0
_NO_STRONG_NOTES = -1.0  # octaves by which notes at bar lines are shorter, if there are none


def is_compound(meter: str) -> bool:
    """Return whether a meter such as `6/8` has dotted beats."""
    return meter in _COMPOUND


def collect_rhythm_evidence(
    cells: Ints, lines: Ints, cell_s: float, meter: str
) -> dict[str, float]:
    """Return the evidence of onsets `(M,)` in cells for bar lines `(K,)` in cells and a meter."""
    compound = is_compound(meter)
    beat = _CELLS_PER_DOTTED_QUARTER if compound else _CELLS_PER_QUARTER
    interval = np.maximum(np.diff(cells, append=cells[-1] + _LAST_NOTE_CELLS), 1)
    place = _places_in_bar(cells, lines)
    log_length = np.log2(interval)
    log_notes = float(np.log(len(cells) / len(lines) / _TYPICAL_NOTES_PER_BAR))
    return {
        **_note_value_evidence(interval[:-1], compound),
        "compound_unheard": float(compound) * _unheard_share(place),
        "slow": max(float(np.log(_SLOWEST_BPM * cell_s * beat / 60)), 0.0),
        "fast": max(float(np.log(60 / (cell_s * beat) / _FASTEST_BPM)), 0.0),
        "long_on_bar_line": _relative_length(log_length, np.isin(cells, lines)),
        "long_on_beat": _relative_length(log_length, place % beat == 0),
        "log_notes_per_bar": log_notes,
        "log_notes_per_bar_squared": log_notes**2,
        "recurring_rhythm": _recurring_share(cells, lines),
    }


def _places_in_bar(cells: Ints, lines: Ints) -> Ints:
    """Return the cells from the bar line before each onset; a pickup counts from a bar earlier."""
    before = np.searchsorted(lines, cells, side="right") - 1
    pickup_line = lines[0] - np.diff(lines)[0]
    return cells - np.where(before >= 0, lines[np.maximum(before, 0)], pickup_line)


def _note_value_evidence(interval: Ints, compound: bool) -> dict[str, float]:
    """Return the share of dotted values, and octaves of the shortest common value out of range."""
    undotted = 2 if compound else _CELLS_PER_QUARTER
    dotted = (interval % 3 == 0) & (interval % undotted != 0)
    shortest = float(np.quantile(interval, _COMMON_SHARE, method="inverted_cdf"))
    return {
        "dotted_values": float(dotted.mean()),
        "short_values": max(float(np.log2(_CELLS_PER_EIGHTH / shortest)), 0.0),
        "long_values": max(float(np.log2(shortest / _CELLS_PER_QUARTER)), 0.0),
    }


def _unheard_share(place: Ints) -> float:
    """Return 1 if no onset is at a second or third eighth of a dotted quarter, 0 if enough are."""
    share = float(np.isin(place % _CELLS_PER_DOTTED_QUARTER, (2, 4)).mean())
    return max(1 - share / _HEARD_SHARE, 0.0)


def _relative_length(log_length: Floats, strong: np.ndarray) -> float:
    """Return by how many octaves strong notes are longer than the mean."""
    if not strong.any():
        return _NO_STRONG_NOTES
    return float(log_length[strong].mean() - log_length.mean())


def _recurring_share(cells: Ints, lines: Ints) -> float:
    """Return the share of bars whose rhythm is that of two bars before."""
    edge = np.searchsorted(cells, lines)
    rhythm = [
        (cells[a:b] - line).tolist()
        for a, b, line in zip(edge[:-1], edge[1:], lines[:-1], strict=True)
    ]
    same = [one == other for one, other in zip(rhythm, rhythm[2:], strict=False)]
    return float(np.mean(same)) if same else 0.0
