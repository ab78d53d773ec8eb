"""Floor 4: how alike two sets of numbers are distributed, after Yang and Lerch (2018), "On the
evaluation of generative models in music".

A value may be missing (nan): a set is then a mixture of numbers and of nothing, and so compared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_POINTS = 512
_BINS = 20
_MOST = 600  # of a set, whose distances to one another are looked at


def overlapping_area(a: Floats, b: Floats, *, shared: bool = False) -> float:
    """The area under both densities, 0 (never alike) to 1 (the same). Each `(n,)`.

    Densities are Gaussian kernel estimates, each with its own bandwidth after Scott (1992), as in
    the paper. Of a value that both hold often, as windows all in the scale do, that makes peaks of
    different widths, which count as different; with `shared` both have the mean bandwidth.
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
    """KL divergence in nats of the histogram of `other` from that of `actual`: what it costs to
    expect the one and meet the other.

    Twenty bins of one width over both, and one for what is missing; half a count more in each.
    """
    here, there = actual[np.isfinite(actual)], other[np.isfinite(other)]
    both = np.concatenate([here, there])
    low, high = (both.min(), both.max()) if len(both) else (0.0, 0.0)
    edges = np.linspace(low, max(high, low + 1e-9), _BINS + 1)
    shares = []
    for whole, values in ((actual, here), (other, there)):
        count = np.append(np.histogram(values, edges)[0], len(whole) - len(values)) + 0.5
        shares.append(count / count.sum())
    return float((shares[0] * np.log(shares[0] / shares[1])).sum())


def distances_alike(actual: Floats, other: Floats) -> tuple[float, float]:
    """The two figures of Yang and Lerch: overlapping area and KL divergence (nats) between the
    distances of `actual` among themselves and those from `actual` to `other`.

    At most 600 values of each, evenly spread; missing ones are left out. nan without two of each.
    """
    here, there = (_some(values[np.isfinite(values)]) for values in (actual, other))
    if len(here) < 2 or len(there) < 2:
        return float("nan"), float("nan")
    intra = np.abs(here[:, None] - here)[np.triu_indices(len(here), 1)]
    inter = np.abs(here[:, None] - there).ravel()
    return overlapping_area(intra, inter), _density_kl(intra, inter)


def _some(values: Floats) -> Floats:
    index = np.linspace(0, len(values) - 1, min(_MOST, len(values))).astype(np.int64)
    return values[index]


def _density_kl(a: Floats, b: Floats) -> float:
    low, high = _range(a, b)
    p, q = (density(values, low, high, bandwidth(values)) + 1e-9 for values in (a, b))
    return float((p / p.sum() * np.log(p / p.sum() / (q / q.sum()))).sum())


def bandwidth(values: Floats) -> float:
    """Scott's bandwidth of a Gaussian kernel for values `(n,)`, of which none is missing."""
    return float(values.std() * len(values) ** -0.2)


def _range(a: Floats, b: Floats) -> tuple[float, float]:
    """Where either density is above nothing."""
    margin = 4 * max(bandwidth(a), bandwidth(b))
    low, high = min(a.min(), b.min()) - margin, max(a.max(), b.max()) + margin
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def density(values: Floats, low: float, high: float, width: float) -> Floats:
    """The share of the kernel density of values `(n,)` in each of 512 equal cells from `low` to
    `high`; their sum is 1. `width`: of the kernel. Nothing may be missing.
    """
    count, _ = np.histogram(values, _POINTS, (low, high))
    cells = max(width / ((high - low) / _POINTS), 1e-3)
    reach = min(int(np.ceil(4 * cells)), _POINTS - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / cells) ** 2)
    smooth = np.convolve(count, kernel / kernel.sum(), "full")[reach : reach + _POINTS]
    return smooth / max(smooth.sum(), 1e-300)
