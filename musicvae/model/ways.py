"""Floor 8: songs on the way between songs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicvae.alignment import Alignment
from musicvae.errors import ConfigError, DataError
from musicvae.latent import between
from musicvae.model.coder import Coder
from musicvae.song import Song


def interpolate(coder: Coder, songs: Sequence[Song | Alignment], *, steps: int) -> list[Song]:
    """`MusicVAE.interpolate`."""
    if len(songs) < 2 or steps < 2:
        raise ConfigError("interpolate needs at least two songs and two steps")
    encodings = [coder.encode(song) for song in songs]
    for nth, encoding in enumerate(encodings, start=1):
        if not encoding.owners or not len(encoding.bars):
            raise DataError(
                f"song {nth} of {len(songs)} has nothing that preset {coder.preset.name} can "
                "represent; choose another --checkpoint"
            )
    result = []
    for at in np.linspace(0, len(songs) - 1, steps):
        leg = min(int(at), len(songs) - 2)
        mixed = between(encodings[leg], encodings[leg + 1], float(at - leg), coder.preset.grid.bars)
        result.append(coder.decode(mixed))
    return result
