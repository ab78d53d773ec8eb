"""Malformed and unusual MIDI files: each is read with a warning, or declined with a reason."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from musicvae import io
from musicvae.errors import ReadError
from musicvae.io import limits, midi
from musicvae.io import read as read_song
from musicvae.io.midi.assembly import assemble
from musicvae.io.midi.event_reader import read_events
from musicvae.io.midi.header import parse_chunks
from musicvae.io.midi.symusic_reader import read_with_symusic
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.song import Song
from support.mutations import mutate
from support.songs import small_chorale
from support.strategies import songs

END = b"\0\xff\x2f\0"
NOTE = bytes.fromhex("00 90 3c 40 83 60 80 3c 40")  # middle C for a quarter of 480 ticks
TEMPO = bytes.fromhex("00 ff 51 03 07 a1 20")
Notes = list[tuple[int, int, int]]  # onset, duration, pitch


def track(*events: bytes, end: bytes = END) -> bytes:
    body = b"".join(events) + end
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def smf(*tracks: bytes, form: int = 1, division: int = 480, n_tracks: int | None = None) -> bytes:
    said = len(tracks) if n_tracks is None else n_tracks
    header = b"".join(n.to_bytes(2, "big") for n in (form, said, division))
    return b"MThd\0\0\0\6" + header + b"".join(tracks)


def from_hex(text: str) -> bytes:
    return bytes.fromhex(text)


def notes_of(song: Song) -> Notes:
    return sorted(
        (int(onset), int(duration), int(pitch))
        for part in song.parts
        for onset, duration, pitch in zip(
            part.onset_ticks, part.duration_ticks, part.pitch, strict=True
        )
    )


def read(content: bytes, **options: bool) -> ReadResult:
    return midi.read_bytes(content, "a.mid", ReadOptions(**options))


# -- the two readers ------------------------------------------------------------------------------


def read_with_both(content: bytes) -> tuple[Song | None, Song, bool]:
    """The song by each reader, and whether their warnings are equal."""
    chunks, again = parse_chunks(content, "a.mid"), parse_chunks(content, "a.mid")
    quick = read_with_symusic(chunks, "a.mid")
    fast = assemble(quick, chunks.warnings, "a.mid") if quick else None
    slow = assemble(read_events(again, "a.mid"), again.warnings, "a.mid")
    return fast, slow, chunks.warnings == again.warnings


@given(songs())
def test_both_readers_give_the_same_song(song: Song) -> None:
    fast, slow, agree = read_with_both(midi.to_bytes(song))
    assert fast is None or (fast == slow and agree)


def test_both_readers_agree_on_real_files(shared_data: Path) -> None:
    files = sorted((shared_data / "freedoom").glob("*.mid"))[::7]
    files += sorted((shared_data / "groove").rglob("*.mid"))[::50]
    if not files:
        pytest.skip("no ../shared/data/freedoom or groove")
    outcomes = [read_with_both(path.read_bytes()) for path in files]
    assert all(fast is None or (fast == slow and agree) for fast, slow, agree in outcomes)
    assert np.mean([fast is not None for fast, _, _ in outcomes]) > 0.8


def test_symusic_reader_declines_what_it_would_misread() -> None:
    """symusic reads each of these without an error, but wrongly."""
    lost = (
        NOTE + from_hex("00 90 40 40"),  # a note without an end
        NOTE + from_hex("00 f0 05 7e 7f 09 01 f7 00 3c 40 00 3c 00"),  # running status after sysex
        NOTE + from_hex("00 f0 02 7e f7 00 ff 01 01 61 00 3c 40 00 3c 00"),  # and a text
        NOTE + from_hex("00 f7 02 90 40 00 90 40 40 60 90 40 00"),  # an escape with data
        NOTE + from_hex("00 ff 58 02 04 02"),  # a short time signature
        NOTE + from_hex("00 ff 58 04 04 22 18 08"),  # a beat of 1/2^34
        NOTE + END + NOTE,  # events after the end
    )
    for events in lost:
        assert read_with_symusic(parse_chunks(smf(track(events)), "a.mid"), "a.mid") is None
    text_too_long = smf(track(NOTE, from_hex("00 ff 01 20")))
    assert read_with_symusic(parse_chunks(text_too_long, "a.mid"), "a.mid") is None
    plain = (
        NOTE,
        NOTE + from_hex("00 ff 51 03 05 f7 f0"),
        from_hex("00 f0 05 7e 7f 09 01 f7 ") + NOTE,
        from_hex("00 f0 05 7e 7f 09 01 f7 00 ff 01 01 61") + NOTE,
        from_hex("f0 00") + NOTE[1:],
    )
    for events in plain:
        assert read_with_symusic(parse_chunks(smf(track(events)), "a.mid"), "a.mid") is not None
    assert (
        read_with_symusic(parse_chunks(midi.to_bytes(small_chorale()), "a.mid"), "a.mid")
        is not None
    )


# -- formats, wrappings, divisions ----------------------------------------------------------------


def test_format_2_sequences_are_concatenated() -> None:
    three_four = from_hex("00 ff 58 04 03 02 18 08")
    first = track(three_four, from_hex("00 ff 51 03 0f 42 40"), NOTE * 4)
    second = track(from_hex("00 c0 05"), NOTE)
    third = track(NOTE)
    result = read(smf(first, second, third, form=2))
    song = result.song
    assert "3 independent sequences (format 2) put one after another" in result.warnings
    # Four quarters in 3/4 fill two bars; one quarter in 4/4 one.
    bars = 2 * 3 * 480
    begins = [*range(0, 1920, 480), bars, bars + 1920]
    assert [onset for onset, _, _ in notes_of(song)] == begins
    assert [(p.program, len(p)) for p in song.parts] == [(0, 5), (5, 1)]
    assert song.meter.ticks.tolist() == [0, bars, bars + 1920]
    assert song.meter.numerator.tolist() == [3, 4, 4]
    assert song.tempo.qpm.round().tolist() == [60, 120, 120]


def test_format_2_with_one_sequence_equals_format_1() -> None:
    assert read(smf(track(NOTE), form=2)).song == read(smf(track(NOTE))).song


@pytest.mark.parametrize(("form", "n"), [(0, 2), (7, 1)])
def test_invalid_formats_are_read_as_parallel_tracks_with_a_warning(form: int, n: int) -> None:
    result = read(smf(*[track(NOTE)] * n, form=form))
    assert result.song.n_notes == n
    assert any(f"format {form}" in warning for warning in result.warnings)


@pytest.mark.parametrize("suffix", ["KAR", "MID", "rmi", "txt", ""])
def test_file_name_does_not_matter(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"song.{suffix}".rstrip(".")
    path.write_bytes(midi.to_bytes(small_chorale()))
    assert read_song(path) == small_chorale()


def test_riff_container_with_other_chunks() -> None:
    content = midi.to_bytes(small_chorale())
    info = b"LIST" + (8).to_bytes(4, "little") + b"INFOabcd"
    data = b"data" + len(content).to_bytes(4, "little") + content
    after = b"DLS " + (4).to_bytes(4, "little") + b"\0\0\0\0"
    size = (4 + len(info + data + after)).to_bytes(4, "little")
    result = io.read_bytes(b"RIFF" + size + b"RMID" + info + data + after)
    assert (result.kind, result.song, result.warnings) == ("MIDI in RIFF", small_chorale(), ())


def test_bytes_before_and_after_are_ignored_with_a_warning() -> None:
    content = midi.to_bytes(small_chorale())
    before = io.read_bytes(b"\0\x0achorale.mid".ljust(128, b"\0") + content)
    assert before.song == small_chorale()
    assert before.warnings == ("128 bytes before the MIDI header ignored",)
    after = read(content + b"*")
    assert (after.song, after.warnings) == (
        small_chorale(),
        ("1 byte after the last track ignored",),
    )


def test_other_chunks_and_a_wrong_track_count() -> None:
    alien = b"XFIH\0\0\0\2ab"
    result = read(smf(track(NOTE), alien, track(NOTE), n_tracks=2))
    assert result.song.n_notes == 2
    assert result.warnings == ("chunks other than tracks ignored ('XFIH')",)
    more = read(smf(track(NOTE), track(NOTE), n_tracks=1))
    assert more.song.n_notes == 2
    assert more.warnings == ("2 tracks read, but the header gives 1",)


@pytest.mark.parametrize(
    ("frames", "per_frame", "seconds"),
    [(25, 40, 0.48), (30, 80, 0.2), (24, 3, 480 / 72), (25, 1, 480 / 25), (29, 80, 0.2002)],
)
def test_smpte_division(frames: int, per_frame: int, seconds: float) -> None:
    division = (0x100 - frames) << 8 | per_frame
    result = read(smf(track(TEMPO.replace(b"\7", b"\2"), NOTE), division=division))
    song, (part,) = result.song, result.song.parts
    assert song.tempo.seconds(part.end_ticks, song.ticks_per_quarter) == pytest.approx(seconds)
    assert song.tempo.qpm == pytest.approx([120], rel=2e-3)
    assert "SMPTE" in result.warnings[0]


@pytest.mark.parametrize("division", [0, 0xFFFF, 0x8000, 0xE700, 0x9010])
def test_invalid_division_is_declined(division: int) -> None:
    with pytest.raises(ReadError, match="no ticks per quarter"):
        read(smf(track(NOTE), division=division))


# -- events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "warning"),
    [
        ("00 90 3c 40 60 3c 00 00 ff 7f 01 61 00 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 f0 03 7e 7f f7 00 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 f7 02 90 3c 00 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 c0 07 00 08 00 90 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 f4 00 3e 40 60 3e 00", "1 system message ignored"),
        ("00 90 3c 40 60 3c 00 00 f2 01 02 00 90 3e 40 60 3e 00", "1 system message ignored"),
        ("00 90 3c c8 60 3c 00 00 90 3e 40 60 3e 00", "1 event with data bytes above 127"),
    ],
    ids=["meta", "sysex", "escape", "running program", "undefined", "song position", "loud"],
)
def test_irregular_but_unambiguous_events_are_read(events: str, warning: str) -> None:
    result = read(smf(track(from_hex(events))))
    assert [(d, p) for _, d, p in notes_of(result.song)] == [(96, 60), (96, 62)]
    assert [w[: len(warning)] for w in result.warnings] == [warning] * bool(warning)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ("00 3c 40", "no event at byte 35"),
        ("00 90 3c", "an event runs past its end"),
        ("00 ff 01 7f 61", "an event runs past its end"),
        ("00 ff 01 ff ff ff ff 00", "an unterminated number"),
        ("ff ff ff ff ff ff 00 90 3c 40", "an unterminated number"),
        ("00 90 3c 90 3c 40 00", "data bytes above 127"),
    ],
)
def test_ambiguous_events_are_declined(events: str, reason: str) -> None:
    end = b"" if reason != "no event at byte 35" else END
    with pytest.raises(ReadError, match=f"damaged in track 2 .{reason}"):
        read(smf(track(), track(from_hex(events), end=end)))


def test_negative_delta_times() -> None:
    """Some programs write a negative delta time as 32 bits in five bytes."""
    back = from_hex("8f ff ff fe 60")  # -160
    result = read(smf(track(NOTE, back + from_hex("90 40 40 60 80 40 00"))))
    assert notes_of(result.song) == [(0, 480, 60), (320, 96, 64)]
    assert result.warnings == ("1 delta time of five bytes read as signed",)


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_missing_end_of_track_is_tolerated(left: int) -> None:
    content = smf(track(TEMPO), track(NOTE))
    result = read(content[: len(content) - len(END) + left])
    assert result.song == read(content).song
    assert result.warnings == ("1 track truncated at its end-of-track event",)
    with pytest.raises(ReadError, match="truncated in track 2"):
        read(content[: len(content) - len(END) - 1])


def test_events_after_the_end_of_track_give_a_warning() -> None:
    result = read(smf(track(NOTE, END, NOTE)))
    assert result.song.n_notes == 1
    assert result.warnings == ("13 bytes after the end of a track ignored",)


def test_latin_1_track_names() -> None:
    named = track(from_hex("00 ff 03 05") + "Flöte".encode("latin-1"), NOTE)
    assert read(smf(named)).song.parts[0].name == "Flöte"


# -- notes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "notes", "warnings"),
    [
        # A note-off is missing in the middle: later notes keep their own.
        (
            "00 90 3c 40 60 3c 40 60 3c 00 60 3c 40 60 3c 00",
            [(0, 96, 60), (96, 96, 60), (288, 96, 60)],
            ["1 note without a note-off ended", "1 overlapping note of one pitch shortened"],
        ),
        # No note-off at all: until the next onset of the pitch, a quarter at most.
        (
            "00 99 24 40 60 24 40 8f 00 24 40",
            [(0, 96, 36), (96, 480, 36), (2016, 480, 36)],
            ["3 notes without a note-off ended"],
        ),
        (
            "00 90 3c 40 00 3c 00 60 3e 40 60 3e 00",
            [(0, 1, 60), (96, 96, 62)],
            ["1 note of zero length"],
        ),
        # Two voices in unison: the older note ends first.
        (
            "00 90 3c 40 60 3c 40 60 3c 00 60 3c 00",
            [(0, 96, 60), (96, 192, 60)],
            ["1 overlapping note"],
        ),
        ("00 80 3c 40 00 90 3c 40 60 3c 00 00 3c 00", [(0, 96, 60)], []),
    ],
    ids=["missing off", "no offs", "zero length", "unison", "extra offs"],
)
def test_irregular_note_pairing(events: str, notes: Notes, warnings: list[str]) -> None:
    result = read(smf(track(from_hex(events))))
    assert notes_of(result.song) == notes
    assert len(result.warnings) == len(warnings)
    for warning, expected in zip(sorted(result.warnings), warnings, strict=True):
        assert warning.startswith(expected)


def test_program_change_during_a_note() -> None:
    result = read(smf(track(from_hex("00 c0 01 00 90 3c 40 60 c0 02 60 80 3c 00"), NOTE)))
    assert [(p.program, len(p)) for p in result.song.parts] == [(1, 1), (2, 1)]
    assert notes_of(result.song)[0] == (0, 192, 60)


def test_invalid_map_entries_are_counted() -> None:
    entries = (
        "00 ff 58 04 00 02 18 08",  # 0/4
        "00 ff 58 04 04 07 18 08",  # 4/128
        "00 ff 58 01 04",
        "00 ff 51 03 00 00 00",
        "00 ff 51 01 07",
        "00 ff 59 02 09 00",  # nine sharps
        "00 ff 59 02 fd 01",  # C minor
        "00 ff 58 04 01 06 18 08",  # 1/64: unusual, but valid
    )
    result = read(smf(track(from_hex("".join(entries)), NOTE)))
    song = result.song
    assert sorted(result.warnings) == [
        "1 invalid key signature ignored",
        "2 invalid tempos ignored",
        "3 invalid time signatures ignored",
    ]
    assert (song.meter.numerator.tolist(), song.meter.denominator.tolist()) == ([1], [64])
    assert (song.key.fifths.tolist(), song.key.minor.tolist()) == ([-3], [1])
    assert song.tempo.qpm.tolist() == [120]


# -- the sustain pedal ----------------------------------------------------------------------------

DOWN, UP = from_hex("00 b0 40 7f"), from_hex("00 b0 40 00")


def test_pedal_lengthens_notes_on_request() -> None:
    content = smf(track(DOWN, NOTE, from_hex("60 b0 40 3f"), NOTE))
    assert notes_of(read(content).song) == [(0, 480, 60), (576, 480, 60)]
    assert notes_of(read(content, pedal=True).song) == [(0, 576, 60), (576, 480, 60)]


def test_repeated_pitch_ends_a_pedalled_note() -> None:
    content = smf(track(DOWN, NOTE * 2, from_hex("60 b0 40 00")))
    assert notes_of(read(content, pedal=True).song) == [(0, 480, 60), (480, 576, 60)]


def test_unreleased_pedal_holds_until_the_last_event() -> None:
    content = smf(track(DOWN, NOTE, from_hex("83 60 90 40 40 83 60 80 40 40")))
    assert notes_of(read(content, pedal=True).song) == [(0, 1440, 60), (960, 480, 64)]


@pytest.mark.parametrize("release", ["00 b0 40 00", "00 b0 79 00"], ids=["pedal", "reset"])
def test_pedal_scope(release: str) -> None:
    """The pedal of the note's own track, else of its channel in any track, else none."""
    late = from_hex(release).replace(b"\0\xb0", b"\x87\x40\xb0", 1)
    other = track(DOWN, late)
    assert notes_of(read(smf(track(NOTE), other), pedal=True).song) == [(0, 960, 60)]
    assert notes_of(read(smf(track(NOTE, UP), other), pedal=True).song) == [(0, 480, 60)]
    elsewhere = track(from_hex("00 91 3c 40 83 60 81 3c 40"))
    assert notes_of(read(smf(elsewhere, other), pedal=True).song) == [(0, 480, 60)]


