"""Floor 8: many encodings decoded at once, which takes little longer than one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicvae.bars import Notes
from musicvae.dataset.cutting import WindowCutter
from musicvae.latent import Encoding
from musicvae.model.coder import Coder, frames_of, windows_of
from musicvae.song import Song


def decode_all(coder: Coder, encodings: Sequence[Encoding]) -> list[Song]:
    """`Coder.decode` of each, from its means: the same songs, but where a note is as likely as not,
    since numbers are rounded otherwise in larger batches.
    """
    sources = [frames_of(encoding) for encoding in encodings]
    if not any(sources):
        return [coder.decode(encoding) for encoding in encodings]
    cutter = WindowCutter((each for some in sources for each in some), coder.preset)
    size, offset = coder.preset.grid.bars, np.cumsum([0, *(len(some) for some in sources)])
    places = [
        windows_of(encoding.bars, coder.preset, len(some))
        for encoding, some in zip(encodings, sources, strict=True)
    ]
    source = np.concatenate([one + at for (one, _), at in zip(places, offset, strict=False)])
    first = np.concatenate([nth for _, nth in places]) * size
    z = np.concatenate(
        [encoding.mu[place] for encoding, place in zip(encodings, places, strict=True)]
    )
    rows = coder.decoded(cutter, source, first, z)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    begin = np.cumsum([0, *(len(nth) for _, nth in places)])
    edges = np.searchsorted(rows[:, 0], begin)
    made = []
    for i, (encoding, (of_source, nth)) in enumerate(zip(encodings, places, strict=True)):
        notes = Notes.concatenate([])
        if len(sources[i]):
            mine = rows[edges[i] : edges[i + 1]] - np.eye(1, 8, dtype=np.int64) * begin[i]
            key = np.full(len(sources[i]), encoding.key)
            notes = coder.joined(mine, encoding.bars, of_source, nth, key)
        made.append(coder.finished(encoding, notes))
    return made
