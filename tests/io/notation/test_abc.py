"""ABC: fields, music, voices, repeats and directives, by the standard."""

from __future__ import annotations

import random
from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.errors import ReadError
from musicvae.io.notation import abc, reader
from musicvae.io.notation.abc import fields
from support.scores import bars, meters, notes, read

HEAD = "M:4/4\nL:1/4\nK:C\n"
NAMES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def tune(body: str, head: str = HEAD) -> str:
    return f"X:1\n{head}{body}\n"


def pitch(name: str) -> int:
    """Return the MIDI pitch of a name such as ``F#4``."""
    return NAMES[name[0]] + name.count("#") - name[1:].count("b") + 12 * (int(name[-1]) + 1)


def pitches(body: str, head: str = HEAD, **options: bool) -> list[int]:
    return [p for _, _, p in notes(read(tune(body, head), **options).song)]


def named(names: str) -> list[int]:
    return [pitch(name) for name in names.split()]


def durations(body: str, head: str = HEAD) -> list[float]:
    return [pytest.approx(d) for _, d, _ in notes(read(tune(body, head)).song)]


def played(body: str, head: str = HEAD) -> str:
    """Return the first letters of bars as played, for bars of one whole note."""
    letters = {60: "C", 62: "D", 64: "E", 65: "F", 67: "G", 69: "A", 71: "B"}
    return "".join(letters[p] for p in pitches(body, head, repeats=True))


# -- pitch ----------------------------------------------------------------------------------------


def test_letters_and_octaves():
    assert pitches("C, C c c' | B,, b'' C',") == named("C3 C4 C5 C6 B2 B7 C4")


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("", "C#4 C#5 C#4 C4"),
        ("%%propagate-accidentals pitch", "C#4 C#5 C#4 C4"),
        ("%%propagate-accidentals octave", "C#4 C5 C#4 C4"),
        ("%%propagate-accidentals not", "C#4 C5 C4 C4"),
    ],
)
def test_accidentals_hold_to_the_end_of_the_bar(directive: str, expected: str):
    assert pitches(f"{directive}\n^C c C2 | C4 |") == named(expected)


def test_accidental_of_a_tied_note_goes_on_alone():
    song = read(tune("^C4- | C C ^C2 |")).song
    assert notes(song) == [(0, 5, 61), (5, 1, 60), (6, 2, 61)]


def test_accidental_of_a_grace_note_holds():
    assert pitches("{^f}g f g2 |") == named("G5 F#5 G5")


@pytest.mark.parametrize(
    ("key", "expected", "signature"),
    [
        ("C", "F4 C5 B4 E4 G4", (0, 0)),
        ("D", "F#4 C#5 B4 E4 G4", (2, 0)),
        ("Bb major", "F4 C5 Bb4 Eb4 G4", (-2, 0)),
        ("Am", "F4 C5 B4 E4 G4", (0, 1)),
        ("F#MIN", "F#4 C#5 B4 E4 G#4", (3, 1)),
        ("EM", "F#4 C5 B4 E4 G4", (1, 1)),
        ("D Phr ^f", "F#4 C5 Bb4 Eb4 G4", (-2, 0)),
        ("Gm ^f", "F#4 C5 Bb4 Eb4 G4", (-2, 1)),
        ("D exp _b _e ^f", "F#4 C5 Bb4 Eb4 G4", (-1, 1)),
        ("A Mixolydian", "F#4 C#5 B4 E4 G4", (2, 0)),
        ("HP", "F#4 C#5 B4 E4 G4", (2, 0)),
        ("Hp", "F#4 C#5 B4 E4 G4", (2, 0)),
        ("none", "F4 C5 B4 E4 G4", (0, 0)),
        ("", "F4 C5 B4 E4 G4", (0, 0)),
        ("G clef=bass", "F#4 C5 B4 E4 G4", (1, 0)),
        ("C bass", "F4 C5 B4 E4 G4", (0, 0)),
        ("Ddor =f clef=alto", "F4 C5 B4 E4 G4", (0, 0)),
        ("Cb", "Fb4 Cb5 Bb4 Eb4 Gb4", (-7, 0)),
        ("A stafflines=5 =g _e", "F#4 C#5 B4 Eb4 G4", (3, 0)),
        ("A treble =g", "F#4 C#5 B4 E4 G4", (3, 0)),
        ("^g _b", "F4 C5 Bb4 E4 G#4", (0, 0)),
    ],
)
def test_keys(key: str, expected: str, signature: tuple[int, int]):
    song = read(tune("F c B E | G4 |", f"M:4/4\nL:1/4\nK:{key}\n")).song
    assert [p for _, _, p in notes(song)] == named(expected)
    assert (song.key.fifths.tolist()[0], song.key.minor.tolist()[0]) == signature


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ("transpose=-12", "C3"),
        ("octave=-1", "C3"),
        ("octave=1 transpose=-2", "Bb4"),
        ("clef=treble-8", "C3"),
        ("treble+8", "C5"),
        ("clef=treble_8", "C4"),
        ("t=2", "D4"),
        ("bass middle=D,", "C4"),
        ("bass middle=d", "C2"),
        ("clef=bass", "C4"),
    ],
)
def test_clefs_and_transposition(properties: str, expected: str):
    assert pitches("C4 |", f"L:1/4\nK:C {properties}\n") == named(expected)
    assert pitches(f"V:1 {properties}\nC4 |") == named(expected)
    assert pitches(f"[K:{properties}] C4 |") == named(expected)