@given(songs())
def test_pedal_option_without_pedal_changes_nothing(song: Song) -> None:
    content = midi.to_bytes(song)
    assert read(content, pedal=True) == read(content)


# -- limits ---------------------------------------------------------------------------------------


def test_limit_on_parts() -> None:
    empty = read(smf(*[track()] * 10_000, track(NOTE)))
    assert empty.song.n_notes == 1
    with pytest.raises(ReadError, match="10,000 parts, over the limit of 1,000"):
        read(smf(*[track(NOTE)] * 10_000))


def test_limit_on_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NOTES", 99)
    for events in (NOTE * 100, NOTE * 100 + from_hex("00 f4")):
        with pytest.raises(ReadError, match="100 notes, over the limit of 99"):
            read(smf(track(events)))


def test_limit_on_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CHANGES", 99)
    for events in (TEMPO * 101, TEMPO * 101 + from_hex("00 f4")):
        with pytest.raises(ReadError, match="more than 99 changes"):
            read(smf(track(NOTE, events)))


def test_invalid_data_bytes_throughout_are_declined() -> None:
    with pytest.raises(ReadError, match="data bytes above 127 throughout"):
        read(smf(track(from_hex("00 90 ff ff") * 2000)))


def test_limit_on_file_size(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="9 MB, over the limit of 8 MB"):
        read(midi.to_bytes(small_chorale()) + bytes(9 << 20))
    path = tmp_path / "huge.mid"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(ReadError, match="65 MB, over the limit of 64 MB"):
        read_song(path)


