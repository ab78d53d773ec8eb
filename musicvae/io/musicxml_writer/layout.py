"""Floor 3: where a score tells its meters, keys and tempos, the same for all of its parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicvae.io.musicxml_writer.note_values import CELLS_PER_QUARTER, TimeSignature
from musicvae.io.musicxml_writer.staves import estimate_fifths
from musicvae.representation.bars import Bars

_MAX_TEMPO_MARKS = 16  # more of them are a performance: heard, not read


class ScoreLayout:
    """What all parts share: bars, and where meters, keys and tempos are told."""

    def __init__(self, bars: Bars) -> None:
        self.bars, grid, song = bars, bars.grid, bars.header
        self.meters: list[tuple[int, int] | None] = []  # where one is told
        self.is_implicit: list[bool] = []
        self._find_meter_changes()
        self.time_signatures = []
        running = TimeSignature(numerator=4, denominator=4)
        for meter in self.meters:
            if meter is not None:
                running = TimeSignature(numerator=meter[0], denominator=meter[1])
            self.time_signatures.append(running)
        last = max(len(grid) - 1, 0)
        at = np.clip(np.searchsorted(grid.start_ticks, song.key.ticks, side="right") - 1, 0, last)
        self.keys = dict(zip(at.tolist(), song.key.fifths.tolist(), strict=True))
        self.keys.setdefault(0, estimate_fifths(bars))
        self.tempos: dict[int, list[tuple[int, float]]] = {}
        where = np.searchsorted(grid.start_ticks, song.tempo.ticks, side="right") - 1
        for bar, tick, us in zip(
            where.tolist(),
            song.tempo.ticks.tolist(),
            song.tempo.us_per_quarter.tolist(),
            strict=True,
        ):
            if 0 <= bar < len(grid) and tick < song.end_ticks + 1:
                inside = (tick - int(grid.start_ticks[bar])) * CELLS_PER_QUARTER // song.ticks_per_quarter
                self.tempos.setdefault(bar, []).append((inside, 6e7 / us))

    def _find_meter_changes(self) -> None:
        """A meter is told where it changes; not where bars only share out one of the running."""
        grid = self.bars.grid
        n, lengths = len(grid), grid.unmasked_steps.tolist()
        named = list(zip(grid.numerator.tolist(), grid.denominator.tolist(), strict=True))
        running: tuple[int, int] | None = None
        nth = 0
        while nth < n:
            full = 4 * CELLS_PER_QUARTER * running[0] // running[1] if running else 0
            hidden = self._n_shared_bars(nth, full, lengths) if running not in (None, named[nth]) else 0
            if hidden:
                self.meters += [None] * hidden
                self.is_implicit += [True] * hidden
                nth += hidden
                continue
            self.meters.append(named[nth] if named[nth] != running else None)
            running = named[nth]
            short = lengths[nth] < 4 * CELLS_PER_QUARTER * running[0] // running[1]
            self.is_implicit.append(bool(grid.lead_steps[nth]) or short)
            nth += 1

    @staticmethod
    def _n_shared_bars(first: int, full: int, lengths: Sequence[int]) -> int:
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
    def hide_tempos(self) -> bool:
        """Whether tempos after the first are not to be seen."""
        return sum(len(each) for each in self.tempos.values()) > _MAX_TEMPO_MARKS
