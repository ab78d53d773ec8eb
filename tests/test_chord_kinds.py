"""Kinds of chords as MusicXML names them, and Roman numerals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.chords import QUALITIES, Chord, format_harte, parse_harte
from musicvae.chords.kinds import Degree, chord_of_kind, kind_of_quality
from musicvae.chords.roman import format_roman, parse_numeral_root, parse_roman
from musicvae.chords.spelling import inversion_fifths, parse_degree
from support.strategies import chords


@given(chords())
def test_kinds_come_back(chord: Chord) -> None:
    kind, degrees = kind_of_quality(chord.quality)
    assert chord_of_kind(chord.root, kind, degrees, bass=chord.bass) == (chord, True)


def test_most_of_the_vocabulary_is_a_kind_of_its_own() -> None:
    changed = [QUALITIES[i].harte for i in range(len(QUALITIES)) if kind_of_quality(i)[1]]
    assert changed == [
        "aug(7)", "(3,b5,b7)", "sus4(b7)", "maj(9)", "min(9)", "maj6(9)", "min6(9)", "sus4(b7,9)",
        "7(b9)", "7(#9)", "7(#11)", "maj7(#11)",
    ]  # fmt: skip


@given(
    st.integers(-15, 19),
    st.sampled_from(["dominant", "major-11th", "Neapolitan", "French", "other", "", "x"]),
    st.lists(
        st.builds(
            Degree,
            st.integers(1, 13),
            st.integers(-2, 2),
            st.sampled_from(["add", "alter", "subtract"]),
        ),
        max_size=6,
    ),
    st.integers(-15, 19) | st.none(),
    st.integers(0, 9),
    st.text(max_size=5),
)
def test_any_kind_gives_a_chord_or_none(root, kind, degrees, bass, inversion, text) -> None:
    parsed = chord_of_kind(root, kind, degrees, bass=bass, inversion=inversion, text=text)
    assert parsed is None or isinstance(parsed[0], Chord)


@given(st.permutations(["1", "3", "5", "#5", "b7", "7", "bb7"]), st.integers(0, 6))
def test_the_bass_of_an_inversion_does_not_depend_on_the_order(
    degrees: list[str], inversion: int
) -> None:
    bass = {1: "3", 2: "5", 3: "7"}.get(inversion, "1")
    assert inversion_fifths(degrees, inversion) == parse_degree(bass)


def test_of_two_degrees_with_one_number_the_least_altered_is_changed() -> None:
    added, flat = Degree(7, -1, "add"), Degree(7, -1, "alter")
    chord, _ = chord_of_kind(0, "major-seventh", [added, flat], inversion=3) or pytest.fail("")
    assert format_harte(chord) == "C:7/b7"


@pytest.mark.parametrize(
    ("numerals", "fifths", "minor", "labels"),
    [
        ("I ii iii IV V vi viio", 0, False, "C:maj D:min E:min F:maj G:maj A:min B:dim"),
        ("I7 ii7 IV7 V7 vi7 vii\u00f87", 0, False, "C:maj7 D:min7 F:maj7 G:7 A:min7 B:hdim7"),
        ("V65 V43 V42 V6 I64 I6", 0, False, "G:7/3 G:7/5 G:7/b7 G:maj/3 C:maj/5 C:maj/3"),
        ("V7/V viio7/ii V/vi bVI bVII", 0, False, "D:7 C#:dim7 E:maj Ab:maj Bb:maj"),
        ("V7/V/ii V/V/V viio7/ii/V V/ii/V", 0, False, "E:7 A:maj G#:dim7 E:maj"),
        ("V7/iv V/V/VI V7/VI/iv", 0, True, "A:7 G:maj F:7"),
        ("i iv V V7 viio7 VI VII III", 0, True, "A:min D:min E:maj E:7 G#:dim7 F:maj G:maj C:maj"),
        ("I V7 ii65", -3, False, "Eb:maj Bb:7 F:min7/b3"),
        ("N6 It6 Ger65 Fr43", 0, False, "Db:maj/3 Ab:7 Ab:7 Ab:(3,b5,b7)"),
    ],
)
def test_numerals(numerals: str, fifths: int, minor: bool, labels: str) -> None:
    found = [parse_roman(numeral, fifths, minor) for numeral in numerals.split()]
    assert [format_harte(each[0]) for each in found if each] == labels.split()


@pytest.mark.parametrize(
    ("label", "numeral"),
    [("G:7/b7", "V42"), ("C:maj/3", "I6"), ("C:dim7/bb7", "io42"), ("C:7/#7", "I7/#7")],
)
def test_only_a_chord_tone_in_the_bass_is_an_inversion(label: str, numeral: str) -> None:
    parsed = parse_harte(label)
    assert parsed and format_roman(parsed[0], 0, False) == numeral


@given(st.text(max_size=8), st.integers(-7, 7), st.booleans())
def test_any_text_is_a_numeral_or_none(text: str, fifths: int, minor: bool) -> None:
    parse_numeral_root(text, fifths, minor)
    parsed = parse_roman(text, fifths, minor)
    assert parsed is None or isinstance(parsed[0], Chord)
