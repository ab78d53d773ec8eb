"""Beat tracking of performances without a click: onsets -> their positions in bars.

A metrical hidden Markov model (Raphael, A hybrid graphical model for rhythmic parsing, 2002;
Nakamura et al., Rhythm transcription of polyphonic piano music, 2017). The state of an onset
cluster is its position in a bar and the period of a quarter; intervals between positions follow the
statistics of scores, and the period changes a little from onset to onset. The most likely sequence
is found by dynamic programming, once for each meter.

Each state also keeps the time at which its onset was due: the observed time, drawn towards the
expected one, so that a single early or late onset moves the next one but little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Bools, Floats, Floats32, Ints
from musicvae.downbeats.onset_clusters import OnsetClusters
from musicvae.downbeats.rhythm_model import STEPS_PER_QUARTER, MeterModel, load_rhythm_model

MIN_PERIOD_S, MAX_PERIOD_S = 0.2, 2.4  # of a quarter
_PERIOD_STEP = 0.06  # log ratio of neighboring periods
_MAX_CHANGE = 2  # steps of the period between two onsets
_CHANGE_COST = 2.0  # nats, by the square of steps
_ONSET_STD_S = 0.03
_INTERVAL_STD = 0.06  # share of an interval
_DEGREES_OF_FREEDOM = 3.0  # of the Student t distribution of errors, for pauses
_GRACE_MEAN_S = 0.07  # interval after a grace note
_PULL = 0.65  # of the observed time, against the expected one
_MAX_ERROR = 2.0 / np.sqrt(_DEGREES_OF_FREEDOM)  # scales beyond which the expected time is given up
_SALIENCE_WEIGHT = 0.5
_BEAM_NATS = 16.0  # periods that are less likely than the best one by more are given up
TRIAL_CLUSTERS, _KEPT_METERS = 600, 2  # of longer pieces only so many meters are followed
_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, kw_only=True, eq=False)
class BeatTrack:
    """Positions of onset clusters `(C,)` in a piece, in twelfths of a quarter from a bar line on.

    `is_grace` marks clusters without a position of their own, which have that of the one before.
    """

    meter: MeterModel
    position: Ints
    is_grace: Bools
    log_likelihood: float


def track_beats(clusters: OnsetClusters) -> list[BeatTrack]:
    """Return the most likely positions of onset clusters for each meter, the likeliest first.

    Of a long piece the meters that are unlikely for its beginning are left out.
    """
    decoders = [_Decoder(model) for model in load_rhythm_model()]
    if len(clusters) > TRIAL_CLUSTERS:
        trials = [decoder.decode(clusters, TRIAL_CLUSTERS).log_likelihood for decoder in decoders]
        likeliest = np.argsort(trials)[-_KEPT_METERS:]
        decoders = [decoders[i] for i in likeliest]
    tracks = [decoder.decode(clusters, len(clusters)) for decoder in decoders]
    return sorted(tracks, key=lambda track: -track.log_likelihood)


class _Decoder:
    """Viterbi decoding in one meter. Shapes: S states, K transitions, P periods."""

    def __init__(self, model: MeterModel) -> None:
        self.model = model
        logs = np.arange(np.log(MIN_PERIOD_S), np.log(MAX_PERIOD_S), _PERIOD_STEP)
        self.n_periods = len(logs)
        z = (logs - model.log_period_mean) / model.log_period_std
        self.period_prior = -0.5 * z * z - np.log(model.log_period_std) + model.log_prior
        self.is_grace = model.interval == 0
        spans = model.interval[:, :, None] * (np.exp(logs) / STEPS_PER_QUARTER)
        std = np.sqrt(_ONSET_STD_S**2 + (_INTERVAL_STD * spans) ** 2)
        # Of a grace note only the interval counts, however the period is.
        played = ~self.is_grace[:, :, None]
        gain = np.where(played, -np.log(std) - 0.5 * _LOG_2PI, -np.log(_GRACE_MEAN_S))
        self.spans = spans.astype(np.float32)  # (S, K, P)
        scale = np.sqrt(_DEGREES_OF_FREEDOM) * std
        self.precision = np.where(played, 1 / scale, 0).astype(np.float32)
        self.gain = (gain + model.transition[:, :, None]).astype(np.float32)

    def decode(self, clusters: OnsetClusters, n: int) -> BeatTrack:
        """Return the most likely positions of the first `n` clusters."""
        model = self.model
        time = (clusters.time_s - clusters.time_s[0]).astype(np.float32)
        emission = _emission(clusters, model, n).astype(np.float32)
        S, P = len(model.positions), self.n_periods
        score = (emission[0][:, None] + self.period_prior - np.log(S)).astype(np.float32)
        due = np.zeros((S, P), np.float32)
        changes = np.arange(-_MAX_CHANGE, _MAX_CHANGE + 1)
        back_source, back_change = np.zeros((n, S, P), np.uint8), np.zeros((n, S, P), np.int8)
        rows, low, high = np.arange(S)[:, None], 0, P
        for c in range(1, n):
            best = score[:, low:high].max(0)
            alive = np.flatnonzero(best > best.max() - _BEAM_NATS)
            low, high = max(low + int(alive[0]) - 1, 0), min(low + int(alive[-1]) + 2, P)
            band, columns = slice(low, high), np.arange(high - low)
            before, change = self._change_period(score, band, changes)
            due_before = due[rows, np.clip(columns + low + change, 0, P - 1)]
            since = time[c] - time[c - 1]
            error = (time[c] - due_before)[model.source]
            error -= self.spans[:, :, band]
            misfit = error * self.precision[:, :, band]
            misfit *= misfit
            misfit += 1
            np.log(misfit, out=misfit)
            misfit *= 0.5 * (_DEGREES_OF_FREEDOM + 1)
            total = self.gain[:, :, band] - misfit
            total += before[model.source]
            total -= (self.is_grace * (since / _GRACE_MEAN_S)).astype(np.float32)[:, :, None]
            pick = total.argmax(1)  # (S, band)
            took = rows, pick, columns
            source = model.source[rows, pick]
            score = np.full((S, P), -np.inf, np.float32)
            score[:, band] = total[took] + emission[c][:, None]
            off = error[took]
            near = np.abs(off) * self.precision[:, :, band][took] < _MAX_ERROR
            pulled = time[c] - np.where(near, (1 - _PULL) * off, 0)
            due = np.zeros((S, P), np.float32)
            due[:, band] = np.where(self.is_grace[rows, pick], due_before[source, columns], pulled)
            back_source[c, :, band] = pick
            back_change[c, :, band] = change[source, columns]
        return self._trace(score, back_source, back_change)

    def _change_period(self, score: Floats32, band: slice, changes: Ints) -> tuple[Floats32, Ints]:
        """Return the best score of each state before a change to each period of a band."""
        pad, (S, P) = _MAX_CHANGE, score.shape
        wide = np.full((S, P + 2 * pad), -np.inf, np.float32)
        wide[:, pad : pad + P] = score
        stop = band.stop + pad
        options = np.stack(
            [wide[:, band.start + pad + d : stop + d] - _CHANGE_COST * d * d for d in changes]
        )
        best = options.argmax(0)
        return np.take_along_axis(options, best[None], 0)[0], changes[best]

    def _trace(
        self, score: Floats32, back_source: NDArray[np.uint8], back_change: NDArray[np.int8]
    ) -> BeatTrack:
        """Return the path that ends in the best state."""
        model, n = self.model, len(back_source)
        state, period = (int(i) for i in np.unravel_index(int(score.argmax()), score.shape))
        steps, graces = np.zeros(n, np.int64), np.zeros(n, bool)
        for c in range(n - 1, 0, -1):
            k = int(back_source[c, state, period])
            period += int(back_change[c, state, period])
            steps[c], graces[c] = model.interval[state, k], self.is_grace[state, k]
            state = int(model.source[state, k])
        return BeatTrack(
            meter=model,
            position=int(model.positions[state]) + np.cumsum(steps),
            is_grace=graces,
            log_likelihood=float(score.max()),
        )


def _emission(clusters: OnsetClusters, model: MeterModel, n: int) -> Floats:
    """Return the log-likelihood ratio of the salience of clusters in each state. `(n, S)`"""
    features = range(model.salience.shape[1])
    each = [model.salience[:, f, clusters.salience[:n, f]] for f in features]
    return _SALIENCE_WEIGHT * np.sum(each, axis=0).T
