"""MIDI files: round trips, agreement with other readers, and errors."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
import symusic
from hypothesis import given

from musicvae.errors import ReadError, WriteError
from musicvae.io import midi, read, write
from musicvae.song import Part, Song
from support.songs import part_on_grid, small_band, small_chorale
from support.strategies import songs

Sound = tuple[int, int, int, int, bool]  # onset tick, end tick, pitch, velocity, drum


def parsed(song: Song, note: str = "") -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(midi.to_bytes(song, note=note)), charset="utf-8")


def expected(song: Song) -> list[Sound]:
    return sorted(
        (int(on), int(on + length), int(pitch), int(velocity), part.is_drum)
        for part in song.parts
        for on, length, pitch, velocity in zip(
            part.onset_ticks, part.duration_ticks, part.pitch, part.velocity, strict=True
        )
    )


def played_notes(file: mido.MidiFile) -> list[Sound]:
    """The notes that a sequencer plays, track by track; fails on overlaps and stuck notes."""
    found = []
    for track in file.tracks:
        now = 0
        sounding: dict[tuple[int, int], tuple[int, int]] = {}
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            key = (message.channel, message.note)
            if message.type == "note_on" and message.velocity > 0:
                assert key not in sounding, "note-on of a sounding note"
                sounding[key] = (now, message.velocity)
            else:
                assert key in sounding, "note-off without a note-on"
                onset, velocity = sounding.pop(key)
                assert now > onset, "note of zero length"
                found.append((onset, now, message.note, velocity, message.channel == 9))
        assert not sounding, "stuck notes"
    return sorted(found)


# -- round trips ----------------------------------------------------------------------------------


@given(songs(empty_parts=False))
def test_song_to_midi_and_back_is_exact(song: Song) -> None:
    assert midi.from_bytes(midi.to_bytes(song)) == song


@given(songs())
def test_round_trip_loses_only_empty_parts(song: Song) -> None:
    again = midi.from_bytes(midi.to_bytes(song))
    assert again == replace(song, parts=tuple(part for part in song.parts if len(part)))
    assert midi.from_bytes(midi.to_bytes(again)) == again


@given(songs())
def test_equal_songs_give_equal_bytes(song: Song) -> None:
    assert midi.to_bytes(song) == midi.to_bytes(replace(song, parts=tuple(song.parts)))


def test_written_file_is_read_back(tmp_path: Path) -> None:
    song = small_chorale()
    path = write(song, tmp_path / "new" / "a.mid", note="made by a test")
    assert path.is_file()
    assert read(path) == song
    assert [p.name for p in path.parent.iterdir()] == ["a.mid"]


@pytest.mark.parametrize("make", [small_chorale, small_band])
def test_pretty_midi_round_trip(make: Callable[[], Song]) -> None:
    song = make()
    buffer = io.BytesIO()
    midi.to_pretty_midi(song).write(buffer)
    again = midi.from_bytes(buffer.getvalue())
    assert expected(again) == expected(song)
    assert np.allclose(again.tempo.us_per_quarter, song.tempo.us_per_quarter, atol=1)
    assert [part.program for part in again.parts] == [part.program for part in song.parts]


# -- other readers -------------------------------------------------------------------------------


@given(songs())
def test_sequencer_plays_every_note_once(song: Song) -> None:
    assert played_notes(parsed(song)) == expected(song)


@given(songs())
def test_other_readers_agree_on_the_notes(song: Song) -> None:
    content = midi.to_bytes(song)
    score = symusic.Score.from_midi(content)
    seen = sorted(
        (n.time, n.time + n.duration, n.pitch, n.velocity, t.is_drum)
        for t in score.tracks
        for n in t.notes
    )
    assert seen == expected(song)
    other = pretty_midi.PrettyMIDI(io.BytesIO(content))
    played = sorted(
        (other.time_to_tick(n.start), other.time_to_tick(n.end), n.pitch, n.velocity, i.is_drum)
        for i in other.instruments
        for n in i.notes
    )
    assert played == expected(song)


@given(songs())
def test_end_of_track_is_the_end_of_the_song(song: Song) -> None:
    for track in parsed(song).tracks:
        assert sum(message.time for message in track) == song.end_ticks
        assert [m.type for m in track].count("end_of_track") == 1
        assert track[-1].type == "end_of_track"


@given(songs())
def test_names_programs_and_channels(song: Song) -> None:
    tracks = parsed(song).tracks[1:]
    assert len(tracks) == len(song.parts)
    for track, part in zip(tracks, song.parts, strict=True):
        assert [m.name for m in track if m.type == "track_name"] == [part.name]
        assert [m.program for m in track if m.type == "program_change"] == [part.program]
        channels = {m.channel for m in track if not m.is_meta}
        assert channels == {9} if part.is_drum else 9 not in channels


@given(songs())
def test_conductor_track_has_meter_tempo_and_key(song: Song) -> None:
    found: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    now = 0
    for message in parsed(song).tracks[0]:
        now += message.time
        if message.type == "time_signature":
            found["meter"].append((now, message.numerator, message.denominator))
        elif message.type == "set_tempo":
            found["tempo"].append((now, message.tempo))
        elif message.type == "key_signature":
            found["key"].append((now,))
    meter, tempo = song.meter, song.tempo
    assert found["meter"] == [
        tuple(map(int, row))
        for row in zip(meter.ticks, meter.numerator, meter.denominator, strict=True)
    ]
    assert found["tempo"] == [
        tuple(map(int, row)) for row in zip(tempo.ticks, tempo.us_per_quarter, strict=True)
    ]
    assert [tick for (tick,) in found["key"]] == song.key.ticks.tolist()


def test_note_off_precedes_repeated_note_on() -> None:
    song = Song.new([part_on_grid([(i * 24, 24, 60, 64) for i in range(4)], 20)])
    kinds = [(m.type, m.time) for m in parsed(song).tracks[1] if m.type.startswith("note")]
    assert kinds[1:7:2] == [("note_off", 480)] * 3
    assert kinds[2:8:2] == [("note_on", 0)] * 3


def test_melodic_parts_avoid_the_drum_channel() -> None:
    line = part_on_grid([(0, 24, 60, 64)], 20)
    many = [replace(line, program=i, name=str(i)) for i in range(20)]
    song = Song.new([*many, replace(line, is_drum=True)])
    channels = [{m.channel for m in t if not m.is_meta} for t in parsed(song).tracks[1:]]
    assert channels[-1] == {9}
    assert set().union(*channels[:-1]) == set(range(16)) - {9}
    assert midi.from_bytes(midi.to_bytes(song)).n_notes == 21


def test_note_is_stored_as_text() -> None:
    texts = [m.text for m in parsed(small_chorale(), note="seed 7").tracks[0] if m.type == "text"]
    assert texts == ["seed 7"]


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("fifths", range(-7, 8))
def test_key_signature_round_trip(fifths: int, minor: bool) -> None:
    song = small_chorale()
    key = replace(song.key, fifths=np.array([fifths]), minor=np.array([int(minor)]))
    again = midi.from_bytes(midi.to_bytes(replace(song, key=key)))
    assert again.key == key


@pytest.mark.parametrize(
    ("fifths", "minor", "name"),
    [(0, False, "C"), (-3, True, "Cm"), (6, False, "F#"), (-2, False, "Bb")],
)
def test_key_names(fifths: int, minor: bool, name: str) -> None:
    assert midi.key_name(fifths, minor) == name


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"hello, this is no music", "not a MIDI file"),
        (b"MThd", "truncated in its header"),
        (b"MThd\0\0\0\6\0\1\0\1\0\0MTrk\0\0\0\4\0\xff\x2f\0", "no ticks per quarter"),
        (b"MThd\0\0\0\6\0\1\0\2\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "1 of 2 tracks"),
    ],
)
def test_invalid_midi_is_declined_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_file_is_declined() -> None:
    whole = midi.to_bytes(small_chorale())
    for length in range(4, len(whole), 97):
        with pytest.raises(ReadError, match="truncated"):
            midi.from_bytes(whole[:length])


def test_missing_file_and_folder_are_read_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mid", tmp_path):
        with pytest.raises(ReadError, match="check the path"):
            read(path)


def test_rmid_is_read() -> None:
    content = midi.to_bytes(small_chorale())
    size = (len(content) + 12).to_bytes(4, "little")
    wrapped = b"RIFF" + size + b"RMIDdata" + len(content).to_bytes(4, "little") + content
    assert midi.from_bytes(wrapped) == small_chorale()


def test_overlapping_notes_are_resolved() -> None:
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    file.tracks.append(track)
    for kind, time in (("note_on", 0), ("note_on", 240), ("note_off", 240), ("note_off", 240)):
        track.append(mido.Message(kind, note=60, velocity=64, time=time))
    buffer = io.BytesIO()
    file.save(file=buffer)
    (part,) = midi.from_bytes(buffer.getvalue()).parts
    assert part.onset_ticks.tolist() == [0, 240]
    assert (part.onset_ticks[:-1] + part.duration_ticks[:-1] <= part.onset_ticks[1:]).all()


def test_unwritable_path_is_a_write_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="choose another place"):
        write(small_chorale(), tmp_path / "file" / "a.mid")


def test_interrupted_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(small_chorale(), tmp_path / "a.mid")
    before = path.read_bytes()

    def crash(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write(small_band(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]


def test_bad_files_are_read_or_declined(shared_data: Path) -> None:
    files = [p for p in sorted((shared_data / "bad-midi").rglob("*")) if p.is_file()]
    if not files:
        pytest.skip("no ../shared/data/bad-midi")
    outcomes = []
    for path in files:
        try:
            song = read(path)
        except ReadError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            outcomes.append("refused")
            continue
        assert all(isinstance(part, Part) and len(part) for part in song.parts)
        content = midi.to_bytes(song)
        assert played_notes(mido.MidiFile(file=io.BytesIO(content), charset="utf-8")) == expected(
            song
        )
        assert expected(midi.from_bytes(content)) == expected(song)
        outcomes.append("read")
    assert set(outcomes) == {"refused", "read"}
