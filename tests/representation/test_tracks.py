"""Merging of tracks of one instrument."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.representation.tracks import merge_tracks
from musicvae.song import Song, resolve_overlaps
from support.songs import band_song, chorale_song, part_from_notes
from support.strategies import songs


def tracks(*named: tuple[str, int]) -> Song:
    """Return simultaneous tracks with different notes."""
    return Song.new(
        [
            part_from_notes([(0, 960, 60 + 2 * i, 80), (960, 480, 67 - i, 80)], name, program)
            for i, (name, program) in enumerate(named)
        ]
    )


@pytest.mark.parametrize(
    "pair",
    [
        ("Piano RH", "Piano LH"), ("Piano (right)", "Piano (left)"), ("Right Hand", "Left Hand"),
        ("upper", "lower"), ("Staff 1", "Staff 2"), ("Klavier rechte Hand", "Klavier linke Hand"),
        ("main droite", "main gauche"), ("Piano R.H.", "Piano L.H."), ("Piano", "Piano"),
        ("Piano, upper staff", "Piano, lower staff"), ("Pianoforte m.d.", "Pianoforte m.s."),
    ],
)  # fmt: skip
def test_two_hands_are_merged(pair: tuple[str, str]) -> None:
    song = tracks((pair[0], 0), ("Violin", 40), (pair[1], 0))
    merged, merge = merge_tracks(song)
    assert merge.members == ((0, 2), (1,))
    assert merged.parts[0].pitch.tolist() == [60, 64, 65, 67]
    (line,) = merge.descriptions
    assert "one keyboard" in line and line.startswith("tracks 1 ") and "\n" not in line


@pytest.mark.parametrize(
    "apart",
    [
        [("Soprano", 52), ("Alto", 52), ("Tenor", 52), ("Bass", 52)],
        [("Violin I", 40), ("Violin II", 40), ("Viola", 41), ("Cello", 42)],
        [("Violin", 40), ("Violin", 40)],
        [("Voice", 52), ("Voice", 52), ("Voice", 52), ("Voice", 52)],
        [("Voice", 0), ("Voice", 0)],
        [("", 0), ("", 0)],
        [("MELODY", 0), ("BRIDGE", 0), ("PIANO", 0)],
        [("Piano 1", 0), ("Piano 2", 0)],
        [("Piano", 0), ("Piano", 0), ("Piano", 0), ("Piano", 0)],
        [("Guitar left", 25), ("Guitar right", 25)],
        [("Piano RH", 0), ("Piano LH", 6)],
    ],
)
def test_different_lines_stay_apart(apart: list[tuple[str, int]]) -> None:
    song = tracks(*apart)
    merged, merge = merge_tracks(song)
    assert merged is song
    assert merge.descriptions == () and merge.n_changed == 0


def test_drum_tracks_are_merged() -> None:
    kick = part_from_notes([(i * 480, 60, 36, 100) for i in range(4)], "Kick", 0, True)
    snare = part_from_notes([(i * 960 + 480, 60, 38, 90) for i in range(2)], "Snare", 0, True)
    flute = part_from_notes([(0, 480, 72, 80)], "Flute", 73)
    song = Song.new([flute, kick, snare])
    merged, merge = merge_tracks(song)
    assert [(p.name, len(p)) for p in merged.parts] == [("Flute", 1), ("Drums", 6)]
    assert merge.descriptions == ("tracks 2 'Kick', 3 'Snare': one drum kit",)


def test_doublings_are_merged() -> None:
    band = band_song()
    lead = band.parts[0]
    softer = replace(lead, name="Echo", program=81, velocity=lead.velocity // 2)
    song = replace(band, parts=(*band.parts, softer))
    merged, merge = merge_tracks(song)
    assert merged.parts == band.parts
    assert merge.members[0] == (0, 5)
    assert merge.n_changed == 0


def test_tracks_that_take_turns_are_merged() -> None:
    first = part_from_notes([(i * 480, 480, 60 + i, 80) for i in range(4)], "Sax", 65)
    then = part_from_notes([(1920 + i * 480, 480, 64 - i, 40) for i in range(4)], "Sax", 65)
    merged, merge = merge_tracks(Song.new([first, then]))
    assert len(merged.parts) == 1
    assert "by turns" in merge.descriptions[0]
    at_once = replace(then, onset_ticks=then.onset_ticks - 960)
    assert len(merge_tracks(Song.new([first, at_once]))[0].parts) == 2


def test_overlaps_of_merged_hands_are_counted() -> None:
    right = part_from_notes([(0, 960, 60, 80), (960, 480, 64, 80)], "Piano RH")
    left = part_from_notes([(480, 960, 60, 70), (0, 480, 48, 70)], "Piano LH")
    song = Song.new([right, left])
    merged, merge = merge_tracks(song)
    (piano,) = merged.parts
    assert piano.name == "Piano"
    assert merge.n_changed == 1  # the right hand's note ends where the left one strikes its key
    keep, duration, changed = resolve_overlaps(piano.onset_ticks, piano.duration_ticks, piano.pitch)
    assert keep.all() and changed == 0 and np.array_equal(duration, piano.duration_ticks)


NAMES = st.sampled_from(["Piano RH", "Piano LH", "Piano", "Violin", "", "Drums"])


@st.composite
def named_songs(draw: st.DrawFn) -> Song:
    """Draw songs with names that call for merging, and sometimes doublings."""
    song = draw(songs(max_parts=5))
    parts = [
        replace(p, name=draw(NAMES), program=draw(st.sampled_from([0, 6, 40]))) for p in song.parts
    ]
    if draw(st.booleans()):
        parts.append(replace(parts[0], program=draw(st.sampled_from([0, 81]))))
    return replace(song, parts=tuple(parts))


@given(named_songs())
def test_every_track_is_a_member_of_one_part(song: Song) -> None:
    merged, merge = merge_tracks(song)
    assert sorted(i for whole in merge.members for i in whole) == list(range(len(song.parts)))
    again, nothing = merge_tracks(merged)
    assert merged.n_notes <= song.n_notes
    assert again.n_notes <= merged.n_notes and nothing.n_changed >= 0


def test_choir_is_not_merged() -> None:
    song = chorale_song()
    assert merge_tracks(song)[0] is song
