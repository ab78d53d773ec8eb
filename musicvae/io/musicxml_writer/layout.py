"""Layout of a score shared by all parts: meter changes, key signatures and tempo marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from musicvae.arrays import Ints
from musicvae.chords import Chord
from musicvae.io.musicxml_writer.note_values import CELLS_PER_QUARTER, TimeSignature
from musicvae.representation.bars import Bars
from musicvae.representation.key import estimate_fifths

_MAX_TEMPO_MARKS = 16  # more indicate a performance: played, but not displayed


class ScoreLayout:
    """Bars with their time signatures, keys and tempos.

    `meters` has the meter of each bar where it is written, else None. `keys` maps bars to fifths,
    `tempos` to (cell in the bar, QPM), `chords` to (cell in the bar, chord). With `hide_tempos`
    only the first tempo is displayed.
    """

    def __init__(self, bars: Bars) -> None:
        self.bars, grid, song = bars, bars.grid, bars.header
        self.swing = song.swing
        self.meters: list[tuple[int, int] | None] = []
        self.is_implicit: list[bool] = []
        self._find_meter_changes()
        self.time_signatures = []
        running = TimeSignature(numerator=4, denominator=4)
        for meter in self.meters:
            if meter is not None:
                running = TimeSignature(numerator=meter[0], denominator=meter[1])
            self.time_signatures.append(running)
        last = max(len(grid) - 1, 0)
        key_bars = np.clip(
            np.searchsorted(grid.start_ticks, song.key.ticks, side="right") - 1, 0, last
        )
        self.keys = dict(zip(key_bars.tolist(), song.key.fifths.tolist(), strict=True))
        is_drum = np.array([part.is_drum for part in song.parts], bool)
        pitched = bars.notes.select(~is_drum[bars.notes.part])
        self.keys.setdefault(0, estimate_fifths(pitched.pitch, pitched.duration))
        self.tempos: dict[int, list[tuple[int, float]]] = {}
        qpm = song.tempo.qpm.tolist()
        n_tempos = 0
        for i, bar, ticks in self._places(song.tempo.ticks):
            whole_cell = ticks * CELLS_PER_QUARTER // song.ticks_per_quarter
            self.tempos.setdefault(bar, []).append((whole_cell, qpm[i]))
            n_tempos += 1
        self.hide_tempos = n_tempos > _MAX_TEMPO_MARKS
        self.chords: dict[int, list[tuple[Fraction, Chord]]] = {}
        chords = song.chords.chords
        for i, bar, ticks in self._places(song.chords.ticks):
            cell = Fraction(ticks * CELLS_PER_QUARTER, song.ticks_per_quarter)
            self.chords.setdefault(bar, []).append((cell, chords[i]))

    def _places(self, ticks: Ints) -> Iterator[tuple[int, int, int]]:
        """Yield index, bar and ticks in the bar of the entries of a map."""
        starts = self.bars.grid.start_ticks
        bars = np.searchsorted(starts, ticks, side="right") - 1
        for i, (bar, tick) in enumerate(zip(bars.tolist(), ticks.tolist(), strict=True)):
            if 0 <= bar < len(self.bars.grid) and tick <= self.bars.header.end_ticks:
                yield i, bar, tick - int(starts[bar])

    def _find_meter_changes(self) -> None:
        """Find where meters are written: at changes, except where bars share one of the meter."""
        grid = self.bars.grid
        n_bars, lengths = len(grid), grid.unmasked_steps.tolist()
        notated = list(zip(grid.numerator.tolist(), grid.denominator.tolist(), strict=True))
        running: tuple[int, int] | None = None
        bar = 0
        while bar < n_bars:
            if running is not None and running != notated[bar]:
                full_length = 4 * CELLS_PER_QUARTER * running[0] // running[1]
                if n_shared := self._n_shared_bars(bar, full_length, lengths):
                    self.meters += [None] * n_shared
                    self.is_implicit += [True] * n_shared
                    bar += n_shared
                    continue
            self.meters.append(notated[bar] if notated[bar] != running else None)
            running = notated[bar]
            is_short = lengths[bar] < 4 * CELLS_PER_QUARTER * running[0] // running[1]
            self.is_implicit.append(bool(grid.lead_steps[bar]) or is_short)
            bar += 1

    @staticmethod
    def _n_shared_bars(first: int, full_length: int, lengths: Sequence[int]) -> int:
        """Return how many bars, at most three, share one bar of the running meter, or 0."""
        total = 0
        for count in range(1, 4):
            if first + count > len(lengths):
                return 0
            total += lengths[first + count - 1]
            if total == full_length:
                return count if count > 1 else 0
            if total < full_length and first + count == len(lengths):
                return count
            if total > full_length:
                return 0
        return 0
