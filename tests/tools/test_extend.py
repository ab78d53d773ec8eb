"""Continuations: the new bars, and the notes that must stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musicvae.downbeats import estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.representation.bars import Bars
from musicvae.song import MeterMap, Part, Song
from support.irregular import irregular_song, note_rows
from support.songs import band_song, chorale_song, part_on_grid


@pytest.mark.parametrize("which", ["model", "gaussian"])
@pytest.mark.parametrize("bars", [1, 5])
def test_extension_has_the_requested_bars_and_keeps_all_notes(which, bars, request) -> None:
    model = request.getfixturevalue(which)
    for song in (chorale_song(bars=5, meter=(3, 4), pickup=1), irregular_song(), band_song()):
        longer = model.extend(song, bars=bars, seed=3)
        grid = Bars.from_song(replace(longer, parts=())).grid
        before = Bars.from_song(replace(estimate_barlines(song).song, parts=())).grid
        begin = int(before.start_ticks[-1] + before.length_ticks[-1])
        full = int(before.length_ticks[-1])
        notated = Bars.from_song(replace(song, parts=())).grid
        is_notated = np.array_equal(before.start_ticks, notated.start_ticks)
        pickup = int(before.length_ticks[0]) if before.lead_steps[0] and is_notated else 0
        assert longer.end_ticks == begin + bars * full - pickup
        if is_notated:
            assert len(grid) == len(before) + bars
            assert grid.length_ticks[-1] == full - pickup
        new = 0
        for part, was in zip(longer.parts, song.parts, strict=True):
            assert (part.name, part.program, part.is_drum) == (was.name, was.program, was.is_drum)
            old = part.select(part.onset_ticks < begin)
            assert note_rows(old) == note_rows(was)
            new += len(part) - len(was)
        assert new > 0
        assert longer == model.extend(song, bars=bars, seed=3)
    assert bars == 1 or longer != model.extend(song, bars=bars, seed=4)


def test_meter_of_a_single_last_bar_is_not_continued(model) -> None:
    song = chorale_song(bars=6)
    meter = MeterMap(
        ticks=np.array([0, 5 * 1920]), numerator=np.array([4, 2]), denominator=np.array([4, 4])
    )
    parts = tuple(part.select(part.onset_ticks < 5 * 1920 + 960) for part in song.parts)
    short = replace(song, parts=parts, meter=meter, end_ticks=5 * 1920 + 960)
    longer = model.extend(estimate_barlines(short, as_written=True), bars=3, seed=0)
    grid = Bars.from_song(longer).grid
    assert grid.length_ticks.tolist() == [1920] * 5 + [960] + [1920] * 3


def test_songs_without_representable_notes_are_refused(model) -> None:
    empty = Song.new([Part.empty("A")], end_ticks=1920)
    drums = Song.new([part_on_grid([(0, 6, 36, 90)], 20, is_drum=True)])
    for song in (empty, drums):
        with pytest.raises(DataError):
            model.extend(song)
    with pytest.raises(ConfigError, match="at least one bar"):
        model.extend(band_song(), bars=0)
