"""MIDI as it is found: every format, every oddity, each with one outcome and nothing in silence."""

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
from musicvae.io.midi.event_reader import by_events
from musicvae.io.midi.header import chunks_of
from musicvae.io.midi.symusic_reader import by_symusic
from musicvae.io.options import ReadOptions
from musicvae.io.result import Reading
from musicvae.song import Song
from support.mutations import mutate
from support.small_songs import chorale
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


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def notes_of(song: Song) -> Notes:
    return sorted(
        (int(onset), int(duration), int(pitch))
        for part in song.parts
        for onset, duration, pitch in zip(
            part.onset_ticks, part.duration_ticks, part.pitch, strict=True
        )
    )


def read(content: bytes, **options: bool) -> Reading:
    return midi.examine(content, "a.mid", ReadOptions(**options))


# -- the two readers ------------------------------------------------------------------------------


def both(content: bytes) -> tuple[Song | None, Song, bool]:
    """The song by each reader, and whether they had the same to tell."""
    chunks, again = chunks_of(content, "a.mid"), chunks_of(content, "a.mid")
    quick = by_symusic(chunks, "a.mid")
    fast = assemble(quick, chunks.warnings, "a.mid") if quick else None
    slow = assemble(by_events(again, "a.mid"), again.warnings, "a.mid")
    return fast, slow, chunks.warnings == again.warnings


@given(songs())
def test_two_readers_give_one_song(song: Song) -> None:
    fast, slow, agree = both(midi.to_bytes(song))
    assert fast is None or (fast == slow and agree)


def test_two_readers_agree_on_real_files(shared_data: Path) -> None:
    files = sorted((shared_data / "freedoom").glob("*.mid"))[::7]
    files += sorted((shared_data / "groove").rglob("*.mid"))[::50]
    if not files:
        pytest.skip("no ../shared/data/freedoom or groove")
    outcomes = [both(path.read_bytes()) for path in files]
    assert all(fast is None or (fast == slow and agree) for fast, slow, agree in outcomes)
    assert np.mean([fast is not None for fast, _, _ in outcomes]) > 0.8


def test_the_fast_reader_knows_what_it_cannot_read() -> None:
    """Each of these symusic reads without an error, and not as it is meant."""
    lost = (
        NOTE + hexed("00 90 40 40"),  # a note without an end
        NOTE + hexed("00 f0 05 7e 7f 09 01 f7 00 3c 40 00 3c 00"),  # running status after sysex
        NOTE + hexed("00 f0 02 7e f7 00 ff 01 01 61 00 3c 40 00 3c 00"),  # and a text
        NOTE + hexed("00 f7 02 90 40 00 90 40 40 60 90 40 00"),  # an escape with data
        NOTE + hexed("00 ff 58 02 04 02"),  # a short time signature
        NOTE + hexed("00 ff 58 04 04 22 18 08"),  # a beat of 1/2^34
        NOTE + END + NOTE,  # events after the end
    )
    for events in lost:
        assert by_symusic(chunks_of(smf(track(events)), "a.mid"), "a.mid") is None
    text_too_long = smf(track(NOTE, hexed("00 ff 01 20")))
    assert by_symusic(chunks_of(text_too_long, "a.mid"), "a.mid") is None
    plain = (
        NOTE,
        NOTE + hexed("00 ff 51 03 05 f7 f0"),
        hexed("00 f0 05 7e 7f 09 01 f7 ") + NOTE,
        hexed("00 f0 05 7e 7f 09 01 f7 00 ff 01 01 61") + NOTE,
        hexed("f0 00") + NOTE[1:],
    )
    for events in plain:
        assert by_symusic(chunks_of(smf(track(events)), "a.mid"), "a.mid") is not None
    assert by_symusic(chunks_of(midi.to_bytes(chorale()), "a.mid"), "a.mid") is not None


# -- formats, wrappings, divisions ----------------------------------------------------------------


