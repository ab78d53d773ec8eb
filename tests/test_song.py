"""Songs, their maps and overlaps; errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.errors import FileError, ReadError
from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap, resolve_overlaps
from support.songs import small_chorale


def test_arrays_are_copied_and_read_only() -> None:
    onset, ones = np.array([480, 0]), np.array([10, 20])
    part = Part(onset_ticks=onset, duration_ticks=ones, pitch=ones + 60, velocity=ones)
    assert onset.tolist() == [480, 0]
    onset[:] = 7
    assert part.onset_ticks.tolist() == [0, 480]
    assert part.pitch.tolist() == [80, 70]
    with pytest.raises(ValueError, match="read-only"):
        part.pitch[0] = 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0], [0], [60], [64]), "durations >= 1"),
        (([-1], [1], [60], [64]), "onsets must be >= 0"),
        (([0], [1], [128], [64]), "0..127"),
        (([0, 1], [1], [60], [64]), "differ in length"),
    ],
)
def test_invalid_notes_are_refused(columns: tuple[list[int], ...], message: str) -> None:
    onset, duration, pitch, velocity = (np.array(column) for column in columns)
    with pytest.raises(ValueError, match=message):
        Part(onset_ticks=onset, duration_ticks=duration, pitch=pitch, velocity=velocity)


def test_velocity_is_clipped() -> None:
    ones = np.array([1, 2])
    part = Part(onset_ticks=ones, duration_ticks=ones, pitch=ones, velocity=np.array([0, 300]))
    assert part.velocity.tolist() == [1, 127]


def test_equality_compares_content() -> None:
    assert small_chorale() == small_chorale()
    assert small_chorale() != small_chorale(transpose=1)
    assert small_chorale() != "a song"


def test_seconds_follow_the_tempo_map() -> None:
    tempo = TempoMap(ticks=np.array([0, 960]), us_per_quarter=np.array([500_000, 1_000_000]))
    assert tempo.seconds([0, 480, 960, 1440], 480).tolist() == [0.0, 0.5, 1.0, 2.0]
    assert tempo.qpm.tolist() == [120.0, 60.0]


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(10_000, 3_000_000)), max_size=6),
    st.lists(st.integers(0, 9000), min_size=2, max_size=8),
)
def test_seconds_grow_with_ticks(entries: list[tuple[int, int]], ticks: list[int]) -> None:
    tempo = TempoMap(
        ticks=np.array([0, *(t for t, _ in entries)]),
        us_per_quarter=np.array([500_000, *(us for _, us in entries)]),
    )
    ticks = sorted(set(ticks))
    assert (np.diff(tempo.seconds(ticks, 480)) > 0).all()


def test_last_map_entry_at_a_tick_applies() -> None:
    meter = MeterMap(
        ticks=np.array([0, 0]), numerator=np.array([4, 3]), denominator=np.array([4, 4])
    )
    assert (meter.numerator.tolist(), meter.denominator.tolist()) == ([3], [4])


def test_late_maps_start_with_the_default() -> None:
    late = TempoMap(ticks=np.array([960]), us_per_quarter=np.array([400_000]))
    meter = MeterMap(ticks=np.array([960]), numerator=np.array([3]), denominator=np.array([4]))
    song = Song(tempo=late, meter=meter, key=KeyMap.none())
    assert song.tempo.us_per_quarter.tolist() == [500_000, 400_000]
    assert song.meter.numerator.tolist() == [4, 3]


def test_song_is_at_least_as_long_as_its_notes(band_song: Song) -> None:
    last = max(part.end_ticks for part in band_song.parts)
    assert band_song.end_ticks == last
    assert Song.new(band_song.parts, end_ticks=last + 999).end_ticks == last + 999
    assert Song.new(end_ticks=960).duration_s == 1.0
    assert Song.new().n_notes == 0


def _naive_overlaps(notes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the notes after overlaps are resolved, one note after the other."""
    longest: dict[tuple[int, int], int] = {}
    for onset, duration, pitch in notes:
        longest[onset, pitch] = max(duration, longest.get((onset, pitch), 0))
    found = []
    for (onset, pitch), duration in longest.items():
        later = [o for o, p in longest if p == pitch and o > onset]
        found.append((onset, min([duration, *(o - onset for o in later)]), pitch))
    return sorted(found)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 12), st.integers(0, 2)), max_size=14))
def test_overlaps_match_a_naive_implementation(notes: list[tuple[int, int, int]]) -> None:
    onset, duration, pitch = np.array(notes, np.int64).reshape(-1, 3).T
    before = duration.copy()
    keep, new_duration, n_changed = resolve_overlaps(onset, duration, pitch)
    got = zip(onset[keep].tolist(), new_duration[keep].tolist(), pitch[keep].tolist(), strict=True)
    assert sorted(got) == _naive_overlaps(notes)
    assert n_changed == (~keep).sum() + (new_duration != before)[keep].sum()
    assert (duration == before).all()


def test_errors_are_one_line_and_can_be_pickled() -> None:
    error = ReadError("a.mid", "two\nlines", "fix it")
    assert str(error) == "a.mid: two lines; fix it"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (ReadError, str(error))
    assert isinstance(again, FileError)