def test_midi_transpose_and_the_sounding_key():
    song = read(tune("%%MIDI transpose -2\nD4 |", "L:1/4\nK:C\n")).song
    assert [p for _, _, p in notes(song)] == named("C4")
    song = read(tune("D4 | d4 |", "L:1/4\nK:D transpose=-2\n")).song
    assert ([p for _, _, p in notes(song)], song.key.fifths.tolist()) == (named("C4 C5"), [0])


def test_the_midi_key_of_the_letter_c():
    assert pitches("%%MIDI C 48\nC c |") == named("C3 C4")


def test_microtones_are_rounded_and_told():
    reading = read(tune("^/C _/B ^3/2c =d |"))
    assert [p for _, _, p in notes(reading.song)] == named("C#4 Bb4 D5 D5")
    assert reading.warnings == ("microtones rounded to semitones: 3",)


def test_notes_beyond_midi_are_dropped_and_told():
    reading = read(tune("C,,,,,,,, C''''''' C2 |"))
    assert notes(reading.song) == [(2, 2, 60)]
    assert reading.warnings == ("notes beyond the range of MIDI dropped: 2",)


# -- lengths --------------------------------------------------------------------------------------


def test_lengths():
    assert durations("A A2 A/ A// A3/2 A/4 A3/4 A3/ |") == [1, 2, 0.5, 0.25, 1.5, 0.25, 0.75, 1.5]


@pytest.mark.parametrize(
    ("head", "length"),
    [
        ("M:2/4\n", 0.25),
        ("M:3/4\n", 0.5),
        ("M:6/8\n", 0.5),
        ("M:none\n", 0.5),
        ("", 0.5),
        ("M:2/4\nL:1/8\n", 0.5),
        ("L:1/4\nM:2/4\n", 1),
        ("L:1/2\nM:2/4\nL:1/16\n", 0.25),
    ],
)
def test_default_note_length(head: str, length: float):
    assert durations("A |", f"{head}K:C\n") == [length]


def test_a_later_meter_keeps_the_note_length():
    assert durations("A2 [M:2/4] A2 |", "M:4/4\nK:C\n") == [1, 1]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("A>B c<d |", [1.5, 0.5, 0.5, 1.5]),
        ("A>>B c<<<d |", [1.75, 0.25, 0.125, 1.875]),
        ("A > B c < d |", [1.5, 0.5, 0.5, 1.5]),
        ("A>{d}B c<!trill!d |", [1.5, 0.5, 0.5, 1.5]),
        ("(A>)B (c<d) |", [1.5, 0.5, 0.5, 1.5]),
        ("A>z c<d |", [1.5, 0.5, 1.5]),
        ('A>"G"B [c]<[d] |', [1.5, 0.5, 0.5, 1.5]),
        ("A2>B2 |", [3, 1]),
    ],
)
def test_broken_rhythm(music: str, expected: Iterable[float]):
    assert durations(music) == list(expected)