def test_limit_on_length() -> None:
    ages = b"\xff\xff\xff\x7f"
    content = smf(track(from_hex("00 90 3c 40"), ages + b"\x80\x3c\x40"), division=96)
    with pytest.raises(ReadError, match="ends after 2,796,202 quarters"):
        read(content)
    hours = smf(track(from_hex("00 90 3c 40"), ages + b"\x80\x3c\x40"), division=4800)
    assert read(hours).song.end_ticks == 0xFFFFFFF


def test_long_trailing_silence_is_left_out() -> None:
    late = b"\xff\xff\xff\x7f" + TEMPO[1:]
    result = read(smf(track(NOTE, late)))
    assert result.song.end_ticks == 480
    assert result.warnings == ("559,240 quarters of silence at the end left out",)
    rest = read(smf(track(NOTE, b"\x9e\0" + TEMPO[1:])))  # eight bars
    assert (rest.song.end_ticks, rest.warnings) == (480 + 3840, ())


def test_pipe_is_not_opened(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    os.mkfifo(tmp_path / "pipe.mid")
    with pytest.raises(ReadError, match="not a regular file"):
        read_song(tmp_path / "pipe.mid")


# -- collected files ------------------------------------------------------------------------------

SCALE, SCALE_WITH_TEXTS = "read 8 notes", "read 8 notes, warned"
MIDI_2 = "refused: not a MIDI file or score: a MIDI 2.0 clip"
COLLECTED_FILES = {
    "jazz-soft/midi/test-2-tracks-type-0.mid": "read 16 notes, warned",
    "jazz-soft/midi/test-2-tracks-type-1.mid": "read 16 notes, warned",
    "jazz-soft/midi/test-2-tracks-type-2.mid": "read 16 notes, warned",
    "jazz-soft/midi/test-all-gm-sounds.mid": "read 512 notes, warned",
    "jazz-soft/midi/test-control-40-damper.mid": SCALE_WITH_TEXTS,
    "jazz-soft/midi/test-control-7c-omni-mode-off.mid": "read 0 notes, warned",
    "jazz-soft/midi/test-corrupt-file-extra-byte.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-corrupt-file-missing-byte.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-empty-file.mid": "refused: empty file",
    "jazz-soft/midi/test-empty.mid": "read 0 notes",
    "jazz-soft/midi/test-illegal-message-all.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-illegal-message-f1-xx.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-illegal-message-f4.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-illegal-message-fd.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-karaoke-kar.mid": "read 29 notes, warned",
    "jazz-soft/midi/test-multichannel-chords-2.mid": "read 24 notes, warned",
    "jazz-soft/midi/test-non-midi-track.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-not-a-midi-file.mid": "refused: not a MIDI file or score",
    "jazz-soft/midi/test-running-status-metaevent.mid": SCALE_WITH_TEXTS,
    "jazz-soft/midi/test-running-status-sysex.mid": SCALE_WITH_TEXTS,
    "jazz-soft/midi/test-smpte-offset.mid": SCALE_WITH_TEXTS,
    "jazz-soft/midi/test-syx-7e-06-01-id-request.syx": (
        "refused: not a MIDI file or score: a single system exclusive message"
    ),
    "jazz-soft/midi/test-vlq-4-byte.mid": SCALE_WITH_TEXTS,
    "jazz-soft/midi2/test-data.midi2": MIDI_2,
    "jazz-soft/midi2/test-empty.midi2": MIDI_2,
    "jzz/test/midi/1.mid": "read 5351 notes, warned",  # negative delta times
    "jzz/test/midi/2.mid": "read 2384 notes, warned",  # in a MacBinary file
    "jzz/test/midi/3.mid": "read 5351 notes, warned",
    "jzz/test/midi/4.mid": "read 307 notes, warned",  # time signatures of two bytes
    "jzz/test/midi/5.mid": "read 7373 notes, warned",
    # Bytes were inserted or lost, and track lengths no longer fit: a guess would be other music.
    "jzz/test/midi/6.mid": "refused: truncated or damaged after 6 of 15 tracks",
    "jzz/test/midi/7.mid": "refused: truncated or damaged after 2 of 18 tracks",
    "jzz/test/midi/8.mid": "refused: damaged in track 1 (an event runs past its end)",
    "muspy/tests/data/midi/multitrack.mid": "read 4 notes",
    "muspy/tests/data/midi/negative-ticks-per-beat.mid": (
        "refused: no ticks per quarter (invalid SMPTE division -1)"
    ),
    "muspy/tests/data/midi/pitches.mid": "read 128 notes",
    "muspy/tests/data/midi/ticks-per-beat-480.mid": "read 0 notes",
    "muspy/tests/data/midi/type2.mid": "read 0 notes",
    "muspy/tests/data/midi/zero-ticks-per-beat.mid": (
        "refused: no ticks per quarter (a division of zero)"
    ),
}


def outcome(path: Path) -> str:
    try:
        result = io.read_bytes(io.load(path), path)
    except ReadError as error:
        return f"refused: {error.reason}"
    return f"read {result.song.n_notes} notes" + ", warned" * bool(result.warnings)


@pytest.mark.parametrize("name", COLLECTED_FILES)
def test_collected_file_has_the_expected_outcome(name: str, shared_data: Path) -> None:
    path = shared_data / "bad-midi" / name
    if not path.is_file():
        pytest.skip("no ../shared/data/bad-midi")
    assert outcome(path) == COLLECTED_FILES[name]


def test_damaged_file_has_a_reproducible_outcome() -> None:
    content = midi.to_bytes(small_chorale())
    for seed in range(60):
        damaged = mutate(content, np.random.default_rng(seed))
        assert damaged == mutate(content, np.random.default_rng(seed))
        first, again = (read_or_decline(damaged) for _ in range(2))
        assert first == again


def read_or_decline(content: bytes) -> tuple[str, Song | None]:
    try:
        result = io.read_bytes(content)
    except ReadError as error:
        return str(error), None
    return "; ".join(result.warnings), result.song