def test_format_2_is_one_sequence_after_another() -> None:
    three_four = hexed("00 ff 58 04 03 02 18 08")
    first = track(three_four, hexed("00 ff 51 03 0f 42 40"), NOTE * 4)
    second = track(hexed("00 c0 05"), NOTE)
    third = track(NOTE)
    reading = read(smf(first, second, third, form=2))
    song = reading.song
    assert "3 independent sequences (format 2) laid one after another" in reading.warnings
    # Four quarters in 3/4 fill two bars; one quarter in 4/4 one.
    bars = 2 * 3 * 480
    begins = [*range(0, 1920, 480), bars, bars + 1920]
    assert [onset for onset, _, _ in notes_of(song)] == begins
    assert [(p.program, len(p)) for p in song.parts] == [(0, 5), (5, 1)]
    assert song.meter.ticks.tolist() == [0, bars, bars + 1920]
    assert song.meter.numerator.tolist() == [3, 4, 4]
    assert song.tempo.qpm.round().tolist() == [60, 120, 120]


def test_one_sequence_of_format_2_is_a_song_like_any() -> None:
    assert read(smf(track(NOTE), form=2)).song == read(smf(track(NOTE))).song


@pytest.mark.parametrize(("form", "n"), [(0, 2), (7, 1)])
def test_odd_formats_are_read_side_by_side_and_said(form: int, n: int) -> None:
    reading = read(smf(*[track(NOTE)] * n, form=form))
    assert reading.song.n_notes == n
    assert any(f"format {form}" in warning for warning in reading.warnings)


