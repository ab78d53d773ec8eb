"""Keys: names and the circle of fifths."""

from __future__ import annotations

import numpy as np
import pytest

from musicvae.errors import ConfigError
from musicvae.representation.key import (
    MAJOR_SCALE,
    estimate_diatonic_key,
    estimate_fifths,
    find_mode,
    key_of_signature,
    parse_key,
    pitch_name,
    tonic_name,
    transpose_fifths,
)


@pytest.mark.parametrize("key", range(-6, 6))
def test_scale_is_in_its_own_key(key: int) -> None:
    pitch = 60 + key + np.array(MAJOR_SCALE)
    assert estimate_diatonic_key(pitch) == key
    assert estimate_diatonic_key(pitch, np.arange(1, 8)) == key
    assert (7 * estimate_fifths(pitch) - key) % 12 == 0


@pytest.mark.parametrize(
    ("semitones", "fifths"), [(0, 0), (7, 1), (5, -1), (2, 2), (-2, -2), (6, -6), (-5, 1), (12, 0)]
)
def test_transposition_of_c_major(semitones: int, fifths: int) -> None:
    assert transpose_fifths(0, semitones) == fifths
    assert transpose_fifths(np.array([0, 1]), semitones)[0] == fifths


@pytest.mark.parametrize(
    ("fifths", "minor", "name"),
    [(0, False, "C"), (0, True, "A"), (-3, True, "C"), (7, False, "C#"), (7, True, "A#"),
     (-7, False, "Cb"), (-7, True, "Ab"), (3, False, "A"), (3, True, "F#")],
)  # fmt: skip
def test_tonic_name(fifths: int, minor: bool, name: str) -> None:
    assert tonic_name(fifths, minor) == name


@pytest.mark.parametrize(
    ("name", "mode"),
    [("Dorian", "dorian"), ("mix", "mixolydian"), ("min", "minor"), ("do", None), ("", None)],
)
def test_three_letters_name_a_mode(name: str, mode: str | None) -> None:
    assert find_mode(name) == mode


def test_pitch_name() -> None:
    assert [pitch_name(pitch) for pitch in (21, 60, 61, 70)] == ["A0", "C4", "C#4", "Bb4"]


@pytest.mark.parametrize(
    ("names", "fifths", "minor", "major_tonic"),
    [
        ("D minor; Dm; d minor; D min; D-minor; d m; minor on D", -1, True, 5),
        ("Eb; Eb major; E\u266d; E flat major; Ebmaj; E-flat Major", -3, False, 3),
        ("F#m; F# minor; f# m; F sharp minor; F#min; F\u266f aeolian", 3, True, -3),
        ("G dorian; dorian on G; Dorian in g; G Dorian", -1, False, 5),
        ("C; c; C major; C ionian; Major on C", 0, False, 0),
        ("E phrygian; F lydian; G mixolydian; B locrian", 0, False, 0),
        ("Bb minor", -5, True, 1),
        ("Gb major", -6, False, -6),
    ],
)
def test_keys_as_people_write_them(names: str, fifths: int, minor: bool, major_tonic: int) -> None:
    for name in names.split(";"):
        key = parse_key(name)
        assert (key.fifths, key.is_minor, key.major_tonic) == (fifths, minor, major_tonic), name
        assert parse_key(str(key)) == key


def test_names_of_keys_round_trip() -> None:
    for fifths in range(-7, 8):
        for minor in (False, True):
            key = key_of_signature(fifths, minor)
            assert (key.fifths, key.is_minor) == (fifths, minor)
            assert parse_key(str(key)) == key
            assert str(key).startswith(tonic_name(fifths, minor))


@pytest.mark.parametrize("name", ["H major", "", "dorian", "C blue", "5", "C# D", "minor"])
def test_other_texts_are_no_keys(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no key '.*': write it as 'D minor', Eb, F#m or"):
        parse_key(name)


def test_keys_of_more_than_seven_accidentals_are_refused() -> None:
    with pytest.raises(ConfigError, match="'D# major' has 9 accidentals"):
        parse_key("D# major")
