"""What each part is there for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from musicvae.representation.roles import Role, _named, figures, roles_of
from musicvae.song import Part, Song
from support.songs import band_song, chorale_song, part_of
from support.strategies import songs


def names(song: Song) -> list[str]:
    return [role.name for role in roles_of(song)]


def nameless(song: Song) -> Song:
    return replace(song, parts=tuple(replace(p, name="", program=0) for p in song.parts))


def line(pitches: list[int], length: int = 480, **kind: object) -> Part:
    """One note after the other."""
    notes = [(i * length, length, pitch, 80) for i, pitch in enumerate(pitches)]
    return part_of(notes, **kind)  # type: ignore[arg-type]


def chords(roots: list[int], shape: tuple[int, ...], length: int = 480, **kind: object) -> Part:
    """A chord a beat."""
    notes = [(i * length, length, r + s, 70) for i, r in enumerate(roots) for s in shape]
    return part_of(notes, **kind)  # type: ignore[arg-type]


TUNE = [72, 74, 76, 77, 79, 77, 76, 74, 72, 71, 72, 76, 74, 72, 71, 72]
ROOTS = [48, 48, 53, 53, 55, 55, 48, 48, 45, 45, 53, 53, 55, 55, 48, 48]


@pytest.mark.parametrize("transpose", [-7, 0, 7])
def test_a_chorale_has_a_melody_a_bass_and_inner_voices(transpose: int) -> None:
    song = chorale_song(transpose=transpose)
    expected = ["melody", "other", "other", "bass"]
    assert names(song) == expected
    assert names(nameless(song)) == expected
    upside_down = replace(song, parts=song.parts[::-1])
    assert names(nameless(upside_down)) == expected[::-1]


def test_a_band_has_all_roles() -> None:
    assert names(band_song()) == ["melody", "chords", "bass", "chords", "drums"]
    assert names(nameless(band_song())) == ["melody", "chords", "bass", "other", "drums"]


@pytest.mark.parametrize("octaves", [-2, -1, 0, 1])
def test_a_line_alone_is_the_melody_whatever_its_register(octaves: int) -> None:
    song = Song.new([line([p + 12 * octaves for p in TUNE], name="Bass", program=33)])
    assert names(song) == ["melody"]


def test_a_bass_that_only_drums_go_with_is_a_bass() -> None:
    kit = part_of([(i * 480, 60, 36, 100) for i in range(16)], is_drum=True)
    assert names(Song.new([line([p - 36 for p in TUNE], program=33), kit])) == ["bass", "drums"]


def test_a_piano_alone_is_chords_and_its_two_hands_are_melody_and_the_rest() -> None:
    right = chords(TUNE, (0, -4), name="Piano")
    left = chords(ROOTS, (0, 7), name="Piano")
    both = part_of(
        [
            (int(on), 480, int(pitch), 80)
            for part in (right, left)
            for on, pitch in zip(part.onset_ticks, part.pitch, strict=True)
        ]
    )
    assert names(Song.new([both])) == ["chords"]
    assert names(Song.new([right, left])) == ["melody", "chords"]
    walking = line(ROOTS, name="Piano")
    assert names(Song.new([right, walking])) == ["melody", "bass"]


def test_a_singer_below_the_piano_is_the_melody_still() -> None:
    singer = line([p - 12 for p in TUNE])
    piano = chords(ROOTS, (0, 7, 16, 24))
    assert names(Song.new([singer, piano])) == ["melody", "chords"]


def test_a_pop_arrangement_as_its_tracks_say() -> None:
    bridge = part_of([(i * 480 + 240, 240, p - 5, 70) for i, p in enumerate(TUNE)], "BRIDGE")
    song = Song.new(
        [line(TUNE, name="MELODY"), bridge, chords(ROOTS, (0, 7, 12, 16), name="PIANO")]
    )
    assert names(song) == ["melody", "other", "chords"]


def test_a_line_and_its_octave_are_both_the_melody() -> None:
    octave = line([p - 12 for p in TUNE])
    song = Song.new([line(TUNE), octave, chords(ROOTS, (0, 7, 16))])
    assert names(song) == ["melody", "melody", "chords"]
    other = line([p - 12 - i % 2 for i, p in enumerate(TUNE)])
    assert names(Song.new([line(TUNE), other, chords(ROOTS, (0, 7, 16))])).count("melody") == 1


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Singstimme Voice", "melody"), ("Lead Guitar", "melody"), ("mélodie", "melody"),
        ("Gesang", "melody"), ("melody_1", "melody"), ("Kontrabass", "bass"), ("baixo", "bass"),
        ("Synth Bass 1", "bass"), ("Bass Lead", ""), ("Bassoon", ""), ("Bass Drum 1", ""),
        ("Square Lead", ""), ("Lead 2 (sawtooth)", ""), ("Schlagzeug", "drums"),
        ("Drum Kit", "drums"), ("Steel Drum", ""), ("Warm Pad", "chords"),
        ("Begleitung", "chords"), ("Piano", ""), ("Track 3", ""), ("", ""),
    ],
)  # fmt: skip
def test_names_speak_of_roles(name: str, role: str) -> None:
    assert _named(name) == role


def test_a_name_decides_where_the_music_does_not() -> None:
    same = [p - 3 for p in TUNE]
    for named in (0, 1):
        pair = [line(TUNE if i else same, name="Vocal" if i == named else "") for i in (0, 1)]
        assert names(Song.new([*pair, chords(ROOTS, (0, 7, 16))]))[named] == "melody"


def test_reasons_carry_the_figures_that_decided() -> None:
    song = Song.new(
        [
            line(TUNE, name="Vocal"),
            chords(ROOTS, (0, 7, 12, 16)),
            part_of([(0, 60, 36, 90)], is_drum=True),
            Part.empty("nothing"),
        ]
    )
    melody, piano, drums, nothing = roles_of(song)
    assert melody.reason == "highest line in 100% of onsets, one note at a time, named 'Vocal'"
    assert piano.reason == "lowest line in 100% of onsets, 4.0 notes at a time"
    assert drums.reason == "on the drum channel"
    assert nothing == Role(name="other", reason="no notes", confidence=1.0)


def test_figures_are_what_they_say() -> None:
    long = part_of([(0, 1920, 60, 80), (0, 1920, 72, 80)])
    short = part_of([(480, 480, 66, 80), (1440, 480, 84, 80)])
    low, high = figures([long, short])
    assert (low.highest, low.lowest, low.sounding) == (2 / 3, 1.0, 1.0)
    assert (high.highest, high.lowest, high.sounding) == (0.5, 0.0, 2 / 3)
    assert (low.voices, low.spread, low.pitch, low.pitches) == (2.0, 12.0, 66.0, 2)
    assert (high.voices, high.spread, high.pitch, high.pitches) == (1.0, 0.0, 75.0, 2)


def _by_hand(parts: list[Part]) -> list[tuple[float, float, float]]:
    """Highest, lowest and sounding, one onset after the other."""
    times = sorted({int(t) for part in parts for t in part.onset_ticks})
    counts = np.zeros((len(parts), 3))
    for t in times:
        heard = {}
        for i, part in enumerate(parts):
            on = (part.onset_ticks <= t) & (part.onset_ticks + part.duration_ticks > t)
            if on.any():
                heard[i] = (part.pitch[on].max(), part.pitch[on].min())
        for i, (top, bottom) in heard.items():
            counts[i] += [
                top == max(h for h, _ in heard.values()),
                bottom == min(b for _, b in heard.values()),
                1,
            ]
    return [(h / (n or 1), b / (n or 1), n / len(times)) for h, b, n in counts.tolist()]


@given(songs(empty_parts=False))
def test_outlines_are_those_counted_by_hand(song: Song) -> None:
    found = [(f.highest, f.lowest, f.sounding) for f in figures(list(song.parts))]
    assert np.allclose(found, _by_hand(list(song.parts)))


@given(songs())
def test_every_part_has_a_role_and_a_reason_in_one_line(song: Song) -> None:
    roles = roles_of(song)
    assert len(roles) == len(song.parts)
    for part, role in zip(song.parts, roles, strict=True):
        assert (role.name == "drums") == part.is_drum
        assert role.reason and "\n" not in role.reason
        assert 0.5 <= role.confidence <= 1.0


def test_songs_of_very_many_parts_or_notes_are_looked_at_in_part() -> None:
    rng = np.random.default_rng(0)
    many = [part_of([(int(t), 100, 60, 80)]) for t in rng.integers(0, 10**6, 5000)]
    onset = rng.integers(0, 1000, 50_000)
    held = Part.empty().with_notes(
        onset, np.full(50_000, 10**9), rng.integers(0, 128, 50_000), np.full(50_000, 80)
    )
    assert len(roles_of(Song.new(many))) == 5000
    assert names(Song.new([held, line(TUNE)]))[0] == "chords"
    assert names(Song.new([line(TUNE, name="1" * 10**6), line(ROOTS, name="Bass")])) == [
        "melody",
        "bass",
    ]
