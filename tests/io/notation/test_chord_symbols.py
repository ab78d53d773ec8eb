"""Chord symbols of scores: MusicXML there and back, ABC and Humdrum read, repeats unfolded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae.chords import QUALITIES, Chord, ChordMap, format_harte, format_symbol
from musicvae.chords.kinds import kind_of_quality
from musicvae.chords.spelling import format_name
from musicvae.errors import ReadError
from musicvae.io.musicxml_writer import to_bytes
from musicvae.song import Part, Song
from support.scores import document, note, part, read, time
from support.strategies import chord_maps, chords


def stated(song: Song) -> list[tuple[float, str]]:
    """Return (quarters, label in Harte syntax) of the chords of a song."""
    times = (song.chords.ticks / song.ticks_per_quarter).tolist()
    return list(zip(times, song.chords.labels(), strict=True))


def harmony(root: str, kind: str = "major", *more: str, text: str | None = None) -> str:
    alter = root[1:].count("#") - root[1:].count("b")
    shown = "" if text is None else f' text="{text}"'
    return (
        f"<harmony><root><root-step>{root[0]}</root-step><root-alter>{alter}</root-alter></root>"
        f"<kind{shown}>{kind}</kind>{''.join(more)}</harmony>"
    )


def degree(value: int, alter: int, change: str) -> str:
    return (
        f"<degree><degree-value>{value}</degree-value><degree-alter>{alter}</degree-alter>"
        f"<degree-type>{change}</degree-type></degree>"
    )


def one(symbol: str, attributes: str = "") -> str:
    """Return the label of a chord symbol in a MusicXML file."""
    score = document(part(symbol + note("C4", 8), attributes=attributes + time(4, 4)))
    return read(score).song.chords.labels()[0]


# -- there and back -------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_written_symbols_are_read_again(data: st.DataObject) -> None:
    n_bars = data.draw(st.integers(1, 4))
    pickup = data.draw(st.sampled_from([0, 480]))
    n = data.draw(st.integers(1, 12))
    end = n_bars * 1920 + pickup
    onset = np.array(sorted(data.draw(st.sets(st.integers(0, end // 120 - 1), min_size=n))))
    length = np.diff(np.append(onset, end // 120))
    melody = Part(
        onset_ticks=onset * 120,
        duration_ticks=length * 120,
        pitch=np.full(len(onset), 60),
        velocity=np.full(len(onset), 80),
    )
    song = replace(Song.new([melody], end_ticks=end), chords=data.draw(chord_maps(end, step=20)))
    again = read(to_bytes(song))
    assert again.song.chords == song.chords
    assert not [warning for warning in again.warnings if "chord" in warning]


@given(st.lists(chords(), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_symbols_of_abc_are_read(wanted: list[Chord]) -> None:
    bars = "|".join(f'"{format_symbol(chord)}"c4' for chord in wanted)
    song = read(f"X:1\nM:4/4\nL:1/4\nK:C\n{bars}|\n").song
    expected = [(4.0 * i, format_harte(chord)) for i, chord in enumerate(wanted)]
    assert stated(song) == expected


def mxhm(chord: Chord) -> str | None:
    """Return a chord in the syntax of `**mxhm`, None if a kind alone cannot tell it."""
    kind, degrees = kind_of_quality(chord.quality)
    if degrees:
        return None
    if not chord.quality:
        return "none"
    root, bass = (format_name(each).replace("b", "-") for each in (chord.root, chord.bass))
    return f"{root} {kind}" + (f"/{bass}" if bass != root else "")


@pytest.mark.parametrize("kind", ["mxhm", "harte", "chord"])
@given(st.lists(chords(), min_size=1, max_size=6))
@settings(deadline=None, max_examples=25)
def test_spines_of_humdrum_are_read(kind: str, wanted: list[Chord]) -> None:
    write = {"mxhm": mxhm, "harte": format_harte, "chord": format_symbol}[kind]
    labels = [(write(chord), chord) for chord in wanted]
    lines = [f"1c\t{label}\n=\t=" for label, _ in labels if label]
    text = "\n".join([f"**kern\t**{kind}", "*M4/4\t*", *lines, "1c\t.", "*-\t*-"])
    expected = [format_harte(chord) for label, chord in labels if label]
    assert stated(read(text).song) == [(4.0 * i, label) for i, label in enumerate(expected)]


# -- MusicXML -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "label"),
    [
        (harmony("C"), "C:maj"),
        (harmony("Bb", "minor-seventh"), "Bb:min7"),
        (harmony("C", "dominant", "<inversion>1</inversion>"), "C:7/3"),
        (harmony("C", "dominant", "<inversion>3</inversion>"), "C:7/b7"),
        (harmony("C", "suspended-fourth", "<inversion>1</inversion>"), "C:sus4/4"),
        (harmony("F#", "minor", "<bass><bass-step>E</bass-step></bass>"), "F#:min/b7"),
        (harmony("C", "dominant", degree(9, -1, "add")), "C:7(b9)"),
        (harmony("C", "dominant-ninth", degree(9, -1, "alter")), "C:7(b9)"),
        (harmony("C", "dominant", degree(5, 1, "alter")), "C:aug(b7)"),
        (harmony("C", "major", degree(7, 0, "add")), "C:7"),
        (harmony("C", "major", degree(7, 1, "add")), "C:maj7"),
        (harmony("C", "major", degree(3, 0, "subtract")), "C:5"),
        (harmony("C", "major", degree(3, 0, "subtract"), degree(4, 0, "add")), "C:sus4"),
        (harmony("C", "other", text="m7b5"), "C:hdim7"),
        (harmony("C", "other", degree(4, 0, "add"), degree(5, 0, "add")), "C:sus4"),
        (harmony("C", "min7"), "C:min7"),
        (harmony("C", "minor-major"), "C:minmaj7"),
        (harmony("C", "German"), "Ab:7"),
        (harmony("C", "Tristan"), "C:hdim7"),
        (harmony("C", "none"), "N"),
        ('<harmony><kind text="N.C.">none</kind></harmony>', "N"),
        (harmony("C", "major", "<frame><frame-strings>6</frame-strings></frame>"), "C:maj"),
    ],
)
def test_kinds(symbol: str, label: str) -> None:
    assert one(symbol) == label


def numeral(root: int, kind: str, alter: int = 0, key: str = "") -> str:
    return (
        f"<harmony><numeral><numeral-root>{root}</numeral-root>"
        f"<numeral-alter>{alter}</numeral-alter>{key}</numeral><kind>{kind}</kind></harmony>"
    )


def test_degrees_of_the_key() -> None:
    d_major, a_minor = (
        "<key><fifths>2</fifths></key>",
        "<key><fifths>0</fifths><mode>minor</mode></key>",
    )
    assert one(numeral(5, "dominant"), d_major) == "A:7"
    assert one(numeral(7, "diminished", alter=1), a_minor) == "G#:dim"
    own = "<numeral-fifths>-3</numeral-fifths><numeral-mode>major</numeral-mode>"
    own = f"<numeral-key>{own}</numeral-key>"
    assert one(numeral(6, "minor", key=own), d_major) == "C:min"
    function = "<harmony><function>V</function><kind>dominant</kind></harmony>"
    assert one(function, d_major) == "A:7"
    stacked = function.replace("</harmony>", "<function>II</function><kind>minor</kind></harmony>")
    assert one(stacked, d_major) == "B:7"


def test_symbols_of_transposing_instruments_sound_as_their_notes() -> None:
    clarinet = "<transpose><chromatic>-2</chromatic></transpose>"
    assert one(harmony("D", "dominant"), clarinet) == "C:7"
    assert one(numeral(1, "major"), "<key><fifths>2</fifths></key>" + clarinet) == "C:maj"
    assert (
        one(
            harmony("D"),
            "<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>",
        )
        == "D:maj"
    )


def test_places_of_symbols() -> None:
    offset = harmony("G", "dominant", "<offset>4</offset>")
    measures = part(
        harmony("C") + offset + note("C4", 8),
        note("C4", 6) + harmony("F") + note("D4", 2),
        note("C4", 8) + harmony("A"),  # at the end: from the next measure on
        note("E4", 8) + harmony("D"),  # at the end of the song: never
    )
    song = read(document(measures)).song
    assert stated(song) == [
        (0.0, "C:maj"), (2.0, "G:7"), (7.0, "F:maj"), (12.0, "A:maj"),
    ]  # fmt: skip


def test_symbols_of_any_part_count_and_upper_ones_first() -> None:
    upper = part(note("C4", 8), harmony("F") + note("C4", 8))
    lower = part(harmony("C") + note("C3", 8), harmony("D") + note("C3", 8))
    assert stated(read(document(upper, lower)).song) == [(0.0, "C:maj"), (4.0, "F:maj")]


def test_alternatives_are_left_out() -> None:
    other = harmony("D").replace("<harmony>", '<harmony type="alternate">')
    assert one(harmony("C") + other) == "C:maj"


def test_chords_unfold_with_repeats() -> None:
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    measures = part(
        harmony("C") + note("C4", 8), harmony("G") + note("D4", 8) + repeat, note("E4", 8)
    )
    once = [(0.0, "C:maj"), (4.0, "G:maj")]
    assert stated(read(document(measures)).song) == once
    assert stated(read(document(measures), repeats=True).song) == [
        *once, (8.0, "C:maj"), (12.0, "G:maj"),
    ]  # fmt: skip


def test_the_nearest_chord_is_told() -> None:
    outside = harmony("C", "dominant-13th", degree(9, -1, "alter"), text="13b9")
    result = read(document(part((outside + harmony("D")) + note("C4", 8), outside + note("C4", 8))))
    assert result.warnings == ("1 chord outside the vocabulary read as the nearest: C13b9 as C7b9",)
    unknown = "<harmony><kind>major</kind></harmony>" + harmony("C", "spectral")
    result = read(document(part(unknown + note("C4", 8))))
    assert not len(result.song.chords)
    assert result.warnings == ("chord symbols without a known root or kind, left out: 2",)


# -- ABC ------------------------------------------------------------------------------------------


def abc(music: str, key: str = "C", **options: bool) -> list[tuple[float, str]]:
    return stated(read(f"X:1\nM:4/4\nL:1/4\nK:{key}\n{music}\n", **options).song)


def test_abc_symbols() -> None:
    assert abc('"Am7"c2 "D7/F#"d2|"G(Em)"e4|"C;Am"c4|') == [
        (0.0, "A:min7"), (2.0, "D:7/3"), (4.0, "G:maj"), (8.0, "C:maj"),
    ]  # fmt: skip
    assert abc('"^C""_D""<E"">F""@G"c4|') == []
    assert abc('"C"z4|"F"c4|"G"Z2|"C"c4|') == [
        (0.0, "C:maj"), (4.0, "F:maj"), (8.0, "G:maj"), (16.0, "C:maj"),
    ]  # fmt: skip
    assert abc('c2"G"|d4|') == [(2.0, "G:maj")]
    assert abc('(3"C"c"F"d"G"e "C"{f}g2|')[:2] == [(0.0, "C:maj"), (2 / 3, "F:maj")]


def test_abc_repeats_pickups_and_transposition() -> None:
    assert abc('"G"d|"C"c4|"F"c3:|"C"e4|', repeats=True) == [
        (0.0, "G:maj"), (1.0, "C:maj"), (5.0, "F:maj"),
        (8.0, "G:maj"), (9.0, "C:maj"), (13.0, "F:maj"), (16.0, "C:maj"),
    ]  # fmt: skip
    assert abc('"D7"d4|', key="D transpose=-2") == [(0.0, "C:7")]


def test_other_texts_of_abc_are_told() -> None:
    result = read('X:1\nM:4/4\nL:1/4\nK:C\n"slowly"c4|"Fine"c4|\n')
    assert result.warnings == ("texts that are no chord symbols, left out: 1",)


# -- Humdrum --------------------------------------------------------------------------------------


def humdrum(kind: str, *tokens: str, key: str = "*C:") -> list[str]:
    lines = [f"1c\t{token}\n=\t=" for token in tokens]
    text = "\n".join([f"**kern\t**{kind}", "*M4/4\t*", f"{key}\t*", *lines, "*-\t*-"])
    return read(text).song.chords.labels()


def test_numerals_of_humdrum() -> None:
    assert humdrum("harm", "I", "ii7", "V7b", "V7/V", "-VII", "vi", "IV7", "r") == [
        "C:maj", "D:min7", "G:7/3", "D:7", "Bb:maj", "A:min", "F:maj7", "N",
    ]  # fmt: skip
    assert humdrum("harm", "i", "V7", "viio7", "III", "N6", "Gn", key="*a:") == [
        "A:min", "E:7", "G#:dim7", "C:maj", "Bb:maj/3", "F:7",
    ]  # fmt: skip


def test_chords_between_notes_of_humdrum_divide_the_time() -> None:
    text = "**kern\t**mxhm\n*M4/4\t*\n1c\tC major\n.\tG dominant\n=\t=\n1d\t.\n*-\t*-\n"
    result = read(text)
    assert stated(result.song) == [(0.0, "C:maj"), (2.0, "G:7")]
    assert result.warnings == ("chords on lines without notes, spread evenly: 1",)


def test_every_kind_that_is_written_is_one_of_the_vocabulary() -> None:
    symbols = {quality.symbol for quality in QUALITIES}
    entries = [(480 * i, Chord(0, i, 0)) for i in range(1, len(QUALITIES))]
    melody = Part(onset_ticks=[0], duration_ticks=[480 * len(entries)], pitch=[60], velocity=[80])
    song = replace(Song.new([melody]), chords=ChordMap.from_chords(entries))
    text = to_bytes(song).decode()
    texts = {piece.split('"')[0] for piece in text.split('<kind text="')[1:]}
    assert texts <= symbols


@pytest.mark.parametrize(
    ("module", "text", "reason"),
    [
        ("abc.music", 'X:1\nL:1/4\nK:C\n"C"C "F"F "G"G "C"C|\n', "more than 3 chords"),
        ("humdrum.chords", "**kern\t**mxhm\n" + "4c\tC\n" * 4 + "*-\t*-\n", "more than 3 chords"),
        (
            "timeline",
            'X:1\nL:1/4\nK:C\n"C"C "F"F "G"G "C"C|\n',
            "more than 3 changes of tempo, key or chord as played",
        ),
    ],
)
def test_chords_are_bounded(
    module: str, text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"musicvae.io.notation.{module}.MAX_CHANGES", 3)
    with pytest.raises(ReadError, match=rf"{reason}; leave it out, or cut it into pieces"):
        read(text)
    monkeypatch.setattr(f"musicvae.io.notation.{module}.MAX_CHANGES", 4)
    assert len(read(text).song.chords) == 4
