"""Pulse tracking: onsets -> the pulse they follow, its period, its drift, their positions on it.

From note onsets, not from audio: where the onsets of a voice are known, they say more about its
beat than spectral flux. An interval between onsets is a whole number of pulses up to the accuracy
of the player; a prior over these numbers decides between a pulse and its half. The period may
drift: its most likely course is found by dynamic programming over (note, period, phase).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Floats, Ints

MIN_PERIOD_S, MAX_PERIOD_S = 0.085, 0.9
ACCURACY_S = 0.018  # standard deviation of an onset, performed and detected
_DRIFT = 0.02  # share of an interval that tempo drift adds to the deviation
_OUTLIER_SHARE = 0.02  # of intervals
_INTERVAL_PRIOR = {1: 0.46, 2: 0.26, 3: 0.09, 4: 0.08, 6: 0.04, 8: 0.025}
_MAX_PULSES = 32  # of an interval
_OTHER_PRIOR = 0.045 / (_MAX_PULSES - len(_INTERVAL_PRIOR))
_LOG_PRIOR = np.log(
    np.array([_INTERVAL_PRIOR.get(k, _OTHER_PRIOR) for k in range(1, _MAX_PULSES + 1)])
)
_PERIOD_STEP = 0.005  # log ratio of neighboring periods
_MAX_PERIOD_STEPS = 14  # the course may leave its first period by, to both sides
_N_PHASES = 48  # of a pulse
_PERIOD_COST, _PHASE_COST = 0.35, 0.5  # nats by the square of steps between two notes
_GRACE_LOG_PRIOR = np.log(0.01)  # two onsets in one pulse
_STIFFNESS = 12.0  # of the smooth pulse times


@dataclass(frozen=True, kw_only=True, eq=False)
class Pulse:
    """A pulse that onsets follow."""

    pulse_index: Ints
    """`(M,)`: the pulse of each onset, from 0."""
    pulse_times_s: Floats
    """`(P,)`: the time of each pulse."""
    log_likelihood: float
    """Of the onsets, per note."""

    @property
    def period_s(self) -> float:
        """The mean period."""
        return float(np.diff(self.pulse_times_s).mean())


def track_pulses(onset_s: Floats, max_pulses: int = 4) -> list[Pulse]:
    """Return the most likely pulses of sorted onsets `(M,)`, M > 2, of distinct periods."""
    interval = np.diff(onset_s)
    periods = np.exp(np.arange(np.log(MIN_PERIOD_S), np.log(MAX_PERIOD_S), 0.01))
    likelihood = _interval_log_density(interval, periods).sum(0)
    peaks = [
        i
        for i in np.argsort(-likelihood).tolist()
        if likelihood[i] >= likelihood[max(i - 1, 0)]
        and likelihood[i] >= likelihood[min(i + 1, len(likelihood) - 1)]
    ]
    pulses: list[Pulse] = []
    for i in peaks[: max_pulses + 2]:
        pulse = follow_pulse(onset_s, float(periods[i]))
        if all(abs(np.log(pulse.period_s / other.period_s)) > 0.04 for other in pulses):
            pulses.append(pulse)
    return sorted(pulses, key=lambda pulse: -pulse.log_likelihood)[:max_pulses]


def follow_pulse(onset_s: Floats, period_s: float) -> Pulse:
    """Return the pulse of about this period that sorted onsets `(M,)` follow."""
    steps = np.arange(-_MAX_PERIOD_STEPS, _MAX_PERIOD_STEPS + 1)
    index, log_likelihood = _viterbi(onset_s, period_s * np.exp(_PERIOD_STEP * steps))
    weight = np.ones(len(index))
    for _ in range(5):
        times = _smooth_times(onset_s, index, weight)
        position = np.interp(onset_s, times, np.arange(len(times)))
        nearest = np.maximum.accumulate(np.round(position).astype(np.int64))
        deviation = np.abs(times[index] - onset_s) / (2 * ACCURACY_S)
        weight = 1 / (1 + deviation**2)  # Cauchy weights: grace notes and outliers count little
        index = nearest - nearest[0]
    return Pulse(
        pulse_index=index,
        pulse_times_s=_smooth_times(onset_s, index, weight),
        log_likelihood=log_likelihood / len(onset_s),
    )


def _interval_log_density(interval: Floats, periods: Floats) -> Floats:
    """Return the log-density of each interval under each period, `(M - 1, periods)`."""
    k = np.arange(1, _MAX_PULSES + 1)
    sd = np.sqrt(2 * ACCURACY_S**2 + (_DRIFT * interval) ** 2)[:, None, None]
    deviation = (interval[:, None, None] - periods[None, :, None] * k) / sd
    density = np.exp(_LOG_PRIOR - 0.5 * deviation**2) / (sd * np.sqrt(2 * np.pi))
    return np.log((1 - _OUTLIER_SHARE) * density.sum(2) + _OUTLIER_SHARE / 2)


def _viterbi(onset_s: Floats, periods: Floats) -> tuple[Ints, float]:
    """Return the most likely pulse of each onset, from 0, and the log-likelihood.

    A state is a period and a phase, the lateness of an onset in its pulse; between onsets the
    phase advances by the period, and both may change a little.
    """
    P, D = len(periods), _N_PHASES
    phase = (np.arange(D) - D // 2) / D  # pulses
    sd = np.sqrt(ACCURACY_S**2 + (0.02 * periods) ** 2)[:, None]
    normal = np.exp(-0.5 * (phase * periods[:, None] / sd) ** 2) / sd / np.sqrt(2 * np.pi)
    emission = np.log((1 - _OUTLIER_SHARE) * normal + _OUTLIER_SHARE / periods[:, None])  # (P, D)
    rows, columns = np.arange(P)[:, None], np.arange(D)[None]
    moves = [(b, d) for b in (-1, 0, 1) for d in (-1, 0, 1)]
    costs = [-_PERIOD_COST * b * b - _PHASE_COST * d * d for b, d in moves]
    score, sources, counts = emission.copy(), [], []
    for interval in np.diff(onset_s):
        advance = np.round(interval / periods * D).astype(np.int64)[:, None]
        move_scores, move_sources, move_counts = [], [], []
        for (b, d), cost in zip(moves, costs, strict=True):
            row = np.clip(rows + b, 0, P - 1)
            ahead = advance[row[:, 0]]
            total = columns - ahead - d  # phase bin before, not wrapped
            source = total % D
            # Pulses between the two onsets: the advance that the phase does not absorb.
            count = (ahead + d + source - columns) // D
            prior = np.where(
                count > 0, _LOG_PRIOR[np.clip(count, 1, _MAX_PULSES) - 1], _GRACE_LOG_PRIOR
            )
            move_scores.append(score[row, source] + prior + cost)
            move_sources.append(row * D + source)
            move_counts.append(count)
        best = np.argmax(move_scores, axis=0), rows, columns
        score = np.array(move_scores)[best] + emission
        sources.append(np.array(move_sources)[best])
        counts.append(np.array(move_counts)[best])
    state = int(score.argmax())
    log_likelihood, steps = float(score.max()), []
    for source, count in zip(sources[::-1], counts[::-1], strict=True):
        steps.append(int(count.flat[state]))
        state = int(source.flat[state])
    index = np.concatenate([[0], np.cumsum(np.maximum(steps[::-1], 0))]).astype(np.int64)
    return index, log_likelihood


def _smooth_times(onset_s: Floats, index: Ints, weight: Floats) -> Floats:
    """Return the time of each pulse `(P,)`: a smooth curve near the onsets.

    Penalized least squares (Whittaker 1923): squared errors and squared second differences.
    """
    from scipy.sparse import csc_array, diags_array
    from scipy.sparse.linalg import spsolve

    n = max(int(index[-1]) + 1, 3)
    target = np.bincount(index, weights=weight * onset_s, minlength=n)
    total_weight = np.bincount(index, weights=weight, minlength=n)
    second_difference = diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(n - 2, n))
    period_s = max(float(onset_s[-1] - onset_s[0]) / max(int(index[-1]), 1), 1e-3)
    # Equally stiff in time whatever the pulse: the scale of a bend is in seconds, not in pulses.
    stiffness = _STIFFNESS * (0.25 / period_s) ** 3
    penalty = stiffness * (second_difference.T @ second_difference)
    return spsolve(csc_array(diags_array(total_weight) + penalty), target)
