"""Explanations of unusual bars in musical terms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats
from musicvae.latent.surprisal import FEATURES
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.representation.key import MAJOR_SCALE_MASK, estimate_diatonic_key, pitch_name

MIN_DEVIATION = 1.5  # standard deviations that make a reason
MAX_REASONS = 3  # of a bar
IMPROBABLE = 0.05  # notes below this probability are named
MAX_NAMED_NOTES = 3
MIN_MISSING_NOTES = 0.4
_DISSONANT = np.isin(np.arange(12), (1, 2, 6, 10, 11))  # seconds, tritones and sevenths
_N_EARLIER_NOTES = 16  # onsets before a note that may still sound with it
_REASONS = {
    "notes": "improbable notes",
    "max": "an improbable note",
    "missing": "notes seem to be missing",
    "other_parts": "does not fit the other parts",
    "rhythm": "a rhythm unlike the neighboring bars",
    "pitch": "pitches unlike the neighboring bars",
}

ImprobableNote = tuple[float, float, int, bool]
"""Beat, probability, pitch, and whether it is a drum."""


def bar_measures(bars: Bars) -> dict[str, Floats]:
    """Return plain measures of each bar and part `(N, P)`, as deviations from the song's own bars.

    nan where no note begins. The keys are reasons in words.
    """
    notes, shape = bars.notes, (len(bars), len(bars.header.parts))
    count = _sum_by_bar(notes, np.ones(len(notes)), shape)
    n_notes = np.where(count > 0, count, np.nan)
    quarters = (bars.grid.unmasked_steps / bars.grid.steps_per_quarter)[:, None]
    register = _sum_by_bar(notes, notes.pitch, shape) / n_notes
    drums = np.array([part.is_drum for part in bars.header.parts], bool)
    pitched = notes.select(~drums[notes.part]) if len(notes) else notes
    key = estimate_diatonic_key(pitched.pitch, pitched.duration)
    chromatic = ~MAJOR_SCALE_MASK[(notes.pitch - key) % 12]
    dissonant = _sum_by_bar(notes, _is_dissonant(bars), shape)
    found = {
        "more notes than usual": _robust_z(n_notes / quarters),
        "fewer notes than usual": -_robust_z(n_notes / quarters),
        "higher than usual": _robust_z(register, 2.0),
        "lower than usual": -_robust_z(register, 2.0),
        "notes out of key": _robust_z(_sum_by_bar(notes, chromatic, shape) / n_notes, 0.1),
        "dissonant with the other parts": _robust_z(dissonant / n_notes, 0.1),
    }
    for name in ("higher than usual", "lower than usual", "notes out of key"):
        found[name] = np.where(drums, np.nan, found[name])
    return found


def explain_bar(
    deviations: Floats,
    n_missing: float,
    measures: dict[str, float],
    improbable: list[ImprobableNote],
) -> list[str]:
    """Return the reasons why a bar is unusual, the strongest first.

    Args:
        deviations: `(F,)` of its `FEATURES`.
        n_missing: expected number of missing notes.
        measures: its `bar_measures`.
        improbable: its least probable notes.
    """
    strength = {
        _REASONS[name]: value for name, value in zip(FEATURES, deviations.tolist(), strict=True)
    }
    if n_missing < MIN_MISSING_NOTES:
        strength.pop(_REASONS["missing"])
    named = sorted((p, beat, pitch, drum) for beat, p, pitch, drum in improbable if p < IMPROBABLE)
    of_notes = max(strength.pop(_REASONS["notes"]), strength.pop(_REASONS["max"]))
    if named:
        listed = ", ".join(
            f"{'drum ' + str(pitch) if drum else pitch_name(pitch)} at beat {beat:g}"
            for _, beat, pitch, drum in named[:MAX_NAMED_NOTES]
        )
        n_more = len(named) - MAX_NAMED_NOTES
        more = f" and {n_more} more" if n_more > 0 else ""
        strength[f"improbable: {listed}{more}"] = max(of_notes, MIN_DEVIATION) + 1
    elif improbable:
        strength["slightly surprising notes"] = of_notes
    strength |= {reason: value for reason, value in measures.items() if np.isfinite(value)}
    order = sorted(strength, key=lambda reason: -strength[reason])
    return [reason for reason in order if strength[reason] >= MIN_DEVIATION][:MAX_REASONS]


def _sum_by_bar(notes: Notes, values: NDArray[Any], shape: tuple[int, int]) -> Floats:
    total = np.zeros(shape)
    np.add.at(total, (notes.bar, notes.part), values.astype(float))
    return total


def _robust_z(values: Floats, min_scale: float = 0.5) -> Floats:
    """Return deviations from the median of each part, in robust standard deviations (MAD)."""
    columns = [column[np.isfinite(column)] for column in values.T]
    centered = values - [np.median(column) if len(column) else 0.0 for column in columns]
    columns = [column[np.isfinite(column)] for column in centered.T]
    scale = [1.4826 * np.median(np.abs(c)) if len(c) else min_scale for c in columns]
    return np.asarray(centered / np.maximum(scale, min_scale))


def _is_dissonant(bars: Bars) -> NDArray[np.bool_]:
    """Return the notes that begin against a dissonant interval in another part. `(M,)`"""
    notes = bars.notes
    drums = np.array([part.is_drum for part in bars.header.parts], bool)
    start = cell_index(bars.grid, notes)
    order = np.argsort(start, kind="stable")
    dissonant = np.zeros(len(notes), bool)
    stop = start + notes.duration
    for back in range(1, _N_EARLIER_NOTES + 1):
        i, j = order[back:], order[:-back]
        both = (stop[j] > start[i]) & (notes.part[i] != notes.part[j])
        both &= ~drums[notes.part[i]] & ~drums[notes.part[j]]
        both &= _DISSONANT[np.abs(notes.pitch[i] - notes.pitch[j]) % 12]
        dissonant[i] |= both
        dissonant[j] |= both & (start[i] == start[j])
    return dissonant
