"""Chords: vocabulary, labels in both syntaxes, and the map of a song."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.chords import (
    NO_CHORD,
    QUALITIES,
    Chord,
    ChordMap,
    format_harte,
    format_symbol,
    parse_harte,
    parse_symbol,
)
from musicvae.chords.spelling import format_name, parse_name, pitch_class, spell
from musicvae.song import Song

chords = st.builds(
    Chord, st.integers(-8, 10), st.integers(1, len(QUALITIES) - 1), st.integers(-8, 10)
) | st.just(NO_CHORD)


def harte(label: str) -> Chord:
    parsed = parse_harte(label)
    assert parsed
    return parsed[0]


@given(chords)
def test_labels_come_back(chord: Chord) -> None:
    in_root_position = pitch_class(chord.bass) == pitch_class(chord.root)
    expected = replace(chord, bass=chord.root) if in_root_position else chord
    for parse, label in ((parse_harte, format_harte), (parse_symbol, format_symbol)):
        assert parse(label(chord)) == (expected, True)


@given(chords, st.integers(-24, 24))
def test_transposition_moves_pitch_classes_and_comes_back(chord: Chord, semitones: int) -> None:
    moved = chord.transpose(semitones)
    assert moved.pitch_classes == {(p + semitones) % 12 for p in chord.pitch_classes}
    assert moved.transpose(-semitones).pitch_classes == chord.pitch_classes


@pytest.mark.parametrize(
    ("symbols", "label"),
    [
        ("C CM Cmaj Cmajor (C) [C]", "C:maj"),
        ("Cm Cmin Cmi C- C\u2212", "C:min"),
        ("CM7 Cmaj7 CMaj7 Cma7 CΔ C△7 Cj7 Cmaj.7", "C:maj7"),
        ("Cm7 Cmin7 Cmi7 C-7", "C:min7"),
        ("Cm7b5 Cm7(b5) Cø Cø7 Cm7♭5 C-7-5", "C:hdim7"),
        ("C° Cdim Co", "C:dim"),
        ("C°7 Cdim7 Co7", "C:dim7"),
        ("C+ Caug C(#5)", "C:aug"),
        ("C+7 C7+ C7#5 Caug7 C7(#5)", "C:aug(b7)"),
        ("Cm(maj7) CmM7 Cmin/maj7 C-Δ7", "C:minmaj7"),
        ("Csus Csus4", "C:sus4"),
        ("C7sus C7sus4", "C:sus4(b7)"),
        ("C9sus C9sus4", "C:sus4(b7,9)"),
        ("C6/9 C69 C6,9 C6(9)", "C:maj6(9)"),
        ("Cadd9 C(add9) C2 Cadd2", "C:maj(9)"),
        ("Cmadd9 Cm(add9)", "C:min(9)"),
        ("C7b9 C7(b9) C7-9", "C:7(b9)"),
        ("C5 Cno3 C(no3) C(omit3)", "C:5"),
        ("Bb/D B♭/D Bbmaj/D", "Bb:maj/3"),
        ("F#ø/E", "F#:hdim7/b7"),
        ("N.C. NC N.C n.c.", "N"),
    ],
)
def test_symbols_of_many_writers(symbols: str, label: str) -> None:
    for symbol in symbols.split():
        parsed = parse_symbol(symbol)
        assert parsed, symbol
        assert (format_harte(parsed[0]), parsed[1]) == (label, True), symbol


@pytest.mark.parametrize(
    "text",
    [
        "Fine",
        "Coda",
        "Allegro",
        "D.C.",
        "Chorus",
        "Bass",
        "Guitar",
        "Amen",
        "G.P.",
        "B.C.",
        "Gran",
        "Ending",
        "Dal",
        "1.",
        "c",
    ],
)
def test_annotations_are_no_symbols(text: str) -> None:
    assert parse_symbol(text) is None


def test_what_is_outside_becomes_the_nearest_and_says_so() -> None:
    for text, label in {"C7(b9,b13)": "C:7(b9)", "Gm7(add11)": "G:min11", "Dadd4": "D:maj"}.items():
        parsed = parse_symbol(text)
        assert parsed and (format_harte(parsed[0]), parsed[1]) == (label, False)
    for text, label in {
        "C:(1,3,5,b7)": "C:7", "A:min(*b3)": "A:5", "C:7(*5,b5)": "C:(3,b5,b7)", "D": "D:maj",
        "E:maj/5": "E:maj/5", "F:sus4(b7)/b7": "F:sus4(b7)/b7",
    }.items():  # fmt: skip
        assert (format_harte(harte(text)), parse_harte(text)[1]) == (label, True)
    assert parse_harte("X") == (NO_CHORD, False)


@pytest.mark.parametrize(
    "label", ["", "H:maj", "C:", "C:foo", "C:maj/15", "C:(", "c:maj", "C:maj/"]
)
def test_invalid_harte_labels(label: str) -> None:
    assert parse_harte(label) is None


def test_names_by_fifths() -> None:
    assert [format_name(f) for f in (-2, 0, 6, 13, -9)] == ["Bb", "C", "F#", "F##", "Bbb"]
    assert all(parse_name(format_name(f)) == f for f in range(-15, 20))
    assert [format_name(spell(10, key)) for key in (-3, 0, 7)] == ["Bb", "Bb", "A#"]


def test_vocabulary_has_no_two_labels_or_chords_alike() -> None:
    assert len({q.harte for q in QUALITIES}) == len({q.symbol for q in QUALITIES}) == len(QUALITIES)
    assert len({q.intervals for q in QUALITIES}) == len(QUALITIES)


def test_chord_map_of_a_song() -> None:
    entries = [(960, harte("G:7/3")), (0, harte("C:maj")), (480, NO_CHORD), (480, harte("A:min"))]
    song = replace(Song.new(end_ticks=1920), chords=ChordMap.from_chords(entries))
    assert song.chords.labels() == ["C:maj", "A:min", "G:7/3"]
    assert song.chords.labels(format_symbol) == ["C", "Am", "G7/B"]
    assert song.chords.entry_at([0, 479, 480, 5000]).tolist() == [0, 0, 1, 2]
    assert [np.flatnonzero(row).tolist() for row in song.chords.pitch_classes()] == [
        [0, 4, 7], [0, 4, 9], [2, 5, 7, 11],
    ]  # fmt: skip
    assert song.chords.transposed(3).labels() == ["Eb:maj", "C:min", "Bb:7/3"]
    repeated = ChordMap.from_chords((240 * i, harte("C:maj")) for i in range(4))
    assert repeated.simplified().ticks.tolist() == [0]
    assert len(ChordMap.none()) == 0 and not ChordMap.none().pitch_classes().size
    assert len(Song.new().chords) == 0


def test_chords_outside_the_vocabulary_are_refused() -> None:
    for entry in ((0, len(QUALITIES), 0), (40, 1, 0), (1, 0, 0)):
        with pytest.raises(ValueError, match=r"vocabulary|root"):
            ChordMap(ticks=[0], root=entry[:1], quality=entry[1:2], bass=entry[2:])
