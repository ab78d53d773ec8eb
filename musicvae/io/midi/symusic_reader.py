"""MIDI through symusic, which is fast, for files that it is certain to read correctly.

symusic does not validate. Bytes that it would misread, or read out of bounds, are found before by
a regular expression; a sentinel tempo marks the end of each track, so that no lost note is missed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.arrays import Ints
from musicvae.io.limits import MAX_CHANGES, check_counts
from musicvae.io.midi.assembly import MidiContents
from musicvae.io.midi.header import END_OF_TRACK, MidiChunks
from musicvae.io.midi.scan import scan_tracks

_HEADER_BYTES = 14
# Three bytes or more: ends of tracks, complete map entries, system exclusive messages before an
# event with a status. Shorter: incomplete map entries, other system messages (but before an event
# with a status such a byte is taken for part of a delta time).
_SPECIAL_EVENTS = re.compile(
    rb"[\xf0-\xff](?:"
    rb"(?<=\xff)(?:\x2f\0|\x51\x03.{3}|\x58\x04.[\0-\x06]..|\x59\x02..|[\x2f\x51\x58\x59])"
    rb"|(?<=\xf0)[\0-\x7f]++\xf7(?=[\x80-\xff]{0,3}+[\0-\x7f][\x80-\xff])"
    rb"|(?<=[\xf0-\xf6\xf8-\xfe])(?![\0-\x7f][\x80-\xff])|(?<=\xf7))",
    re.DOTALL,
)
_SYSEX = re.compile(rb"\xf0[\0-\x7f]++\xf7")
# After a delta time: type and size of a meta event, or a status.
_NEXT_EVENT = re.compile(
    rb"[\x80-\xff]{0,3}+[\0-\x7f](?:\xff([\0-\x7f])([\0-\x7f])|([\x80-\xf0]))", re.DOTALL
)
_MAX_SKIPPED_META = 64  # consecutive meta events searched for the next event with a status
_MAX_STABLE_ENTRIES = 20  # symusic sorts as many by insertion, which keeps their order
_EMPTY = np.zeros(0, np.int64)
_NOTE_DTYPE = np.dtype(
    {
        "names": ["time", "duration", "pitch", "velocity"],
        "formats": ["<i4", "<i4", "i1", "i1"],
        "offsets": [0, 4, 8, 9],
        "itemsize": 12,
    }
)
_SENTINEL_TICKS = 1 << 27  # later than the end of any piece within the limits
_SENTINEL_NOTE_OFFS = {
    0x90 + channel: b"\xc0\x80\x80\x00"
    + b"\0".join([bytes([0x80 + channel, 0, 0]), *(bytes([pitch, 0]) for pitch in range(1, 128))])
    for channel in range(16)
}
"""For each note-on status, a note-off of every pitch at `_SENTINEL_TICKS`."""
_SENTINEL_US = 1
_SENTINEL_TEMPO = b"\xff\x51\x03\0\0\1"
"""A tempo that no file has, before the end of each track: present if all before it was parsed."""


def read_with_symusic(chunks: MidiChunks, path: str | Path) -> MidiContents | None:
    """Read notes and maps with symusic, or return None where it would misread the file.

    symusic silently drops notes without a note-off, so every track is given very late note-offs
    of all pitches: a note that takes one was unterminated. symusic also loses running status at
    system messages, reads past short meta events, merges the sequences of format 2, and keeps the
    state of channels track by track.
    """
    from symusic import Score

    content = chunks.content
    if chunks.warnings or chunks.format > 1 or chunks.tick_scale > 1 or not chunks.tracks:
        return None
    special = _SPECIAL_EVENTS.findall(content)
    if special.count(END_OF_TRACK) != len(chunks.tracks) or min(map(len, special)) < 3:
        return None
    if len(special) > MAX_CHANGES:
        return None
    if any(event[0] == 0xF0 for event in special) and not _sysex_is_simple(content):
        return None
    if not all(content[end - 3 : end] == END_OF_TRACK for _, end in chunks.tracks):
        return None
    tracks_of_events = [content[begin : end - 3] for begin, end in chunks.tracks]
    scan = scan_tracks(tracks_of_events)
    if not scan or not scan.is_plain:
        return None
    pieces = [content[:_HEADER_BYTES]]
    for events in tracks_of_events:
        note_offs = [offs for status, offs in _SENTINEL_NOTE_OFFS.items() if status in events]
        tail = b"".join([_SENTINEL_TEMPO, *note_offs])
        size = len(events) + len(tail) + 4
        pieces += (b"MTrk", size.to_bytes(4, "big"), events, tail, b"\0", END_OF_TRACK)
    try:
        score = Score.from_midi(b"".join(pieces))
    except (RuntimeError, MemoryError, ValueError):
        return None
    tracks = [track for track in score.tracks if len(track.notes)]
    n_notes = score.note_num()
    check_counts(n_notes, len(tracks), path)
    part_sizes, (onset, duration, pitch, velocity) = _note_columns([t.notes for t in tracks])
    names = [track.name for track in tracks]
    if n_notes and (onset.min() < 0 or (onset + duration).max() >= _SENTINEL_TICKS):
        return None
    if "\ufffd" in "".join(names):
        return None
    all_tempos = [(e.time, e.mspq) for e in score.tempos]
    tempo = [entry for entry in all_tempos if entry[1] != _SENTINEL_US]
    if len(all_tempos) != len(tempo) + len(chunks.tracks):
        return None
    meter = [(e.time, e.numerator, e.denominator) for e in score.time_signatures]
    key = [(e.time, e.key, e.tonality) for e in score.key_signatures]
    if _may_be_reordered(all_tempos) or _may_be_reordered(meter) or _may_be_reordered(key):
        return None
    end_ticks = [track.end() for track in score.tracks]
    end_ticks += [entries[-1][0] for entries in (tempo, meter, key) if entries]
    end_ticks += [marker.time for marker in score.markers[-1:]]
    return MidiContents(
        ticks_per_quarter=chunks.ticks_per_quarter,
        parts=[(name, t.program, t.is_drum) for name, t in zip(names, tracks, strict=True)],
        n_notes=part_sizes,
        onset_ticks=onset,
        duration_ticks=duration,
        pitch=pitch,
        velocity=velocity,
        tempo=tempo,
        meter=meter,
        key=key,
        end_ticks=max([0, *end_ticks]),
        left_out=scan.left_out.warnings(pedal=False),
    )


def _note_columns(lists: list[Any]) -> tuple[list[int], list[Ints]]:
    """Return the length of each symusic note list; onset, duration, pitch, velocity of all."""
    if _has_packed_rows():
        packed = [notes.__getstate__()[4:] for notes in lists]
        table = np.frombuffer(b"".join(packed), _NOTE_DTYPE)
        sizes = [len(rows) // _NOTE_DTYPE.itemsize for rows in packed]
        return sizes, [table[name].astype(np.int64) for name in _NOTE_DTYPE.names or ()]
    tables = [notes.numpy() for notes in lists]
    columns = [
        np.concatenate([_EMPTY, *(table[name] for table in tables)])
        for name in _NOTE_DTYPE.names or ()
    ]
    return [len(notes) for notes in lists], columns


@cache
def _has_packed_rows() -> bool:
    """Return whether this symusic pickles a note list as a count and rows of `_NOTE_DTYPE`.

    It does since 0.6; unpacking them is ten times faster than its arrays.
    """
    from symusic import Note
    from symusic.core import NoteTickList

    values = [(1, 258, 3, 4), (70_000, 5, 127, 1)]
    packed = NoteTickList([Note(*value) for value in values]).__getstate__()
    if not isinstance(packed, bytes) or len(packed) != 4 + 2 * _NOTE_DTYPE.itemsize:
        return False
    return np.frombuffer(packed[4:], _NOTE_DTYPE).tolist() == values


def _sysex_is_simple(content: bytes) -> bool:
    """Return whether system exclusive messages have their stated length and no running status."""
    for message in _SYSEX.finditer(content):
        if message[0][1] != len(message[0]) - 2:
            return False
        at = message.end()
        for _ in range(_MAX_SKIPPED_META):
            event = _NEXT_EVENT.match(content, at)
            if not event or event[3] or event[1] == b"\x2f":
                break
            at = event.end() + event[2][0]
        if not event or not (event[3] or event[1] == b"\x2f"):
            return False
    return True


def _may_be_reordered(entries: Sequence[tuple[int, ...]]) -> bool:
    """Return whether symusic may have changed the order of conflicting entries of one tick."""
    if len(entries) <= _MAX_STABLE_ENTRIES:
        return False
    return len({entry[0] for entry in entries}) < len(set(entries))
