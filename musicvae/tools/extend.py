"""Continuation of a song: new bars after its last note."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError
from musicvae.latent.codec import Codec
from musicvae.latent.song_input import with_barlines
from musicvae.representation.bars import Bars
from musicvae.representation.grid import Grid, header_of, meter_of_length
from musicvae.song import ChordMap, KeyMap, MeterMap, Song, TempoMap
from musicvae.tools.inpaint import inpaint, occupied_bars

_Map = TypeVar("_Map", TempoMap, MeterMap, KeyMap, ChordMap)


def extend(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    bars: int = 8,
    temperature: float = 1.0,
    seed: int = 0,
) -> Song:
    """Return a song with `bars` more bars that continue and end it; its own notes stay exact.

    The new bars begin at the first bar line after its last note, in the meter, tempo and key that
    hold there, for the parts that play there.

    Args:
        song: the song to continue.
        bars: number of bars to add.
        temperature: scale of the sampled noise; below 1 nearer to the typical.
        seed: the same seed gives the same notes.

    Raises `ConfigError` for less than one bar, `DataError` if the model can represent no note.
    """
    if bars < 1:
        raise ConfigError("extend needs at least one bar to add")
    barlines = with_barlines(song)
    original, warp = barlines.original, barlines.grid_estimate.warp
    grid, n = occupied_bars(barlines.song)
    notated = Bars.from_song(header_of(original)).grid
    is_notated = np.array_equal(notated.start_ticks[:n], grid.start_ticks[:n])
    pickup = int(grid.length_ticks[0]) if grid.lead_steps[0] and is_notated else 0
    longer = _append_bars(barlines.song, grid, n, bars, pickup)
    begin = int(grid.start_ticks[n - 1] + grid.length_ticks[n - 1])
    mask = np.arange(n + bars) >= n
    extended = inpaint(
        codec, replace(barlines, song=longer), mask, temperature=temperature, seed=seed
    )
    begin_ticks, end_ticks = (round(float(warp.backward(t))) for t in (begin, longer.end_ticks))
    header = _truncate_maps(original, begin_ticks, end_ticks)
    meter = header.meter
    for tick, numerator, denominator in zip(*vars(longer.meter).values(), strict=True):
        if tick >= begin:  # a change of meter in the new bars
            at = round(float(warp.backward(tick)))
            meter = _insert_meter(meter, at, numerator, denominator)
    return warp.undo(extended, replace(header, meter=meter))


def _append_bars(song: Song, grid: Grid, n: int, bars: int, pickup: int) -> Song:
    """Return the song with `bars` more bars after its first `n`, in the meter and key it has there.

    The last bar is shorter by the `pickup` of the song, in ticks.
    """
    tpq, last = song.ticks_per_quarter, n - 1
    begin = int(grid.start_ticks[last] + grid.length_ticks[last])
    numerator, denominator = _continuation_meter(grid, n)
    full = max(round(4 * tpq * numerator / denominator), 1)
    final = full - pickup if pickup < full else full
    longer = _truncate_maps(song, begin, begin + (bars - 1) * full + final)
    meter = longer.meter
    same = (int(meter.numerator[-1]), int(meter.denominator[-1])) == (numerator, denominator)
    if not same or (begin - int(meter.ticks[-1])) % full:
        meter = _insert_meter(meter, begin, numerator, denominator)
    if final < full:
        last_bar = longer.end_ticks - final
        final_meter = meter_of_length(final, tpq)
        meter = _insert_meter(_entries_before(meter, last_bar), last_bar, *final_meter)
    return replace(longer, meter=meter)


def _continuation_meter(grid: Grid, n: int) -> tuple[int, int]:
    """Return the meter to continue in after `n` bars: the last one, unless it is of one bar only.

    Such a bar may be cut short, as where a repeat ends.
    """
    meters = list(zip(grid.numerator[:n].tolist(), grid.denominator[:n].tolist(), strict=True))
    alone = n > 1 and meters[-1] != meters[-2]
    return meters[-2] if alone else meters[-1]


def _insert_meter(meter: MeterMap, tick: int, numerator: int, denominator: int) -> MeterMap:
    """Return a meter map with another meter from a tick on."""
    return MeterMap(
        ticks=np.append(meter.ticks, tick),
        numerator=np.append(meter.numerator, numerator),
        denominator=np.append(meter.denominator, denominator),
    )


def _truncate_maps(song: Song, begin: int, end: int) -> Song:
    """Return the song with its end at tick `end`, without entries of maps from `begin` on."""
    return replace(
        song,
        tempo=_entries_before(song.tempo, begin),
        meter=_entries_before(song.meter, begin),
        key=_entries_before(song.key, begin),
        chords=_entries_before(song.chords, begin),
        end_ticks=end,
    )


def _entries_before(entries: _Map, tick: int) -> _Map:
    """Return the entries of a map before a tick."""
    keep = entries.ticks < tick
    return replace(entries, **{name: column[keep] for name, column in vars(entries).items()})
