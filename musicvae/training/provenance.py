"""Floor 7: what a checkpoint says of where it comes from, and what was usual there."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import numpy as np

from musicvae.data import WindowDataset


def provenance(windows: WindowDataset, source: str, precision: str) -> dict[str, Any]:
    """Facts of the training songs: sampled songs take their keys, tempos and meters from here."""
    qpm = sorted(float(each.bars.frame.tempo.qpm[0]) for each in windows.sources)
    quartiles = [round(qpm[round(q * (len(qpm) - 1))], 1) for q in (0.25, 0.5, 0.75)]
    keys, n_keys = np.unique(windows.cutter.key, return_counts=True)
    bars = np.bincount(windows.cutter.meter, minlength=len(windows.preset.meters) + 1)[1:]
    meters = zip(windows.preset.meters, bars.tolist(), strict=True)
    return {
        "musicvae": version("musicvae"),
        "source": source,
        "songs": len(windows.songs),
        "windows": len(windows),
        "keys": dict(zip(map(str, keys.tolist()), n_keys.tolist(), strict=True)),
        "qpm": quartiles,
        "meters": {meter: count for meter, count in meters if count},
        "pickups": pickups(windows),
        "precision": precision,
    }


def pickups(windows: WindowDataset) -> dict[str, dict[str, int]]:
    """By meter how many songs begin with which pickup, as a share of a whole note; 0 is none."""
    found: dict[str, Counter[str]] = {}
    songs = {source.path: source.bars.grid for source in windows.sources}  # of several passes one
    for grid in songs.values():
        meter = f"{grid.numerator[0]}/{grid.denominator[0]}"
        cells = int(grid.open_steps[0]) if grid.lead[0] else 0
        share = Fraction(cells, 4 * grid.steps_per_quarter)
        found.setdefault(meter, Counter())[str(share)] += 1
    return {meter: dict(count.most_common()) for meter, count in sorted(found.items())}
