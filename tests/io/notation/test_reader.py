"""Score reader: notes, bars, parts and marks of MusicXML, ABC and Humdrum."""

from __future__ import annotations

from fractions import Fraction

import pytest

from musicvae.io import midi
from musicvae.io.notation.dynamics import DynamicsMap, parse_tempo_text
from musicvae.representation.bars import Bars
from support.scores import (
    KERN,
    PIANO,
    back,
    bars,
    document,
    dynamic,
    entry,
    meters,
    metronome,
    note,
    notes,
    part,
    plays,
    read,
    tie,
    time,
    words,
)

# -- bars and notes of MusicXML -------------------------------------------------------------------


def test_pickup_and_tie_over_bar_line():
    content = document(
        part(
            note("G4"),
            note("C5", 6) + note("D5", 2, tie("start")),
            note("D5", 2, tie("stop", "start")) + note("D5", 2, tie("stop")) + note("r", 4),
        )
    )
    reading = read(content)
    song = reading.song
    assert (reading.kind, reading.warnings) == ("MusicXML", ())
    assert bars(song) == [0, 1, 5]
    assert notes(song) == [(0, 1, 67), (1, 3, 72), (4, 3, 74)]
    assert song.end_ticks == 9 * song.ticks_per_quarter
    grid = Bars.from_song(song).grid
    assert (grid.lead_steps.tolist(), grid.steps.tolist()) == ([72, 0, 0], [96, 96, 96])
    assert midi.from_bytes(midi.to_bytes(song)) == song


def test_whole_rest_does_not_extend_a_pickup():
    rest = '<note><rest measure="yes"/><duration>{}</duration></note>'
    upper = part(note("G4"), note("C5", 8))
    for length in (2, 8):
        lower = part(rest.format(length), note("C3", 8))
        assert bars(read(document(upper, lower)).song) == [0, 1]
        assert notes(read(document(upper, lower)).song, 1) == [(1, 4, 48)]


def test_short_measures_keep_their_length():
    halves = part(note("C4", 4), note("r", 4), note("D4", 8))
    song = read(document(halves)).song
    assert bars(song) == [0, 2, 4]
    assert meters(song) == ["2/4", "4/4"]


def test_forward_at_the_end_counts_for_measure_length():
    skip = "<forward><duration>4</duration></forward>"
    assert bars(read(document(part(note("C4", 4) + skip, note("D4", 8)))).song) == [0, 4]


def test_marks_do_not_extend_a_measure():
    mark = "<direction><direction-type><dynamics><p/></dynamics></direction-type>"
    late = note("C4", 8) + mark + "<offset>3</offset></direction>"
    assert bars(read(document(part(late, note("D4", 8)))).song) == [0, 4]


def test_meter_changes_and_invalid_meters():
    content = document(
        part(
            note("C4", 8),
            f"<attributes>{time(3, 4)}</attributes>" + note("D4", 6),
            f"<attributes>{time('3+2', 8)}</attributes>" + note("E4", 5),
            f"<attributes>{time(0, 7)}</attributes>" + note("F4", 5),
        )
    )
    reading = read(content)
    assert bars(reading.song) == [0, 4, 7, Fraction(19, 2)]
    assert meters(reading.song) == ["4/4", "3/4", "5/8"]
    assert reading.warnings == ("invalid time signatures dropped: 1",)


def test_voices_chords_tuplets_and_backups():
    triplet = "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes>"
    content = document(
        [
            "<attributes><divisions>6</divisions>"
            + time(2, 4)
            + "</attributes>"
            + note("C5", 2, triplet + "</time-modification>")
            + note("D5", 2)
            + note("E5", 2)
            + note("F5", 6)
            + note("A5", 3, "<chord/>")
            + back(12)
            + note("C4", 12, voice=2)
        ]
    )
    third = 1 / 3
    found = notes(read(content).song)
    assert found == [
        (0, 2, 60),
        (0, pytest.approx(third), 72),
        (pytest.approx(third), pytest.approx(third), 74),
        (pytest.approx(2 * third), pytest.approx(third), 76),
        (1, 1, 77),
        (1, 0.5, 81),
    ]


def test_ties_of_two_voices_on_one_pitch():
    content = document(
        part(
            note("C4", 8, tie("start")) + back(8) + note("C4", 8, tie("start"), voice=2),
            note("C4", 4, tie("stop")) + back(4) + note("C4", 8, tie("stop"), voice=2),
        )
    )
    reading = read(content)
    assert notes(reading.song) == [(0, 8, 60)]
    assert reading.warnings == ("notes that overlap on one pitch, joined or cut: 1",)


