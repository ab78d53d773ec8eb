"""Floor 5: all that the pipeline makes of one file on its way to bars: the one way to read a file.

`musicvae prepare` stores what comes out of it, `musicvae inspect` tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import ReadError
from musicvae.io import examine as read_content
from musicvae.io.options import ReadOptions
from musicvae.io.result import Reading
from musicvae.representation.bars import Bars
from musicvae.representation.roles import Role, roles_of
from musicvae.representation.tracks import Merge, merge_parts

_MOST_CELLS = 2**27
"""Cells of the longest song that can be stored: about 14,000 hours at 120 quarters a minute."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """A file as read, its parts put together, its bar lines found, its notes on the grid."""

    reading: Reading
    merge: Merge | None
    alignment: BarlineEstimate
    bars: Bars

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """What each part is."""
        return roles_of(self.alignment.song)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each thing that was not as it should be."""
        told = list(self.reading.warnings)
        if self.merge is not None:
            told += self.merge.told
        choice, fit = self.alignment.choice, self.alignment.fit
        if choice.source != "stated":
            told.append(f"bar lines are {choice.source}: {choice.reason}")
        if fit.drifts:
            told.append("the tempo drifts away from the one that the file states")
        if fit.decline:
            told.append(fit.decline)
        return tuple(told)

    def facts(self) -> dict[str, Any]:
        """What shards and reports keep of all this, in plain JSON."""
        silent = len(self.bars) - len(np.unique(self.bars.notes.bar))
        parts = zip(self.bars.frame.parts, self.roles, strict=True)
        fit, choice = self.alignment.fit, self.alignment.choice
        return {
            "parts": [{"name": part.name, "role": role.name} for part, role in parts],
            "bars": {"kept": len(self.bars) - silent, "silent": silent},
            "bar_lines": choice.source,
            "confidence": round(choice.confidence, 3),
            "steps_per_quarter": fit.steps_per_quarter,
            "tightness": round(fit.fit, 3),
            "warnings": list(self.warnings),
        }


def examine(
    content: bytes, name: str | Path, options: ReadOptions, *, listen: bool = False
) -> Examined:
    """Read one file, whatever it is; a recording if told to `listen`.

    Raises `ReadError` if there is no song in it.
    """
    reading = read_content(content, name, options, listen=listen)
    song = reading.song
    if not song.n_notes:
        raise ReadError(name, "no notes", "leave it out")
    merge = None
    if options.merge:
        song, merge = merge_parts(song)
    alignment = estimate_barlines(song, as_written=options.as_written, measured=reading.measured)
    bars = Bars.from_song(alignment.song)
    if int(bars.grid.base[-1]) >= _MOST_CELLS:
        raise ReadError(name, "longer than any piece of music", "leave it out")
    return Examined(reading=reading, merge=merge, alignment=alignment, bars=bars)
