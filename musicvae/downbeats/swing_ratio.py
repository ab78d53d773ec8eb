"""Swing estimation: the ratio and the phase of swung eighths or sixteenths, if there are any.

Onsets are folded into one quarter. For each share that the first note of a pair may take, and each
phase of the beat, swung times are mapped to straight ones; the mapping under which the onsets lie
best on sixteenths is refined by the means of the notes on and off the beat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats
from musicvae.downbeats.time_warp import SwungBeats, TimeWarp
from musicvae.swing import EIGHTHS, SIXTEENTHS, Swing

MIN_GAIN = 0.15  # of tightness over that of a straight grid
NEARLY_ALL = 0.75  # of what a straight grid lacks in tightness, the same of small ratios
MIN_TIGHTNESS = 0.45  # of the onsets once they are straight
MIN_TIGHTNESS_QUANTIZED = 0.75  # the same if all lie on triplets and 32nds
QUANTIZED = 0.9  # tightness at 24 steps a quarter
MAX_FINER_GAIN = 0.2  # of tightness on a straight grid of triplets or 32nds over swing
MIN_HALF_SHARE = 0.15  # of swung sixteenths, the first notes of pairs in either half of a quarter
UNIT_GAIN = 0.05  # of tightness by which sixteenths must fit better than eighths
MIN_ONSETS, MIN_PAIRS = 16, 6  # different onsets, and those of second notes of pairs
MIN_SECOND_SHARE = 0.1  # of the onsets that are second notes of pairs
MAX_SHARE = {EIGHTHS: 0.735, SIXTEENTHS: 0.8}  # 3:1 in eighths is dotted, on a grid of sixteenths
MIN_SHARE = 0.53
MAX_TRIPLETS = 0.6  # onsets on the second note of a triplet, for each one on the third
MAX_DIVIDED = 0.95  # onsets that divide the first note of pairs, for each at its beginning
MIN_SIXTEENTHS = 0.5  # onsets that divide the second note of pairs, for each dividing the first
_TRIPLET_SHARES = (0.62, 0.71)
_BINS = 240  # of a quarter

Spectrum = NDArray[np.complex128]
_STEP = 0.005  # of shares
_WINDOW_QUARTERS = 0.09  # around a place in the beat, in which its notes are averaged
_CORE_SHARE = 0.045  # of a pair around the median of such notes, the same
_WINDOW_SHARE = 0.45  # of the shorter note of a pair, the same at most
_CELL_QUARTERS = 0.25
_MIN_DELAY_QUARTERS = 1 / 80  # smaller delays change no cell
_BEAT_WEIGHT = 0.2  # how much more a beat and its middle count than sixteenths between


@dataclass(frozen=True, kw_only=True)
class SwingEstimate:
    """A swing, and where its pairs begin: `phase_quarters` after a multiple of a pair."""

    swing: Swing
    phase_quarters: float
    tightness: float
    """Of the onsets around sixteenths, once they are straight."""


def estimate_swing(onset_quarters: Floats) -> SwingEstimate | None:
    """Return the swing of onsets `(M,)` in quarters, None if they are straight or triplets."""
    onset = onset_quarters[np.unique(np.round(onset_quarters * 960), return_index=True)[1]]
    if len(onset) < MIN_ONSETS:
        return None
    counts = np.bincount(np.floor(onset * _BINS + 0.5).astype(np.int64) % _BINS, minlength=_BINS)
    spectrum = np.fft.rfft(counts / len(onset))
    straight = {k: float(abs(np.exp(2j * np.pi * k * onset).mean())) for k in (4, 8, 12, 24)}
    limit = MIN_TIGHTNESS_QUANTIZED if straight[24] > QUANTIZED else MIN_TIGHTNESS
    found = {}
    for unit in (EIGHTHS, SIXTEENTHS):
        each = _refine(onset, unit, *_best(spectrum, unit))
        if each is not None and each.tightness >= max(limit, _least_tightness(straight[4])):
            finer = 0.0 if _is_triplet_share(each.swing.share) else max(straight[8], straight[12])
            if each.tightness >= finer - MAX_FINER_GAIN:
                found[unit] = each
    if len(found) == 2:
        better = found[SIXTEENTHS].tightness > found[EIGHTHS].tightness + UNIT_GAIN
        return found[SIXTEENTHS if better else EIGHTHS]
    return next(iter(found.values()), None)


def straightened(
    warp: TimeWarp, estimate: SwingEstimate, first_tick: float, ticks_per_quarter: int
) -> TimeWarp:
    """Return the warp of a grid that ends in straight time.

    `warp` maps ticks of the file, such as `first_tick`, the first onset, to swung ticks of the
    song, in which beats come to lie on the nearest sixteenth that leaves no note before the song.
    """
    tpq, phase = ticks_per_quarter, estimate.phase_quarters
    delays = np.arange(-4, 5) * _CELL_QUARTERS - phase % _CELL_QUARTERS
    for delay in sorted(delays.tolist(), key=abs):
        late = 0.0 if abs(delay) < _MIN_DELAY_QUARTERS else delay
        origin = (phase + delay) * tpq
        swung = SwungBeats(swing=estimate.swing, origin_ticks=origin, ticks_per_quarter=tpq)
        found = replace(warp.delayed(round(late * tpq)), swung=swung)
        if float(found.forward(first_tick)) >= -_CELL_QUARTERS / 2 * tpq:
            break
    return found


def _best(spectrum: Spectrum, unit: int) -> tuple[float, float]:
    """Return the share and the phase in quarters under which onsets are straight."""
    fits = _fits(spectrum, _kernels(unit, _BEAT_WEIGHT if unit == EIGHTHS else 0.0))
    share, phase = np.unravel_index(int(fits.argmax()), fits.shape)
    return float(_shares(unit)[share]), float(phase) / _BINS


def _fits(spectrum: Spectrum, kernels: Floats) -> Floats:
    """Return the fit for each kernel and each phase. `(K, bins)`"""
    return np.fft.irfft(spectrum * np.conj(np.fft.rfft(kernels, axis=1)), n=_BINS, axis=1)


@cache
def _kernels(unit: int, beat_weight: float) -> Floats:
    """Return how well each place in a beat lies on sixteenths, for each share. `(K, bins)`"""
    at = np.arange(_BINS) / _BINS
    straight = np.stack([Swing(s / (1 - s), unit).straighten(at) for s in _shares(unit).tolist()])
    fine, coarse = np.cos(8 * np.pi * straight), np.cos(4 * np.pi * straight)
    return np.asarray((1 - beat_weight) * fine + beat_weight * coarse)


def _shares(unit: int) -> Floats:
    return np.arange(0.5, MAX_SHARE[unit] + 0.02, _STEP)


def _refine(onset: Floats, unit: int, share: float, phase: float) -> SwingEstimate | None:
    """Return the estimate from the means of first and second notes of pairs; None if too few."""
    pair = 2 / unit
    for _ in range(4):
        window = min(_WINDOW_QUARTERS / pair, _WINDOW_SHARE * (1 - share))
        place = (onset - phase) / pair % 1  # within a pair
        first = (place + 0.5) % 1 - 0.5
        is_first = np.abs(first) < window
        first = first[is_first]
        second = place[np.abs(place - share) < window]
        if len(second) < max(MIN_PAIRS, MIN_SECOND_SHARE * len(onset)) or len(first) < MIN_PAIRS:
            return None
        early = _center(first)
        phase += early * pair
        share = _center(second) - early
    if not MIN_SHARE < share < MAX_SHARE[unit] or _are_triplets(
        place, unit, share, len(first), len(second)
    ):
        return None
    if unit == SIXTEENTHS and not _in_both_halves(onset[is_first] - phase):
        return None
    swing = Swing(share / (1 - share), unit)
    tightness = float(np.cos(8 * np.pi * swing.straighten(onset - phase)).mean())
    return SwingEstimate(swing=swing, phase_quarters=phase % pair, tightness=tightness)


def _center(place: Floats) -> float:
    """Return the mean of places `(m,)` near their median, which ignores ornaments."""
    middle = float(np.median(place))
    core = place[np.abs(place - middle) <= _CORE_SHARE]
    return float(core.mean()) if len(core) else middle


def _least_tightness(straight: float) -> float:
    """Return the tightness that swing needs, given that of a straight grid."""
    return min(straight + MIN_GAIN, 1 - (1 - NEARLY_ALL) * (1 - straight))


def _in_both_halves(beats: Floats) -> bool:
    """Return whether first notes of pairs of sixteenths are in both halves of quarters."""
    late = float(np.mean((beats + 0.25) % 1 > 0.5))
    return min(late, 1 - late) >= MIN_HALF_SHARE


def _is_triplet_share(share: float) -> bool:
    return _TRIPLET_SHARES[0] < share < _TRIPLET_SHARES[1]


def _are_triplets(place: Floats, unit: int, share: float, n_first: int, n_second: int) -> bool:
    """Return whether notes in the middle of the first note of pairs make them triplets.

    Sixteenths divide both notes of pairs, triplets the first alone; neither has more of these than
    of notes at the beginning of pairs.
    """
    if not _is_triplet_share(share):
        return False
    window = _WINDOW_QUARTERS * unit / 2
    early, late = (
        int(np.count_nonzero(np.abs(place - at) < window)) for at in (share / 2, (1 + share) / 2)
    )
    if early > MAX_DIVIDED * n_first:
        return True
    return early > MAX_TRIPLETS * n_second and late < MIN_SIXTEENTHS * early