@pytest.mark.parametrize(
    ("music", "meter", "expected"),
    [
        ("(3ABC", "4/4", [2 / 3] * 3),
        ("(2AB", "6/8", [1.5] * 2),
        ("(4ABCD", "6/8", [0.75] * 4),
        ("(5ABCDE", "4/4", [0.4] * 5),
        ("(5ABCDE", "6/8", [0.6] * 5),
        ("(6ABCDEF", "4/4", [1 / 3] * 6),
        ("(3:2:4ABCDE", "4/4", [2 / 3] * 4 + [1]),
        ("(3::2ABC", "4/4", [2 / 3] * 2 + [1]),
        ("(3:4ABC", "4/4", [4 / 3] * 3),
        ("((3ABC)D", "4/4", [2 / 3] * 3 + [1]),
        ("(3A2BA>B", "4/4", [4 / 3, 2 / 3, 1, 0.5]),
        ("(3A>BC", "4/4", [1, 1 / 3, 2 / 3]),
        ("(3zAB", "4/4", [2 / 3] * 2),
        ("(3:2:2 A2B C", "4/4", [4 / 3, 2 / 3, 1]),
        ("(3:2:5 AB(3CDE F", "4/4", [2 / 3] * 2 + [4 / 9] * 3 + [1]),
        ("(3A2B(3CDE", "4/4", [4 / 3, 2 / 3] + [2 / 3] * 3),
        ("(3{g}A[CE]B", "4/4", [2 / 3] * 4),
    ],
)
def test_tuplets(music: str, meter: str, expected: list[float]):
    found = durations(f"{music} |", f"M:{meter}\nL:1/4\nK:C\n")
    assert found == expected


def test_chords():
    song = read(tune("[C2E2]3 | [CE]2 [C2E]/ D |")).song
    assert notes(song) == [
        (0, 6, 60), (0, 6, 64), (6, 2, 60), (6, 2, 64), (8, 1, 60), (8, 0.5, 64), (9, 1, 62),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("c4- | c4 |", [(0, 8, 72)]),
        ("c4 - | c4 |", [(0, 8, 72)]),
        ("c2-c-c |", [(0, 4, 72)]),
        ("c2-d2 |", [(0, 2, 72), (2, 2, 74)]),
        ("c-z c2 |", [(0, 1, 72), (2, 2, 72)]),
        ("[c-e-]2 [ce]2 |", [(0, 4, 72), (0, 4, 76)]),
        ("[ce]2-[ce]2 |", [(0, 4, 72), (0, 4, 76)]),
        ("[c-e]2 [ce]2 |", [(0, 4, 72), (0, 2, 76), (2, 2, 76)]),
        ("[e2c4-] e2 | c4 |", [(0, 8, 72), (0, 2, 76), (2, 2, 76)]),
        ("c2-{d}c2 |", [(0, 4, 72)]),
        ("c>-c c2 |", [(0, 2, 72), (2, 2, 72)]),
        ("c4.-|c4 |", [(0, 8, 72)]),
    ],
)
def test_ties(music: str, expected: list[tuple[int, int, int]]):
    assert notes(read(tune(music)).song) == expected


def test_ties_into_three_endings_keep_their_accidental():
    song = read(tune("|: C2 ^A2- |1 A4 :|2 A4 :|3 A2 A2 |]"), repeats=True).song
    assert [p for _, _, p in notes(song)] == named("C4 A#4 C4 A#4 C4 A#4 A4")


def test_ties_into_both_endings():
    song = read(tune("|: C2 A2- |1 A4 :|2 A4 |]"), repeats=True).song
    assert notes(song) == [(0, 2, 60), (2, 6, 69), (8, 2, 60), (10, 6, 69)]


# -- rests, bars, meters --------------------------------------------------------------------------


def test_rests():
    assert [n[0] for n in notes(read(tune("z C x/ D/ y2 E | Z2 | X | F4 |")).song)] == [
        1, 2.5, 3, 16,
    ]  # fmt: skip


def test_whole_rests_end_their_measure():
    assert notes(read(tune("Z\nZ2\nC4 |")).song) == [(12, 4, 60)]


def test_whole_rests_keep_voices_together():
    song = read(tune("V:1\nC | D4 | E4 | F4 |\nV:2\nZ | Z2 | G4 |")).song
    assert bars(song) == [0, 1, 5, 9]
    assert notes(song, 1) == [(9, 4, 67)]


@pytest.mark.parametrize(
    ("meter", "found"),
    [("C", "4/4"), ("C|", "2/2"), ("2+3/8", "5/8"), ("(2+3)/8", "5/8"), ("2/4+3/8", "7/8")],
)
def test_meters(meter: str, found: str):
    length = {"5/8": "5/", "7/8": "7/"}.get(found, "4")
    song = read(tune(f"C{length} | D{length} |", f"M:{meter}\nL:1/4\nK:C\n")).song
    assert meters(song) == [found]


def test_invalid_fields_are_told():
    reading = read("X:1\nM:4/5\nL:0\nQ:x=y\nK:H\nC4 | [M:3] D4 |\n")
    kinds = [warning.partition(": ")[0] for warning in reading.warnings]
    assert len(kinds) == 5
    assert all(kind.startswith("field not understood (") for kind in kinds)


def test_bar_lines():
    body = "C4 | D4 || E4 |] F4 [| G4 .| A4 [|] B4 |: C4 :| D4 |\n|\nE4"
    assert bars(read(tune(body)).song) == [4 * i for i in range(10)]


