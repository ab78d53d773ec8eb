"""Overlap and divergence of distributions of a feature.

Yang and Lerch (2018), "On the evaluation of generative models in music". Missing values (nan) count
as a value of their own.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats

_N_POINTS = 512
_N_BINS = 20
_MAX_SAMPLES = 600  # of a set, for pairwise distances


def overlapping_area(a: Floats, b: Floats, *, shared: bool = False) -> float:
    """Return the overlapping area of the densities of two sets `(n,)`, `(m,)`: 0 to 1 (equal).

    Densities are Gaussian kernel estimates, each with its own bandwidth (Scott 1992), as in the
    paper. A value frequent in both sets, such as "all notes in the scale", then gets peaks of
    different widths, which count as a difference; with `shared` both use the mean bandwidth.
    """
    here, there = a[np.isfinite(a)], b[np.isfinite(b)]
    share = len(here) / max(len(a), 1), len(there) / max(len(b), 1)
    missing = min(1 - share[0], 1 - share[1])
    if not len(here) or not len(there):
        return float(missing)
    low, high = _range(here, there)
    widths = [bandwidth(here), bandwidth(there)]
    if shared:
        widths = [sum(widths) / 2] * 2
    one, other = (share[i] * density(v, low, high, widths[i]) for i, v in enumerate((here, there)))
    return float(np.minimum(one, other).sum() + missing)


def histogram_kl(actual: Floats, other: Floats) -> float:
    """Return the KL divergence KL(actual || other) of their histograms, in nats.

    Twenty equal bins over both sets and one for missing values, with half a count added to each.
    """
    here, there = actual[np.isfinite(actual)], other[np.isfinite(other)]
    both = np.concatenate([here, there])
    low, high = _widen(both.min(), both.max()) if len(both) else (0.0, 1.0)
    edges = np.linspace(low, high, _N_BINS + 1)
    shares = []
    for whole, values in ((actual, here), (other, there)):
        count = np.append(np.histogram(values, edges)[0], len(whole) - len(values)) + 0.5
        shares.append(count / count.sum())
    return float((shares[0] * np.log(shares[0] / shares[1])).sum())


def intra_inter_overlap(actual: Floats, other: Floats) -> tuple[float, float]:
    """Return overlapping area and KL divergence (nats) of intra-set and inter-set distances.

    Compares the distances within `actual` with those from `actual` to `other`, as Yang and Lerch
    do, on at most 600 values of each, evenly spread. Missing values are left out; nan if a set has
    fewer than two.
    """
    here, there = (_subsample(values[np.isfinite(values)]) for values in (actual, other))
    if len(here) < 2 or len(there) < 2:
        return float("nan"), float("nan")
    intra = np.abs(here[:, None] - here)[np.triu_indices(len(here), 1)]
    inter = np.abs(here[:, None] - there).ravel()
    return overlapping_area(intra, inter), _density_kl(intra, inter)


def _subsample(values: Floats) -> Floats:
    index = np.linspace(0, len(values) - 1, min(_MAX_SAMPLES, len(values))).astype(np.int64)
    return values[index]


def _density_kl(a: Floats, b: Floats) -> float:
    low, high = _range(a, b)
    p, q = (density(values, low, high, bandwidth(values)) + 1e-9 for values in (a, b))
    return float((p / p.sum() * np.log(p / p.sum() / (q / q.sum()))).sum())


def bandwidth(values: Floats) -> float:
    """Return Scott's bandwidth of a Gaussian kernel for values `(n,)` without nan."""
    return float(values.std() * len(values) ** -0.2)


def _range(a: Floats, b: Floats) -> tuple[float, float]:
    """Return the range in which either density is not negligible."""
    margin = 4 * max(bandwidth(a), bandwidth(b))
    low, high = min(a.min(), b.min()) - margin, max(a.max(), b.max()) + margin
    return _widen(low, high)


def _widen(low: float, high: float) -> tuple[float, float]:
    """Return a range that can be divided into bins.

    Values equal but for rounding get a range of one, with no edge of a bin near them.
    """
    narrow = high - low <= 1e-9 * max(1.0, abs(low), abs(high))
    return (low - 0.43, high + 0.57) if narrow else (low, high)


def density(values: Floats, low: float, high: float, width: float) -> Floats:
    """Return the kernel density of values `(n,)` in 512 equal cells from `low` to `high`. `(512,)`

    The cells sum to 1. `width`: bandwidth of the kernel. No value may be nan.
    """
    count, _ = np.histogram(values, _N_POINTS, (low, high))
    cells = max(width / ((high - low) / _N_POINTS), 1e-3)
    reach = min(int(np.ceil(4 * cells)), _N_POINTS - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / cells) ** 2)
    smooth = np.convolve(count, kernel / kernel.sum(), "full")[reach : reach + _N_POINTS]
    return smooth / max(smooth.sum(), 1e-300)
