"""The pipeline from the bytes of a file to bars: read, merge tracks, estimate bar lines, quantize,
find chords.

`musicvae prepare` stores its result and `musicvae inspect` prints it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.chords import QUALITIES
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.downbeats.tempo_drift import TERNARY
from musicvae.errors import ReadError
from musicvae.harmony import ChordEstimate, stated_or_found_chords
from musicvae.io import read_bytes
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.representation.bars import Bars
from musicvae.representation.roles import Role, classify_roles
from musicvae.representation.tracks import TrackMerge, merge_tracks

MAX_CELLS = 2**27
"""Cells of the longest song that can be stored: about 14,000 hours at 120 qpm."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ProcessedFile:
    """A file after each stage: as read, tracks merged, bar lines estimated, notes on the grid."""

    read_result: ReadResult
    merge: TrackMerge | None
    barlines: BarlineEstimate
    bars: Bars

    @cached_property
    def chords(self) -> ChordEstimate:
        """The chords that the song states, else those found in its notes."""
        return stated_or_found_chords(self.barlines.song, grid=self.bars.grid)

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """The role of each part."""
        return classify_roles(self.barlines.song)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of all stages, one line each."""
        lines = list(self.read_result.warnings)
        if self.merge is not None:
            lines += self.merge.descriptions
        choice = self.barlines.choice
        if choice.source != "stated":
            lines.append(f"bar lines are {choice.source}: {choice.reason}")
        grid = self.barlines.grid_estimate
        lines += grid.warnings
        if not grid.is_metrical:
            return tuple(lines)
        if swing := self.barlines.song.swing:
            lines.append(f"swing {swing}: straight in the model, swung again in what is written")
        elif grid.steps_per_quarter == TERNARY:
            lines.append("triplets: most models have sixteenths only, and move them to these")
        return tuple(lines)

    def chord_facts(self) -> dict[str, Any]:
        """Return where the chords are from, how sure they are, and which, as plain JSON.

        Found chords are listed in `found`, as tick, Harte label and confidence of each: the chord
        map of `bars` holds those alone that the song states. Guesses are not listed.
        """
        chords, found = self.chords.chords, self.chords
        lasts = np.diff(np.append(chords.ticks, self.bars.header.end_ticks))
        sure = np.average(found.confidence, weights=np.maximum(lasts, 1)) if len(lasts) else 0.0
        listed = zip(
            chords.ticks.tolist(),
            chords.labels(),
            found.confidence.round(3).tolist(),
            strict=True,
        )
        return {
            "source": found.source,
            "confidence": round(float(sure), 3),
            "n": len(lasts),
            "qualities": dict(Counter(QUALITIES[q].harte for q in chords.quality.tolist())),
            "found": list(listed) if found.source == "found" else [],
        }

    def facts(self) -> dict[str, Any]:
        """Return what shards and reports keep of all this, as plain JSON."""
        silent = len(self.bars) - len(np.unique(self.bars.notes.bar))
        parts = zip(self.bars.header.parts, self.roles, strict=True)
        grid, choice = self.barlines.grid_estimate, self.barlines.choice
        return {
            "parts": [{"name": part.name, "role": role.name} for part, role in parts],
            "bars": {"kept": len(self.bars) - silent, "silent": silent},
            "bar_lines": choice.source,
            "confidence": round(choice.confidence, 3),
            "steps_per_quarter": grid.steps_per_quarter,
            "tightness": round(grid.best_tightness, 3),
            "chords": self.chord_facts(),
            "warnings": list(self.warnings),
        }


def process_file(
    content: bytes, name: str | Path, options: ReadOptions, *, transcribe: bool = False
) -> ProcessedFile:
    """Read one file of any supported format; recordings only with `transcribe`.

    Raises `ReadError` if there is no song in it.
    """
    result = read_bytes(content, name, options, transcribe=transcribe)
    song = result.song
    if not song.n_notes:
        raise ReadError(name, "no notes", "leave it out")
    merge = None
    if options.merge:
        song, merge = merge_tracks(song)
    barlines = estimate_barlines(song, as_written=options.as_written, ungridded=options.ungridded)
    bars = Bars.from_song(barlines.song)
    if int(bars.grid.cell_offsets[-1]) >= MAX_CELLS:
        raise ReadError(name, "longer than any piece of music", "leave it out")
    return ProcessedFile(read_result=result, merge=merge, barlines=barlines, bars=bars)