def test_grace_and_cue_notes_are_dropped_and_counted():
    cue = note("C6", 4, "<cue/>") + note("E4", 4, "<chord/>")
    content = document(
        part(note("D5", 0) + note("C5", 4) + note("G5", 2, "<cue/>") + note("r"), cue)
    )
    reading = read(content)
    assert notes(reading.song) == [(0, 2, 72), (4, 2, 64)]
    assert reading.warnings == (
        "cue notes dropped: 2",
        "grace notes dropped: 1",
    )
    assert bars(reading.song) == [0, 4]


# -- repeats --------------------------------------------------------------------------------------


def barline(side: str, inside: str) -> str:
    return f'<barline location="{side}">{inside}</barline>'


REPEATED = part(
    note("C4", 8),
    barline("left", '<ending number="1" type="start"/>') + note("D4", 8, tie("start"))
    + barline("right", '<ending number="1" type="stop"/><repeat direction="backward"/>'),
    barline("left", '<ending number="2" type="start"/>') + note("D4", 8)
    + barline("right", '<ending number="2" type="stop"/>'),
)  # fmt: skip


def test_repeats_are_expanded_on_request():
    assert notes(read(document(REPEATED)).song) == [(0, 4, 60), (4, 4, 62), (8, 4, 62)]
    played = read(document(REPEATED, part(*[note("C3", 8)] * 3)), repeats=True)
    assert notes(played.song) == [(0, 4, 60), (4, 4, 62), (8, 4, 60), (12, 4, 62)]
    assert notes(played.song, 1) == [(4 * i, 4, 48) for i in range(4)]
    assert bars(played.song) == [0, 4, 8, 12]


def test_jumps_restore_tempo_and_meter():
    content = document(
        part(
            metronome("quarter", 60) + note("C4", 8),
            f"<attributes>{time(3, 4)}</attributes>" + metronome("quarter", 90) + note("D4", 6)
            + words("D.C."),
        )
    )  # fmt: skip
    song = read(content, repeats=True).song
    assert bars(song) == [0, 4, 7, 11]
    assert [round(q) for q in song.tempo.qpm] == [60, 90, 60, 90]
    assert meters(song) == ["4/4", "3/4", "4/4", "3/4"]


def test_da_capo_al_fine():
    measures = [note(p, 8) for p in ("C4", "D4", "E4", "F4")]
    measures[1] += words("Fine")
    measures[3] += words("D.C. al Fine")
    song = read(document(part(*measures)), repeats=True).song
    assert [pitch for _, _, pitch in notes(song)] == [60, 62, 64, 65, 60, 62]


def test_invalid_repeats_are_ignored_with_a_warning():
    content = document(part(note("C4", 8), note("D4", 8), note("E4", 8) + words("D.S. al Fine")))
    reading = read(content, repeats=True)
    assert len(reading.song.parts[0]) == 3
    assert len(reading.warnings) == 1
    assert reading.warnings[0].startswith("repeats ignored (dal segno without a segno)")


# -- parts ----------------------------------------------------------------------------------------


def test_names_and_programs():
    parts = [part(note("C4", 8)) for _ in range(3)]
    entries = [entry("Solo", plays(41)), entry("Violoncello"), entry("Nothing Known")]
    song = read(document(*parts, entries=entries)).song
    assert [(p.name, p.program) for p in song.parts] == [
        ("Solo", 40),
        ("Violoncello", 42),
        ("Nothing Known", 0),
    ]


def test_transposing_instruments_are_read_at_sounding_pitch():
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    signs = "<key><fifths>2</fifths><mode>major</mode></key>" + time(4, 4)
    song = read(document(part(note("D5", 8), attributes=signs + clarinet))).song
    assert notes(song) == [(0, 4, 72)]
    assert (song.key.fifths.tolist(), song.key.minor.tolist()) == ([0], [0])
    bass = "<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>"
    song = read(document(part(note("E3", 8), attributes=signs + bass))).song
    assert notes(song) == [(0, 4, 40)]
    assert song.key.fifths.tolist() == [2]


def test_staves_of_a_piano_are_merged_on_request():
    one = read(PIANO).song
    assert [(p.name, p.program) for p in one.parts] == [("Piano", 0)]
    assert notes(one) == [(0, 8, 48), (0, 4, 72), (4, 4, 74)]
    two = read(PIANO, merge=False).song
    assert [p.name for p in two.parts] == ["Piano", "Piano"]
    assert notes(two, 0) == [(0, 4, 72), (4, 4, 74)]
    assert notes(two, 1) == [(0, 8, 48)]
    assert set(two.parts[1].velocity.tolist()) == {49}


