"""MusicXML reader: signs, instruments and durations of the standard, from small documents."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae.errors import ReadError
from musicvae.io.notation.instruments import program_of_name
from musicvae.io.notation.musicxml import read_musicxml
from musicvae.io.notation.percussion import drum_key_of_name
from musicvae.io.notation.score import RepeatSigns, Score, UnsupportedScoreError
from musicvae.swing import SIXTEENTHS, Swing
from support.scores import (
    back,
    bars,
    document,
    dynamic,
    entry,
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


def score(*measures: str, attributes: str = "", entries: list[str] | None = None) -> Score:
    """Return the score of one part."""
    content = document(part(*measures, attributes=attributes), entries=entries)
    return read_musicxml(content, "a")


def tempos(*measures: str) -> list[tuple[float, int]]:
    """Return (quarter, QPM) of each tempo of a part."""
    song = read(document(part(*measures))).song
    ticks = (song.tempo.ticks / song.ticks_per_quarter).tolist()
    return list(zip(ticks, [round(q) for q in song.tempo.qpm], strict=True))


def typed(pitch: str, kind: str, *more: str) -> str:
    """Return a note with a note type and no duration."""
    return note(pitch, 2).replace(
        "<duration>2</duration>", f"<type>{kind}</type>{''.join(more)}", 1
    )


def unpitched(step: str = "E", octave: int = 4, instrument: str = "") -> str:
    """Return an unpitched quarter note."""
    which = f'<instrument id="{instrument}"/>' if instrument else ""
    place = f"<display-step>{step}</display-step><display-octave>{octave}</display-octave>"
    return f"<note><unpitched>{place}</unpitched><duration>2</duration>{which}</note>"


def barline(location: str, content: str) -> str:
    """Return a bar line."""
    return f'<barline location="{location}">{content}</barline>'


def sound(attributes: str, content: str = "") -> str:
    """Return a sound."""
    return f"<sound {attributes}>{content}</sound>"


def style(content: str) -> str:
    """Return attributes with a measure style."""
    return f"<attributes><measure-style>{content}</measure-style></attributes>"


# -- durations and ties ---------------------------------------------------------------------------


def test_durations_from_note_types():
    triplet = "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes>"
    content = (
        typed("C4", "quarter", "<dot/>")
        + typed("D4", "eighth")
        + typed("E4", "quarter", triplet + "</time-modification>") * 3
    )
    lengths = [n.duration for n in score(content).parts[0].notes[0]]
    assert lengths == [Fraction(3, 2), Fraction(1, 2)] + [Fraction(2, 3)] * 3


def test_notes_without_any_duration_are_counted():
    reading = score(note("C4", 8) + note("D4", 2).replace("<duration>2</duration>", ""))
    assert len(reading.parts[0].notes[0]) == 1
    assert reading.warnings == ["notes without a duration, dropped: 1"]


def test_divisions_may_change_within_a_measure():
    change = "<attributes><divisions>6</divisions></attributes>"
    found = score(note("C4", 4) + change + note("D4", 6) + note("E4", 6)).parts[0]
    assert [(n.onset, n.duration) for n in found.notes[0]] == [(0, 2), (2, 1), (3, 1)]
    assert found.measure_lengths == [4]


def test_decimal_divisions_and_durations():
    content = document(part(note("C4", 3) + note("D4", 3))).replace(
        b"<divisions>2<", b"<divisions>1.5<"
    )
    assert notes(read(content).song) == [(0, 2, 60), (2, 2, 62)]


@pytest.mark.parametrize("rest", ['<rest measure="yes"/>', "<rest/>"])
def test_a_lone_whole_rest_fills_its_measure(rest: str):
    whole = f"<note>{rest}<duration>8</duration><type>whole</type></note>"
    bare = f"<note>{rest}</note>"
    for silence in (whole, bare):
        content = document(part(note("C4", 6), silence, note("D4", 6), attributes=time(3, 4)))
        assert bars(read(content).song) == [0, 3, 6]
    long = document(part(note("C4", 12), note("r", 8), note("D4", 12), attributes=time(6, 4)))
    assert bars(read(long).song) == [0, 6, 12]


def test_a_measure_rest_of_another_meter_is_as_long_as_it_says():
    rest = '<note><rest measure="yes"/><duration>8</duration></note>'
    song = read(
        document(part(rest, note("C4", 8), attributes=time(12, 8)), part(*[note("C3", 8)] * 2))
    )
    assert bars(song.song) == [0, 4]


def test_ties_between_staves():
    content = document(
        part(
            note("C4", 8, tie("start"), staff=1) + back(8) + note("C3", 8, staff=2),
            note("E4", 8, staff=1) + back(8) + note("C4", 8, tie("stop"), staff=2),
            attributes="<staves>2</staves>",
        )
    )
    assert notes(read(content).song) == [(0, 4, 48), (0, 8, 60), (4, 4, 64)]


def test_a_last_measure_that_completes_a_pickup():
    skip = "<forward><duration>2</duration></forward>"
    content = document(part(note("C4", 2), note("D4", 8), note("E4", 6) + skip))
    assert read(content).song.end_ticks == 8 * 480
    content = document(part(note("C4", 8), note("D4", 8), note("E4", 6) + skip))
    assert read(content).song.end_ticks == 12 * 480


def test_ties_by_notations_alone():
    def tied(*kinds: str) -> str:
        return "<notations>" + "".join(f'<tied type="{k}"/>' for k in kinds) + "</notations>"

    measures = (
        note("C4", 8, tied("start")), note("C4", 8, tied("stop", "start")),
        note("C4", 8, tied("stop")), note("C4", 8, tied("let-ring")),
    )  # fmt: skip
    assert notes(read(document(part(*measures))).song) == [(0, 12, 60), (12, 4, 60)]


def test_cue_notes_are_silent_and_counted():
    song = read(document(part(note("C4", 4, "<cue/>") + note("D4", 4))))
    assert notes(song.song) == [(2, 2, 62)]
    assert song.warnings == ("cue notes dropped: 1",)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_notes_of_any_lengths(lengths: list[int], divisions: int):
    content = "".join(note("C4", n) if n else note("r", 1) for n in lengths)
    text = document(part(content)).replace(
        b"<divisions>2<", b"<divisions>" + str(divisions).encode() + b"<"
    )
    found = read_musicxml(text, "a").parts[0]
    position, expected = Fraction(0), []
    for length in lengths:
        duration = Fraction(length or 1, divisions)
        expected += [(position, duration)] if length else []
        position += duration
    assert [(n.onset, n.duration) for n in found.notes[0]] == expected
    alone = lengths == [0]
    assert alone or found.measure_lengths == [position]


# -- pitches --------------------------------------------------------------------------------------


def test_quarter_tones_are_rounded_up():
    def tone(alter: str) -> str:
        return note("C#4").replace("<alter>1<", f"<alter>{alter}<")

    reading = score("".join(tone(alter) for alter in ("0.5", "-0.5", "1.5", "2", "-1")))
    assert [n.pitch for n in reading.parts[0].notes[0]] == [61, 60, 62, 62, 59]
    assert reading.warnings == ["quarter tones, rounded up to semitones: 3"]


def test_pitches_outside_of_midi_are_moved_by_octaves():
    high, low = note("A9"), note("C0").replace("<octave>0<", "<octave>-2<")
    reading = score(high + low)
    assert [n.pitch for n in reading.parts[0].notes[0]] == [117, 0]
    assert reading.warnings == ["notes outside the range of MIDI, moved by octaves: 2"]


def test_a_part_doubled_at_the_octave():
    double = "<transpose><chromatic>0</chromatic><double/></transpose>"
    assert [n.pitch for n in score(note("C3", 8), attributes=double).parts[0].notes[0]] == [48, 36]


def test_staves_may_transpose_differently():
    lower = (
        '<staves>2</staves><transpose number="2"><chromatic>0</chromatic>'
        "<octave-change>-1</octave-change></transpose>"
    )
    content = note("C4", 8, staff=1) + back(8) + note("C4", 8, staff=2)
    assert [p.notes[0][0].pitch for p in score(content, attributes=lower).parts] == [60, 48]


# -- signs that stand for notes -------------------------------------------------------------------


def test_measure_repeats():
    one = style('<measure-repeat type="start">1</measure-repeat>')
    stop = style('<measure-repeat type="stop"/>')
    content = part(note("C4", 4) + note("E4", 4), one + note("r", 8), note("r", 8),
                   stop + note("F4", 8))  # fmt: skip
    found = notes(read(document(content)).song)
    assert [pitch for _, _, pitch in found] == [60, 64, 60, 64, 60, 64, 65]
    two = style('<measure-repeat type="start">2</measure-repeat>')
    content = part(note("C4", 8), note("D4", 8), two + note("r", 8), "", note("r", 8))
    assert [pitch for _, _, pitch in notes(read(document(content)).song)] == [60, 62, 60, 62, 60]


def test_measure_repeats_on_one_staff():
    sign = (
        '<attributes><measure-style number="2"><measure-repeat type="start">1</measure-repeat>'
        "</measure-style></attributes>"
    )
    first = note("C5", 8, staff=1) + back(8) + note("C3", 8, staff=2)
    second = sign + note("r", 8, staff=1) + back(8) + note("r", 8, staff=2)
    upper, lower = score(first, second, attributes="<staves>2</staves>").parts
    assert [len(measure) for measure in upper.notes] == [1, 0]
    assert [len(measure) for measure in lower.notes] == [1, 1]


def test_tremolos_are_told():
    mark = "<notations><ornaments><tremolo>3</tremolo></ornaments></notations>"
    assert score(note("C4", 8, mark)).warnings == ["notes with a tremolo, held: 1"]


def test_signs_that_are_not_played_are_told():
    measures = (
        style('<measure-repeat type="start">1</measure-repeat>') + note("r", 8),
        style('<measure-repeat type="stop"/><slash type="start"/>') + note("C4", 8),
        style('<beat-repeat type="start"/>') + words("Swing!") + note("C4", 8),
        sound("", "<swing><first>2</first><second>1</second></swing>") + note("C4", 8),
        sound("", "<swing><straight/></swing>") + note("C4", 8),
    )
    assert score(*measures).warnings == [
        "swing marks, played straight: 2",
        "slash notation, played as its notes are written: 1",
        "beat repeat signs, not played: 1",
        "measure repeat signs without measures before, not played: 1",
    ]


# -- tempo ----------------------------------------------------------------------------------------


def test_a_first_tempo_that_is_not_at_the_beginning():
    late = metronome("quarter", 60)
    assert tempos(note("C4", 8), late + note("D4", 8)) == [(0, 120), (4, 60)]
    offset = late.replace("</direction>", "<offset>4</offset></direction>")
    assert tempos(offset + note("C4", 8), note("D4", 8)) == [(0, 120), (2, 60)]
    beyond = late.replace("</direction>", "<offset>8</offset></direction>")
    assert tempos(beyond + note("C4", 8), note("D4", 8)) == [(0, 120), (4, 60)]
    one, two = part(note("C4", 8), note("C4", 8)), part(note("C3", 8), late + note("C3", 8))
    assert [round(q) for q in read(document(one, two)).song.tempo.qpm] == [120, 60]


def test_a_first_tempo_after_a_pickup_counts_for_the_pickup():
    late = metronome("quarter", 60)
    assert tempos(note("C4", 2), late + note("D4", 8)) == [(0, 60)]
    assert tempos(note("C4", 2), note("D4", 8), late + note("D4", 8)) == [(0, 120), (5, 60)]


def test_the_default_tempo_comes_back_with_a_repeat():
    again = barline("right", '<repeat direction="backward"/>')
    measures = (note("C4", 8), metronome("quarter", 60) + note("D4", 8) + again)
    song = read(document(part(*measures)), repeats=True).song
    assert [round(q) for q in song.tempo.qpm] == [120, 60, 120, 60]


@pytest.mark.parametrize(
    ("mark", "qpm"),
    [
        ("<beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>60</per-minute>", 90),
        ("<beat-unit>eighth</beat-unit><per-minute>c. 120,5 (or 130)</per-minute>", 60),
        ("<beat-unit>quarter</beat-unit><per-minute>fast</per-minute>", 120),
        ("<beat-unit>quarter</beat-unit><per-minute>99999</per-minute>", 120),
        ("<beat-unit>gnat</beat-unit><per-minute>60</per-minute>", 120),
    ],
)
def test_metronome_marks(mark: str, qpm: int):
    content = (
        f"<direction><direction-type><metronome>{mark}</metronome></direction-type></direction>"
    )
    assert tempos(content + note("C4", 8)) == [(0, qpm)]


def test_sounds_precede_marks_and_words():
    both = metronome("quarter", 60).replace("</direction>", '<sound tempo="62"/></direction>')
    assert tempos(both + note("C4", 8)) == [(0, 62)]
    assert tempos(sound('tempo="80"') + note("C4", 8)) == [(0, 80)]
    assert tempos(sound('tempo="80"', "<offset>4</offset>") + note("C4", 8)) == [(0, 120), (2, 80)]
    assert tempos(words("♩. = 60") + note("C4", 8)) == [(0, 90)]


def test_metric_modulations():
    equal = (
        "<direction><direction-type><metronome><beat-unit>quarter</beat-unit>"
        "<beat-unit>quarter</beat-unit><beat-unit-dot/></metronome></direction-type></direction>"
    )
    start = metronome("quarter", 80)
    assert tempos(start + note("C4", 8), equal + note("D4", 8)) == [(0, 80), (4, 120)]
    signs = (
        "<direction><direction-type><metronome><metronome-note><metronome-type>eighth"
        "</metronome-type></metronome-note><metronome-relation>equals</metronome-relation>"
        "<metronome-note><metronome-type>quarter</metronome-type></metronome-note></metronome>"
        "</direction-type></direction>"
    )
    one, two = (
        part(start + note("C4", 8), note("C4", 8)),
        part(note("C4", 8), signs + note("C4", 8)),
    )
    assert [round(q) for q in read(document(one, two)).song.tempo.qpm] == [80, 160]


def test_metric_modulations_of_tied_units():
    tied = "<beat-unit-tied><beat-unit>eighth</beat-unit></beat-unit-tied>"
    sign = (
        f"<direction><direction-type><metronome><beat-unit>quarter</beat-unit>{tied}"
        "<beat-unit>quarter</beat-unit></metronome></direction-type></direction>"
    )
    start = metronome("quarter", 60)
    assert tempos(start + note("C4", 8), sign + note("D4", 8)) == [(0, 60), (4, 40)]


@pytest.mark.parametrize(
    ("text", "qpm"), [("Tempo I", 60), ("Tempo primo.", 60), ("Doppio movimento", 180)]
)
def test_tempos_by_those_before(text: str, qpm: int):
    marks = (metronome("quarter", 60), metronome("quarter", 90), words(text))
    assert tempos(*(mark + note("C4", 8) for mark in marks)) == [(0, 60), (4, 90), (8, qpm)]


def test_an_offset_may_leave_the_sound_where_it_is():
    for kind, expected in (("no", [(0, 60)]), ("yes", [(0, 120), (2, 60)])):
        offset = f'<offset sound="{kind}">4</offset>'
        mark = words("x", offset, '<sound tempo="60,0"/>')
        assert tempos(mark + note("C4", 8)) == expected


@pytest.mark.parametrize("text", ["Swing", "Shuffle", "Triplet feel", "Swung eighths"])
def test_swing_in_words_is_played(text: str):
    found = score(words(text) + note("C4", 8))
    assert found.swing == Swing(2.0) and not found.warnings


def test_swing_of_sounds_has_ratio_and_unit():
    mark = "<swing><first>3</first><second>2</second><swing-type>16th</swing-type></swing>"
    found = score(words("Swing", "", f"<sound>{mark}</sound>") + note("C4", 8))
    assert found.swing == Swing(1.5, SIXTEENTHS) and not found.warnings
    late = score(note("C4", 8), note("C4", 8), words("Swing") + note("C4", 8))
    assert late.swing is None and late.warnings == ["swing marks, played straight: 1"]
    invalid = score(sound("", "<swing><first>0</first><second>5</second></swing>") + note("C4", 8))
    assert invalid.swing == Swing(2.0)


# -- dynamics -------------------------------------------------------------------------------------


def test_dynamics_of_sounds_and_notations():
    notation = "<notations><dynamics><ff/></dynamics></notations>"
    content = (
        sound('dynamics="54.44"') + note("C4", 2) + note("D4", 2, notation)
        + dynamic("p").replace("<p/>", "<other-dynamics>sffz</other-dynamics>") + note("E4", 2)
        + note("F4", 2)
    )  # fmt: skip
    assert read(document(part(content))).song.parts[0].velocity.tolist() == [49, 112, 126, 112]


def test_dynamics_between_staves_are_for_both():
    content = (
        dynamic("p") + note("C5", 4, staff=1) + dynamic("f") + note("D5", 4, staff=1) + back(8)
        + dynamic("pp").replace("</direction>", "<staff>2</staff></direction>")
        + note("C3", 4, staff=2) + note("D3", 4, staff=2)
    )  # fmt: skip
    song = read(document(part(content, attributes="<staves>2</staves>")), merge=False).song
    assert [p.velocity.tolist() for p in song.parts] == [[49, 96], [33, 96]]


def test_an_accent_leaves_the_level_to_the_other_staff():
    lower = dynamic("sf").replace("</direction>", "<staff>2</staff></direction>")
    content = (
        dynamic("f") + note("C5", 4, staff=1) + note("D5", 4, staff=1) + back(8)
        + lower + note("C3", 4, staff=2) + note("D3", 4, staff=2)
    )  # fmt: skip
    song = read(document(part(content, attributes="<staves>2</staves>")), merge=False).song
    assert [p.velocity.tolist() for p in song.parts] == [[96, 96], [120, 96]]


# -- keys and meters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "fifths"),
    [
        ("<fifths>-3</fifths>", -3),
        ("<fifths>9</fifths>", -3),
        ("<key-step>F</key-step><key-alter>1</key-alter>", 1),
        ("<key-step>E</key-step><key-alter>-1</key-alter>"
         "<key-step>B</key-step><key-alter>-1</key-alter>", -2),
    ],
)  # fmt: skip
def test_key_signatures(key: str, fifths: int):
    found = score(note("C4", 8), attributes=f"<key>{key}</key>")
    assert (found.parts[0].keys, found.warnings) == ([((0, 0), (fifths, False))], [])


def test_keys_that_are_not_of_the_circle_of_fifths_are_told():
    odd = "<key><key-step>G</key-step><key-alter>1</key-alter></key>"
    found = score(note("C4", 8), attributes=odd)
    assert found.parts[0].keys == []
    assert found.warnings == ["key signatures other than of the circle of fifths, dropped: 1"]


def test_keys_of_percussion_do_not_count():
    drums, flute = (
        part(unpitched(), attributes="<key><fifths>0</fifths></key>"),
        part(note("C4", 2), attributes="<key><fifths>2</fifths></key>"),
    )
    assert read(document(drums, flute)).song.key.fifths.tolist() == [2]


def test_meters_are_sums_of_their_parts():
    beats = "<beats>3</beats><beat-type>4</beat-type><beats>3</beats><beat-type>8</beat-type>"
    found = score(note("C4", 9), attributes=f"<time>{beats}</time>")
    assert found.parts[0].time_signatures == [(9, 8)]
    free = score(note("C4", 5), attributes="<time><senza-misura/></time>")
    assert (free.parts[0].time_signatures, free.warnings) == ([None], [])


# -- instruments ----------------------------------------------------------------------------------


def two_instruments(*programs: int) -> str:
    """Return the part-list entry of a part with several instruments."""
    return (
        "<part-name>Reed</part-name>"
        + "".join(
            f'<score-instrument id="I{i}"><instrument-name>Reed {i}</instrument-name>'
            f"</score-instrument>"
            for i in range(len(programs))
        )
        + "".join(
            f'<midi-instrument id="I{i}"><midi-program>{program}</midi-program></midi-instrument>'
            for i, program in enumerate(programs)
        )
    )


def test_instruments_of_a_part_by_note():
    flute, oboe = '<instrument id="I0"/>', '<instrument id="I1"/>'
    entries = [two_instruments(74, 69)]
    found = score(note("C5", 8, flute), note("D5", 8, oboe), note("E5", 8, flute), entries=entries)
    assert [(p.name, p.program) for p in found.parts] == [("Reed", 73), ("Reed 1", 68)]
    assert [[len(m) for m in p.notes] for p in found.parts] == [[1, 0, 1], [0, 1, 0]]
    assert found.parts[1].measure_lengths == [4, 4, 4]


def test_instruments_of_a_part_by_sound():
    change = '<midi-instrument id="I"><midi-program>{}</midi-program></midi-instrument>'
    first, second = entry("Violin", plays(41)), sound("", change.format(46))
    found = score(note("C5", 8), second + note("D5", 8), entries=[first])
    assert [p.program for p in found.parts] == [40, 45]
    other = sound("", '<instrument-change id="X"><instrument-sound>wind.flutes.flute'
                      "</instrument-sound></instrument-change>")  # fmt: skip
    found = score(note("C5", 8), other + note("D5", 8), entries=[first])
    assert [p.program for p in found.parts] == [40, 73]


def test_sounds_and_names_give_programs():
    named = (
        "<part-name>Solo</part-name><score-instrument id='I'><instrument-name>{}"
        "</instrument-name><instrument-sound>{}</instrument-sound></score-instrument>"
    )
    for name, known, program in (
        ("Klarinette in B", "", 71), ("X", "strings.violin", 40),
        ("X", "pluck.guitar.nylon-string", 24), ("X", "", None),
    ):  # fmt: skip
        found = score(note("C4", 8), entries=[named.format(name, known)])
        assert found.parts[0].program == program


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("Piano", 0), ("Klavier", 0), ("Fortepian", 0), ("Pianoforte", 0), ("Singstimme", 53),
        ("Chant", 53), ("Canto", 53), ("Głos", 53), ("Violine I", 40), ("Violon", 40),
        ("Violino 2", 40), ("Skrzypce", 40), ("Violins 2", 40), ("Bratsche\nViola", 41),
        ("Altówka", 41), ("Flöte", 73), ("Flûte", 73), ("Flauto", 73), ("Flet", 73),
        ("Horn in F", 60), ("Corno inglese", 69), ("Bass Clarinet in Bb", 71), ("Bass", 53),
        ("Basso\nCello", 42), ("Tenor Saxophone", 66), ("Acoustic Grand Piano", 0),
        ("French Horn", 60), ("Gunshot", 127), ("Nothing", None), ("", None),
    ],
)  # fmt: skip
def test_programs_of_names(name: str, program: int | None):
    assert program_of_name(name) == program


# -- percussion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Snare Drum", 38), ("Kleine Trommel", 38), ("Caisse claire", 38), ("Bass Drum", 36),
        ("Große Trommel", 36), ("Gran Cassa", 36), ("Triangle", 81), ("Trójkąt", 81),
        ("Tambourine", 54), ("Cymbals", 49), ("Becken", 49), ("Closed Hi-Hat", 42),
        ("Open Hi-hat", 46), ("Wood Blocks", 76), ("Drumset", None), ("Percussion", None),
    ],
)  # fmt: skip
def test_percussion_parts_by_name(name: str, key: int | None):
    assert drum_key_of_name(name) == key
    if key is not None:
        found = score(unpitched(), entries=[entry(name)]).parts[0]
        assert (found.is_drum, [n.pitch for n in found.notes[0]]) == (True, [key])


def test_percussion_by_names_of_instruments_and_position():
    kit = "<part-name>Drums</part-name>" + "".join(
        f'<score-instrument id="{i}"><instrument-name>{name}</instrument-name></score-instrument>'
        for i, name in (("a", "Tambourine"), ("b", "Low Tom"), ("c", "Drumset"))
    )
    content = unpitched("C", 5, "a") + unpitched("C", 5, "b") + unpitched("C", 5, "c")
    found = score(content + unpitched("G", 5), entries=[kit])
    assert [n.pitch for n in found.parts[0].notes[0]] == [54, 45, 38, 42]
    one_line = "<staff-details><staff-lines>1</staff-lines></staff-details>"
    found = score(unpitched("E", 4), attributes=one_line, entries=[entry("Percussion")])
    assert [n.pitch for n in found.parts[0].notes[0]] == [38]
    assert found.warnings == ["drum notes without a known MIDI key, read as snare: 1"]


def test_pitched_notes_on_the_drum_channel_are_keys():
    channel = '<midi-instrument id="I"><midi-channel>10</midi-channel></midi-instrument>'
    found = score(note("C2", 8), entries=[entry("Kit", channel)]).parts[0]
    assert (found.is_drum, found.notes[0][0].pitch) == (True, 36)


def test_claps_of_a_pitched_part_are_percussion():
    found = score(note("C5", 6) + unpitched("C", 5), entries=[entry("Voice", plays(54))])
    assert [(p.is_drum, p.program, len(p.notes[0])) for p in found.parts] == [
        (False, 53, 1),
        (True, None, 1),
    ]


# -- repeat signs ---------------------------------------------------------------------------------


def signs(*measures: str) -> dict[int, RepeatSigns]:
    """Return the signs of measures of four quarters that have any; `C4` is added to each."""
    found = score(*(measure + note("C4", 8) for measure in measures)).signs
    return {i: sign for i, sign in enumerate(found) if sign != RepeatSigns()}


def test_repeats_and_endings():
    forward = barline("left", '<repeat direction="forward"/>')
    first = barline("left", '<ending number="1,2" type="start"/>')
    again = barline(
        "right", '<ending number="1,2" type="stop"/><repeat direction="backward" times="3"/>'
    )
    third = barline("left", '<ending number="3" type="start"/>')
    end = barline("right", '<ending number="3" type="discontinue"/>')
    assert signs(forward, first, again, third + end, "") == {
        0: RepeatSigns(starts_repeat=True),
        1: RepeatSigns(ending=frozenset((1, 2))),
        2: RepeatSigns(ending=frozenset((1, 2)), times=3),
        3: RepeatSigns(ending=frozenset((3,))),
    }


@pytest.mark.parametrize(
    ("ending", "passes"),
    [
        ('<ending number="1, 2" type="start"/>', {1, 2}),
        ('<ending number="1-3" type="start"/>', {1, 2, 3}),
        ('<ending number="" type="start">1. - 2.</ending>', {1, 2}),
        ('<ending number="" type="start"/>', {1}),
    ],
)
def test_numbers_of_endings(ending: str, passes: set[int]):
    end = barline("right", '<ending number="1" type="stop"/><repeat direction="backward"/>')
    found = signs("", barline("left", ending) + end)[1]
    assert (found.ending, found.times) == (passes, max(passes) + 1)


def test_an_ending_without_an_end_has_one_measure():
    assert signs(barline("left", '<ending number="2" type="start"/>'), "") == {
        0: RepeatSigns(ending=frozenset((2,)))
    }


def test_repeat_signs_at_the_other_side_of_the_bar_line():
    forward = barline("right", '<repeat direction="forward"/>')
    backward = barline("left", '<repeat direction="backward"/>')
    assert signs(forward, "", backward) == {
        1: RepeatSigns(starts_repeat=True, times=2),
    }


def test_a_repeat_in_the_middle_splits_its_measure():
    middle = barline("middle", '<repeat direction="backward"/>')
    content = note("C4", 2) + note("D4", 6, tie("start"))
    upper = part(note("E4", 4) + middle + note("F4", 4), note("G4", 8))
    found = read_musicxml(document(upper, part(content, note("D4", 8, tie("stop")))), "a")
    assert [sign.times for sign in found.signs] == [2, 0, 0]
    lower = found.parts[1]
    assert lower.measure_lengths == [2, 2, 4]
    assert [[(n.onset, n.duration, n.tie) for n in m] for m in lower.notes] == [
        [(0, 1, ""), (1, 1, "start")],
        [(0, 2, "continue")],
        [(0, 4, "stop")],
    ]


@pytest.mark.parametrize(
    ("text", "jump", "until"),
    [
        ("D.C. al Fine", "da capo", "fine"), ("Da Capo al Fine", "da capo", "fine"),
        ("D.C.", "da capo", ""), ("DC al Coda", "da capo", "coda"),
        ("D.S. al Coda", "dal segno", "coda"), ("Dal Segno al Fine", "dal segno", "fine"),
        ("D. S. 𝄋 e poi la Coda", "dal segno", "coda"), ("Von vorn bis Fine", "da capo", "fine"),
        ("D.C. senza replica al fine", "da capo", "fine"), ("d.s. al fine.", "dal segno", "fine"),
        ("DCI", "", ""), ("ad. c", "", ""), ("Discanto", "", ""),
    ],
)  # fmt: skip
def test_jumps_in_words(text: str, jump: str, until: str):
    found = signs(words(text)).get(0, RepeatSigns())
    assert (found.jump, found.until, found.segno, found.fine) == (jump, until, False, False)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Fine", "fine"), ("FINE.", "fine"), ("(Fine)", "fine"), ("Fin", "fine"),
        ("To Coda", "to_coda"), ("al Coda", "to_coda"), ("To Coda 𝄌", "to_coda"),
        ("Coda", "coda"), ("CODA", "coda"), ("𝄌 Coda", ""), ("Segno", "segno"),
        ("fine tune", "fine"), ("con fine espressione e dolce", ""), ("dolce", ""),
    ],
)  # fmt: skip
def test_signs_in_words(text: str, name: str):
    found = signs(words(text)).get(0, RepeatSigns())
    marked = {n for n in ("fine", "to_coda", "coda", "segno") if getattr(found, n)}
    assert marked == ({name} if name else marked & {"coda"})


def test_jumps_by_sound_alone():
    assert signs(sound('fine="yes"'), sound('dacapo="yes"')) == {
        0: RepeatSigns(fine=True),
        1: RepeatSigns(jump="da capo", until="fine"),
    }
    marks = ('segno="a"', 'tocoda="b"', 'dalsegno="a"', 'coda="b"')
    assert signs(*(sound(mark) for mark in marks)) == {
        0: RepeatSigns(segno=True),
        1: RepeatSigns(to_coda=True),
        2: RepeatSigns(jump="dal segno", until="coda"),
        3: RepeatSigns(coda=True),
    }


def test_of_two_coda_signs_the_first_is_where_the_jump_begins():
    coda = "<direction><direction-type><coda/></direction-type></direction>"
    segno = "<direction><direction-type><segno/></direction-type></direction>"
    assert signs(segno, coda, words("D.S. al Coda"), coda) == {
        0: RepeatSigns(segno=True),
        1: RepeatSigns(to_coda=True),
        2: RepeatSigns(jump="dal segno", until="coda"),
        3: RepeatSigns(coda=True),
    }


def test_signs_of_several_parts_count_once():
    again = note("C4", 8) + barline("right", '<repeat direction="backward" times="3"/>')
    for other in (again, note("C4", 8)):
        found = read_musicxml(document(part(other), part(again)), "a")
        assert found.signs == [RepeatSigns(times=3)]


@pytest.mark.parametrize(
    ("to_segno", "coda"),
    [
        ("<symbol>segno</symbol>", "<symbol>coda</symbol>"),
        ("<segno/>", "<rehearsal>Coda</rehearsal>"),
    ],
)
def test_signs_by_other_elements(to_segno: str, coda: str):
    first, last = (
        f"<direction><direction-type>{x}</direction-type></direction>" for x in (to_segno, coda)
    )
    assert signs(first, words("To Coda"), words("D.S. al Coda"), last) == {
        0: RepeatSigns(segno=True),
        1: RepeatSigns(to_coda=True),
        2: RepeatSigns(jump="dal segno", until="coda"),
        3: RepeatSigns(coda=True),
    }


def test_labels_tell_one_of_several_segnos():
    jump = words("D.S.", '<sound dalsegno="a"/>')
    found = signs(sound('segno="a"'), sound('segno="b"'), jump)
    assert [found[i].segno_label for i in (0, 1)] == ["a", "b"]
    assert found[2] == RepeatSigns(jump="dal segno", jump_label="a")
    same = signs(sound('segno="a"'), sound('segno="a"'), jump)
    assert (same[0], same[2]) == (RepeatSigns(segno=True), RepeatSigns(jump="dal segno"))
    again = note("C4", 8) + barline("right", '<repeat direction="backward" after-jump="yes"/>')
    assert score(again).signs == [RepeatSigns(times=2, after_jump=True)]


# -- clefs ----------------------------------------------------------------------------------------


def clef(sign: str, number: int = 0) -> str:
    """Return a clef of a staff, of all if it is 0."""
    which = f' number="{number}"' if number else ""
    return f"<clef{which}><sign>{sign}</sign></clef>"


def test_tablature_that_doubles_a_staff_is_not_played_twice():
    chord = note("E4", 4) + note("G4", 4)
    high = chord.replace("<voice>", "<staff>1</staff><voice>")
    low = chord.replace("<voice>", "<staff>2</staff><voice>")
    tab = f"<staves>2</staves>{clef('G', 1)}{clef('TAB', 2)}"
    for merge in (True, False):
        song = read(document(part(high + back(8) + low, attributes=tab)), merge=merge).song
        assert [notes(song, i) for i in range(len(song.parts))] == [[(0, 2, 64), (2, 2, 67)]]
    own = back(8) + note("C3", 8, staff=2)
    song = read(document(part(high + own, attributes=tab))).song
    assert [pitch for _, _, pitch in notes(song)] == [48, 64, 67]
    assert notes(read(document(part(chord, attributes=clef("TAB")))).song) == [
        (0, 2, 64),
        (2, 2, 67),
    ]


def test_pitches_in_a_percussion_clef_are_positions():
    content = note("F4", 2) + note("C5", 2) + note("C5", 2, "<notehead>x</notehead>")
    for name, keys in (("Drums", [36, 38, 37]), ("Triangle", [81, 81, 81])):
        [found] = score(content, attributes=clef("percussion"), entries=[entry(name)]).parts
        assert (found.is_drum, [n.pitch for n in found.notes[0]]) == (True, keys)
    pitched = [entry("Timpani", plays(48))]
    [found] = score(content, attributes=clef("percussion"), entries=pitched).parts
    assert (found.is_drum, found.notes[0][0].pitch) == (False, 65)


def test_percussion_by_the_sound_of_an_instrument():
    instrument = (
        '<score-instrument id="I"><instrument-name>X</instrument-name>'
        "<instrument-sound>drum.bass-drum</instrument-sound></score-instrument>"
    )
    [found] = score(unpitched(), entries=[entry("Y", instrument)]).parts
    assert [n.pitch for n in found.notes[0]] == [36]


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ("<part-name/><part-abbreviation>Vln.</part-abbreviation>", "Vln."),
        (
            "<part-name>MusicXML Part</part-name><part-name-display>"
            "<display-text>Violin</display-text></part-name-display>",
            "Violin",
        ),
    ],
)
def test_names_of_parts_without_a_name(entries: str, name: str):
    [found] = score(note("C4", 8), entries=[entries]).parts
    assert (found.name, found.program) == (name, 40)


def test_a_transposition_counts_for_the_key_written_before_it():
    key = "<attributes><key><fifths>2</fifths></key></attributes>"
    transpose = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
    [found] = score(key + transpose + note("C4", 8), transpose + note("C4", 8)).parts
    assert found.keys == [((0, 0), (0, False))]


def test_a_forward_beyond_the_meter_does_not_lengthen_the_measure():
    beyond = "<forward><duration>4</duration></forward>"
    assert score(note("C4", 8) + beyond).parts[0].measure_lengths == [4]
    assert score(note("C4", 8) + beyond + note("C4", 2)).parts[0].measure_lengths == [7]


def test_a_duration_that_is_no_number_is_that_of_the_note_type():
    for text in ("", "?"):
        content = note("C4", 8, "<type>half</type>").replace(">8<", f">{text}<")
        assert score(content).parts[0].measure_lengths == [2]


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        note("C4", 8).replace(">8<", ">999999999<"),
        note("C4", 8).replace(">8<", ">-8<"),
        note("C4", 8).replace(">4</octave>", ">99999999</octave>"),
        note("C#4", 8).replace("<alter>1<", "<alter>1e9<"),
        note("C4", 8).replace(">C<", ">H<"),
        note("C4", 8) + "<forward><duration>99999999999</duration></forward>",
        "<attributes><divisions>0.0</divisions></attributes>" + note("C4", 8),
    ],
)
def test_numbers_out_of_bounds_are_errors(content: str):
    with pytest.raises(UnsupportedScoreError):
        score(content)


def test_huge_numbers_that_are_not_needed_are_ignored():
    huge = "9" * 5000
    content = (
        f'<barline><ending number="{huge},1-{huge}" type="start"/>'
        f'<repeat direction="backward" times="{huge}"/></barline>'
        + words("♩=" + huge)
        + metronome("quarter", huge)
        + style(f'<measure-repeat type="start">{huge}</measure-repeat>')
        + note("C4", 8, staff=int("9" * 50))
        + f"<attributes><transpose><chromatic>{huge}</chromatic></transpose>"
        + f"<key><fifths>{huge}</fifths></key>{time(4, 10**50)}</attributes>"
    )
    assert score(content).parts[0].notes[0][0].pitch == 60


def test_measure_repeats_do_not_multiply_notes_without_bounds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("musicvae.io.notation.musicxml.staves.MAX_SCORE_NOTES", 100)
    sign = style('<measure-repeat type="start">1</measure-repeat>')
    with pytest.raises(UnsupportedScoreError, match="more than 100 notes"):
        score(note("C4", 1) * 8, sign, *[""] * 20)


def test_documents_of_too_many_tags_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("musicvae.io.notation.musicxml.document._MAX_TAGS", 100)
    with pytest.raises(ReadError, match="more than 100 tags"):
        score("<a/>" * 100)
