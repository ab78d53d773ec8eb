"""Floor 3: when notes begin -> the pulse they follow: its period, its drift, their places on it.

Of notes alone, not of sound: where the onsets of a voice are known, they say more of its beat than
any flux does. An interval between onsets is a whole number of pulses, give or take a player's
accuracy; which numbers are usual decides between a pulse and its half. The period may drift: the
likeliest course of it is found by dynamic programming over (note, period).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints

Reals = NDArray[np.float64]

SHORTEST_S, LONGEST_S = 0.085, 0.9  # periods of a pulse that are looked for
ACCURACY_S = 0.018  # of an onset, sung and heard
_DRIFT = 0.02  # of an interval: how much a tempo that wanders adds to its inaccuracy
_STRAY = 0.02  # share of intervals that are anything
_USUAL = {1: 0.46, 2: 0.26, 3: 0.09, 4: 0.08, 6: 0.04, 8: 0.025}
_MOST = 32  # pulses of an interval
_REST = 0.045 / (_MOST - len(_USUAL))
_PRIOR = np.log(np.array([_USUAL.get(k, _REST) for k in range(1, _MOST + 1)]))
_STEP = 0.005  # of a period: neighbours in the search for its course
_REACH = 14  # steps that the course may leave its beginning by, to both sides
_PHASES = 48  # places in a pulse that are told apart
_BEND, _SLIP = 0.35, 0.5  # nats for a step of period, of place, between two notes, by its square
_GRACE = np.log(0.01)  # log-probability of two onsets in one pulse
_STIFF = 12.0  # of the clock: how little it bends between pulses


@dataclass(frozen=True, kw_only=True, eq=False)
class Pulse:
    """A pulse that onsets follow: `at` `(M,)` is each onset's place in whole pulses, from 0;
    `clock_s` `(P,)` when each pulse comes. `logs` is the log-likelihood of the onsets a note.
    """

    at: Ints
    clock_s: Reals
    logs: float

    @property
    def period_s(self) -> float:
        """The mean period."""
        return float(np.diff(self.clock_s).mean())


def pulses(onset_s: Reals, most: int = 4) -> list[Pulse]:
    """The likeliest pulses of rising onsets `(M,)`, M > 2, the best first; no two are alike."""
    interval = np.diff(onset_s)
    periods = np.exp(np.arange(np.log(SHORTEST_S), np.log(LONGEST_S), 0.01))
    logs = _likelihood(interval, periods).sum(0)
    peaks = [
        i
        for i in np.argsort(-logs).tolist()
        if logs[i] >= logs[max(i - 1, 0)] and logs[i] >= logs[min(i + 1, len(logs) - 1)]
    ]
    found: list[Pulse] = []
    for i in peaks[: most + 2]:
        pulse = _followed(onset_s, float(periods[i]))
        if all(abs(np.log(pulse.period_s / other.period_s)) > 0.04 for other in found):
            found.append(pulse)
    return sorted(found, key=lambda pulse: -pulse.logs)[:most]


def steady(onset_s: Reals, period_s: float) -> Pulse:
    """The pulse of rising onsets `(M,)` whose period is about this."""
    return _followed(onset_s, period_s)


def _likelihood(interval: Reals, periods: Reals) -> Reals:
    """Log-density of each interval under each period. `(M - 1, periods)`"""
    k = np.arange(1, _MOST + 1)
    spread = np.sqrt(2 * ACCURACY_S**2 + (_DRIFT * interval) ** 2)[:, None, None]
    off = (interval[:, None, None] - periods[None, :, None] * k) / spread
    each = np.exp(_PRIOR - 0.5 * off**2) / (spread * np.sqrt(2 * np.pi))
    return np.log((1 - _STRAY) * each.sum(2) + _STRAY / 2)


def _followed(onset_s: Reals, period_s: float) -> Pulse:
    """The pulse near this period that the onsets follow."""
    periods = period_s * np.exp(_STEP * np.arange(-_REACH, _REACH + 1))
    at, logs = _best_course(onset_s, periods)
    weight = np.ones(len(at))
    for _ in range(5):
        clock = _clock(onset_s, at, weight)
        place = np.interp(onset_s, clock, np.arange(len(clock)))
        again = np.maximum.accumulate(np.round(place).astype(np.int64))
        off = np.abs(clock[at] - onset_s) / (2 * ACCURACY_S)
        weight = 1 / (1 + off**2)  # graces and strays bend the clock little (Cauchy's weights)
        again -= again[0]
        at = again
    return Pulse(at=at, clock_s=_clock(onset_s, at, weight), logs=logs / len(onset_s))


def _best_course(onset_s: Reals, periods: Reals) -> tuple[Ints, float]:
    """The likeliest place of each onset in pulses, from 0, and its log-likelihood.

    A state is a period and how late an onset is in its pulse; between onsets the lateness advances
    as the period says, and both may change a little.
    """
    P, D = len(periods), _PHASES
    late = (np.arange(D) - D // 2) / D  # pulses
    spread = np.sqrt(ACCURACY_S**2 + (0.02 * periods) ** 2)[:, None]
    normal = np.exp(-0.5 * (late * periods[:, None] / spread) ** 2) / spread / np.sqrt(2 * np.pi)
    heard = np.log((1 - _STRAY) * normal + _STRAY / periods[:, None])  # (P, D)
    rows, columns = np.arange(P)[:, None], np.arange(D)[None]
    moves = [(b, d) for b in (-1, 0, 1) for d in (-1, 0, 1)]
    cost = [-_BEND * b * b - _SLIP * d * d for b, d in moves]
    score, backs, counts = heard.copy(), [], []
    for interval in np.diff(onset_s):
        advance = np.round(interval / periods * D).astype(np.int64)[:, None]
        options, sources, steps = [], [], []
        for (b, d), price in zip(moves, cost, strict=True):
            row = np.clip(rows + b, 0, P - 1)
            ahead = advance[row[:, 0]]
            total = columns - ahead - d  # late before, in bins, before wrapping
            source = total % D
            # Pulses between the two onsets: what the lateness does not take up.
            step = (ahead + d + source - columns) // D
            prior = np.where(step > 0, _PRIOR[np.clip(step, 1, _MOST) - 1], _GRACE)
            options.append(score[row, source] + prior + price)
            sources.append(row * D + source)
            steps.append(step)
        best = np.argmax(options, axis=0)
        pick = best, rows, columns
        score = np.array(options)[pick] + heard
        backs.append(np.array(sources)[pick])
        counts.append(np.array(steps)[pick])
    state = int(score.argmax())
    logs, taken = float(score.max()), []
    for back, count in zip(backs[::-1], counts[::-1], strict=True):
        taken.append(int(count.flat[state]))
        state = int(back.flat[state])
    return np.concatenate([[0], np.cumsum(np.maximum(taken[::-1], 0))]).astype(np.int64), logs


def _clock(onset_s: Reals, at: Ints, weight: Reals) -> Reals:
    """When each pulse comes: the smoothest line near the onsets, by penalised least squares
    (Whittaker 1923): squared second differences beside squared errors.
    """
    from scipy.sparse import csc_array, diags_array
    from scipy.sparse.linalg import spsolve

    n = max(int(at[-1]) + 1, 3)
    total = np.bincount(at, weights=weight * onset_s, minlength=n)
    held = np.bincount(at, weights=weight, minlength=n)
    bend = diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(n - 2, n))
    period = max(float(onset_s[-1] - onset_s[0]) / max(int(at[-1]), 1), 1e-3)
    # As stiff in time whatever the pulse: a bend is over seconds, not over pulses.
    stiff = _STIFF * (0.25 / period) ** 3
    return spsolve(csc_array(diags_array(held) + stiff * (bend.T @ bend)), total)