def hit(step: str, octave: int, instrument: str = "") -> str:
    which = f'<instrument id="{instrument}"/>' if instrument else ""
    place = f"<display-step>{step}</display-step><display-octave>{octave}</display-octave>"
    return f"<note><unpitched>{place}</unpitched><duration>2</duration>{which}</note>"


def test_percussion_keys_by_instrument_or_staff_position():
    drums = "".join(
        f'<midi-instrument id="{name}"><midi-channel>10</midi-channel>'
        f"<midi-unpitched>{key}</midi-unpitched></midi-instrument>"
        for name, key in (("kick", 37), ("hat", 43))
    )
    drum_part = part(hit("F", 4, "kick") + hit("G", 5, "hat") + hit("C", 5) + hit("C", 2))
    reading = read(
        document(drum_part, part(note("C4", 8)), entries=[entry("Kit", drums), entry("Flute")])
    )
    kit, flute = reading.song.parts
    assert (kit.is_drum, kit.program, flute.is_drum) == (True, 0, False)
    assert kit.pitch.tolist() == [36, 42, 38, 38]
    assert reading.warnings == ("drum notes without a known MIDI key, read as snare: 1",)
    alone = part(hit("E", 4) + hit("E", 4))
    triangle = '<midi-instrument id="t"><midi-unpitched>82</midi-unpitched></midi-instrument>'
    song = read(document(alone, entries=[entry("Triangle", triangle)])).song
    assert song.parts[0].pitch.tolist() == [81, 81]


def test_parts_with_different_measure_lengths():
    upper = part(note("C5", 8), note("D5", 6), note("E5", 8))
    lower = part(note("C3", 8), note("D3", 8), note("E3", 8))
    reading = read(document(upper, lower))
    assert bars(reading.song) == [0, 4, 8]
    assert notes(reading.song) == [(0, 4, 72), (4, 3, 74), (8, 4, 76)]
    assert reading.warnings == (
        "measures of different length in different parts, read as the longest: 1 "
        "(first: measure 2)",
    )
    shorter = read(document(part(note("C5", 8)), lower))
    assert bars(shorter.song) == [0, 4, 8]
    assert shorter.warnings == ()


def test_parts_with_different_bar_lines():
    threes = part(*[note("C5", 6)] * 4, attributes=time(3, 4))
    fours = part(*[note("C3", 8)] * 3)
    reading = read(document(fours, threes))
    assert bars(reading.song) == [0, 3, 6, 9]
    assert notes(reading.song) == [(0, 4, 48), (4, 4, 48), (8, 4, 48)]
    assert "different bar lines" in reading.warnings[0]


def test_rounded_measure_lengths_and_ties():
    measure = "".join(note("C4", n) for n in (85, 85, 85)) + note("D4", 765, tie("start"))
    first = "<attributes><divisions>256</divisions>" + time(4, 4) + "</attributes>" + measure
    song = read(document([first, note("D4", 1024, tie("stop"))])).song
    assert bars(song) == [0, 4]
    assert notes(song)[-1][2] == 62
    assert notes(song)[-1][0] + notes(song)[-1][1] == 8


def test_parts_without_notes_are_dropped_with_a_warning():
    reading = read(document(part(note("C4", 8)), part(note("r", 8))))
    assert len(reading.song.parts) == 1
    assert reading.warnings == ("parts without notes, dropped: Part 2",)


# -- tempo, dynamics, key -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marks", "qpm"),
    [
        (metronome("half", 56), 112),
        (metronome("quarter", "ca. 84-90"), 84),
        (words("Allegro"), 132),
        (words("Sehr langsam."), 56),
        (words("Adagio", '<sound tempo="50"/>'), 50),
        (words("Adagio") + metronome("quarter", 66), 66),
        (metronome("quarter", 66) + words("Adagio"), 66),
        (words("dolce"), 120),
        ("", 120),
    ],
)
def test_tempo(marks: str, qpm: int):
    song = read(document(part(marks + note("C4", 8), note("D4", 8)))).song
    assert [round(value) for value in song.tempo.qpm] == [qpm]


def test_parse_tempo_text():
    assert parse_tempo_text("Molto adagio") == 40
    assert parse_tempo_text("Un poco Andante con moto") == 72
    assert parse_tempo_text("poco più lento") is None
    assert parse_tempo_text("a tempo") is None


def test_tempo_changes_of_all_parts():
    one = part(metronome("quarter", 60) + note("C4", 8), note("C4", 8), note("C4", 8))
    two = part(note("C3", 8), note("C3", 8), metronome("quarter", 80) + note("C3", 8))
    song = read(document(one, two)).song
    assert [round(q) for q in song.tempo.qpm] == [60, 80]
    assert (song.tempo.ticks / song.ticks_per_quarter).tolist() == [0, 8]


