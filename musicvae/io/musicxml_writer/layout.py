"""Floor 3: where a score tells its meters, keys and tempos, the same for all of its parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicvae.io.musicxml_writer.note_values import CELLS, Pulse
from musicvae.io.musicxml_writer.staves import key_of
from musicvae.representation.bars import Bars

_MANY_TEMPOS = 16  # more of them are a performance: heard, not read


class Layout:
    """What all parts share: bars, and where meters, keys and tempos are told."""

    def __init__(self, bars: Bars) -> None:
        self.bars, grid, song = bars, bars.grid, bars.frame
        self.meters: list[tuple[int, int] | None] = []  # where one is told
        self.implicit: list[bool] = []
        self._tell_meters()
        self.pulses = []
        running = Pulse(numerator=4, denominator=4)
        for meter in self.meters:
            if meter is not None:
                running = Pulse(numerator=meter[0], denominator=meter[1])
            self.pulses.append(running)
        last = max(len(grid) - 1, 0)
        at = np.clip(np.searchsorted(grid.start_ticks, song.key.ticks, side="right") - 1, 0, last)
        self.keys = dict(zip(at.tolist(), song.key.fifths.tolist(), strict=True))
        self.keys.setdefault(0, key_of(bars))
        self.tempos: dict[int, list[tuple[int, float]]] = {}
        where = np.searchsorted(grid.start_ticks, song.tempo.ticks, side="right") - 1
        for bar, tick, us in zip(
            where.tolist(),
            song.tempo.ticks.tolist(),
            song.tempo.us_per_quarter.tolist(),
            strict=True,
        ):
            if 0 <= bar < len(grid) and tick < song.end_ticks + 1:
                inside = (tick - int(grid.start_ticks[bar])) * CELLS // song.ticks_per_quarter
                self.tempos.setdefault(bar, []).append((inside, 6e7 / us))

    def _tell_meters(self) -> None:
        """A meter is told where it changes; not where bars only share out one of the running."""
        grid = self.bars.grid
        n, lengths = len(grid), grid.open_steps.tolist()
        named = list(zip(grid.numerator.tolist(), grid.denominator.tolist(), strict=True))
        running: tuple[int, int] | None = None
        nth = 0
        while nth < n:
            full = 4 * CELLS * running[0] // running[1] if running else 0
            hidden = self._shared(nth, full, lengths) if running not in (None, named[nth]) else 0
            if hidden:
                self.meters += [None] * hidden
                self.implicit += [True] * hidden
                nth += hidden
                continue
            self.meters.append(named[nth] if named[nth] != running else None)
            running = named[nth]
            short = lengths[nth] < 4 * CELLS * running[0] // running[1]
            self.implicit.append(bool(grid.lead[nth]) or short)
            nth += 1

    @staticmethod
    def _shared(first: int, full: int, lengths: Sequence[int]) -> int:
        """How many bars from here, three at most, share one bar of the running meter."""
        total = 0
        for count in range(1, 4):
            if first + count > len(lengths):
                return 0
            total += lengths[first + count - 1]
            if total == full:
                return count if count > 1 else 0
            if total < full and first + count == len(lengths):
                return count
            if total > full:
                return 0
        return 0

    @property
    def silent_tempos(self) -> bool:
        """Whether tempos after the first are not to be seen."""
        return sum(len(each) for each in self.tempos.values()) > _MANY_TEMPOS
