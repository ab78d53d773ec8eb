"""Random encodings."""

from __future__ import annotations

import numpy as np

from musicvae.latent import Encoding
from musicvae.representation.bars import Bars
from support.songs import small_chorale


def make_encoding() -> Encoding:
    """Return a random encoding of `small_chorale`, by the preset `tiny`."""
    rng = np.random.default_rng(0)
    bars = Bars.from_song(small_chorale()).at(4)
    return Encoding(
        bars=bars,
        source_parts=(np.arange(4),),
        active=(np.ones((len(bars), 4), bool),),
        key=0,
        mu=rng.normal(size=(1, 5, 16)).astype(np.float32),
        sigma=np.full((1, 5, 16), 0.4, np.float32),
        passthrough=(),
        bar_velocities=np.full((len(bars), 4), 80.0),
    )
