"""Bar estimation: notes and candidate pulses -> a grid of sixteenths and its bar lines.

Whether a pulse is a sixteenth, an eighth or a quarter, and where bars begin, is scored by the
network that finds bar lines in MIDI (`musicvae.downbeats`): each pulse is tried at each value, with
the best bars there and with equal bars of each usual meter. A logistic regression, fitted to sung
tunes of known bars, chooses among these hypotheses, by those scores and by the note values
(`rhythm`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.downbeats.decoding import METER_CELLS, BarPath, DownbeatScores, meter_index
from musicvae.downbeats.features import NoteFeatures, cell_features
from musicvae.downbeats.network import METERS, load_weights, predict
from musicvae.io.transcription.beats import Pulse
from musicvae.io.transcription.rhythm import collect_rhythm_evidence

_METERS = ((2, 4), (3, 4), (4, 4), (6, 8), (3, 8), (9, 8), (12, 8), (5, 4))
_CELLS_PER_PULSE = (1, 2, 3, 4)
_MIN_CELL_S, _MAX_CELL_S = 0.06, 0.32
_MAX_NOTE_CELLS, _MAX_TAIL_CELLS = 64.0, 32  # as in the training data of the network
_TAPPED_QPM = 110  # typical tempo
_VOICE_VELOCITY = 80
_TYPICAL_BAR_S, _TYPICAL_CELL_S = 1.6, 0.13
_EXTRAPOLATION_PULSES = 8
_PHASES = 2  # tried of equal bars

# Contribution of each piece of evidence to the log-odds of a hypothesis.
WEIGHTS = {
    "dotted_values": -0.72,
    "short_values": -0.32,
    "long_values": -0.55,
    "compound_unheard": -1.01,
    "slow": -1.64,
    "fast": -0.93,
    "long_on_bar_line": 0.54,
    "long_on_beat": 1.16,
    "log_notes_per_bar": -0.08,
    "log_notes_per_bar_squared": -1.87,
    "recurring_rhythm": 1.38,
    "pulse": 0.65,
    "downbeat_mean": 0.56,
    "n_bars": -1.50,
    "log_bar_length": -0.07,
    "log_bar_length_squared": -0.42,
    "log_cell_length": -0.53,
    "log_cell_length_squared": -2.28,
    "meter_changes": 1.06,
    "meter": 1.00,
    "first_bar_line": -4.31,
    "2/4": -0.64,
    "3/4": 1.01,
    "4/4": 0.75,
    "6/8": 0.75,
    "3/8": -0.98,
    "9/8": -1.94,
    "12/8": 0.16,
    "5/4": -0.04,
    "2/2": 1.58,
    "3/2": -0.50,
    "tapped_tempo": -6.0,  # set by hand: a rhythm alone says little about which notes are quarters
}


@dataclass(frozen=True, kw_only=True, eq=False)
class NoteSequence:
    """Monophonic notes in seconds, arrays `(M,)`."""

    onset_s: Floats
    end_s: Floats
    pitch: Ints
    velocity: Ints
    is_drum: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class BarHypothesis:
    """Bars on a grid of sixteenths.

    `path` has the bar lines, in cells from the first onset, and their meters; `evidence` the
    terms of `WEIGHTS`.
    """

    pulse: Pulse
    cells_per_pulse: int
    path: BarPath
    evidence: dict[str, float]

    @property
    def log_odds(self) -> float:
        """Log-odds of these bars, up to a constant of the piece."""
        return sum(WEIGHTS.get(name, 0.0) * value for name, value in self.evidence.items())

    @cached_property
    def cell_s(self) -> float:
        """Mean duration of a cell."""
        return self.pulse.period_s / self.cells_per_pulse

    def cells_to_seconds(self, cell: Ints | Floats) -> Floats:
        """Return the times of cells from the first onset, at constant tempo outside the pulses."""
        times, at = self.pulse.pulse_times_s, np.asarray(cell, np.float64) / self.cells_per_pulse
        last = len(times) - 1
        before_s, after_s = self._outer_periods_s()
        inside = np.interp(at, np.arange(len(times)), times)
        seconds = np.where(at > last, times[last] + (at - last) * after_s, inside)
        return np.where(at < 0, times[0] + at * before_s, seconds)

    def seconds_to_cells(self, seconds: Floats) -> Floats:
        """Return positions in cells from the first onset, the inverse of `cells_to_seconds`."""
        times, last = self.pulse.pulse_times_s, len(self.pulse.pulse_times_s) - 1
        before_s, after_s = self._outer_periods_s()
        inside = np.interp(seconds, times, np.arange(len(times)))
        at = np.where(seconds > times[-1], last + (seconds - times[-1]) / after_s, inside)
        at = np.where(seconds < times[0], (seconds - times[0]) / before_s, at)
        return self.cells_per_pulse * at

    def _outer_periods_s(self) -> tuple[float, float]:
        """Return the mean periods of the first and of the last pulses, for extrapolation."""
        times, last = self.pulse.pulse_times_s, len(self.pulse.pulse_times_s) - 1
        n = min(last, _EXTRAPOLATION_PULSES)
        return (times[n] - times[0]) / n, (times[last] - times[last - n]) / n


def estimate_bars(
    notes: NoteSequence,
    pulses: list[Pulse],
    meter: tuple[int, int] | None = None,
    cells_per_pulse: tuple[int, ...] | None = None,
) -> BarHypothesis:
    """Return the most likely bars. Raises `ValueError` if there is no hypothesis."""
    hypotheses = bar_hypotheses(notes, pulses, meter, cells_per_pulse)
    return max(hypotheses, key=lambda bars: bars.log_odds)


def bar_hypotheses(
    notes: NoteSequence,
    pulses: list[Pulse],
    meter: tuple[int, int] | None = None,
    cells_per_pulse: tuple[int, ...] | None = None,
) -> Iterator[BarHypothesis]:
    """Yield all hypotheses: for each pulse and value the best bars, and equal bars of each meter.

    `meter` restricts them to one meter, `cells_per_pulse` to some values of a pulse.
    """
    best = max(pulse.log_likelihood for pulse in pulses)
    for pulse in pulses:
        for cells in cells_per_pulse or _CELLS_PER_PULSE:
            if not cells_per_pulse and not _MIN_CELL_S <= pulse.period_s / cells <= _MAX_CELL_S:
                continue
            scores = _score_downbeats(notes, pulse, cells)
            paths = _equal_bars(scores, (meter,) if meter else _METERS)
            if not meter:
                paths.append(scores.decode())
            for path in paths:
                if len(path.lines) > 1:
                    bars = BarHypothesis(pulse=pulse, cells_per_pulse=cells, path=path, evidence={})
                    bars.evidence.update(_collect_evidence(bars, scores, notes, best))
                    yield bars


def _score_downbeats(notes: NoteSequence, pulse: Pulse, cells_per_pulse: int) -> DownbeatScores:
    """Run the downbeat network on notes whose pulse is a number of sixteenths."""
    times = pulse.pulse_times_s
    cell = pulse.pulse_index * cells_per_pulse
    end = np.interp(notes.end_s, times, np.arange(len(times))) * cells_per_pulse
    length = np.clip(end - cell, 0.5, _MAX_NOTE_CELLS)
    last_s = notes.end_s[-1] - notes.onset_s[-1]
    length[-1] = max(length[-1], last_s / pulse.period_s * cells_per_pulse)
    M = len(cell)
    is_drum, part = np.full(M, notes.is_drum), np.zeros(M, np.int64)
    n_cells = int(cell[-1]) + 1 + int(min(max(length[-1], 1), _MAX_TAIL_CELLS))
    # The loudness of a voice varies for reasons of its own: only that of hits is an accent.
    velocity = notes.velocity if notes.is_drum else np.full(M, _VOICE_VELOCITY)
    length = np.minimum(length, _MAX_NOTE_CELLS)
    features = NoteFeatures(cell, length, notes.pitch, velocity, part, is_drum)
    return DownbeatScores(*predict(cell_features(features, n_cells), load_weights()))


def _equal_bars(scores: DownbeatScores, meters: tuple[tuple[int, int], ...]) -> list[BarPath]:
    """Return, for each meter, bars of one length throughout at the phases of the best scores."""
    paths = []
    for numerator, denominator in meters:
        index = meter_index(numerator, denominator)
        length = int(METER_CELLS[index]) if index >= 0 else 16 * numerator // denominator
        if length < 1 or len(scores) <= length:
            continue
        sums = np.array([scores.log_odds[first::length].sum() for first in range(length)])
        for first in np.argsort(-sums, kind="stable")[:_PHASES].tolist():
            lines = np.arange(first, len(scores), length)
            meters_of_lines = np.full(len(lines), index)
            paths.append(BarPath(lines=lines, meters=meters_of_lines, score=float(sums[first])))
    return paths


def _collect_evidence(
    bars: BarHypothesis, scores: DownbeatScores, notes: NoteSequence, best_likelihood: float
) -> dict[str, float]:
    """Return the evidence for a hypothesis, by the names of `WEIGHTS`."""
    lines, meters = bars.path.lines, bars.path.meters
    cells = bars.pulse.pulse_index * bars.cells_per_pulse
    line_s = bars.cells_to_seconds(lines)
    bar_s = float(np.median(np.diff(line_s)))
    meter = METERS[int(np.bincount(np.maximum(meters, 0)).argmax())]
    log_odds = scores.log_odds[lines]
    log_bar = np.log(bar_s / _TYPICAL_BAR_S)
    log_cell = np.log(bars.cell_s / _TYPICAL_CELL_S)
    log_tempo = np.log(15 / bars.cell_s / _TAPPED_QPM)
    rhythm = collect_rhythm_evidence(cells, lines, bars.cell_s, meter)
    return rhythm | {
        "pulse": (bars.pulse.log_likelihood - best_likelihood) * len(notes.onset_s) / 10,
        "downbeat_mean": float(log_odds.mean()),
        "n_bars": len(lines) / 10,
        "log_bar_length": float(log_bar),
        "log_bar_length_squared": float(log_bar**2),
        "log_cell_length": float(log_cell),
        "log_cell_length_squared": float(log_cell**2),
        "meter_changes": float(bool((np.diff(meters) != 0).any())),
        "meter": float(scores.mean_meter_log_prob(meters)),
        "first_bar_line": max(float(line_s[0] - notes.onset_s[0]), 0.0) / max(bar_s, 0.1),
        "tapped_tempo": float(notes.is_drum) * float(log_tempo**2),
        meter: 1.0,
    }