def test_repeat_sign_within_a_bar_divides_it():
    song = read(tune("C4 | D2 :| E2 | F4 |]")).song
    assert (bars(song), meters(song)) == ([0, 4, 6, 8], ["4/4", "2/4", "4/4"])


def test_no_bar_lines_at_all():
    song = read(tune("C D E F2 G | ".replace("|", ""), "M:3/4\nL:1/4\nK:C\n")).song
    assert (bars(song), notes(song)[3]) == ([0, 3], (3, 2, 65))


def test_a_missing_bar_line():
    assert bars(read(tune("C4 D4 | E4 F3 | G4 |")).song) == [0, 4, 8, 12, 15]
    assert bars(read(tune("C4 D | E4 |")).song) == [0, 5]
    assert bars(read(tune("[M:none] C4 D4 E4 | F4 |")).song) == [0, 12]


def test_a_voice_without_some_bar_lines():
    reading = read(tune("V:1\nC4 | D4 | E4 :|\nV:2\nC4 | D4 E4 :|"), repeats=True)
    assert bars(reading.song) == [4 * i for i in range(6)]
    assert [p for _, _, p in notes(reading.song, 1)] == named("C4 D4 E4") * 2
    assert reading.warnings == ("voices with missing bar lines, set as in the others: 1",)


# -- repeats --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("C4 :| D4 :|", "CCDD"),
        ("C4 [|]:| D4 |]", "CCD"),
        ("C4 [|] D4 :|", "CDCD"),
        ("C4 [| D4 :|", "CDD"),
        ("|: C4 :: D4 :|", "CCDD"),
        ("|: C4 :||: D4 :|", "CCDD"),
        ("|:: C4 ::| D4 |", "CCCD"),
        ("C4 || D4 :| E4 |]", "CDDE"),
        ("C4 :| D4 || E4 :|", "CCDEE"),
        ("|: C4 || D4 :|", "CDCD"),
        ("|: C4 |1 D4 :|2 E4 |]", "CDCE"),
        ("|: C4 | [1 D4 :| [2 E4 || F4 :|", "CDCEFF"),
        ("|: C4 |[1,3 D4 :|[2 E4 :|[4 F4 |]", "CDCECDCF"),
        ("|: C4 |1-3 D4 :|4 E4 |]", "CDCDCDCE"),
        ('|: C4 |["1" D4 :|["2." E4 |]', "CDCE"),
        ("|: C4 |1 D4 :|2 E4 | F4 | G4 :|", "CDCEFGFG"),
        ("C4 |1 D4 :|\\\n2 E4 |]", "CDCE"),
        ("C4 | D4 !fine! | E4 !D.C.! |]", "CDECD"),
        ("C4 | D4 !fine! | E4 !D.C.alfine! |]", "CDECD"),
        ('C4 | D4 "^Fine" | E4 "_D.C. al Fine" |]', "CDECD"),
        ("C4 | !segno! D4 | E4 !D.S.! |]", "CDEDE"),
        ("C4 | !segno! D4 !coda! | E4 !D.S.! | !coda! F4 |]", "CDEDF"),
        ("C4 | SD4 !dacoda! | E4 !D.S.alcoda! | OF4 |]", "CDEDF"),
        ("C4 | D4 ! da capo ! |", "CDCD"),
        ('C4 "Fine" | D4 "(D.C. al Fine)" |', "CDC"),
        ('C4 "Fin" | D4 "D.C. to Fine" |', "CDC"),
        ('C4 "al Coda" | D4 "D. C. al Coda" | "Coda" E4 |', "CDCE"),
        ('C4 "FINE" | D4 | "DC till fine" |]', "CDC"),
        ("V:1\nC4 | D4 |\nV:2\nz4 !fine! | z4 !D.C.! |", "CDC"),
    ],
)
def test_playback_order(body: str, expected: str):
    assert played(body) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("AABA", "CCDC"),
        ("(AB)2A", "CDCDC"),
        ("(A(B)2)2", "CDDCDD"),
        ("A2.B3", "CCDDD"),
        ("A,B,A", "CDC"),
        ("A-B-A", "CDC"),
        ("A Modern Version.", "CD"),
    ],
)
def test_parts(order: str, expected: str):
    head = f"P:{order}\nM:4/4\nL:1/4\nK:C\n"
    assert played("P:A\nC4 |\nP:B\nD4 |", head) == expected
    assert played("[P:A] C4 | [P:B] D4 |", head) == expected


