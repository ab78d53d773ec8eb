"""Humdrum reader: spines, rhythms, ties, interpretations, sections and limits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.errors import ReadError
from musicvae.io.notation import reader
from musicvae.io.notation.humdrum import read_humdrum
from musicvae.io.notation.humdrum.interpretations import (
    INSTRUMENTS,
    parse_key,
    parse_meter,
    parse_movement,
    parse_signature,
    parse_tempo,
)
from musicvae.io.notation.humdrum.tokens import parse_event, parse_recip
from musicvae.io.notation.score import Score, UnsupportedScoreError
from musicvae.io.options import ReadOptions
from musicvae.song import Song


def kern(*lines: str) -> str:
    """Return a text of `**kern` spines, as many as the first line has tokens.

    Tokens are separated by two spaces; the spines begin and end around the lines.
    """
    rows = [line.replace("  ", "\t") for line in lines]
    n_spines = rows[0].count("\t") + 1
    n_last = next(row for row in reversed(rows) if row[0] not in "!").count("\t") + 1
    start, end = "\t".join(["**kern"] * n_spines), "\t".join(["*-"] * n_last)
    return "\n".join([start, *rows, end, ""])


def read(*lines: str) -> Score:
    """Read lines of `**kern` spines."""
    return read_humdrum(kern(*lines))


def song(text: str, *, repeats: bool = False) -> Song:
    """Read a text as a song."""
    return reader.read_bytes(text.encode(), "a.krn", ReadOptions(repeats=repeats)).song


def line(score: Score, part: int = 0) -> list[list[tuple[float, float, int]]]:
    """Return (onset, duration, pitch) of the notes of a part by measure."""
    return [
        [(float(note.onset), float(note.duration), note.pitch) for note in measure]
        for measure in score.parts[part].notes
    ]


def lengths(score: Score, part: int = 0) -> list[float]:
    """Return the lengths of the measures of a part."""
    return [float(length) for length in score.parts[part].measure_lengths]


def played(*lines: str) -> list[int]:
    """Return the pitches of a single part as played, with repeats."""
    [part] = song(kern(*lines), repeats=True).parts
    return part.pitch.tolist()


# -- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "quarters"),
    [
        ("4", 1),
        ("8.", "3/4"),
        ("4..", "7/4"),
        ("1", 4),
        ("0", 8),
        ("0.", 12),
        ("00", 16),
        ("000", 32),
        ("12", "1/3"),
        ("20", "1/5"),
        ("6.", 1),
        ("3%2", "8/3"),
        ("32%3", "3/8"),
        ("(16.LLc#", "3/8"),
        ("c8", "1/2"),
        ("1G.", 6),
        ("4.......c", None),
        ("c", None),
        ("4" * 9, None),
        ("1%999", None),
        ("00000000", None),
    ],
)
def test_durations(text, quarters):
    assert parse_recip(text) == (None if quarters is None else Fraction(quarters))


@pytest.mark.parametrize(
    ("text", "pitch"),
    [
        ("4c", 60),
        ("4cc", 72),
        ("4C", 48),
        ("4CC", 36),
        ("4f#", 66),
        ("4B--", 57),
        ("4BB-", 46),
        ("4cc##", 74),
        ("4en", 64),
        ("4a-X/", 68),
        ("(8ee-'L\\", 75),
        ("[2.gg#;>", 80),
        ("4aTt", 69),
        ("&{4d_<yy", 62),
        ("4Fn#", 54),
        ("4BBn-X", 46),
        ("8.c>#X", 61),
    ],
)
def test_pitches(text, pitch):
    [note] = parse_event(text).notes
    assert note.pitch == pitch


@pytest.mark.parametrize("text", ["c", "4", "zz", ")", "4" + "c" * 20, "4" + "C" * 20, "q"])
def test_unreadable_tokens(text):
    event = parse_event(text)
    assert (event.notes, event.n_unreadable) == ((), 0 if text == "q" else 1)


def test_chord_with_ties_and_shared_duration():
    event = parse_event("[4c 4e_ g] 2cc")
    assert [(note.pitch, note.tie) for note in event.notes] == [
        (60, "start"),
        (64, "continue"),
        (67, "stop"),
        (72, ""),
    ]
    assert [note.duration for note in event.notes] == [1, 1, 1, 2]
    assert (event.advance, event.longest) == (1, 2)


def test_rest_with_a_position_on_the_staff():
    event = parse_event("4rggg")
    assert (event.notes, event.advance) == ((), 1)


@given(
    st.integers(12, 115), st.sampled_from(("#", "-", "")), st.sampled_from((1, 2, 3, 4, 6, 7, 20))
)
def test_written_notes_are_read(pitch, accidental, recip):
    octave, degree = divmod(pitch, 12)
    names = {0: "c", 2: "d", 4: "e", 5: "f", 7: "g", 9: "a", 11: "b"}
    if degree not in names:
        return
    name = names[degree] * (octave - 4) if octave > 4 else names[degree].upper() * (5 - octave)
    [note] = parse_event(f"({recip}{name}{accidental}/L").notes
    assert note.pitch == pitch + {"#": 1, "-": -1, "": 0}[accidental]
    assert note.duration == Fraction(4, recip)


# -- measures and spines --------------------------------------------------------------------------


def test_measures_and_pickup():
    score = read(
        "*M3/4  *M3/4", "4G  4d", "=1  =1", "2.C  4e", ".  2f", "=2  =2", "4r  4r", "==  =="
    )
    assert lengths(score) == [1, 3, 1]
    assert line(score) == [[(0, 1, 62)], [(0, 1, 64), (1, 2, 65)], []]
    assert line(score, 1) == [[(0, 1, 55)], [(0, 3, 48)], []]
    assert score.parts[0].measure_numbers == ["", "1", "2"]
    assert score.parts[0].time_signatures == [(3, 4), None, None]
    assert score.warnings == []


def test_meter_before_the_bar_line_is_of_the_next_measure():
    score = read("*M2/4", "2c", "*M3/4", "=2", "2.c", "=3", "*M4/4", "1c")
    assert score.parts[0].time_signatures == [(2, 4), (3, 4), (4, 4)]


def test_bar_lines_without_music_between_them_make_no_measure():
    score = read("=1-", "=1", "1c", "==", "=2", "1d", "=", "==")
    assert lengths(score) == [4, 4]
    assert score.parts[0].measure_numbers == ["1", "2"]


def test_breves_and_longs():
    score = read("*met(C|)", "*M2/1", "=1", "0c", "=2", "00.d")
    assert lengths(score) == [8, 24]
    assert score.parts[0].time_signatures == [(2, 1), None]


def test_split_voices_belong_to_one_part():
    score = read("4c", "*^", "2e  4C", ".  4D", "*v  *v", "4f", "=", "1c")
    assert line(score)[0] == [(0, 1, 60), (1, 2, 64), (1, 1, 48), (2, 1, 50), (3, 1, 65)]
    assert len(score.parts) == 1
    assert lengths(score) == [4, 4]


def test_voices_of_two_staves_join_in_one_line():
    score = read(
        "4C  4c",
        "*^  *^",
        "4C  4D  4c  4d",
        "*v  *v  *v  *v",
        "4E  4e",
    )
    assert line(score, 0)[0][-1] == (2, 1, 64)
    assert line(score, 1)[0][-1] == (2, 1, 52)


def test_exchanged_spines():
    score = read("4C  4c", "*x  *x", "4d  4D")
    assert line(score, 0) == [[(0, 1, 60), (1, 1, 62)]]
    assert line(score, 1) == [[(0, 1, 48), (1, 1, 50)]]


def test_spine_that_begins_and_one_that_ends_later():
    score = read("4C  4c", "=2  =2", "*+  *", "*  **kern  *", "4D  4g  4d", "*-  *  *", "4a  4e")
    assert [line(score, i) for i in range(3)] == [
        [[], [(0, 1, 67), (1, 1, 69)]],
        [[(0, 1, 60)], [(0, 1, 62), (1, 1, 64)]],
        [[(0, 1, 48)], [(0, 1, 50)]],
    ]


def test_voice_that_begins_while_a_note_sounds():
    score = read("4C  2c", "*  *^", "4D  .  4e", "4E  4d  4f", "=  =  =")
    assert line(score)[0] == [(0, 2, 60), (1, 1, 64), (2, 1, 62), (2, 1, 65)]
    assert score.warnings == []


def test_grace_notes_take_no_time():
    score = read("4C  8qqd", ".  4c", "4D  8qe 8qg", ".  4d")
    assert line(score) == [[(0, 1, 60), (1, 1, 62)]]
    assert (score.n_grace_notes, score.warnings) == (3, [])


def test_tuplets_and_rare_divisions():
    score = read(*["28c"] * 7, *["68d"] * 17, "296%37e", "=", "4f")
    assert lengths(score) == [2.5, 1]
    assert line(score)[1] == [(0, 1, 65)]


def test_new_divisions_within_a_line():
    score = read(
        "=1  =1", "8C  [68c", *[".  68d"] * 7, ".  68e", "8D  .", *[".  68f"] * 8, "4E  4g"
    )
    assert [float(note.onset) for note in score.parts[1].notes[0]] == [0, 0.5, 1]


def test_many_tuplets_in_many_measures():
    recips = range(1001, 1400, 2)
    score = read(*[row for recip in recips for row in (f"{recip}c", "=")])
    assert [note.duration for row in score.parts[0].notes for note in row] == [
        Fraction(4, recip) for recip in recips
    ]


def test_lines_that_disagree_are_aligned_and_counted():
    score = read("4C  8c", "4D  4d", "=  =", "4C  4c")
    assert line(score, 0) == [[(0, 0.5, 60), (1, 1, 62)], [(0, 1, 60)]]
    assert score.warnings == ["lines where the rhythms of the spines disagree: 1"]


def test_note_over_a_bar_line():
    score = read(
        "=1  =1", "1D  [1c 1e", "1D  00d", "=2  =2", "0E  .", "=3  =3", "1F  .", "=4  =4",
    )  # fmt: skip
    assert lengths(score) == lengths(score, 1) == [8, 8, 4]
    assert [[n.tie for n in row] for row in score.parts[0].notes] == [
        ["start", "", "start"],
        ["continue"],
        ["stop"],
    ]
    score = read(
        "*M2/1  *M2/1", "=1  =1", "1C  1c", "1D  0d [0f", "=2  =2", "1E  .", "1F  00e", "=3  =3",
        "0G  .", "=4  =4", "1A  .", "1G  1a", "=5  =5", "1B  1f", "1c  1g",
    )  # fmt: skip
    assert score.warnings == []
    assert lengths(score) == lengths(score, 1) == [8] * 5
    text = kern("=1  =1", "1C  0.d", "1D  .", "=2  =2", "0E  .", ".  1f", "=3  =3", "1F  1g")
    assert read_humdrum(text).warnings == []
    assert (song(text).parts[0].duration_ticks // 480).tolist() == [12, 4, 4]


def test_bar_line_that_comes_after_a_note_of_all_voices():
    rows = ["*M2/1  *M2/1", "=1  =1", "1.C  1.c", "1D  1d", "=2  =2", "1E  2e", ".  1.f", "1F  ."]
    rows += ["=3  =3", "1G  1g", "*MM60  *", "2A  2r", "=4  =4", "0B  0b"]
    score = read(*rows)
    assert lengths(score) == lengths(score, 1) == [8, 8, 8, 8]
    assert line(score) == [
        [(0, 6, 60), (6, 2, 62)],
        [(0, 2, 62), (2, 2, 64), (4, 4, 65)],
        [(0, 2, 65), (2, 4, 67)],
        [(0, 8, 71)],
    ]
    assert score.parts[1].tempo_marks == [((2, 6), False, 60.0)]
    assert len(song(kern(*rows)).parts[0]) == 6
    rows[6:8] = ["1F  1f", ".  1f"]  # a note begins at the bar line
    assert lengths(read(*rows))[0] == 10


def test_meter_or_repeat_keeps_a_bar_line_where_it_is():
    for sign in ("*M3/4", "=2:|!"):
        score = read("*M4/4", "=1", "2c", "2.d", sign, "=2", "2.e", "=3", "1f")
        assert lengths(score) == [5, 3, 4]


def test_measure_that_is_too_long_in_one_voice():
    score = read("=1  =1", "1C  2.c", "=2  =2", "2.D  2.d", "=3  =3", "2.E  2.e")
    assert line(score, 1) == [[(0, 4, 48)], [(0, 3, 50)], [(0, 3, 52)]]
    assert lengths(score) == [3, 3, 3]


def test_voice_with_a_gap_goes_on_where_the_others_are():
    score = read("8C  4c", "8D  .", "8E  4d", "8F  .", "8G  8e", "8A  4f")
    assert line(score, 0)[0] == [(0, 1, 60), (1, 1, 62), (2, 0.5, 64), (2.5, 1, 65)]


def test_unreadable_tokens_are_counted():
    score = read("4c", "zz", "zz", "4d")
    assert line(score) == [[(0, 1, 60), (1, 1, 62)]]
    assert score.warnings == ["tokens that cannot be read, dropped: 2"]


def test_other_spines_are_not_music():
    text = kern("4c  4d  4e").replace("**kern\t**kern", "**kern\t**text").replace("4d", "4 du")
    score = read_humdrum(text)
    assert [line(score, i) for i in range(2)] == [[[(0, 1, 64)]], [[(0, 1, 60)]]]


def test_music_without_bar_lines_is_divided_by_its_meter():
    score = read("*M3/4", "2c", "*MM60", "[2d", "8e]", "1.f", "*k[f#]", "8g")
    assert lengths(score) == [3, 3, 3, 2]
    assert [[(n.onset, n.duration, n.tie) for n in row] for row in score.parts[0].notes] == [
        [(0, 2, ""), (2, 1, "start")],
        [(0, 1, "continue"), (1, 0.5, "stop"), (1.5, 1.5, "start")],
        [(0, 3, "continue")],
        [(0, 1.5, "stop"), (1.5, 0.5, "")],
    ]
    assert score.parts[0].tempo_marks == [((0, 2), False, 60.0)]
    assert score.parts[0].keys == [((3, 1.5), (1, False))]
    assert len(song(kern("1c", "1d", "1e")).parts[0]) == 3


# -- interpretations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meter"),
    [
        ("3/4", (3, 4)),
        ("2+3/8", (5, 8)),
        ("2/0", (4, 1)),
        ("1/00", (4, 1)),
        ("3/3%2", (2, 1)),
        ("3/2%3", (9, 2)),
        ("4/3", None),
        ("0/4", None),
        ("4/128", None),
        ("256/1", None),
        ("1/99999999999", None),
        ("2\\4", None),
        ("", None),
    ],
)
def test_meters(text, meter):
    assert parse_meter(text) == meter


@pytest.mark.parametrize(
    "text",
    ["999999999/4", "257/1", "4+9999/4", "9/" + "0" * 5000, "1/2%9999", "9" * 5000 + "/3"],
)
def test_meters_beyond_any_bar_are_refused(text):
    with pytest.raises(ReadError, match=r": a meter of over 1,024 quarters; \w"):
        song(f"**kern\n*M{text}\n4c\n*-\n")


@pytest.mark.parametrize(
    ("text", "tempo"),
    [
        ("120", (False, 120)),
        ("66.5", (False, 66.5)),
        ("60-72", (False, 66)),
        ("[Allegretto]", (True, 108)),
        ("[quasi Allegro]", None),
        ("5", None),
        ("900", None),
        ("Allegro", None),
    ],
)
def test_tempos(text, tempo):
    assert parse_tempo(text) == tempo


def test_tempo_of_a_movement():
    assert parse_movement(" Allegro moderato.") == (True, 128)
    assert parse_movement("M. M. [half-dot] = 40.") == (True, 120)
    assert parse_movement("Più lento. [eighth] = 96") == (True, 48)
    assert parse_movement("Trio") is None


@pytest.mark.parametrize(
    ("token", "fifths"),
    [
        ("*k[]", 0),
        ("*k[f#c#]", 2),
        ("*k[b-e-a-]", -3),
        ("*k[bnenf#]", 1),
        ("*k[b-B-]", -1),
        ("*kcancel", None),
    ],
)
def test_key_signatures(token, fifths):
    assert parse_signature(token) == fifths


@pytest.mark.parametrize(
    ("token", "key"),
    [
        ("*G:", (1, False)),
        ("*a:", (0, True)),
        ("*f#:", (3, True)),
        ("*E-:", (-3, False)),
        ("*d:dor", (0, False)),
        ("*D:min", (-1, True)),
        ("*F:lyd", (0, False)),
        ("*g:aeo", (-2, True)),
        ("*d:dor-plag", (0, False)),
        ("*I:", None),
        ("*custos:c", None),
    ],
)
def test_keys(token, key):
    assert parse_key(token) == key


def test_key_has_the_fifths_of_its_signature():
    score = read("*k[b-]", "*d:", "=1", "4d", "*k[]", "4e", "*G:", "4g")
    assert score.parts[0].keys == [
        ((0, 0), (-1, True)),
        ((0, 1), (0, False)),
        ((0, 2), (1, False)),
    ]


def test_tempo_marks_and_movement():
    text = kern("*MM90", "4c", "!!!OMD: Allegro", "4d")
    score = read_humdrum("!!!OMD: Presto\n" + text)
    assert song("!!!OMD: Presto\n" + text).tempo.qpm.round().tolist() == [90, 132]
    assert score.parts[0].tempo_marks[-1] == ((0, 1), True, 132.0)
    assert song("!!!OMD: Presto\n" + kern("4c")).tempo.qpm.round().tolist() == [184]


def test_instruments_names_and_order():
    score = read(
        "*Icello  *Iflt  *Itenor&Ibass  *Ixyz  *ICvox  *",
        '*I"  *I"[Flauto  I]  *  *I"Geige  *  *',
        "4C  4c  4d  4e  4f  4g",
    )
    assert score.warnings == ["lines with too few or too many tokens, dropped: 1"]
    score = read(
        "*Icello  *Iflt  *Itenor&Ibass  *Ixyz  *ICvox  *",
        '*  *I"[Flauto I]  *  *I"Geige  *  *',
        "4C  4c  4d  4e  4f  4g",
    )
    assert [(part.name, part.program) for part in score.parts] == [
        ("", None),
        ("", 53),
        ("Geige", 40),
        ("Tenor", 53),
        ("Flauto I", 73),
        ("Violoncello", 42),
    ]


def test_instrument_table():
    assert INSTRUMENTS["piano"] == ("Piano", 0, None)
    assert INSTRUMENTS["forte"].program == 0
    assert INSTRUMENTS["sdrum"].drum_key == 38
    assert len(INSTRUMENTS) > 100


def test_staves_of_one_instrument():
    text = kern("*part2  *part1  *part1", "*  *  *Iforte", "4C  4c  4e")
    score = read_humdrum(text)
    assert [(p.group, p.program) for p in score.parts] == [
        ("part1", 0),
        ("part1", 0),
        ("part2", None),
    ]
    assert [len(part) for part in song(text).parts] == [2, 1]


def test_drums_without_pitch():
    [part] = song(kern("*Isdrum", "4R", "4c")).parts
    assert part.is_drum and part.pitch.tolist() == [38, 38]
    assert read("4R", "4c").warnings == ["notes without a pitch, dropped: 1"]


def test_transposing_instruments_and_octave_signs_sound_as_written():
    score = read("*ITrd-1c-2  *8va", "4c  4cc", "*  *X8va", "*Trd1c2  *", "4d  4dd")
    assert [n.pitch for n in score.parts[1].notes[0]] == [60, 62]
    assert [n.pitch for n in score.parts[0].notes[0]] == [72, 74]


def test_percussion_clef_has_keys_by_name_or_position():
    score = read("*clefX", "4e", "4b", "4R", "4cc")
    assert score.parts[0].is_drum
    assert [n.pitch for n in score.parts[0].notes[0]] == [35, 45, 38, 38]
    assert score.warnings == ["drum notes without a known MIDI key, read as snare: 1"]
    named = read('*I"Triangle', "*clefX", "4b", "4R")
    assert [n.pitch for n in named.parts[0].notes[0]] == [81, 81]
    assert [n.pitch for n in read('*I"Snare Drum', "4R").parts[0].notes[0]] == [38]
    pitched = read("*Itimpa", "*clefX", "4G", "*clefG2", "4c").parts[0]
    assert (pitched.is_drum, [n.pitch for n in pitched.notes[0]]) == (False, [55, 60])


def test_an_ossia_is_not_played():
    score = read("*^", "*  *ossia", "2c  2g", "*  *Xossia", "2d  2a")
    assert line(score) == [[(0, 2, 60), (2, 2, 62), (2, 2, 69)]]
    assert score.warnings == ["notes of an ossia, not played: 1"]


def test_layout_texts():
    text = kern("!LO:TX:a:t=[quarter] = 80", "1d", "!LO:TX:t=Swing", "!LO:TX:t=D.C. al Fine", "1e")
    score = read_humdrum(text)
    assert score.parts[0].tempo_marks == [((0, 0), True, 80)]
    assert score.swing is not None and str(score.swing) == "2:1 in eighths"
    assert score.warnings == ["jumps in words, not played: 1"]


def test_a_change_of_instrument_is_told():
    score = read("*Iflt", "4c", "*Iflt", "4d", "*Ipicco", "4e")
    assert score.warnings == ["changes of instrument, not played: 1"]


def test_several_tabs_and_extended_kern():
    text = "**ekern_1.0\t\t**ekern_1.0\n4@c@#\t\t4\u00b7e\u00b7L\t\n*-\t*-\n"
    score = read_humdrum(text)
    assert (line(score), line(score, 1)) == ([[(0, 1, 64)]], [[(0, 1, 61)]])
    assert score.warnings == []


def test_dynamics_belong_to_their_staff():
    text = kern("*staff2  *staff1  *staff2", "4C  4c  f", "4D  4d  .", "4E  4e  pX<").replace(
        "**kern\t**kern\t**kern", "**kern\t**kern\t**dynam"
    )
    score = read_humdrum(text)
    assert score.parts[1].dynamics == [((0, 0), "f"), ((0, 2), "p")]
    assert score.parts[0].dynamics == []
    score = read_humdrum(text.replace("*staff2\n", "*\n"))
    assert score.parts[0].dynamics == [((0, 0), "f"), ((0, 2), "p")]
    score = read_humdrum(text.replace("*staff2\n", "*staff1/2\n"))
    assert [len(part.dynamics) for part in score.parts] == [2, 2]


def test_ties_over_bar_lines_are_joined():
    [part] = song(kern("[1c", "=", "1c_", "=", "4c]", "2.d")).parts
    assert (part.duration_ticks // 480).tolist() == [9, 3]


# -- repeats and sections -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("4c", "=:|!", "4d"), [60, 60, 62]),
        (("4c", "=2!|:", "4d", "=:|!|:", "4e", "=:|!"), [60, 62, 62, 64, 64]),
        (("=1!|:", "4c", "=2:|!;", "4d", "=3", "=4|!:", "4e", "=:|!-"), [60, 60, 62, 64, 64]),
        (("=|:", "4c", "=:||:", "4d", "==:|!"), [60, 60, 62, 62]),
        (("4c", "=:!:", "4d", "=:|", "4e"), [60, 60, 62, 62, 64]),
        (("4c", "=2||", "4d", "=3|!", "4e", "=="), [60, 62, 64]),
    ],
)
def test_repeat_bar_lines(lines, expected):
    assert played(*lines) == expected


def test_expansion_list_replaces_repeat_signs():
    lines = ("*>[A,A1,A,A2]", "*>norep[A,A2]", "*>A", "4c", "*>A1", "=2", "4d", "=3:|!", "*>A2")
    assert played(*lines, "4e") == [60, 62, 60, 64]


def test_label_within_a_measure_divides_it():
    lines = ("*>[A,A,B]", "=1", "*>A", "4c", "4d", "*>B", "4e", "=2", "4f")
    score = read(*lines)
    assert lengths(score) == [2, 1, 1]
    assert [sign.section for sign in score.signs] == ["A", "B", ""]
    assert played(*lines) == [60, 62, 60, 62, 64, 65]


def test_label_while_a_note_sounds_is_of_the_next_measure():
    score = read("*>[A,B]  *", "*>A  *", "2C  4c", "*>B  *", ".  4d", "=  =", "4D  4d")
    assert [sign.section for sign in score.signs] == ["A", "B"]


@pytest.mark.parametrize("order", ["[A,Z]", "[A,A,B]"])
def test_invalid_expansion_list_leaves_the_repeat_signs(order):
    lines = (f"*>{order}", "*>A", "4c", "=:|!", "*>A", "4d")
    assert played(*lines) == [60, 60, 62]
    assert read(*lines).warnings == ["expansion list that does not fit the sections, ignored"]


def test_labels_without_a_list_say_nothing():
    assert lengths(read("*>A", "4c", "*>B", "4d")) == [2]


# -- files ----------------------------------------------------------------------------------------


def test_first_of_several_pieces():
    two = "!!!!SEGMENT: a\n" + kern("4c") + "!!!!SEGMENT: b\n" + kern("4d", "4e")
    for text in (two, kern("4c") + kern("4d", "4e")):
        score = read_humdrum(text)
        assert line(score) == [[(0, 1, 60)]]
        assert "only the first is read" in score.warnings[0]
    assert read_humdrum("!!!!SEGMENT: a\n!!!COM: b\n" + kern("4c")).warnings == []


def test_windows_line_ends_and_blank_lines():
    text = kern("4c", "4d").replace("\n", "\r\n\r\n")
    assert line(read_humdrum(text)) == [[(0, 1, 60), (1, 1, 62)]]


def test_lines_with_a_wrong_number_of_tokens():
    score = read("4C  4c", "4D", "4E  4e  4g", "4F  4f")
    assert line(score) == [[(0, 1, 60), (1, 1, 65)]]
    assert score.warnings == ["lines with too few or too many tokens, dropped: 2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\t".join(["**kern"] * 5000) + "\n", "spines"),
        ("\t".join(["**kern"] * 11) + "\n", "staves"),
        ("**kern\n" + "4c\n=\n" * 101, "measures"),
        ("**kern\n" + "4c 4e 4g\n" * 34, "notes"),
        ("**kern\t**dynam\n" + "4c\tf p f p\n" * 26, "dynamics"),
        ("**kern\n4c" + "x" * (5 << 20), "MiB"),
        ("**kern\n=\n" + "".join(f"{n}c\n" for n in range(1001, 1400, 2)), "tuplets"),
    ],
)
def test_limits(text, reason, monkeypatch):
    for name in ("MAX_SCORE_MEASURES", "MAX_SCORE_NOTES", "MAX_CHANGES"):
        monkeypatch.setattr(f"musicvae.io.notation.humdrum.measures.{name}", 100)
    monkeypatch.setattr("musicvae.io.notation.humdrum.reader.MAX_SCORE_PARTS", 10)
    with pytest.raises((ReadError, UnsupportedScoreError), match=reason):
        read_humdrum(text)


def test_splitting_spines_are_limited():
    rows = ["**kern"]
    rows += ["\t".join(["*^"] * 2**i) for i in range(11)]
    with pytest.raises(UnsupportedScoreError, match="spines"):
        read_humdrum("\n".join(rows))


def test_measure_of_any_length_is_refused_in_one_line():
    with pytest.raises(ReadError, match="a measure of"):
        song("**kern\n=1\n" + "00c\n" * 100 + "=2\n")
    assert len(song("**kern\n" + "00c\n" * 100).parts[0]) == 100


_TOKENS = (
    "4c 8d 2.e [4f 4f] 12g 20a . 4r 8qb zz *^ *v *- *x *+ **kern **dynam * = =2:|! =!|: f p *M3/4 "
    "*M4 *MM60 *k[f#] *>A *>[A,A] ! *staff1 *part1 *Iflt 00c 3%2d 99999999c"
)


@given(st.lists(st.lists(st.sampled_from(_TOKENS.split()), min_size=1, max_size=4), max_size=12))
def test_any_text_is_read_or_refused(rows):
    text = "**kern\t**kern\n" + "\n".join("\t".join(row) for row in rows)
    try:
        reader.read_bytes(text.encode(), "a.krn", ReadOptions(repeats=True))
    except ReadError as error:
        assert str(error)


@given(st.lists(st.sampled_from((1, 2, 3, 4, 6, 8, 12, 20)), min_size=1, max_size=24))
def test_voices_keep_their_own_rhythm(recips):
    beats, lines, time = [], [], Fraction(0)
    for recip in recips:
        beats.append(time)
        lines.append((time, f"{recip}c"))
        time += Fraction(4, recip)
    quarters = [Fraction(i) for i in range(int(time) + 1)]
    upper = dict(lines)
    rows = [
        f"{'4C' if at in quarters else '.'}  {upper.get(at, '.')}"
        for at in sorted({*beats, *quarters})
        if at < time
    ]
    score = read("=1  =1", *rows)
    assert [note.onset for note in score.parts[0].notes[0]] == beats
    assert [note.onset for note in score.parts[1].notes[0]] == [q for q in quarters if q < time]
    assert score.warnings == []
