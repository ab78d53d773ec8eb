"""Tracks of one instrument become one part, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.representation.tracks import merge_parts, split_parts
from musicvae.song import Part, Song, resolve_overlaps
from support.songs import band_song, chorale_song, part_of
from support.strategies import songs


def tracks(*named: tuple[str, int]) -> Song:
    """Tracks of different notes that sound together."""
    return Song.new(
        [
            part_of([(0, 960, 60 + 2 * i, 80), (960, 480, 67 - i, 80)], name, program)
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
def test_two_hands_are_one_part(pair: tuple[str, str]) -> None:
    song = tracks((pair[0], 0), ("Violin", 40), (pair[1], 0))
    merged, merge = merge_parts(song)
    assert merge.members == ((0, 2), (1,))
    assert merged.parts[0].pitch.tolist() == [60, 64, 65, 67]
    (told,) = merge.told
    assert "one keyboard" in told and told.startswith("tracks 1 ") and "\n" not in told
    assert split_parts(merged, merge) == song


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
    merged, merge = merge_parts(song)
    assert merged is song
    assert merge.told == () and merge.changed == 0
    assert split_parts(merged, merge) == song


def test_all_drum_tracks_are_one_kit() -> None:
    kick = part_of([(i * 480, 60, 36, 100) for i in range(4)], "Kick", 0, True)
    snare = part_of([(i * 960 + 480, 60, 38, 90) for i in range(2)], "Snare", 0, True)
    flute = part_of([(0, 480, 72, 80)], "Flute", 73)
    song = Song.new([flute, kick, snare])
    merged, merge = merge_parts(song)
    assert [(p.name, len(p)) for p in merged.parts] == [("Flute", 1), ("Drums", 6)]
    assert merge.told == ("tracks 2 'Kick', 3 'Snare': one drum kit",)
    assert split_parts(merged, merge) == song


def test_tracks_with_the_same_notes_are_one_line() -> None:
    band = band_song()
    lead = band.parts[0]
    softer = replace(lead, name="Echo", program=81, velocity=lead.velocity // 2)
    song = replace(band, parts=(*band.parts, softer))
    merged, merge = merge_parts(song)
    assert merged.parts == band.parts
    assert merge.members[0] == (0, 5)
    assert merge.changed == 0
    assert split_parts(merged, merge) == song
    up = replace(merged, parts=(_up(merged.parts[0]), *merged.parts[1:]))
    back = split_parts(up, merge)
    assert back.parts[5] == replace(_up(lead), name="Echo", program=81)  # a double stays one


def _up(part: Part) -> Part:
    return replace(part, pitch=part.pitch + 1)


def test_tracks_of_one_name_that_take_turns_are_one_part() -> None:
    first = part_of([(i * 480, 480, 60 + i, 80) for i in range(4)], "Sax", 65)
    then = part_of([(1920 + i * 480, 480, 64 - i, 40) for i in range(4)], "Sax", 65)
    merged, merge = merge_parts(Song.new([first, then]))
    assert len(merged.parts) == 1
    assert "by turns" in merge.told[0]
    at_once = replace(then, onset_ticks=then.onset_ticks - 960)
    assert len(merge_parts(Song.new([first, at_once]))[0].parts) == 2


def test_hands_that_meet_on_a_key_are_counted_and_come_back() -> None:
    right = part_of([(0, 960, 60, 80), (960, 480, 64, 80)], "Piano RH")
    left = part_of([(480, 960, 60, 70), (0, 480, 48, 70)], "Piano LH")
    song = Song.new([right, left])
    merged, merge = merge_parts(song)
    (piano,) = merged.parts
    assert piano.name == "Piano"
    assert merge.changed == 1  # the right hand's note ends where the left one strikes its key
    keep, duration, changed = resolve_overlaps(piano.onset_ticks, piano.duration_ticks, piano.pitch)
    assert keep.all() and changed == 0 and np.array_equal(duration, piano.duration_ticks)
    assert split_parts(merged, merge) == song


def test_new_notes_go_to_the_track_nearest_by_pitch() -> None:
    song = tracks(("Piano RH", 0), ("Piano LH", 0))
    low = replace(song.parts[1], pitch=song.parts[1].pitch - 24)
    song = replace(song, parts=(song.parts[0], low))
    merged, merge = merge_parts(song)
    (piano,) = merged.parts
    new = part_of([(1440, 480, 70, 80), (1440, 480, 40, 80)])
    more = replace(merged, parts=(piano.with_others(new),))
    right, left = split_parts(more, merge).parts
    assert right == song.parts[0].with_others(part_of([(1440, 480, 70, 80)]))
    assert left == low.with_others(part_of([(1440, 480, 40, 80)]))


def test_a_note_moved_a_little_stays_with_its_hand() -> None:
    song = tracks(("Piano RH", 0), ("Piano LH", 0))
    merged, merge = merge_parts(song)
    (piano,) = merged.parts
    late = replace(merged, parts=(replace(piano, onset_ticks=piano.onset_ticks + 30),))
    back = split_parts(late, merge)
    assert [p.pitch.tolist() for p in back.parts] == [p.pitch.tolist() for p in song.parts]
    assert back.parts[1].onset_ticks.tolist() == [30, 990]


def test_another_song_does_not_split() -> None:
    _, merge = merge_parts(tracks(("Piano RH", 0), ("Piano LH", 0)))
    with pytest.raises(ValueError, match="2 parts, but merging gave 1"):
        split_parts(tracks(("Piano RH", 0), ("Piano LH", 0)), merge)


NAMES = st.sampled_from(["Piano RH", "Piano LH", "Piano", "Violin", "", "Drums"])


@st.composite
def named_songs(draw: st.DrawFn) -> Song:
    """Songs whose parts have names that ask for merging, and sometimes the same notes."""
    song = draw(songs(max_parts=5))
    parts = [
        replace(p, name=draw(NAMES), program=draw(st.sampled_from([0, 6, 40]))) for p in song.parts
    ]
    if draw(st.booleans()):
        parts.append(replace(parts[0], program=draw(st.sampled_from([0, 81]))))
    return replace(song, parts=tuple(parts))


@given(named_songs())
def test_merging_and_back_is_the_same(song: Song) -> None:
    merged, merge = merge_parts(song)
    assert sorted(i for whole in merge.members for i in whole) == list(range(len(song.parts)))
    assert split_parts(merged, merge) == song
    again, nothing = merge_parts(merged)
    assert merged.n_notes <= song.n_notes
    assert again.n_notes <= merged.n_notes and nothing.changed >= 0


@given(named_songs(), st.integers(0, 2**32 - 1))
def test_what_is_not_remade_comes_back_and_nothing_is_lost(song: Song, seed: int) -> None:
    """Some notes of the merged song are removed; those that stay are where they were."""
    merged, merge = merge_parts(song)
    rng = np.random.default_rng(seed)
    kept = [part.take(rng.random(len(part)) < 0.6) for part in merged.parts]
    back = split_parts(replace(merged, parts=tuple(kept)), merge)
    for whole, part in zip(merge.members, kept, strict=True):
        old = {i: _notes(song.parts[i]) for i in whole}
        new = {i: _notes(back.parts[i]) for i in whole}
        assert all(new[i] <= old[i] for i in whole)
        places = {(onset, pitch) for i in whole for onset, pitch, _ in new[i]}
        assert places == {(onset, pitch) for onset, pitch, _ in _notes(part)}


def _notes(part: Part) -> set[tuple[int, int, int]]:
    columns = (part.onset_ticks, part.pitch, part.duration_ticks)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_a_choir_is_left_alone() -> None:
    song = chorale_song()
    assert merge_parts(song)[0] is song