def test_parts_before_the_first_voice():
    body = "P:A\nV:S\nC4 |\nV:T\nE4 |\nP:B\nV:S\nD4 |\nV:T\nF4 |"
    song = read(tune(body, f"P:ABA\n{HEAD}"), repeats=True).song
    assert [part.pitch.tolist() for part in song.parts] == [
        named("C4 D4 C4"),
        named("E4 F4 E4"),
    ]


def test_an_order_without_parts_is_told():
    reading = read(tune("|: C4 | D4 :| E4 |", f"P:AAB\n{HEAD}"), repeats=True)
    assert [p for _, _, p in notes(reading.song)] == named("C4 D4 C4 D4 E4")
    assert reading.warnings == (
        "an order of sections without any sections: repeats are played as written",
    )


def test_words_that_may_be_jumps_are_told():
    reading = read(tune('C4 | "^D.C. twice, then on" D4 |'), repeats=True)
    assert reading.warnings == ("jumps in words that are not understood, not played: 1",)


def test_part_orders_are_bounded():
    assert fields.parse_part_order("((((A9)9)9)9)9") is None
    assert fields.parse_part_order("A" * 1001) is None
    assert fields.parse_part_order("(" * 10_000 + "A") is None


# -- tempo ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tempo", "qpm"),
    [
        ("1/4=90", 90),
        ("1/4 = 90", 90),
        ("3/8 = 110", 165),
        ("120", 60),
        ("C=90", 45),
        ("C3=40", 60),
        ("C3/2=40", 30),
        ('"Allegro" 1/4=121', 121),
        ('1/2=60 "Slow"', 120),
        ('"a" 1/4=70 "b"', 70),
        ("1/4 3/8 1/4=40", 140),
        ("1/4=90-100", 90),
        ('"Adagio"', 56),
        ('"Tenderly"', 120),
        ("1/4=9999", 120),
    ],
)
def test_tempo(tempo: str, qpm: float):
    assert round(read(tune("C4 |", f"L:1/8\nQ:{tempo}\nK:C\n")).song.tempo.qpm[0], 2) == qpm


@pytest.mark.parametrize(
    ("body", "qpm"),
    [
        ("Q:1/4=60\nC4 |", 60),
        ("[Q:1/4=60]C4 |", 60),
        ("[Q:1/4=70][Q:1/4=60]C4 |", 60),
        ('[Q:1/4=60][Q:"Allegro"]C4 |', 60),
        ('[Q:"Allegro"]C4 |', 120),
        ("Q:1/4=60\nV:S\nC4 |\nV:T\nC4 |", 60),
        ("V:S\nC4 |\nV:T\n[Q:1/4=60]C4 |", 60),
    ],
)
def test_the_last_tempo_at_a_place_counts(body: str, qpm: float):
    assert [round(q) for q in read(tune(body, f"Q:1/4=120\n{HEAD}")).song.tempo.qpm] == [qpm]


def test_tempo_changes_in_a_line():
    song = read(tune("C4 | !mf![Q:1/4=85] D4 |\nQ:1/4=60\nE4 |", f"Q:1/4=120\n{HEAD}")).song
    assert [round(q) for q in song.tempo.qpm] == [120, 85, 60]
    assert (song.tempo.ticks / song.ticks_per_quarter).tolist() == [0, 4, 8]


# -- what is not played ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "C HD E F |",
        "C [r: faded cabbage] D E F |",
        '"@5,3 fade" C "Am7" D "^up"E "a \\"b\\" c"F |',
        "C !trill!D +accent+E .F |",
        "~C uD vE TF |",
        "C ! D E F !|",
        "('C D) (,E .(F)) |",
        "C D E F | % A B c",
        "w: A B c\nC D E F |\ns: a\nw: d\n+: e f g\nW: g a b",
        "{/g}C {ab}D E F |",
        "C`D``E F $ |",
        "C D E F * |",
    ],
)
def test_only_notes_sound(body: str):
    assert notes(read(tune(body)).song) == [(i, 1, p) for i, p in enumerate((60, 62, 64, 65))]


def test_line_breaks_of_old():
    assert pitches("CDEF!GABc!cBAG |") == named("C4 D4 E4 F4 G4 A4 B4 C5 C5 B4 A4 G4")
    assert read(tune("C!ff!D!f!E F |")).song.parts[0].velocity.tolist() == [80, 112, 96, 96]


def test_what_is_left_out_is_counted():
    reading = read(tune('{ga}C {b}D E F | ?? & "open C'))
    assert reading.warnings == ("texts without an end, left out: 1", "grace notes dropped: 3")


def test_dynamics():
    song = read(tune("C !p!D +ff+E F | !crescendo(!G4 |")).song
    assert song.parts[0].velocity.tolist() == [80, 49, 112, 112, 112]


