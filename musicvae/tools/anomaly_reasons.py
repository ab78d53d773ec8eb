"""Floor 8: why a bar of a part is odd, in words a musician would use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats
from musicvae.latent.surprisal import FEATURES
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.representation.key import estimate_diatonic_key, pitch_name

_TELLING = 1.5  # deviations from which a reason is one
_MOST = 3  # reasons a bar
_WRONG = 0.05  # a note less probable is named
_NAMED = 3
_LACKS = 0.4
_SCALE = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))
_HARSH = np.isin(np.arange(12), (1, 2, 6, 10, 11))
_WORDS = {
    "notes": "improbable notes",
    "worst": "an improbable note",
    "missing": "notes seem to be missing",
    "against": "does not go with the other parts",
    "rhythm": "a rhythm unlike the bars around",
    "pitch": "pitches unlike the bars around",
}


def bar_measures(bars: Bars) -> dict[str, Floats]:
    """Plain measures of each bar and part `(N, P)`, as deviations from the song's own bars; not a
    number where nothing begins. Keys are reasons in words.
    """
    notes, shape = bars.notes, (len(bars), len(bars.header.parts))
    count = _summed(notes, np.ones(len(notes)), shape)
    some = np.where(count > 0, count, np.nan)
    quarters = (bars.grid.unmasked_steps / bars.grid.steps_per_quarter)[:, None]
    register = _summed(notes, notes.pitch, shape) / some
    drums = np.array([part.is_drum for part in bars.header.parts], bool)
    pitched = notes.select(~drums[notes.part]) if len(notes) else notes
    key = estimate_diatonic_key(pitched.pitch, pitched.duration)
    outside = ~_SCALE[(notes.pitch - key) % 12]
    found = {
        "more notes than usual": _apart(some / quarters),
        "fewer notes than usual": -_apart(some / quarters),
        "higher than usual": _apart(register, 2.0),
        "lower than usual": -_apart(register, 2.0),
        "notes out of the key": _apart(_summed(notes, outside, shape) / some, 0.1),
        "dissonant with the other parts": _apart(_dissonance(bars, shape) / some, 0.1),
    }
    for name in ("higher than usual", "lower than usual", "notes out of the key"):
        found[name] = np.where(drums, np.nan, found[name])
    return found


def reasons(
    deviations: Floats,
    missing: float,
    plain: dict[str, float],
    improbable: list[tuple[float, float, int, bool]],
) -> list[str]:
    """Why a bar is odd, the strongest reason first.

    Args:
        deviations: of its features `(F,)`.
        missing: notes that seem to lack, as many as are expected.
        plain: of its plain measures.
        improbable: beat, probability, pitch and whether it is a drum, of notes.
    """
    told = {
        word: value
        for name, value in zip(FEATURES, deviations.tolist(), strict=True)
        if (word := _WORDS[name])
    }
    if missing < _LACKS:
        told.pop(_WORDS["missing"])
    wrong = sorted((p, beat, pitch, drum) for beat, p, pitch, drum in improbable if p < _WRONG)
    strongest = max(told.pop(_WORDS["notes"]), told.pop(_WORDS["worst"]))
    if wrong:
        named = ", ".join(
            f"{'drum ' + str(pitch) if drum else pitch_name(pitch)} at beat {beat:g}"
            for _, beat, pitch, drum in wrong[:_NAMED]
        )
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        told[f"improbable: {named}{more}"] = max(strongest, _TELLING) + 1
    elif improbable:
        told["notes that surprise a little"] = strongest
    told |= {word: value for word, value in plain.items() if np.isfinite(value)}
    order = sorted(told, key=lambda word: -told[word])
    return [word for word in order if told[word] >= _TELLING][:_MOST]


def _summed(notes: Notes, values: NDArray[np.generic], shape: tuple[int, int]) -> Floats:
    total = np.zeros(shape)
    np.add.at(total, (notes.bar, notes.part), values.astype(float))
    return total


def _apart(values: Floats, least: float = 0.5) -> Floats:
    """Deviations of each part's bars from its middle one, by the usual distance from it."""
    columns = [column[np.isfinite(column)] for column in values.T]
    off = values - [np.median(column) if len(column) else 0.0 for column in columns]
    columns = [column[np.isfinite(column)] for column in off.T]
    usual = [1.4826 * np.median(np.abs(c)) if len(c) else least for c in columns]
    return np.asarray(off / np.maximum(usual, least))


def _dissonance(bars: Bars, shape: tuple[int, int]) -> Floats:
    """In each bar and part the notes that begin against a second, tritone or seventh."""
    notes = bars.notes
    drums = np.array([part.is_drum for part in bars.header.parts], bool)
    start = cell_index(bars.grid, notes)
    order = np.argsort(start, kind="stable")
    harsh = np.zeros(len(notes), bool)
    stop = start + notes.duration
    for back in range(1, 17):  # the notes that began before, near enough to sound still
        i, j = order[back:], order[:-back]
        both = (stop[j] > start[i]) & (notes.part[i] != notes.part[j])
        both &= ~drums[notes.part[i]] & ~drums[notes.part[j]]
        both &= _HARSH[np.abs(notes.pitch[i] - notes.pitch[j]) % 12]
        harsh[i] |= both
        harsh[j] |= both & (start[i] == start[j])
    return _summed(notes, harsh, shape)
