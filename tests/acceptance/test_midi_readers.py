"""Other readers see in our MIDI files what was written; `tests/acceptance/midi_readers.py` tries 500 of them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from musicvae.io.midi import from_bytes, to_bytes, without_overlaps
from musicvae.song import Song
from support.small_songs import band, chorale
from support.songs import part_of

SCRIPT = runpy.run_path(str(Path(__file__).parent / "midi_readers.py"))


@pytest.mark.parametrize("song", [chorale(), band()], ids=["chorale", "band"])
def test_readers_see_what_was_written(song: Song) -> None:
    assert SCRIPT["differences"](song) == []


@pytest.mark.parametrize("nth", range(12))
def test_readers_agree_on_odd_songs(nth: int) -> None:
    assert SCRIPT["differences"](SCRIPT["difficult"](nth)) == []


def test_a_difference_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    overlapping = [(0, 960, 60, 80), (480, 120, 60, 90), (480, 60, 60, 70)]
    song = Song.new([part_of(overlapping, "Piano")])
    assert SCRIPT["differences"](song) == []
    monkeypatch.setattr("musicvae.io.midi.without_overlaps", lambda same: same)
    assert SCRIPT["differences"](song)


def test_of_twins_the_longest_is_written_and_cut() -> None:
    song = Song.new([part_of([(0, 90, 60, 80), (0, 260, 60, 90), (30, 10, 60, 70)], "Piano")])
    plain = without_overlaps(song).parts[0]
    assert plain.duration_ticks.tolist() == [30, 10]
    assert plain.velocity.tolist() == [90, 70]


def test_overlaps_are_told_by_the_one_rule() -> None:
    song = Song.new([part_of([(0, 960, 60, 80), (480, 120, 60, 90), (0, 480, 64, 70)], "Piano")])
    plain = without_overlaps(song)
    assert plain.parts[0].duration_ticks.tolist() == [480, 480, 120]
    assert from_bytes(to_bytes(song)).parts == plain.parts
    assert without_overlaps(plain).parts[0] is plain.parts[0]