def test_user_symbols():
    song = read(tune("C WD E F | nG4 |", "U:W=!pp!\nU:n=+trill+\n" + HEAD)).song
    assert song.parts[0].velocity.tolist() == [80, 33, 33, 33, 33]


def test_macros():
    head = "m:~C3 = C/D/C3/2z/\n" + HEAD
    assert durations("~C3 D |", head) == [0.5, 0.5, 1.5, 1]
    bomb = "m:a=" + "b" * 1000 + "\nm:b=" + "c" * 1000 + "\n" + HEAD
    assert read(tune("a" * 3, bomb)).song.n_notes <= 3000


# -- voices ---------------------------------------------------------------------------------------


def test_overlays():
    song = read(tune("c d e f & C4 | g4 & E2 G2 |")).song
    assert sorted(notes(song)) == [
        (0, 1, 72), (0, 4, 60), (1, 1, 74), (2, 1, 76), (3, 1, 77),
        (4, 2, 64), (4, 4, 79), (6, 2, 67),
    ] or sorted(notes(song)) == sorted(
        [(0, 4, 60), (0, 1, 72), (1, 1, 74), (2, 1, 76), (3, 1, 77),
         (4, 4, 79), (4, 2, 64), (6, 2, 67)]
    )  # fmt: skip


def test_overlays_of_several_bars():
    song = read(tune("(& c4 | d4 & C4 | D4 &) | e4 |")).song
    assert notes(song) == [(0, 4, 60), (0, 4, 72), (4, 4, 62), (4, 4, 74), (8, 4, 76)]


def test_names_programs_and_percussion():
    head = (
        'M:4/4\nL:1/4\n%%MIDI program 40\nV:1 nm="Violin \\"o"\nV:2 name=Flute\n'
        "%%MIDI program 73\nV:3 clef=perc\nV:4\n%%MIDI program 4 12\nK:C\n"
    )
    parts = read(
        tune(
            "V:1\nC4|\nV:2\nC4|\nV:3\nC4|\nV:4\n[I:MIDI program 9]C4|\nV:5\n%%MIDI channel 10\nC4|",
            head,
        )
    ).song.parts
    assert [(p.name, p.program, p.is_drum) for p in parts] == [
        ("Violin ö", 40, False),
        ("Flute", 73, False),
        ("Voice 3", 0, True),
        ("Voice 4", 9, False),
        ("Voice 5", 0, True),
    ]


def test_drum_maps():
    head = "M:4/4\nL:1/4\n%%MIDI drummap C 36\n%%percmap ^F closed-hi-hat\nK:G clef=perc\n"
    assert pitches("C ^F D F |", head) == [36, 42, 62, 65]


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("%%MIDI program 40\n", [(40, False)] * 2),
        ("[I:MIDI=program 40]\n", [(40, False)] * 2),
        ("%%MIDI channel 10\n", [(0, True)] * 2),
        ("%%MIDI voice B instrument=41\n", [(0, False), (40, False)]),
    ],
)
def test_directives_before_the_first_voice_are_for_all(field: str, found: list[tuple[int, bool]]):
    parts = read(tune(f"{field}V:A\nC4 |\nV:B\nC4 |")).song.parts
    assert [(part.program, part.is_drum) for part in parts] == found


def test_accompaniment_and_later_programs_are_told():
    body = "%%MIDI program 40\n%%MIDI drumon\nC4 |\n%%MIDI program 73\nD4 |"
    assert read(tune(body)).warnings == (
        "drum patterns (%%MIDI drum) not played: 1",
        "changes of instrument within a voice, not played: 1",
    )


def test_programs_by_channel():
    body = "%%MIDI program 1 41\n%%MIDI program 2 42\nV:1\nC4 |\nV:2\nC4 |"
    assert [p.program for p in read(tune(body)).song.parts] == [41, 42]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("%%score (S A) | (T B)\n", "SATB"),
        ("%%staves [S | {A T}] B\n", "SATB"),
        ("V:T\nV:S\n", "TSBA"),
        ("", "BSAT"),
    ],
)
def test_order_of_voices(head: str, expected: str):
    body = "V:B\nC4 |\nV:S\nD4 |\nV:A\nE4 |\nV:T\nF4 |\n[V:B] G4 | [V:S] A4 |"
    song = read(tune(body, f"M:4/4\nL:1/4\n{head}K:C\n"), merge=False).song
    assert "".join(p.name[-1] for p in song.parts) == expected
    bass = song.parts["".join(p.name[-1] for p in song.parts).index("B")]
    assert bass.pitch.tolist() == named("C4 G4")


