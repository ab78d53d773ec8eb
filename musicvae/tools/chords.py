"""The chords of a song in its own time: those it states, else those found in its notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from musicvae.chords import Chord
from musicvae.downbeats import BarlineEstimate
from musicvae.harmony import ChordSource, estimate_chords, stated_or_found_chords
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, grid_from_song
from musicvae.representation.roles import classify_roles
from musicvae.song import Song


@dataclass(frozen=True)
class TimedChord:
    """A chord from `start_s` to `end_s` in its file, with bars counted from 1.

    `beat` counts quarters from the start of the bar. `confidence` is 1 for stated chords.
    """

    chord: Chord
    start_s: float
    end_s: float
    start_bar: int
    beat: float
    confidence: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class SongChords:
    """Chords of a song, where they are from (see `ChordEstimate`), and its bars.

    `song` has them as its chord map.
    """

    song: Song
    chords: tuple[TimedChord, ...]
    source: ChordSource
    n_bars: int

    def by_bar(self) -> Iterator[list[TimedChord]]:
        """Yield the chords that begin in each bar, one list a bar."""
        at = 0
        for number in range(1, self.n_bars + 1):
            begin = at
            while at < len(self.chords) and self.chords[at].start_bar == number:
                at += 1
            yield list(self.chords[begin:at])


def find_chords(barlines: BarlineEstimate, *, ignore_stated: bool = False) -> SongChords:
    """Return the chords of a song on its bar lines: stated, else found (`estimate_chords`)."""
    song = barlines.song
    estimate = estimate_chords(song) if ignore_stated else stated_or_found_chords(song)
    chords = estimate.chords
    grid = grid_from_song(song, STORED_STEPS_PER_QUARTER)
    bar = np.clip(np.searchsorted(grid.start_ticks, chords.ticks, side="right") - 1, 0, None)
    bar = bar if len(grid) else np.zeros(len(chords), np.int64)
    start_ticks = grid.start_ticks[bar] if len(grid) else np.zeros(len(chords), np.int64)
    beat = (chords.ticks - start_ticks) / song.ticks_per_quarter
    ends = np.append(chords.ticks[1:], max(song.end_ticks, *chords.ticks[-1:].tolist(), 0))
    columns = (
        barlines.seconds(chords.ticks).tolist(),
        barlines.seconds(ends).tolist(),
        (bar + 1).tolist(),
        beat.tolist(),
        estimate.confidence.tolist(),
        estimate.reasons,
    )
    timed = tuple(map(TimedChord, chords.chords, *columns))
    return SongChords(
        song=replace(song, chords=chords),
        chords=timed,
        source=estimate.source,
        n_bars=len(grid),
    )


def lead_sheet(chords: SongChords) -> Song:
    """Return the melody of a song with its chords, as a song of one part.

    The melody is the part with that role, else the highest one; a song of drums alone keeps none.
    """
    song = chords.song
    roles = [role.name for role in classify_roles(song)]
    pitched = [i for i, part in enumerate(song.parts) if not part.is_drum and len(part)]
    melody = [i for i in pitched if roles[i] == "melody"] or sorted(
        pitched, key=lambda i: -float(np.mean(song.parts[i].pitch))
    )
    return replace(song, parts=tuple(song.parts[i] for i in melody[:1]))
