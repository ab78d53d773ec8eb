"""Classification of the roles of parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from musicvae.representation.roles import Role, _role_from_name, classify_roles, measure_parts
from musicvae.song import Part, Song
from support.songs import band_song, chorale_song, part_from_notes
from support.strategies import songs


def names(song: Song) -> list[str]:
    return [role.name for role in classify_roles(song)]


def without_names(song: Song) -> Song:
    return replace(song, parts=tuple(replace(p, name="", program=0) for p in song.parts))


def line(pitches: list[int], length: int = 480, **kind: object) -> Part:
    """Return consecutive notes of `length` ticks."""
    notes = [(i * length, length, pitch, 80) for i, pitch in enumerate(pitches)]
    return part_from_notes(notes, **kind)  # type: ignore[arg-type]


def chords(roots: list[int], shape: tuple[int, ...], length: int = 480, **kind: object) -> Part:
    """Return consecutive chords of `length` ticks."""
    notes = [(i * length, length, r + s, 70) for i, r in enumerate(roots) for s in shape]
    return part_from_notes(notes, **kind)  # type: ignore[arg-type]


TUNE = [72, 74, 76, 77, 79, 77, 76, 74, 72, 71, 72, 76, 74, 72, 71, 72]
ROOTS = [48, 48, 53, 53, 55, 55, 48, 48, 45, 45, 53, 53, 55, 55, 48, 48]


@pytest.mark.parametrize("transpose", [-7, 0, 7])
def test_chorale_has_melody_bass_and_inner_voices(transpose: int) -> None:
    song = chorale_song(transpose=transpose)
    expected = ["melody", "other", "other", "bass"]
    assert names(song) == expected
    assert names(without_names(song)) == expected
    upside_down = replace(song, parts=song.parts[::-1])
    assert names(without_names(upside_down)) == expected[::-1]


def test_band_has_all_roles() -> None:
    assert names(band_song()) == ["melody", "chords", "bass", "chords", "drums"]
    assert names(without_names(band_song())) == ["melody", "chords", "bass", "other", "drums"]


@pytest.mark.parametrize("octaves", [-2, -1, 0, 1])
def test_single_line_is_the_melody_in_any_register(octaves: int) -> None:
    song = Song.new([line([p + 12 * octaves for p in TUNE], name="Bass", program=33)])
    assert names(song) == ["melody"]


def test_bass_with_drums_alone_is_a_bass() -> None:
    kit = part_from_notes([(i * 480, 60, 36, 100) for i in range(16)], is_drum=True)
    assert names(Song.new([line([p - 36 for p in TUNE], program=33), kit])) == ["bass", "drums"]


def test_solo_piano_in_one_or_two_tracks() -> None:
    right = chords(TUNE, (0, -4), name="Piano")
    left = chords(ROOTS, (0, 7), name="Piano")
    both = part_from_notes(
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


def test_voice_below_the_piano_is_the_melody() -> None:
    singer = line([p - 12 for p in TUNE])
    piano = chords(ROOTS, (0, 7, 16, 24))
    assert names(Song.new([singer, piano])) == ["melody", "chords"]


def test_role_from_name_tracks_of_a_pop_arrangement() -> None:
    bridge = part_from_notes(
        [(i * 480 + 240, 240, p - 5, 70) for i, p in enumerate(TUNE)], "BRIDGE"
    )
    song = Song.new(
        [line(TUNE, name="MELODY"), bridge, chords(ROOTS, (0, 7, 12, 16), name="PIANO")]
    )
    assert names(song) == ["melody", "other", "chords"]


def test_octave_doubling_is_melody_too() -> None:
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
def test_role_from_name(name: str, role: str) -> None:
    assert _role_from_name(name) == role


def test_name_decides_between_similar_lines() -> None:
    same = [p - 3 for p in TUNE]
    for named in (0, 1):
        pair = [line(TUNE if i else same, name="Vocal" if i == named else "") for i in (0, 1)]
        assert names(Song.new([*pair, chords(ROOTS, (0, 7, 16))]))[named] == "melody"


def test_reasons_state_the_measures() -> None:
    song = Song.new(
        [
            line(TUNE, name="Vocal"),
            chords(ROOTS, (0, 7, 12, 16)),
            part_from_notes([(0, 60, 36, 90)], is_drum=True),
            Part.empty("nothing"),
        ]
    )
    melody, piano, drums, nothing = classify_roles(song)
    assert melody.reason == "highest line in 100% of onsets, one note at a time, named 'Vocal'"
    assert piano.reason == "lowest line in 100% of onsets, 4.0 notes at a time"
    assert drums.reason == "on the drum channel"
    assert nothing == Role(name="other", reason="no notes", confidence=1.0)


def test_measures_of_two_parts() -> None:
    long = part_from_notes([(0, 1920, 60, 80), (0, 1920, 72, 80)])
    short = part_from_notes([(480, 480, 66, 80), (1440, 480, 84, 80)])
    low, high = measure_parts([long, short])
    assert (low.highest, low.lowest, low.sounding) == (2 / 3, 1.0, 1.0)
    assert (high.highest, high.lowest, high.sounding) == (0.5, 0.0, 2 / 3)
    assert (low.voices, low.spread, low.pitch, low.n_pitches) == (2.0, 12.0, 66.0, 2)
    assert (high.voices, high.spread, high.pitch, high.n_pitches) == (1.0, 0.0, 75.0, 2)


def _naive_measures(parts: list[Part]) -> list[tuple[float, float, float]]:
    """Return highest, lowest and sounding of each part, one onset after the other."""
    times = sorted({int(t) for part in parts for t in part.onset_ticks})
    counts = np.zeros((len(parts), 3))
    for t in times:
        sounding = {}
        for i, part in enumerate(parts):
            on = (part.onset_ticks <= t) & (part.onset_ticks + part.duration_ticks > t)
            if on.any():
                sounding[i] = (part.pitch[on].max(), part.pitch[on].min())
        for i, (top, bottom) in sounding.items():
            counts[i] += [
                top == max(h for h, _ in sounding.values()),
                bottom == min(b for _, b in sounding.values()),
                1,
            ]
    return [(h / (n or 1), b / (n or 1), n / len(times)) for h, b, n in counts.tolist()]


@given(songs(empty_parts=False))
def test_measures_match_a_naive_implementation(song: Song) -> None:
    found = [(m.highest, m.lowest, m.sounding) for m in measure_parts(list(song.parts))]
    assert np.allclose(found, _naive_measures(list(song.parts)))


@given(songs())
def test_every_part_has_a_role_and_a_one_line_reason(song: Song) -> None:
    roles = classify_roles(song)
    assert len(roles) == len(song.parts)
    for part, role in zip(song.parts, roles, strict=True):
        assert (role.name == "drums") == part.is_drum
        assert role.reason and "\n" not in role.reason
        assert 0.5 <= role.confidence <= 1.0


def test_very_many_parts_or_notes() -> None:
    rng = np.random.default_rng(0)
    many = [part_from_notes([(int(t), 100, 60, 80)]) for t in rng.integers(0, 10**6, 5000)]
    onset = rng.integers(0, 1000, 50_000)
    held = Part.empty().with_notes(
        onset, np.full(50_000, 10**9), rng.integers(0, 128, 50_000), np.full(50_000, 80)
    )
    assert len(classify_roles(Song.new(many))) == 5000
    assert names(Song.new([held, line(TUNE)]))[0] == "chords"
    assert names(Song.new([line(TUNE, name="1" * 10**6), line(ROOTS, name="Bass")])) == [
        "melody",
        "bass",
    ]
