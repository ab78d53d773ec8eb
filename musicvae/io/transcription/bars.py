"""Floor 3: notes and the pulses that they may follow -> the grid of sixteenths and the bars on it.

What a pulse is, a sixteenth, an eighth or a quarter, and where bars begin, is asked of the ear
that finds bar lines in MIDI (`musicvae.downbeats`): each pulse is tried at each value, with the
bars that the ear likes best there and with even bars of each usual meter. Which of them is meant is
a matter of odds, by logistic regression over sung tunes whose bars are known
(`experiments/transcription/calibrate.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musicvae.downbeats.decoding import LENGTHS, Hearing, Path, meter_index
from musicvae.downbeats.features import Heard, features
from musicvae.downbeats.network import METERS, listen, weights
from musicvae.io.transcription.beats import Pulse
from musicvae.song import Ints

Reals = NDArray[np.float64]

EVEN = ("2/4", "3/4", "4/4", "6/8", "3/8", "9/8", "12/8", "5/4")
_VALUES = (1, 2, 3, 4)  # sixteenths that a pulse may be
_CELL_S = (0.06, 0.32)  # how long a sixteenth may last
_LONGEST, _TAIL = 64.0, 32  # cells, as the ear was taught
_TAPPED_QPM = 110  # usual quarters a minute
_PLAIN = 80  # velocity
_USUAL_BAR_S, _USUAL_CELL_S = 1.6, 0.13

# What each thing adds to the log-odds that bars are the ones meant.
WEIGHTS = {
    "pulse": 0.12,
    "clear": 0.71,
    "bars": -1.38,
    "long": 0.44,
    "long squared": 0.06,
    "quick": -0.55,
    "quick squared": -0.96,
    "changing": -0.26,
    "meter": 0.88,
    "late": -2.78,
    "2/4": -0.59,
    "3/4": -0.15,
    "4/4": -0.78,
    "6/8": 0.64,
    "3/8": -0.33,
    "9/8": 0.07,
    "12/8": 0.47,
    "6/4": 0.36,
    "2/2": 0.35,
    "tapped": -6.0,  # set by hand: a rhythm alone says little of which notes are quarters
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """What is known of notes when bars are asked for; arrays `(M,)`."""

    onset_s: Reals
    stop_s: Reals
    pitch: Ints
    velocity: Ints
    is_drum: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Bars:
    """Bars on a grid: `value` sixteenths are a pulse; `path` has the bar lines, in sixteenths from
    the first onset, and their meters.
    """

    pulse: Pulse
    value: int
    path: Path
    evidence: dict[str, float]

    @property
    def odds(self) -> float:
        """Log-odds, up to a constant of the piece, that these bars are meant."""
        return sum(WEIGHTS.get(name, 0.0) * value for name, value in self.evidence.items())

    @cached_property
    def cell_s(self) -> float:
        """How long a sixteenth lasts."""
        return self.pulse.period_s / self.value

    def seconds(self, cell: Ints | Reals) -> Reals:
        """When a place in sixteenths from the first onset comes; on both sides the tempo holds."""
        clock, at = self.pulse.clock_s, np.asarray(cell, np.float64) / self.value
        last, few = len(clock) - 1, min(len(clock) - 1, 8)
        before, after = (clock[few] - clock[0]) / few, (clock[last] - clock[last - few]) / few
        inside = np.interp(at, np.arange(len(clock)), clock)
        late = np.where(at > last, clock[last] + (at - last) * after, inside)
        return np.where(at < 0, clock[0] + at * before, late)

    def cells(self, seconds: Reals) -> Reals:
        """Places in sixteenths from the first onset, the inverse of `seconds`."""
        clock, last = self.pulse.clock_s, len(self.pulse.clock_s) - 1
        few = min(last, 8)
        before, after = (clock[few] - clock[0]) / few, (clock[last] - clock[last - few]) / few
        inside = np.interp(seconds, clock, np.arange(len(clock)))
        late = np.where(seconds > clock[-1], last + (seconds - clock[-1]) / after, inside)
        return self.value * np.where(seconds < clock[0], (seconds - clock[0]) / before, late)


def bars_of(
    line: Line,
    found: list[Pulse],
    meter: tuple[int, int] | None = None,
    values: tuple[int, ...] | None = None,
) -> Bars:
    """The bars that are meant, of all that `tried` gives; raises `ValueError` if there are none."""
    return max(tried(line, found, meter, values), key=lambda bars: bars.odds)


def tried(
    line: Line,
    found: list[Pulse],
    meter: tuple[int, int] | None = None,
    values: tuple[int, ...] | None = None,
) -> Iterator[Bars]:
    """All bars that are thought of: for each pulse and value the best ones, and even ones.

    `meter` is the only one that is asked for, if it is known; `values` are the sixteenths that a
    pulse may be.
    """
    best = max(pulse.logs for pulse in found)
    for pulse in found:
        for value in values or _VALUES:
            if not values and not _CELL_S[0] <= pulse.period_s / value <= _CELL_S[1]:
                continue
            hearing = _hearing(line, pulse, value)
            options = _even(hearing, (meter,) if meter else _EVEN)
            if not meter:
                options.append(hearing.best())
            for path in options:
                if len(path.lines) > 1:
                    bars = Bars(pulse=pulse, value=value, path=path, evidence={})
                    bars.evidence.update(_evidence(bars, hearing, line, best))
                    yield bars


_EVEN = tuple((int(m.split("/")[0]), int(m.split("/")[1])) for m in EVEN)


def _hearing(line: Line, pulse: Pulse, value: int) -> Hearing:
    """What the ear hears if a pulse is so many sixteenths."""
    cell = pulse.at * value
    stop = np.interp(line.stop_s, pulse.clock_s, np.arange(len(pulse.clock_s))) * value
    length = np.clip(stop - cell, 0.5, _LONGEST)
    length[-1] = max(length[-1], (line.stop_s[-1] - line.onset_s[-1]) / pulse.period_s * value)
    M = len(cell)
    drum, part = np.full(M, line.is_drum), np.zeros(M, np.int64)
    n_cells = int(cell[-1]) + 1 + int(min(max(length[-1], 1), _TAIL))
    # A voice swells and fades for reasons of its own: only of hits is loudness an accent.
    loud = line.velocity if line.is_drum else np.full(M, _PLAIN)
    heard = Heard(cell, np.minimum(length, _LONGEST), line.pitch, loud, part, drum)
    return Hearing(*listen(features(heard, n_cells), weights()))


def _even(hearing: Hearing, meters: tuple[tuple[int, int], ...]) -> list[Path]:
    """Bars of one length throughout, beginning where the ear likes it best, for each meter."""
    paths = []
    for numerator, denominator in meters:
        index = meter_index(numerator, denominator)
        length = int(LENGTHS[index]) if index >= 0 else 16 * numerator // denominator
        if length < 1 or len(hearing) <= length:
            continue
        sums = [float(hearing.odds[first::length].sum()) for first in range(length)]
        lines = np.arange(int(np.argmax(sums)), len(hearing), length)
        paths.append(Path(lines=lines, meters=np.full(len(lines), index), score=max(sums)))
    return paths


def _evidence(bars: Bars, hearing: Hearing, line: Line, best: float) -> dict[str, float]:
    """What speaks for and against bars."""
    lines, meters = bars.path.lines, bars.path.meters
    at = bars.seconds(lines)
    bar_s = float(np.median(np.diff(at)))
    name = METERS[int(np.bincount(np.maximum(meters, 0)).argmax())]
    odds = hearing.odds[lines]
    long, quick = np.log(bar_s / _USUAL_BAR_S), np.log(bars.cell_s / _USUAL_CELL_S)
    return {
        "pulse": (bars.pulse.logs - best) * len(line.onset_s) / 10,
        "clear": float(odds.mean()),
        "heard": float(odds.sum()) / 10,
        "bars": len(lines) / 10,
        "long": float(long),
        "long squared": float(long**2),
        "quick": float(quick),
        "quick squared": float(quick**2),
        "changing": float(bool((np.diff(meters) != 0).any())),
        "meter": float(hearing.meter_logs(meters)),
        "late": max(float(at[0] - line.onset_s[0]), 0.0) / max(bar_s, 0.1),
        "tapped": float(line.is_drum) * float(np.log(15 / bars.cell_s / _TAPPED_QPM) ** 2),
        name: 1.0,
    }