def test_dynamics_are_velocities():
    measures = (
        note("C4", 2) + dynamic("pp") + note("D4", 2) + dynamic("sfz") + note("E4", 2)
        + note("F4", 2),
        dynamic("ff") + note("G4", 4) + dynamic("fp") + note("A4", 2)
        + note("B4", 2).replace("<note>", '<note dynamics="50">'),
    )  # fmt: skip
    song = read(document(part(*measures), part(*[note("C3", 8)] * 2))).song
    assert song.parts[0].velocity.tolist() == [80, 33, 104, 33, 112, 126, 45]
    assert song.parts[1].velocity.tolist() == [80, 80]


def test_louder_marks_give_louder_notes():
    names = ("pppp", "ppp", "pp", "p", "mp", "mf", "f", "ff", "fff", "ffff")
    place = (0, Fraction(0))
    levels = [DynamicsMap([(place, name)]).velocity_at(place, 0)[0] for name in names]
    assert levels == sorted(levels)
    assert len(set(levels)) == 8


def test_key_signatures():
    signs = "<key><fifths>-3</fifths><mode>minor</mode></key>" + time(4, 4)
    later = "<attributes><key><fifths>1</fifths></key></attributes>"
    key = read(document(part(note("C4", 8), later + note("D4", 8), attributes=signs))).song.key
    assert (key.fifths.tolist(), key.minor.tolist()) == ([-3, 1], [1, 0])


# -- ABC ------------------------------------------------------------------------------------------


def test_an_abc_tune():
    reading = read("X:1\nT:A\nM:3/4\nL:1/4\nQ:1/4=100\nK:D\nA|FGA-|A2z|{g}f3|]\n", "tune")
    song = reading.song
    assert (reading.kind, reading.warnings) == ("ABC", ("grace notes dropped: 1",))
    assert bars(song) == [0, 1, 4, 7]
    assert notes(song) == [(0, 1, 69), (1, 1, 66), (2, 1, 67), (3, 3, 69), (7, 3, 78)]
    assert (round(song.tempo.qpm[0]), song.key.fifths.tolist()) == (100, [2])


def test_abc_repeats():
    text = "X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc:|\n"
    assert bars(read(text).song) == [0, 4]
    assert bars(read(text, repeats=True).song) == [0, 4, 8, 12]


def test_interleaved_abc_voices_are_parts():
    text = (
        'X:1\nM:4/4\nL:1/4\n%%MIDI program 40\nV:1 name="Violin"\nV:2\nK:C\n'
        "[V:1] CDEF|GABc|\n[V:2] C4|G,4|\n%\n[V:1] c4|\n[V:2] C,4|\n"
    )
    song = read(text).song
    assert [(p.name, p.program) for p in song.parts] == [("Violin", 40), ("Voice 2", 40)]
    assert bars(song) == [0, 4, 8]
    assert notes(song, 1) == [(0, 4, 60), (4, 4, 55), (8, 4, 48)]


def test_first_tune_of_a_book_is_read():
    text = "% a book\nM:4/4\nL:1/4\n\nX:1\nK:C\nC4|D4|\n\nX:2\nK:C\nE4|F4|\n"
    reading = read(text)
    assert notes(reading.song) == [(0, 4, 60), (4, 4, 62)]
    assert reading.warnings == ("a book of 2 tunes, the first is read; choose others by #number",)


def test_abc_without_bar_lines():
    song = read("X:1\nM:4/4\nL:1/4\nK:C\nCDEFGAB\n").song
    assert bars(song) == [0, 4]
    assert len(song.parts[0]) == 7


# -- Humdrum --------------------------------------------------------------------------------------


def test_humdrum():
    reading = read(KERN)
    song = reading.song
    assert (reading.kind, reading.warnings) == ("Humdrum", ("grace notes dropped: 1",))
    assert bars(song) == [0, 1, 4]
    assert [p.program for p in song.parts] == [40, 42]
    assert notes(song, 1) == [(0, 1, 55), (1, 3, 55), (5, 1, 57), (6, 1, 59)]
    assert notes(song, 0) == [(0, 1, 74), (1, 5, 71), (1, 3, 74), (6, 1, 81)]
    assert round(song.tempo.qpm[0]) == 90


def test_humdrum_staves_of_one_instrument():
    text = KERN.replace("*Icello\t*Ivioln", "*part1\t*part1")
    assert len(read(text).song.parts) == 1
    assert len(read(text, merge=False).song.parts) == 2


def test_unreadable_humdrum_tokens_are_counted():
    reading = read(KERN.replace("4A\t.", "zz\t."))
    assert "tokens that cannot be read, dropped: 1" in reading.warnings
