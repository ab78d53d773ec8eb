"""The chords of a song in its own time: those it states, else those found in its notes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicvae.chords import Chord, ChordMap
from musicvae.downbeats import BarlineEstimate
from musicvae.harmony import ChordSource, estimate_chords, stated_or_found_chords
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, grid_from_song
from musicvae.representation.roles import classify_roles
from musicvae.song import Song


@dataclass(frozen=True)
class TimedChord:
    """A chord from `start_s` to `end_s` in its file; `confidence` is 1 for stated chords.

    `start_bar` counts from 1, a pickup is bar 0; `bar_quarters` is the place in this bar, in
    quarters from its first beat, which a pickup does not have.
    """

    chord: Chord
    start_s: float
    end_s: float
    start_bar: int
    bar_quarters: float
    confidence: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class SongChords:
    """Chords of a song, where they are from (see `ChordEstimate`), and its bars.

    `song` has them as its chord map; `n_bars` counts a pickup as well.
    """

    song: Song
    chords: tuple[TimedChord, ...]
    source: ChordSource
    n_bars: int
    has_pickup: bool

    def by_bar(self) -> list[list[TimedChord]]:
        """Return the chords that begin in each bar, a pickup first."""
        bars: list[list[TimedChord]] = [[] for _ in range(self.n_bars)]
        for each in self.chords:
            bars[each.start_bar - (not self.has_pickup)].append(each)
        return bars


def find_chords(barlines: BarlineEstimate, *, ignore_stated: bool = False) -> SongChords:
    """Return the chords of a song on its bar lines: stated, else found (`estimate_chords`)."""
    song = barlines.song
    grid = grid_from_song(song, STORED_STEPS_PER_QUARTER)
    estimate_from = estimate_chords if ignore_stated else stated_or_found_chords
    estimate = estimate_from(song, grid=grid)
    chords = estimate.chords if len(grid) else ChordMap.none()
    bar = np.clip(np.searchsorted(grid.start_ticks, chords.ticks, side="right") - 1, 0, None)
    lead_quarters = grid.lead_steps[bar] / grid.steps_per_quarter
    quarters = (chords.ticks - grid.start_ticks[bar]) / song.ticks_per_quarter + lead_quarters
    has_pickup = bool(grid.lead_steps[:1].any())
    ends = np.append(chords.ticks[1:], max(song.end_ticks, *chords.ticks[-1:].tolist(), 0))
    columns = (
        barlines.seconds(chords.ticks).tolist(),
        barlines.seconds(ends).tolist(),
        (bar + (not has_pickup)).tolist(),
        quarters.tolist(),
        estimate.confidence.tolist(),
        estimate.reasons,
    )
    timed = tuple(map(TimedChord, chords.chords, *columns))
    return SongChords(
        song=replace(song, chords=chords),
        chords=timed,
        source=estimate.source,
        n_bars=len(grid),
        has_pickup=has_pickup,
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