@pytest.mark.parametrize("suffix", ["KAR", "MID", "rmi", "txt", ""])
def test_the_name_does_not_matter(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"song.{suffix}".rstrip(".")
    path.write_bytes(midi.to_bytes(chorale()))
    assert read_song(path) == chorale()


def test_a_riff_container_with_more_in_it() -> None:
    content = midi.to_bytes(chorale())
    info = b"LIST" + (8).to_bytes(4, "little") + b"INFOabcd"
    data = b"data" + len(content).to_bytes(4, "little") + content
    after = b"DLS " + (4).to_bytes(4, "little") + b"\0\0\0\0"
    size = (4 + len(info + data + after)).to_bytes(4, "little")
    reading = io.examine(b"RIFF" + size + b"RMID" + info + data + after)
    assert (reading.kind, reading.song, reading.warnings) == ("MIDI in RIFF", chorale(), ())


def test_what_stands_before_and_after_is_left_out_and_said() -> None:
    content = midi.to_bytes(chorale())
    before = io.examine(b"\0\x0achorale.mid".ljust(128, b"\0") + content)
    assert before.song == chorale()
    assert before.warnings == ("128 bytes before the MIDI header ignored",)
    after = read(content + b"*")
    assert (after.song, after.warnings) == (
        chorale(),
        ("1 byte after the last track ignored",),
    )


def test_chunks_of_other_kinds_and_a_wrong_number_of_tracks() -> None:
    alien = b"XFIH\0\0\0\2ab"
    reading = read(smf(track(NOTE), alien, track(NOTE), n_tracks=2))
    assert reading.song.n_notes == 2
    assert reading.warnings == ("chunks that hold no track ignored ('XFIH')",)
    more = read(smf(track(NOTE), track(NOTE), n_tracks=1))
    assert more.song.n_notes == 2
    assert more.warnings == ("2 tracks read where the header says 1",)


@pytest.mark.parametrize(
    ("frames", "per_frame", "seconds"),
    [(25, 40, 0.48), (30, 80, 0.2), (24, 3, 480 / 72), (25, 1, 480 / 25), (29, 80, 0.2002)],
)
def test_time_in_frames(frames: int, per_frame: int, seconds: float) -> None:
    division = (0x100 - frames) << 8 | per_frame
    reading = read(smf(track(TEMPO.replace(b"\7", b"\2"), NOTE), division=division))
    song, (part,) = reading.song, reading.song.parts
    assert song.tempo.seconds(part.end_ticks, song.ticks_per_quarter) == pytest.approx(seconds)
    assert song.tempo.qpm == pytest.approx([120], rel=2e-3)
    assert "SMPTE" in reading.warnings[0]


@pytest.mark.parametrize("division", [0, 0xFFFF, 0x8000, 0xE700, 0x9010])
def test_a_division_that_means_nothing_is_refused(division: int) -> None:
    with pytest.raises(ReadError, match="no ticks per quarter"):
        read(smf(track(NOTE), division=division))


# -- events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "warning"),
    [
        ("00 90 3c 40 60 3c 00 00 ff 01 01 61 00 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 f0 03 7e 7f f7 00 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 f7 02 90 3c 00 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 c0 07 00 08 00 90 3e 40 60 3e 00", ""),
        ("00 90 3c 40 60 3c 00 00 f4 00 3e 40 60 3e 00", "1 system message ignored"),
        ("00 90 3c 40 60 3c 00 00 f2 01 02 00 90 3e 40 60 3e 00", "1 system message ignored"),
        ("00 90 3c c8 60 3c 00 00 90 3e 40 60 3e 00", "1 event with data bytes above 127"),
    ],
    ids=["meta", "sysex", "escape", "running program", "undefined", "song position", "loud"],
)
def test_odd_events_that_are_clear_are_read(events: str, warning: str) -> None:
    reading = read(smf(track(hexed(events))))
    assert [(d, p) for _, d, p in notes_of(reading.song)] == [(96, 60), (96, 62)]
    assert [w[: len(warning)] for w in reading.warnings] == [warning] * bool(warning)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ("00 3c 40", "no event at byte 35"),
        ("00 90 3c", "an event runs past its end"),
        ("00 ff 01 7f 61", "an event runs past its end"),
        ("00 ff 01 ff ff ff ff 00", "a number without an end"),
        ("ff ff ff ff ff ff 00 90 3c 40", "a number without an end"),
        ("00 90 3c 90 3c 40 00", "data bytes above 127"),
    ],
)
def test_events_that_are_not_clear_are_refused(events: str, reason: str) -> None:
    end = b"" if reason != "no event at byte 35" else END
    with pytest.raises(ReadError, match=f"damaged in track 2 .{reason}"):
        read(smf(track(), track(hexed(events), end=end)))


def test_times_that_go_back() -> None:
    """Some programs write a negative time between events as 32 bits in five bytes."""
    back = hexed("8f ff ff fe 60")  # -160
    reading = read(smf(track(NOTE, back + hexed("90 40 40 60 80 40 00"))))
    assert notes_of(reading.song) == [(0, 480, 60), (320, 96, 64)]
    assert reading.warnings == ("1 delta time of five bytes read with a sign",)


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_a_file_that_lacks_nothing_but_its_end_is_read(left: int) -> None:
    content = smf(track(TEMPO), track(NOTE))
    reading = read(content[: len(content) - len(END) + left])
    assert reading.song == read(content).song
    assert reading.warnings == ("1 track cut off at its end-of-track event",)
    with pytest.raises(ReadError, match="truncated in track 2"):
        read(content[: len(content) - len(END) - 1])


def test_what_comes_after_the_end_of_a_track_is_said() -> None:
    reading = read(smf(track(NOTE, END, NOTE)))
    assert reading.song.n_notes == 1
    assert reading.warnings == ("13 bytes after the end of a track ignored",)


def test_names_of_old_programs() -> None:
    named = track(hexed("00 ff 03 05") + "Flöte".encode("latin-1"), NOTE)
    assert read(smf(named)).song.parts[0].name == "Flöte"