def test_voices_in_a_brace_are_one_instrument():
    body = "V:1\nc4 |\nV:2\nC4 |\nV:3\nE4 |"
    assert len(read(tune(body, f"%%score 3 {{1 2}}\n{HEAD}")).song.parts) == 2


def test_new_staves_begin_together():
    body = "V:1\nC4 | D4 |\n%%score 1 2\nV:1\nE4 |\nV:2\nG4 |"
    assert notes(read(tune(body)).song, 1) == [(8, 4, 67)]


def test_different_numbers_of_measures_are_told():
    reading = read(tune("V:1\nC4 | D4 | E4 |\nV:2\nC4 |"))
    assert reading.warnings == ("voices with different numbers of measures: 1 3, 2 1",)


def test_fields_before_the_first_voice_are_for_all():
    body = "K:D\nV:1\nF4 |\nV:2\nF4 |\nK:C\nF4 |"
    song = read(tune(body, "L:1/4\nM:4/4\nV:1\nV:2\nK:C\n")).song
    assert [p.pitch.tolist() for p in song.parts] == [named("F#4"), named("F#4 F4")]


@pytest.mark.parametrize(
    ("field", "music", "expected"),
    [
        ("K:G", "F4 |", "F#4"),
        ("L:1/8", "C8 |", "C4"),
        ("%%propagate-accidentals not", "^C2 C2 |", "C#4 C4"),
        ("%%MIDI transpose -2", "D4 |", "C4"),
    ],
)
def test_fields_before_undeclared_voices_are_for_all(field: str, music: str, expected: str):
    song = read(tune(f"{field}\nV:A\n{music}\nV:B\n{music}")).song
    assert [part.pitch.tolist() for part in song.parts] == [named(expected)] * 2
    assert bars(song) == [0]


# -- books ----------------------------------------------------------------------------------------

BOOK = (
    "% a book\nM:3/4\nL:1/4\n%%propagate-accidentals not\nsome words\n\n"
    "X:7\nT:One\nK:C\nCDE|\n\nThese words about | the tune are no music.\n\n"
    'X:9\nT:Zw\\"olf % two\nM:4/4\nK:C\n^F F z2|\n'
)


def test_books():
    one, two = abc.split_tunes(BOOK)
    assert (one.number, one.title, two.number, two.title) == (7, "One", 9, "Zwölf")
    score = abc.read_abc(BOOK)
    assert [n.pitch for n in score.parts[0].notes[0]] == named("C4 D4 E4")
    assert score.warnings == ["a book of 2 tunes, the first is read; choose others by #number"]
    for number in (9, 2):
        second = abc.read_abc(BOOK, tune=number)
        assert [n.pitch for n in second.parts[0].notes[0]] == named("F#4 F4")
        assert second.warnings == []
    with pytest.raises(ReadError, match="no tune 3 in a book of 2"):
        abc.read_abc(BOOK, tune=3)


def test_labels_of_tunes():
    same = abc.split_tunes("X:1\nK:C\nC|\nX:1\nK:C\nD|\n")
    assert abc.tune_labels(same) == ["1", "2"]
    assert abc.tune_labels(abc.split_tunes(BOOK)) == ["7", "9"]


def test_text_blocks_and_empty_lines_in_a_tune():
    body = "%%begintext\nA B c |\n%%endtext\nC4 |\n\nV:1\nD4 |\n\n\nE4 |"
    assert pitches(body) == named("C4 D4 E4")


def test_field_continuation_and_missing_key():
    assert round(read('X:1\nL:1/4\nQ:"a"\n+:1/4=66\nK:C\nC4|\n').song.tempo.qpm[0]) == 66
    score = abc.read_abc("X:1\nL:1/4\nC D E F|\n")
    assert len(score.parts[0].notes[0]) == 4


# -- hostile text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("Z99999999 | C4 |", "more than 20,000 bars"),
        ("A99999999 | C4 |", "a note or rest of over 1,024 quarters"),
        ("(999999999:999999999:999999999 ABC |", ""),
        (
            "A/999999999 B" + "/" * 5000 + " C" + "9" * 5000 + " |",
            "a note or rest of over 1,024 quarters",
        ),
        ("[1-999999999 C4 :|[2 D4 |", ""),
        ("C" + "," * 100_000 + " D |", ""),
        ("[" * 50_000 + "C |", ""),
        ('C "' + '\\"' * 50_000, ""),
        ("C |" + "|" * 100_000, ""),
        ("[K:" * 20_000 + "C |", ""),
        ("C" + "&" * 50_000 + "D |", ""),
        ("".join(f"[V:{i}] C |" for i in range(600)), "more than 512 voices"),
    ],
)
def test_hostile_tunes_are_read_or_refused(body: str, reason: str):
    try:
        read(tune(body), repeats=True)
    except ReadError as error:
        assert "\n" not in str(error)
        assert reason
        assert any(part in str(error) for part in reason.split("|"))
    else:
        assert not reason


