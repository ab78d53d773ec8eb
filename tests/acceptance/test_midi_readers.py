"""Independent readers agree on written MIDI files; `midi_readers.py` compares 500 of them."""

from __future__ import annotations

import pytest

from acceptance.midi_readers import differences, difficult_song
from musicvae.io.midi import from_bytes, remove_overlaps, to_bytes
from musicvae.song import Song
from support.songs import part_from_notes, small_band, small_chorale


@pytest.mark.parametrize("song", [small_chorale(), small_band()], ids=["chorale", "band"])
def test_readers_agree_on_small_songs(song: Song) -> None:
    assert differences(song) == []


@pytest.mark.parametrize("seed", range(12))
def test_readers_agree_on_difficult_songs(seed: int) -> None:
    assert differences(difficult_song(seed)) == []


def test_differences_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    overlapping = [(0, 960, 60, 80), (480, 120, 60, 90), (480, 60, 60, 70)]
    song = Song.new([part_from_notes(overlapping, "Piano")])
    assert differences(song) == []
    monkeypatch.setattr("musicvae.io.midi.remove_overlaps", lambda same: same)
    assert differences(song)


def test_longest_of_simultaneous_notes_is_written() -> None:
    song = Song.new(
        [part_from_notes([(0, 90, 60, 80), (0, 260, 60, 90), (30, 10, 60, 70)], "Piano")]
    )
    resolved = remove_overlaps(song).parts[0]
    assert resolved.duration_ticks.tolist() == [30, 10]
    assert resolved.velocity.tolist() == [90, 70]


def test_overlaps_are_resolved_before_writing() -> None:
    song = Song.new(
        [part_from_notes([(0, 960, 60, 80), (480, 120, 60, 90), (0, 480, 64, 70)], "Piano")]
    )
    resolved = remove_overlaps(song)
    assert resolved.parts[0].duration_ticks.tolist() == [480, 480, 120]
    assert from_bytes(to_bytes(song)).parts == resolved.parts
    assert remove_overlaps(resolved).parts[0] is resolved.parts[0]