# -- notes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "notes", "warnings"),
    [
        # A note-off is missing in the middle: what follows keeps its own ends.
        (
            "00 90 3c 40 60 3c 40 60 3c 00 60 3c 40 60 3c 00",
            [(0, 96, 60), (96, 96, 60), (288, 96, 60)],
            ["1 note without an end given one", "1 overlapping note of one pitch cut short"],
        ),
        # No note-off at all: until the pitch begins again, a quarter at the latest.
        (
            "00 99 24 40 60 24 40 8f 00 24 40",
            [(0, 96, 36), (96, 480, 36), (2016, 480, 36)],
            ["3 notes without an end given one"],
        ),
        ("00 90 3c 40 00 3c 00 60 3e 40 60 3e 00", [(0, 1, 60), (96, 96, 62)], ["1 note of no"]),
        # Two voices in unison: the first to begin is the first to end.
        (
            "00 90 3c 40 60 3c 40 60 3c 00 60 3c 00",
            [(0, 96, 60), (96, 192, 60)],
            ["1 overlapping note"],
        ),
        ("00 80 3c 40 00 90 3c 40 60 3c 00 00 3c 00", [(0, 96, 60)], []),
    ],
    ids=["end missing", "no ends", "no length", "unison", "ends too many"],
)
def test_notes_from_odd_events(events: str, notes: Notes, warnings: list[str]) -> None:
    reading = read(smf(track(hexed(events))))
    assert notes_of(reading.song) == notes
    assert len(reading.warnings) == len(warnings)
    for told, expected in zip(sorted(reading.warnings), warnings, strict=True):
        assert told.startswith(expected)


def test_a_change_of_program_while_a_note_sounds() -> None:
    reading = read(smf(track(hexed("00 c0 01 00 90 3c 40 60 c0 02 60 80 3c 00"), NOTE)))
    assert [(p.program, len(p)) for p in reading.song.parts] == [(1, 1), (2, 1)]
    assert notes_of(reading.song)[0] == (0, 192, 60)


def test_impossible_entries_of_maps_are_counted() -> None:
    entries = (
        "00 ff 58 04 00 02 18 08",  # 0/4
        "00 ff 58 04 04 07 18 08",  # 4/128
        "00 ff 58 01 04",
        "00 ff 51 03 00 00 00",
        "00 ff 51 01 07",
        "00 ff 59 02 09 00",  # nine sharps
        "00 ff 59 02 fd 01",  # C minor
        "00 ff 58 04 01 06 18 08",  # 1/64: absurd, but a meter
    )
    reading = read(smf(track(hexed("".join(entries)), NOTE)))
    song = reading.song
    assert sorted(reading.warnings) == [
        "1 impossible key signature ignored",
        "2 impossible tempos ignored",
        "3 impossible time signatures ignored",
    ]
    assert (song.meter.numerator.tolist(), song.meter.denominator.tolist()) == ([1], [64])
    assert (song.key.fifths.tolist(), song.key.minor.tolist()) == ([-3], [1])
    assert song.tempo.qpm.tolist() == [120]


# -- the sustain pedal ----------------------------------------------------------------------------

DOWN, UP = hexed("00 b0 40 7f"), hexed("00 b0 40 00")


def test_the_pedal_holds_notes_if_asked_to() -> None:
    content = smf(track(DOWN, NOTE, hexed("60 b0 40 3f"), NOTE))
    assert notes_of(read(content).song) == [(0, 480, 60), (576, 480, 60)]
    assert notes_of(read(content, pedal=True).song) == [(0, 576, 60), (576, 480, 60)]


def test_a_pitch_that_begins_again_ends_what_the_pedal_holds() -> None:
    content = smf(track(DOWN, NOTE * 2, hexed("60 b0 40 00")))
    assert notes_of(read(content, pedal=True).song) == [(0, 480, 60), (480, 576, 60)]


def test_a_pedal_that_is_never_released_holds_until_the_last_event() -> None:
    content = smf(track(DOWN, NOTE, hexed("83 60 90 40 40 83 60 80 40 40")))
    assert notes_of(read(content, pedal=True).song) == [(0, 1440, 60), (960, 480, 64)]


