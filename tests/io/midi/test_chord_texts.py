"""Chords of MIDI files: markers there and back, texts of others, XF events; both readers agree."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae.chords import ChordMap
from musicvae.io import midi
from musicvae.io.midi.assembly import assemble
from musicvae.io.midi.event_reader import read_events
from musicvae.io.midi.header import parse_chunks
from musicvae.io.result import ReadResult
from musicvae.song import Song
from support.songs import small_chorale
from support.strategies import chord_maps

KINDS = ("marker", "text", "lyrics", "cue_marker")


def with_texts(texts: Iterable[tuple[int, str, str | bytes]], track: int = 0) -> bytes:
    """Return a MIDI file with (tick, kind, text) among its events."""
    file = mido.MidiFile(file=io.BytesIO(midi.to_bytes(small_chorale())), charset="utf-8")
    now, events = 0, []
    for message in file.tracks[track]:
        now += message.time
        events.append((now, message))
    end = events.pop()
    for tick, kind, text in texts:
        if isinstance(text, bytes):
            message = mido.MetaMessage("sequencer_specific", data=tuple(text))
        else:
            message = mido.MetaMessage(kind, text=text)
        events.append((tick, message))
    events.sort(key=lambda event: event[0])
    file.tracks[track] = mido.MidiTrack()
    now = 0
    for tick, message in [*events, end]:
        file.tracks[track].append(message.copy(time=max(tick - now, 0)))
        now = max(tick, now)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def read(content: bytes) -> ReadResult:
    """Read a file, and check that the event reader gives the same."""
    result = midi.read_bytes(content)
    chunks = parse_chunks(content, "a.mid")
    song = assemble(read_events(chunks, "a.mid"), chunks.warnings, "a.mid")
    assert song == result.song
    assert tuple(chunks.warnings) == result.warnings
    return result


def stated(song: Song) -> list[tuple[int, str]]:
    return list(zip(song.chords.ticks.tolist(), song.chords.labels(), strict=True))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_markers_are_read_again(data: st.DataObject) -> None:
    song = small_chorale()
    song = replace(song, chords=data.draw(chord_maps(song.end_ticks, step=1)))
    assert read(midi.to_bytes(song, note="musicvae test")).song.chords == song.chords
    assert not midi.read_bytes(midi.to_bytes(song)).warnings


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("track", [0, 1])
def test_texts_of_any_kind(kind: str, track: int) -> None:
    texts = [(0, kind, "Am7"), (480, kind, "D7/F#"), (960, kind, "N.C."), (1440, kind, "C")]
    result = read(with_texts(texts, track))
    assert stated(result.song) == [(0, "A:min7"), (480, "D:7/3"), (960, "N"), (1440, "C:maj")]
    assert not result.warnings


def test_some_chords_among_other_texts_are_none() -> None:
    words = [
        (0, "lyrics", "A"),
        (480, "lyrics", "men"),
        (960, "lyrics", "Am"),
        (1440, "lyrics", "I"),
    ]
    result = read(with_texts(words))
    assert not len(result.song.chords)
    assert result.warnings == ("4 lyrics left out",)


@pytest.mark.parametrize("names", ["A B C A", "A A2 B B2 C", "Am C", "Intro A B C"])
def test_names_of_sections_are_no_chords(names: str) -> None:
    markers = [(480 * i, "marker", name) for i, name in enumerate(names.split())]
    assert not len(read(with_texts(markers)).song.chords)


def test_the_kind_with_most_chords_counts_and_the_rest_is_left_out() -> None:
    texts = [(480 * i, "text", label) for i, label in enumerate(["C", "Am", "F", "G7"])]
    texts += [(0, "marker", "Verse"), (960, "marker", "Chorus"), (0, "lyrics", "la")]
    result = read(with_texts(texts))
    assert [label for _, label in stated(result.song)] == ["C:maj", "A:min", "F:maj", "G:7"]
    assert result.warnings == ("1 lyric left out", "2 markers left out")


def test_one_label_in_harte_syntax_is_enough() -> None:
    assert stated(read(with_texts([(480, "marker", "Bb:min7/b3")])).song) == [(480, "Bb:min7/b3")]


def xf(root: int, kind: int, bass: int = 0x7F) -> bytes:
    return bytes([0x43, 0x7B, 0x01, root, kind, bass, 0x7F])


def test_xf_events() -> None:
    natural, flat, sharp = 0x30, 0x20, 0x40
    events = [xf(natural + 1, 0), xf(flat + 7, 10), xf(sharp + 4, 11)]
    events += [xf(natural + 2, 19, sharp + 4), xf(natural + 1, 34)]
    events += [xf(0x7F, 0), xf(natural + 5, 99)]  # neither a root nor a type
    texts = [(240 * i, "", event) for i, event in enumerate(events)]
    chords = ["C:maj", "Bb:min7", "F#:hdim7", "D:7/3", "N"]
    expected = [(240 * i, label) for i, label in enumerate(chords)]
    assert stated(read(with_texts(texts)).song) == expected


def test_the_nearest_chord_is_told() -> None:
    texts = [(480 * i, "marker", label) for i, label in enumerate(["C7(b9,13)", "Am", "Dm"])]
    result = read(with_texts(texts))
    assert result.warnings == (
        "1 chord outside the vocabulary read as the nearest: C7(b9,13) as C7b9",
    )


def test_texts_that_are_no_utf8() -> None:
    content = with_texts([(480 * i, "text", t) for i, t in enumerate(["C~", "Am", "F", "G"])])
    chords = read(content.replace(b"C~", b"C\xb0")).song.chords
    assert chords == ChordMap.from_chords(zip(chords.ticks.tolist(), chords.chords, strict=True))
    assert chords.labels()[0] == "C:dim"
