"""Infilled bars: what changes, and what stays exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest

from musicvae.downbeats import estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from support.irregular import irregular_song, note_rows
from support.songs import band_song, chorale_song, part_on_grid


@pytest.mark.parametrize("which", ["model", "gaussian"])
@pytest.mark.parametrize("span", [(1, 1), (2, 4), (3, 3), (1, 2)])
def test_only_the_requested_bars_change(which, span, request) -> None:
    model = request.getfixturevalue(which)
    for song in (chorale_song(bars=5, meter=(3, 4), pickup=1), irregular_song()):
        barlines = estimate_barlines(song)
        result = model.infill(barlines, *span, seed=1)
        grid = Bars.from_song(replace(barlines.song, parts=())).grid
        first = span[0] - (grid.lead_steps[0] == 0)
        begin, stop = grid.start_ticks[first], grid.start_ticks[first + span[1] - span[0] + 1]
        slack = song.ticks_per_quarter // 8  # a note a little early is in the bar it leads to
        assert result.meter == song.meter and result.end_ticks == song.end_ticks
        changed = False
        for part, was in zip(result.parts, song.parts, strict=True):
            early, late = begin - slack, stop + slack
            for one, other in ((part, was), (was, part)):
                outside = one.select((one.onset_ticks < early) | (one.onset_ticks >= late))
                assert set(note_rows(outside)) <= set(note_rows(other))
            if part.is_drum:
                assert note_rows(part) == note_rows(was)
            changed |= note_rows(part) != note_rows(was)
        assert changed


def test_note_sounding_into_the_infilled_bars_is_kept(model) -> None:
    long = part_on_grid([(0, 200, 60, 80), (240, 96, 64, 80), (336, 48, 62, 80)], 20)
    song = Song.new([long], end_ticks=480 * 16)
    result = model.infill(song, 2, 2, seed=0).parts[0]
    assert (0, 200 * 20, 60, 80) in note_rows(result)
    held = (result.onset_ticks > 0) & (result.onset_ticks < 200 * 20)
    assert not held.any()


def test_pickup_is_bar_0_and_missing_bars_are_refused(model) -> None:
    song = chorale_song(bars=5, meter=(3, 4), pickup=1)
    assert model.infill(song, 0, 1).n_notes > 0
    with pytest.raises(ConfigError, match="bars 5-6: the song has bars 0-5"):
        model.infill(song, 5, 6)
    with pytest.raises(ConfigError, match="bars 0-1: the song has bars 1-"):
        model.infill(band_song(), 0, 1)
    with pytest.raises(DataError, match=r"no notes .* surround these bars"):
        model.infill(song, 0, 5)


def test_songs_without_representable_notes_are_refused(model) -> None:
    empty = Song.new([Part.empty("A")], end_ticks=1920)
    drums = Song.new([part_on_grid([(0, 6, 36, 90)], 20, is_drum=True)])
    for song in (empty, drums):
        with pytest.raises(DataError):
            model.infill(song, 1, 1)