@pytest.mark.parametrize("release", ["00 b0 40 00", "00 b0 79 00"], ids=["pedal", "reset"])
def test_whose_pedal_it_is(release: str) -> None:
    """That of the note's own track, else that of its channel in any track, else none."""
    late = hexed(release).replace(b"\0\xb0", b"\x87\x40\xb0", 1)
    other = track(DOWN, late)
    assert notes_of(read(smf(track(NOTE), other), pedal=True).song) == [(0, 960, 60)]
    assert notes_of(read(smf(track(NOTE, UP), other), pedal=True).song) == [(0, 480, 60)]
    elsewhere = track(hexed("00 91 3c 40 83 60 81 3c 40"))
    assert notes_of(read(smf(elsewhere, other), pedal=True).song) == [(0, 480, 60)]


@given(songs())
def test_without_a_pedal_nothing_changes(song: Song) -> None:
    content = midi.to_bytes(song)
    assert read(content, pedal=True) == read(content)


# -- limits ---------------------------------------------------------------------------------------


def test_ten_thousand_tracks() -> None:
    empty = read(smf(*[track()] * 10_000, track(NOTE)))
    assert empty.song.n_notes == 1
    with pytest.raises(ReadError, match="10,000 parts, more than the 1,000"):
        read(smf(*[track(NOTE)] * 10_000))


def test_more_notes_than_any_piece_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NOTES", 99)
    for events in (NOTE * 100, NOTE * 100 + hexed("00 f4")):
        with pytest.raises(ReadError, match="100 notes, more than the 99"):
            read(smf(track(events)))


def test_more_changes_than_anyone_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CHANGES", 99)
    for events in (TEMPO * 101, TEMPO * 101 + hexed("00 f4")):
        with pytest.raises(ReadError, match="more than 99 changes"):
            read(smf(track(NOTE, events)))


def test_bytes_that_are_no_events_at_all() -> None:
    with pytest.raises(ReadError, match="data bytes above 127 all over"):
        read(smf(track(hexed("00 90 ff ff") * 2000)))


def test_files_that_are_too_large(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="9 MB, more than the 8 MB"):
        read(midi.to_bytes(chorale()) + bytes(9 << 20))
    path = tmp_path / "huge.mid"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(ReadError, match="65 MB, more than the 64 MB"):
        read_song(path)


def test_a_note_that_lasts_a_million_bars() -> None:
    ages = b"\xff\xff\xff\x7f"
    content = smf(track(hexed("00 90 3c 40"), ages + b"\x80\x3c\x40"), division=96)
    with pytest.raises(ReadError, match="ends after 2,796,202 quarters"):
        read(content)
    hours = smf(track(hexed("00 90 3c 40"), ages + b"\x80\x3c\x40"), division=4800)
    assert read(hours).song.end_ticks == 0xFFFFFFF


def test_silence_that_nobody_would_wait_for() -> None:
    late = b"\xff\xff\xff\x7f" + TEMPO[1:]
    reading = read(smf(track(NOTE, late)))
    assert reading.song.end_ticks == 480
    assert reading.warnings == ("559,240 quarters of silence at the end left out",)
    rest = read(smf(track(NOTE, b"\x9e\0" + TEMPO[1:])))  # eight bars
    assert (rest.song.end_ticks, rest.warnings) == (480 + 3840, ())


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names here")
    os.mkfifo(tmp_path / "pipe.mid")
    with pytest.raises(ReadError, match="not a regular file"):
        read_song(tmp_path / "pipe.mid")


# -- the odd files that are there -----------------------------------------------------------------