@pytest.mark.parametrize("body", ["{}\nC4|", "C4|\n{}\nC4|", "C4|[{}]C4|"])
@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("M:99999999/1", "a meter of over 1,024 quarters"),
        ("M:257/1", "a meter of over 1,024 quarters"),
        ("M:4/4+1000+9999/4", "a meter of over 1,024 quarters"),
        ("M:" + "9" * 5000 + "/3", "a meter of over 1,024 quarters"),
        ("L:99999999/1", "a unit note length of over 1,024 quarters"),
        ("L:257", "a unit note length of over 1,024 quarters"),
        ("L:" + "9" * 5000 + "/4", "a unit note length of over 1,024 quarters"),
    ],
)
def test_meters_and_units_beyond_any_bar_are_refused(field: str, reason: str, body: str):
    with pytest.raises(ReadError, match=rf": {reason}; \w"):
        read(tune(body.format(field)))
    head = HEAD + field + "\n"
    with pytest.raises(ReadError, match=rf": {reason}; \w"):
        read(tune("C4|", head))


@pytest.mark.parametrize("field", ["M:256/1", "M:0/9999999999", "M:1/99999999", "L:1/99999999"])
def test_other_invalid_meters_and_units_are_left_out(field: str):
    result = read(tune(f"{field}\nC4|"))
    assert result.warnings == (f"field not understood ({field}): 1",)


def test_damaged_tunes_are_songs_or_one_line():
    rng = random.Random(3)
    body = 'V:1\n|: C>D {e}(3EFG !p![ce]-|1 [c2e2] "Am"z2 :|2 c4 & E4 |]\nV:2\n[M:3/4]Z2|C/D//E|'
    pieces = ["|:", "&", "(3", "[", "]", '"', "!", "K:", "\nP:A\n", "\n\n", "Z9", "-", "%", "\\"]
    for _ in range(150):
        text = list(tune(body, "P:AB2\n" + HEAD))
        for _ in range(rng.randint(1, 8)):
            text.insert(rng.randrange(12, len(text)), rng.choice(pieces))
        try:
            read("".join(text), repeats=True)
        except ReadError as error:
            assert "\n" not in str(error)


# -- round trip -----------------------------------------------------------------------------------

LENGTHS = {Fraction(1, 2): "/", Fraction(1): "", Fraction(3, 2): "3/2", Fraction(2): "2"}


@given(
    st.lists(
        st.tuples(
            st.integers(-1, 2),
            st.sampled_from("CDEFGAB"),
            st.sampled_from(["", "^", "_", "="]),
            st.sampled_from(sorted(LENGTHS)),
        ),
        min_size=1,
        max_size=24,
    ),
    st.integers(-7, 7),
)
def test_notes_written_in_full_are_read_back(
    written: list[tuple[int, str, str, Fraction]], fifths: int
):
    names = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
    text, expected, time = [], [], Fraction(0)
    for octave, letter, sign, length in written:
        name = letter.lower() + "'" * (octave - 1) if octave > 0 else letter + "," * -octave
        text.append((sign or "=") + name + LENGTHS[length])
        alter = {"^": 1, "_": -1}.get(sign, 0)
        expected.append((time, length, 60 + 12 * octave + NAMES[letter] + alter))
        time += length
    score = abc.read_abc(tune(" ".join(text) + " |", f"M:none\nL:1/4\nK:{names[fifths + 7]}\n"))
    assert [tuple(n[:3]) for n in score.parts[0].notes[0]] == expected
    assert score.parts[0].keys[0][1] == (fifths, False)


def test_default_tempo_by_meter():
    score = abc.read_abc(tune("C3 |", "M:6/8\nL:1/8\nK:C\n"))
    assert (
        round(reader.to_song(score, default_qpm={"": 120.0, "6/8": 180.0}).song.tempo.qpm[0]) == 180
    )


def test_swing_in_the_tempo_is_played() -> None:
    head = HEAD.replace("K:", 'Q:"Swing" 1/4=120\nK:') if "K:" in HEAD else HEAD
    swung, straight = (read(tune("C2D2E2F2|", h)).song for h in (head, HEAD))
    assert straight.swing is None and str(swung.swing) == "2:1 in eighths"
    assert swung.parts == straight.parts
