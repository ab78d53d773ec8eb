"""MusicXML writer: round trips, and the notation that is written."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae import io
from musicvae.chords import Chord, ChordMap
from musicvae.cli import main
from musicvae.cli.writer import SongWriter
from musicvae.data import corpora
from musicvae.io import read
from musicvae.io import write as write_song
from musicvae.io.musicxml_writer import to_bytes
from musicvae.io.musicxml_writer.note_values import (
    ChordSpan,
    TimeSignature,
    to_note_values,
    with_rests,
)
from musicvae.io.musicxml_writer.staves import choose_clef, spell_pitch
from musicvae.representation.bars import Bars
from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap
from musicvae.swing import SIXTEENTHS, Swing
from support.songs import part_from_notes, small_band, small_chorale


def measures(song: Song, part: int = 0) -> list[Element]:
    root = ElementTree.fromstring(to_bytes(song))
    return root.findall("part")[part].findall("measure")


def cells(song: Song) -> list[tuple[int, ...]]:
    """Return the notes on the grid, without the lengths of drum notes, which are not written."""
    bars = Bars.from_song(song)
    drums = np.array([part.is_drum for part in song.parts])[bars.notes.part]
    names = ("part", "bar", "step", "pitch")
    columns = [getattr(bars.notes, name).tolist() for name in names]
    lengths = np.where(drums, 0, bars.notes.duration).tolist()
    return sorted(zip(*columns, lengths, strict=True))


def assert_same(song: Song, again: Song) -> None:
    one, other = Bars.from_song(song).grid, Bars.from_song(again).grid
    assert cells(song) == cells(again)
    for name in ("steps", "lead_steps", "numerator", "denominator"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert [part.is_drum for part in song.parts] == [part.is_drum for part in again.parts]
    assert [part.program for part in song.parts] == [part.program for part in again.parts]


def round_trip(song: Song) -> Song:
    return io.read_bytes(to_bytes(song, title="there")).song


# -- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("song", [small_chorale(), small_band()], ids=["chorale", "band"])
def test_round_trip(song: Song) -> None:
    again = round_trip(song)
    assert_same(song, again)
    assert [part.name for part in again.parts] == [part.name for part in song.parts]
    assert again.tempo.us_per_quarter.tolist() == pytest.approx(
        song.tempo.us_per_quarter.tolist(), rel=1e-5
    )


@pytest.mark.parametrize("name,limit", [("chorales", 10), ("folk", 30)])
def test_round_trip_of_corpora(name: str, limit: int, tmp_path: Path) -> None:
    report = corpora.export(name, tmp_path, limit=limit, workers=1)
    assert len(report.files) == limit
    for file in report.files:
        song = io.read(file.path)
        assert_same(song, round_trip(song))


def test_round_trip_of_lieder(shared_data: Path) -> None:
    files = sorted((shared_data / "lieder" / "scores").rglob("*.mxl"))[7::130][:10]
    assert len(files) == 10
    for file in files:
        song = io.read(file)
        assert_same(song, round_trip(song))


NOTES = st.lists(
    st.tuples(st.integers(0, 143), st.integers(1, 60), st.integers(36, 84), st.integers(1, 127)),
    min_size=1,
    max_size=24,
)


@settings(max_examples=40)
@given(NOTES, st.sampled_from([(4, 4), (3, 4), (6, 8), (5, 8), (2, 2), (7, 16)]))
def test_round_trip_of_random_notes_on_the_grid(notes: list, meter: tuple[int, int]) -> None:
    found, taken = [], set()
    for onset, duration, pitch, velocity in notes:
        span = {(pitch, cell) for cell in range(onset, onset + duration)}
        if not span & taken:
            taken |= span
            found.append((onset * 20, duration * 20, pitch, velocity))
    song = Song.new([part_from_notes(found, "Piano")], meter=meter, end_ticks=480)
    assert_same(song, round_trip(song))


def test_round_trip_of_tempo_key_and_meter_changes() -> None:
    ticks = np.array([0, 1920, 3360])
    song = replace(
        small_chorale(bars=6),
        tempo=TempoMap(ticks=np.array([0, 2400]), us_per_quarter=np.array([500_000, 800_000])),
        meter=MeterMap(ticks=ticks, numerator=np.array([4, 3, 6]), denominator=np.array([4, 4, 8])),
        key=KeyMap(ticks=np.array([0, 1920]), fifths=np.array([-3, 2]), minor=np.array([1, 0])),
    )
    again = round_trip(song)
    assert_same(song, again)
    assert again.tempo.ticks.tolist() == [0, 2400]
    assert again.key.fifths.tolist() == [-3, 2]


@pytest.mark.parametrize("count", [16, 17, 200])
def test_many_tempos_are_played_but_only_the_first_is_shown(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    qpm = TempoMap.qpm.fget
    monkeypatch.setattr(TempoMap, "qpm", property(lambda m: looked_up.append(m) or qpm(m)))
    ticks, tempos = np.arange(count) * 24, 500_000 + 5_000 * np.arange(count)
    song = replace(
        small_chorale(bars=8), tempo=TempoMap(ticks=ticks, us_per_quarter=tempos), end_ticks=15_360
    )
    written = to_bytes(song)
    assert len(looked_up) == 1, "computed once for all marks, not once for each"
    root = ElementTree.fromstring(written)
    assert len(list(root.iter("metronome"))) == (count if count <= 16 else 1)
    monkeypatch.undo()
    again = io.read_bytes(written).song.tempo
    assert again.us_per_quarter.tolist() == pytest.approx(tempos.tolist(), rel=1e-5)


@pytest.mark.parametrize("pitches", [range(16), range(128), (0, 60), (0, 11, 127), (12, 13)])
@pytest.mark.parametrize("program", [0, 40])
def test_lowest_and_highest_pitches_are_written_in_octaves_0_to_9(
    pitches: Sequence[int], program: int
) -> None:
    notes = [(i * 480, 480, pitch, 80) for i, pitch in enumerate(pitches)]
    song = Song.new([part_from_notes(notes, "A", program)], end_ticks=480 * len(notes))
    for fifths in (-7, 0, 7):
        key = KeyMap(ticks=np.array([0]), fifths=np.array([fifths]), minor=np.array([0]))
        song = replace(song, key=key)
        root = ElementTree.fromstring(to_bytes(song))
        assert {int(octave.text or "") for octave in root.iter("octave")} <= set(range(10))
        again = round_trip(song)
        assert_same(song, again)
        assert again.key.fifths.tolist() == [fifths]


# -- notation ------------------------------------------------------------------------------------


def value_names(voice: list[ChordSpan], pulse: TimeSignature) -> list[str]:
    end = 96 * pulse.numerator // pulse.denominator
    return [
        ("" if each.span.notes else "rest ")
        + each.note_type
        + "." * each.n_dots
        + " 3" * each.is_triplet
        + "~" * each.span.tie_start
        for each in to_note_values(with_rests(voice, 0, end), pulse)
    ]


def chord_spans(*spans: tuple[int, int]) -> list[ChordSpan]:
    return [ChordSpan(begin=begin, end=end, notes=(0,)) for begin, end in spans]


@pytest.mark.parametrize(
    "spans,meter,wanted",
    [
        ([(0, 96)], (4, 4), ["whole"]),
        ([(0, 72)], (3, 4), ["half."]),
        ([(12, 36), (36, 96)], (4, 4), ["rest eighth", "quarter", "eighth~", "half"]),
        ([(36, 60)], (4, 4), ["rest quarter.", "eighth~", "eighth", "rest quarter."]),
        ([(24, 96)], (4, 4), ["rest quarter", "quarter~", "half"]),
        ([(0, 36), (36, 72)], (6, 8), ["quarter.", "quarter."]),
        ([(12, 48)], (6, 8), ["rest eighth", "quarter~", "eighth", "rest quarter"]),
        ([(0, 8), (8, 24)], (2, 4), ["eighth 3", "quarter 3", "rest quarter"]),
        ([(0, 16), (16, 32), (32, 48)], (2, 4), ["quarter 3"] * 3),
        ([(0, 18), (18, 24)], (2, 4), ["eighth.", "16th", "rest quarter"]),
        ([(0, 4), (4, 12), (12, 24)], (2, 4), ["16th 3", "eighth 3", "eighth", "rest quarter"]),
    ],
)
def test_note_values_show_the_beats(
    spans: list[tuple[int, int]], meter: tuple[int, int], wanted: list[str]
) -> None:
    pulse = TimeSignature(numerator=meter[0], denominator=meter[1])
    assert value_names(chord_spans(*spans), pulse) == wanted


def test_short_notes_of_a_beat_are_beamed() -> None:
    pulse = TimeSignature(numerator=2, denominator=4)
    values = to_note_values(with_rests(chord_spans((0, 18), (18, 24), (24, 36)), 0, 48), pulse)
    assert [value.beams for value in values] == [("begin",), ("end", "backward hook"), (), ()]


def test_pickups_and_split_bars_have_no_meter_change() -> None:
    whole = small_chorale(bars=4)  # a pickup of a quarter, 4/4
    cut = replace(
        whole,
        meter=MeterMap(
            ticks=np.array([0, 480, 2400, 3840, 4320]),
            numerator=np.array([1, 4, 3, 1, 4]),
            denominator=np.full(5, 4),
        ),
    )
    assert_same(cut, round_trip(cut))
    found = measures(cut)
    times = [each.findtext("attributes/time/beats") for each in found]
    assert times == ["4", None, None, None, None, None]
    assert [each.get("implicit") for each in found[:5]] == ["yes", None, "yes", "yes", None]
    assert found[0].get("number") == "0"


def test_piano_has_two_staves_and_voices() -> None:
    hands = [(0, 960, 72, 80), (480, 960, 64, 80), (0, 1920, 40, 80), (960, 480, 43, 80)]
    song = Song.new([part_from_notes(hands, "Piano")])
    (bar,) = measures(song)
    assert bar.findtext("attributes/staves") == "2"
    assert [clef.findtext("sign") for clef in bar.findall("attributes/clef")] == ["G", "F"]
    staves = {n.findtext("pitch/octave"): n.findtext("staff") for n in bar.findall("note[pitch]")}
    assert staves == {"5": "1", "4": "1", "2": "2"}
    assert {n.findtext("voice") for n in bar.findall("note")} == {"1", "2", "5", "6"}
    assert_same(song, round_trip(song))


def test_staves_have_separate_voice_numbers() -> None:
    """With five voices above, the lower staff has voice numbers of its own, and shows its rests."""
    high = [(nth * 120, 1800 - nth * 120, 84 - 2 * nth, 80) for nth in range(6)]
    low = [(480, 480, pitch, 80) for pitch in (40, 43, 47)]
    song = Song.new([part_from_notes([*high, *low], "Piano")])
    (bar,) = measures(song)
    staves: dict[str | None, set[str | None]] = {}
    for note in bar.findall("note"):
        staves.setdefault(note.findtext("voice"), set()).add(note.findtext("staff"))
    assert len(staves) == 7 and all(len(each) == 1 for each in staves.values())
    assert [n for n in bar.findall("note[rest]") if n.findtext("staff") == "2"]
    assert_same(song, round_trip(song))


@pytest.mark.parametrize("meter", [(3, 64), (3, 128), (1, 128), (4, 256), (6, 256)])
def test_meters_shorter_than_a_cell_are_written(meter: tuple[int, int]) -> None:
    song = Song.new([part_from_notes([(0, 480, 60, 80), (480, 240, 64, 80)], "Tune")], meter=meter)
    written = {n.findtext("pitch/step") for bar in measures(song) for n in bar.findall("note")}
    assert {"C", "E"} <= written


def test_accidentals_are_written_once_per_bar_and_cancelled() -> None:
    notes = [(i * 480, 480, pitch, 80) for i, pitch in enumerate((66, 66, 65, 67, 66))]
    song = replace(
        Song.new([part_from_notes(notes, "Tune", program=73)]),
        key=KeyMap(ticks=np.array([0]), fifths=np.array([0]), minor=np.array([0])),
    )
    first, second = measures(song)
    marks = [note.findtext("accidental") for note in first.findall("note")]
    assert marks == ["sharp", None, "natural", None]
    assert second.findtext("note/accidental") == "sharp"


@pytest.mark.parametrize("fifths", range(-7, 8))
def test_spelling_preserves_pitch(fifths: int) -> None:
    natural = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
    names = [spell_pitch(pitch, fifths) for pitch in range(128)]
    for pitch, (step, alter, octave, usual) in enumerate(names):
        assert 12 * (octave + 1) + natural[step] + alter == pitch
        assert usual == (fifths > "FCGDAEB".index(step)) - (-fifths > "BEADGCF".index(step))
    scale = [(tone + 7 * fifths) % 12 for tone in natural.values()]
    assert all(names[60 + tone][1] == names[60 + tone][3] for tone in scale)


def test_choose_clef() -> None:
    assert choose_clef(np.array([67, 72, 79])).sign == "G"
    assert choose_clef(np.array([43, 48, 55])).sign == "F"
    assert choose_clef(np.array([28, 33, 40])).octave == -1


def test_drum_positions_and_noteheads() -> None:
    (first, *_) = measures(small_band(), part=2)
    assert first.findtext("attributes/clef/sign") == "percussion"
    kick = next(n for n in first.findall("note") if n.find("instrument").get("id") == "P3-I36")
    hat = next(n for n in first.findall("note") if n.find("instrument").get("id") == "P3-I42")
    assert kick.findtext("unpitched/display-step") == "F"
    assert hat.findtext("notehead") == "x"


def moved_by(notes: list[tuple[int, int, int, int]], *ticks: int) -> list:
    """Return the notes moved by these ticks in turn."""
    return [(at + ticks[i % len(ticks)], *more) for i, (at, *more) in enumerate(notes)]


def quantized(played: list) -> list[tuple[int, ...]]:
    """Return onset and length of the written notes in cells."""
    notes = Bars.from_song(round_trip(Song.new([part_from_notes(played, "Tune")]))).notes
    columns = (notes.bar * 96 + notes.step, notes.duration)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_notes_off_the_grid_are_quantized_by_quarter() -> None:
    straight = [(480 * 4 + nth * 120, 120, 60 + nth, 80) for nth in range(16)]
    triplets = [(nth * 160, 160, 72 + nth % 5, 80) for nth in range(12)]
    expected = quantized([*triplets, *straight])
    assert quantized([*triplets, *moved_by(straight, 17, -13, 9, -7)]) == expected
    assert quantized([*moved_by(triplets, 14, -9, 5), *straight]) == expected
    assert quantized([*moved_by(triplets, 14, -9, 5), *moved_by(straight, 17, -13)]) == expected


def test_ends_off_the_grid_do_not_move_onsets() -> None:
    """Short notes and triplets, each released early; then by a single tick."""
    notes = [(nth * 60, 60, 60 + nth % 7, 80) for nth in range(16)]
    notes += [(960 + nth * 160, 160, 60 + nth % 7, 80) for nth in range(12)]
    given = [(at, length - 11, *more) for at, length, *more in notes]
    assert [at for at, _ in quantized(given)] == [at for at, _ in quantized(notes)]
    assert quantized([(at, length - 1, *more) for at, length, *more in notes]) == quantized(notes)


# -- files ----------------------------------------------------------------------------------------


def test_suffix_selects_the_format(tmp_path: Path) -> None:
    song = small_chorale(bars=2)
    plain = write_song(song, tmp_path / "a.musicxml", note="by hand")
    zipped = write_song(song, tmp_path / "a.mxl")
    assert b"<miscellaneous-field" in plain.read_bytes()
    assert zipfile.ZipFile(zipped).namelist() == ["META-INF/container.xml", "score.musicxml"]
    assert_same(song, read(plain))
    assert_same(song, read(zipped))
    assert (
        plain.read_bytes() == write_song(song, tmp_path / "a.musicxml", note="by hand").read_bytes()
    )
    assert b"<part " in to_bytes(Song.new())


def test_convert_writes_scores_and_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_song(small_chorale(bars=2), "songs/one.mid")
    done = CliRunner().invoke(main, ["convert", "songs", "--out", "scores"])
    assert done.exit_code == 0 and done.stdout == "scores/one.musicxml: 36 notes\n"
    assert_same(small_chorale(bars=2), read("scores/one.musicxml"))
    again = CliRunner().invoke(main, ["convert", "songs", "--out", "scores"])
    assert again.exit_code == 1 and "overwrite it with --force" in again.stderr
    arguments = ["convert", "scores/one.musicxml", "--format", "mid", "--stems", "--out", "stems"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    names = {path.name for path in Path("stems").iterdir()}
    assert names == {"one.mid", *(f"one.{n}.mid" for n in ("soprano", "alto", "tenor", "bass"))}
    wrong = CliRunner().invoke(main, ["convert", "songs", "scores", "--out", "x.mid"])
    assert wrong.exit_code == 2


def test_notes_that_cannot_be_written_are_reported_and_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flam is written as one note: 8 of the 24 notes are second notes of flams."""
    monkeypatch.chdir(tmp_path)
    strokes = [(240 * nth + 7, 20, 38, 80) for nth in range(16)]
    flams = [(at + 40, *more) for at, *more in strokes[::2]]
    take = Song.new([part_from_notes(sorted([*strokes, *flams]), "Kit", is_drum=True)])
    write_song(take, "take.mid")
    arguments = ["convert", "take.mid", "--allow-ungridded", "--as-written"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0 and done.stdout == "take.musicxml: 16 notes\n"
    assert "take.musicxml: 8 of 24 notes left out" in done.stderr
    assert read("take.musicxml").n_notes == 16
    line = json.loads(CliRunner().invoke(main, [*arguments, "--force", "--json"]).stdout)
    assert (line["notes"], line["left_out"]) == (16, 8)

    writer = SongWriter(Path("made"), as_json=True, audio=None, score=True)
    writer.write_numbered(take, "song", "by hand")
    writer.write_named(take, "song", force=False, note="by hand", suffix=".mxl")
    caught = capsys.readouterr()
    lines = [json.loads(line) for line in caught.out.splitlines()]
    assert [(each["notes"], each["score_notes"]) for each in lines] == [(24, 16), (16, 16)]
    assert lines[1]["left_out"] == 8 and "left_out" not in lines[0]
    assert caught.err.count("8 of 24 notes left out") == 3

    parts = SongWriter(Path("parts"), as_json=True, audio=None, stems=True)
    parts.write_named(take, "song", force=False, note="by hand", suffix=".musicxml")
    assert "parts/song.kit.musicxml: 8 of 24 notes left out" in capsys.readouterr().err


def test_convert_never_replaces_a_song_that_it_reads_or_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, bars in (("dd/a/x.mid", 2), ("dd/b/x.mid", 3), ("ff/song.mid", 2)):
        write_song(small_chorale(bars=bars), name)
    own = write_song(small_chorale(bars=4), "ff/song.musicxml").read_bytes()
    for _ in range(2):
        done = CliRunner().invoke(main, ["convert", "dd", "--out", "sc", "--force"])
        assert done.exit_code == 0, done.output
        assert {path.name for path in Path("sc").iterdir()} == {"x.musicxml", "x-2.musicxml"}
    assert_same(small_chorale(bars=2), read("sc/x.musicxml"))
    assert_same(small_chorale(bars=3), read("sc/x-2.musicxml"))
    beside = CliRunner().invoke(main, ["convert", "ff", "--force"])
    assert beside.exit_code == 1 and "ff/song.musicxml: is the input itself" in beside.stderr
    assert Path("ff/song.musicxml").read_bytes() == own
    assert_same(small_chorale(bars=2), read("ff/song-2.musicxml"))
    for arguments in (["ff/song.musicxml"], ["ff/song.mid", "--out", "./ff/song.mid"]):
        alone = CliRunner().invoke(main, ["convert", *arguments, "--force"])
        assert alone.exit_code == 1 and "--out" in alone.stderr and "--force" not in alone.stderr
    assert Path("ff/song.musicxml").read_bytes() == own
    Path("ff/song.musicxml").rename("ff/song.bass.mid")
    stems = ["convert", "ff/song.mid", "ff/song.bass.mid", "--stems", "--format", "mid", "--force"]
    CliRunner().invoke(main, [*stems, "--out", "ff"])
    assert Path("ff/song.bass.mid").read_bytes() == own


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (["convert", "a.mid", "--out", "a.pdf"], ".musicxml"),
        (["plot", "a.mid", "--out", "roll.jpg"], ".svg"),
        (["render", "a.mid", "--out", "a.mp3"], ".flac"),
        (["transcribe", "a.wav", "--out", "a.mdi"], ".mid"),
    ],
)
def test_a_mistyped_suffix_makes_no_folder(
    arguments: list[str], known: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_song(small_chorale(bars=1), "a.mid")
    wrong = CliRunner().invoke(main, arguments)
    assert wrong.exit_code == 2 and known in wrong.stderr
    assert [path.name for path in Path().iterdir()] == ["a.mid"]


def test_a_folder_may_have_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_song(small_chorale(bars=1), "a.mid")
    Path("v1.3").mkdir()
    for folder in ("v1.2/", "v1.3"):
        done = CliRunner().invoke(main, ["convert", "a.mid", "--out", folder])
        assert done.exit_code == 0, done.output
        assert (Path(folder) / "a.musicxml").is_file()


def test_swing_is_written_as_a_mark() -> None:
    part = Part.empty("Sax").with_notes([0, 240, 480], [240] * 3, [60, 62, 64], [80] * 3)
    song = Song.new([part])
    for swing in (Swing(2.0), Swing(1.62), Swing(3.0, SIXTEENTHS)):
        again = round_trip(replace(song, swing=swing))
        assert again.swing is not None and again.swing.unit == swing.unit
        assert again.swing.ratio == pytest.approx(swing.ratio, abs=0.005)
        assert again.parts[0].onset_ticks.tolist() == [0, 240, 480]
    assert round_trip(song).swing is None


# -- chords from the command line -----------------------------------------------------------------


def test_convert_writes_chords_leaves_them_out_or_plays_them(tmp_path: Path) -> None:
    song = replace(small_chorale(), chords=ChordMap.from_chords([(0, Chord(0, 1, 0))]))
    write_song(song, tmp_path / "a.mid")

    def convert(*options: str) -> Song:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.musicxml"
        words = ["convert", str(tmp_path / "a.mid"), "--out", str(out), *options]
        assert CliRunner().invoke(main, words).exit_code == 0
        return read(out)

    assert convert().chords.labels() == ["C:maj"]
    left_out = convert("--no-chords")
    assert not len(left_out.chords) and len(left_out.parts) == len(song.parts)
    played = convert("--chord-track")
    assert played.chords.labels() == ["C:maj"]
    assert played.parts[-1].name == "Chords"
    assert sorted(set(played.parts[-1].pitch.tolist())) == [36, 48, 52, 55]