SCALE = "read 8 notes"
MIDI_2 = "refused: not a MIDI file or score: a MIDI 2.0 clip"
ODD_FILES = {
    "jazz-soft/midi/test-2-tracks-type-0.mid": "read 16 notes, warned",
    "jazz-soft/midi/test-2-tracks-type-1.mid": "read 16 notes",
    "jazz-soft/midi/test-2-tracks-type-2.mid": "read 16 notes, warned",
    "jazz-soft/midi/test-all-gm-sounds.mid": "read 512 notes",
    "jazz-soft/midi/test-control-40-damper.mid": SCALE,
    "jazz-soft/midi/test-control-7c-omni-mode-off.mid": "read 0 notes",
    "jazz-soft/midi/test-corrupt-file-extra-byte.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-corrupt-file-missing-byte.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-empty-file.mid": "refused: empty file",
    "jazz-soft/midi/test-empty.mid": "read 0 notes",
    "jazz-soft/midi/test-illegal-message-all.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-illegal-message-f1-xx.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-illegal-message-f4.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-illegal-message-fd.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-karaoke-kar.mid": "read 29 notes",
    "jazz-soft/midi/test-multichannel-chords-2.mid": "read 24 notes",
    "jazz-soft/midi/test-non-midi-track.mid": "read 8 notes, warned",
    "jazz-soft/midi/test-not-a-midi-file.mid": "refused: not a MIDI file or score",
    "jazz-soft/midi/test-running-status-metaevent.mid": SCALE,
    "jazz-soft/midi/test-running-status-sysex.mid": SCALE,
    "jazz-soft/midi/test-smpte-offset.mid": SCALE,
    "jazz-soft/midi/test-syx-7e-06-01-id-request.syx": (
        "refused: not a MIDI file or score: a single system exclusive message"
    ),
    "jazz-soft/midi/test-vlq-4-byte.mid": SCALE,
    "jazz-soft/midi2/test-data.midi2": MIDI_2,
    "jazz-soft/midi2/test-empty.midi2": MIDI_2,
    "jzz/test/midi/1.mid": "read 5351 notes, warned",  # times that go back
    "jzz/test/midi/2.mid": "read 2384 notes, warned",  # in a MacBinary wrapping
    "jzz/test/midi/3.mid": "read 5351 notes, warned",
    "jzz/test/midi/4.mid": "read 307 notes",  # time signatures of two bytes
    "jzz/test/midi/5.mid": "read 7373 notes, warned",
    # Bytes were put in or taken out on the way, track lengths no longer fit: a guess would be
    # other music.
    "jzz/test/midi/6.mid": "refused: truncated or damaged after 6 of 15 tracks",
    "jzz/test/midi/7.mid": "refused: truncated or damaged after 2 of 18 tracks",
    "jzz/test/midi/8.mid": "refused: damaged in track 1 (an event runs past its end)",
    "muspy/tests/data/midi/multitrack.mid": "read 4 notes",
    "muspy/tests/data/midi/negative-ticks-per-beat.mid": (
        "refused: no ticks per quarter (a division of -1, no SMPTE frames)"
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
        reading = io.examine(io.load(path), path)
    except ReadError as error:
        return f"refused: {error.reason}"
    return f"read {reading.song.n_notes} notes" + ", warned" * bool(reading.warnings)


@pytest.mark.parametrize("name", ODD_FILES)
def test_each_odd_file_has_the_outcome_that_was_chosen(name: str, shared_data: Path) -> None:
    path = shared_data / "bad-midi" / name
    if not path.is_file():
        pytest.skip("no ../shared/data/bad-midi")
    assert outcome(path) == ODD_FILES[name]


def test_damage_is_read_or_refused_and_the_same_each_time() -> None:
    content = midi.to_bytes(chorale())
    for seed in range(60):
        spoilt = mutate(content, np.random.default_rng(seed))
        assert spoilt == mutate(content, np.random.default_rng(seed))
        first, again = (_told(spoilt) for _ in range(2))
        assert first == again


def _told(content: bytes) -> tuple[str, Song | None]:
    try:
        reading = io.examine(content)
    except ReadError as error:
        return str(error), None
    return "; ".join(reading.warnings), reading.song
