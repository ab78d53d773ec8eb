"""Floor 8: what comes after a song, and what else could stand in some of its bars."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.latent.codec import Codec
from musicvae.representation.bars import Bars
from musicvae.representation.grid import Grid, meter_of_length
from musicvae.song import KeyMap, MeterMap, Song, TempoMap
from musicvae.tools.inpaint import onset_bars, inpaint

_Map = TypeVar("_Map", TempoMap, MeterMap, KeyMap)


def extend(
    codec: Codec, song: Song | BarlineEstimate, *, bars: int, temperature: float, seed: int
) -> Song:
    """`MusicVAE.continue_`."""
    if bars < 1:
        raise ConfigError("continue needs at least one bar to write")
    aligned = song if isinstance(song, BarlineEstimate) else estimate_barlines(song)
    grid, n = _bars_of(aligned.song)
    written = Bars.from_song(replace(aligned.original, parts=())).grid
    believed = np.array_equal(written.start_ticks[:n], grid.start_ticks[:n])
    pickup = int(grid.length_ticks[0]) if grid.lead_steps[0] and believed else 0
    longer = _longer(aligned.song, grid, n, bars, pickup)
    begin = int(grid.start_ticks[n - 1] + grid.length_ticks[n - 1])
    hole = np.arange(n + bars) >= n
    made = inpaint(codec, longer, hole, temperature=temperature, seed=seed)
    warp, original = aligned.grid_estimate.warp, aligned.original
    at, end = (round(float(warp.backward(tick))) for tick in (begin, longer.end_ticks))
    frame = _until(original, at, end)
    meter = frame.meter
    for tick, numerator, denominator in zip(*vars(longer.meter).values(), strict=True):
        if tick >= begin:  # what the bars before it have does not go on
            meter = _with_meter(meter, round(float(warp.backward(tick))), numerator, denominator)
    return warp.undo(made, replace(frame, meter=meter))


def infill(
    codec: Codec, song: Song | BarlineEstimate, first: int, last: int, *, temperature: float, seed: int
) -> Song:
    """`MusicVAE.infill`."""
    aligned = song if isinstance(song, BarlineEstimate) else estimate_barlines(song)
    grid, _ = _bars_of(aligned.song)
    pickup = bool(grid.lead_steps[0])
    lowest, highest = 0 if pickup else 1, len(grid) - pickup
    if not lowest <= first <= last <= highest:
        raise ConfigError(f"bars {first}-{last}: the song has bars {lowest}-{highest}")
    hole = np.zeros(len(grid), bool)
    hole[first - lowest : last - lowest + 1] = True
    made = inpaint(codec, aligned.song, hole, temperature=temperature, seed=seed)
    return aligned.undo(made)


def _bars_of(song: Song) -> tuple[Grid, int]:
    """The bars of a song, and how many there are up to the last one in which something sounds."""
    grid = Bars.from_song(replace(song, parts=())).grid
    sounding = [part for part in song.parts if len(part)]
    if not sounding or not len(grid):
        raise DataError("the song has no notes; make new ones with musicvae sample")
    last = max(part.end_ticks for part in sounding)
    onset = max(int(onset_bars(grid, part.onset_ticks).max()) for part in sounding)
    held = int(np.searchsorted(grid.start_ticks, last, side="left")) - 1
    return grid, min(max(onset, held) + 1, len(grid))


def _longer(song: Song, grid: Grid, n: int, bars: int, pickup: int) -> Song:
    """The song with that many more bars after its first `n`, in the meter, tempo and key it has
    there. The last bar is shorter by the ticks of the `pickup` that the song begins with.
    """
    tpq, last = song.ticks_per_quarter, n - 1
    begin = int(grid.start_ticks[last] + grid.length_ticks[last])
    numerator, denominator = _meter_after(grid, n)
    full = max(round(4 * tpq * numerator / denominator), 1)
    final = full - pickup if pickup < full else full
    cut = _until(song, begin, begin + (bars - 1) * full + final)
    meter = cut.meter
    same = (int(meter.numerator[-1]), int(meter.denominator[-1])) == (numerator, denominator)
    if not same or (begin - int(meter.ticks[-1])) % full:
        meter = _with_meter(meter, begin, numerator, denominator)
    if final < full:
        last_bar = cut.end_ticks - final
        meter = _with_meter(_before(meter, last_bar), last_bar, *meter_of_length(final, tpq))
    return replace(cut, meter=meter)


def _meter_after(grid: Grid, n: int) -> tuple[int, int]:
    """The meter to go on in after `n` bars: the last one, unless it is that of the last bar alone,
    which may be a short one, as where a repeat ends.
    """
    meters = list(zip(grid.numerator[:n].tolist(), grid.denominator[:n].tolist(), strict=True))
    alone = n > 1 and meters[-1] != meters[-2]
    return meters[-2] if alone else meters[-1]


def _with_meter(meter: MeterMap, tick: int, numerator: int, denominator: int) -> MeterMap:
    """A map of meters with another one from a tick on."""
    return MeterMap(
        ticks=np.append(meter.ticks, tick),
        numerator=np.append(meter.numerator, numerator),
        denominator=np.append(meter.denominator, denominator),
    )


def _until(song: Song, begin: int, end: int) -> Song:
    """The song ending at tick `end`, its maps as they are before `begin`."""
    return replace(
        song,
        tempo=_before(song.tempo, begin),
        meter=_before(song.meter, begin),
        key=_before(song.key, begin),
        end_ticks=end,
    )


def _before(entries: _Map, tick: int) -> _Map:
    """Those entries of a map that hold before a tick."""
    keep = entries.ticks < tick
    return replace(entries, **{name: column[keep] for name, column in vars(entries).items()})
