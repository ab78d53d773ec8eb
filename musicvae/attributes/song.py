"""Statistics of a whole song."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from musicvae.arrays import Ints, ragged_range
from musicvae.attributes.measures import sounding_counts
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.representation.key import MAJOR_SCALE_MASK, estimate_diatonic_key

_CONSONANT = np.isin(np.arange(12), (0, 3, 4, 5, 7, 8, 9))
_BEAT_PHASES = {"on_beat": 0, "on_half_beat": 0.5, "on_quarter_beat": 0.25, "on_third_beat": 1 / 3}


def song_statistics(bars: Bars) -> dict[str, float]:
    """Return statistics of a song. Drums are left out, except for `parts`.

    - `bars`, `notes`, `notes_per_bar`, `parts`, `bar_quarters` (median length of a bar)
    - `bars_sounding`: share of bars in which something sounds
    - `pitch_classes`: number of different pitch classes
    - `register`: mean pitch
    - `in_scale`: share of notes in the best-fitting major scale
    - `polyphony`: mean number of notes sounding at once, rests left out
    - `consonant`: share of consonant intervals among simultaneous notes
    - `repeated`: share of notes that repeat the previous pitch of their part
    - `steps_and_thirds`: share of melodic intervals of at most four semitones, unisons left out
    - `mean_duration_quarters`, `rest`: mean length of a note, share of silent cells
    - `longest_chord_bars`: the longest time without a note's beginning or end, in bars
    - `on_beat`, `on_half_beat`, `on_quarter_beat`, `on_third_beat`: share of notes that begin
      there, with quarters as beats

    A song without pitched notes has only those of the first line.
    """
    pitched = np.array([not part.is_drum for part in bars.header.parts], bool)
    notes = bars.notes.select(pitched[bars.notes.part]) if len(bars.notes) else bars.notes
    N, M, n_cells = len(bars), len(notes), int(bars.grid.cell_offsets[-1])
    steps_per_quarter = bars.grid.steps_per_quarter
    statistics = {
        "bars": float(N),
        "notes": float(M),
        "notes_per_bar": M / max(N, 1),
        "parts": float(len(pitched)),
        "bar_quarters": float(np.median(bars.grid.unmasked_steps / steps_per_quarter)),
    }
    if not M or not n_cells:
        return statistics
    start = cell_index(bars.grid, notes)
    stop = np.minimum(start + notes.duration, n_cells)
    sounding = sounding_counts(start, stop, n_cells)
    bars_sounding = [sounding[a:b].any() for a, b in pairwise(bars.grid.cell_offsets)]
    key = estimate_diatonic_key(notes.pitch, notes.duration)
    return statistics | {
        "bars_sounding": float(np.mean(bars_sounding)),
        "pitch_classes": float(len(np.unique(notes.pitch % 12))),
        "register": float(notes.pitch.mean()),
        "in_scale": float(MAJOR_SCALE_MASK[(notes.pitch - key) % 12].mean()),
        "polyphony": float(sounding[sounding > 0].mean()),
        "consonant": _consonance(start, stop, notes.pitch, n_cells),
        **_melodic_intervals(notes, start),
        "mean_duration_quarters": float(notes.duration.mean()) / steps_per_quarter,
        "rest": float((sounding == 0).mean()),
        "longest_chord_bars": _longest_static_bars(start, stop, bars),
        **_beat_phases(notes, steps_per_quarter),
    }


def _consonance(start: Ints, stop: Ints, pitch: Ints, n_cells: int) -> float:
    roll = np.zeros((n_cells, 128), bool)
    length = stop - start
    roll[ragged_range(length, start), np.repeat(pitch, length)] = True
    consonant = total = 0
    for interval in range(1, 48):
        count = int((roll[:, interval:] & roll[:, :-interval]).sum())
        total += count
        consonant += count * bool(_CONSONANT[interval % 12])
    return consonant / total if total else 1.0


def _melodic_intervals(notes: Notes, start: Ints) -> dict[str, float]:
    order = np.lexsort((notes.pitch, start, notes.part))
    same_part = np.diff(notes.part[order]) == 0
    interval = np.abs(np.diff(notes.pitch[order]))[same_part]
    moves = interval[interval > 0]
    return {
        "repeated": float((interval == 0).mean()) if len(interval) else 0.0,
        "steps_and_thirds": float((moves <= 4).mean()) if len(moves) else 0.0,
    }


def _longest_static_bars(start: Ints, stop: Ints, bars: Bars) -> float:
    edges = np.unique(np.concatenate([start, stop]))
    longest = int(np.diff(edges).max(initial=0))
    return longest / max(float(np.median(bars.grid.unmasked_steps)), 1.0)


def _beat_phases(notes: Notes, steps_per_quarter: int) -> dict[str, float]:
    phase = notes.step / steps_per_quarter % 1
    return {
        name: float(np.isclose(phase, at, atol=0.02).sum()) / len(notes)
        for name, at in _BEAT_PHASES.items()
    }
