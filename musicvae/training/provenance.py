"""Floor 7: what a checkpoint says of where it comes from, and what was usual there."""

from __future__ import annotations

from typing import Any

import numpy as np

from musicvae import __version__
from musicvae.dataset import Windows


def provenance(windows: Windows, source: str, precision: str) -> dict[str, Any]:
    """Facts of the training songs: sampled songs take their keys, tempos and meters from here."""
    qpm = sorted(float(each.bars.frame.tempo.qpm[0]) for each in windows.sources)
    quartiles = [round(qpm[round(q * (len(qpm) - 1))], 1) for q in (0.25, 0.5, 0.75)]
    keys, n_keys = np.unique(windows.cutter.key, return_counts=True)
    bars = np.bincount(windows.cutter.meter, minlength=len(windows.preset.meters) + 1)[1:]
    meters = zip(windows.preset.meters, bars.tolist(), strict=True)
    return {
        "musicvae": __version__,
        "source": source,
        "songs": len(windows.songs),
        "windows": len(windows),
        "keys": dict(zip(map(str, keys.tolist()), n_keys.tolist(), strict=True)),
        "qpm": quartiles,
        "meters": {meter: count for meter, count in meters if count},
        "precision": precision,
    }
