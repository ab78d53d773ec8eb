"""Floor 3: MIDI by symusic, where it is sure to be read as it is meant; else None.

symusic is fast and trusting. What it would misread, or what it might read outside of its memory,
is found out before by looking for a few telling bytes; that no note was lost, by a trick.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.io.limits import MAX_CHANGES, check_counts
from musicvae.io.midi.assembly import Found
from musicvae.io.midi.header import END_OF_TRACK, Chunks
from musicvae.song import Ints

_HEADER_BYTES = 14
# Three bytes or more: ends of tracks, whole entries of maps, system exclusive messages before an
# event with a status. Shorter and odd: entries that are not whole, other system messages (but
# before an event with a status such a byte is taken for part of a delta time).
_TELLING = re.compile(
    rb"[\xf0-\xff](?:"
    rb"(?<=\xff)(?:\x2f\0|\x51\x03.{3}|\x58\x04.[\0-\x06]..|\x59\x02..|[\x2f\x51\x58\x59])"
    rb"|(?<=\xf0)[\0-\x7f]++\xf7(?=[\x80-\xff]{0,3}+[\0-\x7f][\x80-\xff])"
    rb"|(?<=[\xf0-\xf6\xf8-\xfe])(?![\0-\x7f][\x80-\xff])|(?<=\xf7))",
    re.DOTALL,
)
_EXCLUSIVE = re.compile(rb"\xf0[\0-\x7f]++\xf7")
# After the time of an event: type and size of a meta event, or a status.
_NEXT = re.compile(
    rb"[\x80-\xff]{0,3}+[\0-\x7f](?:\xff([\0-\x7f])([\0-\x7f])|([\x80-\xf0]))", re.DOTALL
)
_MOST_METAS = 64  # in a row, that are looked through for the next event with a status
_NONE = np.zeros(0, np.int64)
_ROW = np.dtype(
    {
        "names": ["time", "duration", "pitch", "velocity"],
        "formats": ["<i4", "<i4", "i1", "i1"],
        "offsets": [0, 4, 8, 9],
        "itemsize": 12,
    }
)
_LATE = 1 << 27  # ticks; longer than any piece that is read
_ENDS = {
    0x90 + channel: b"\xc0\x80\x80\x00"
    + b"\0".join([bytes([0x80 + channel, 0, 0]), *(bytes([pitch, 0]) for pitch in range(1, 128))])
    for channel in range(16)
}
"""For each status of note-on, a note-off of all its pitches, very late."""
_SEAL_US = 1
_SEAL = b"\xff\x51\x03\0\0\1"
"""A tempo that no file has, in place of the end of a track: there if all before was understood."""


def by_symusic(chunks: Chunks, path: str | Path) -> Found | None:
    """Notes and maps as symusic reads them, or None where it would misread something.

    symusic drops notes that never end without a word, so every track is given ends for all its
    notes, very late: a note that takes one had none. It loses running status at system
    messages, reads past short meta events, and merges the sequences of format 2.
    """
    from symusic import Score

    content = chunks.content
    if chunks.warnings or chunks.format > 1 or chunks.stretch > 1 or not chunks.tracks:
        return None
    telling = _TELLING.findall(content)
    if telling.count(END_OF_TRACK) != len(chunks.tracks) or min(map(len, telling)) < 3:
        return None
    if len(telling) > MAX_CHANGES:
        return None
    if any(told[0] == 0xF0 for told in telling) and not _exclusive_is_plain(content):
        return None
    pieces = [content[:_HEADER_BYTES]]
    for begin, end in chunks.tracks:
        if content[end - 3 : end] != END_OF_TRACK:
            return None
        events = content[begin : end - 3]
        late = [_SEAL, *(late for status, late in _ENDS.items() if status in events)]
        ends = b"".join(late)
        size = len(events) + len(ends) + 4
        pieces += (b"MTrk", size.to_bytes(4, "big"), events, ends, b"\0", END_OF_TRACK)
    try:
        score = Score.from_midi(b"".join(pieces))
    except (RuntimeError, MemoryError, ValueError):
        return None
    tracks = [track for track in score.tracks if len(track.notes)]
    n_notes = score.note_num()
    check_counts(n_notes, len(tracks), path)
    sizes, (onset, duration, pitch, velocity) = _columns([track.notes for track in tracks])
    names = [track.name for track in tracks]
    if n_notes and (onset.min() < 0 or (onset + duration).max() >= _LATE):
        return None
    if "\ufffd" in "".join(names):
        return None
    paces = [(e.time, e.mspq) for e in score.tempos]
    tempo = [entry for entry in paces if entry[1] != _SEAL_US]
    if len(paces) != len(tempo) + len(chunks.tracks):
        return None
    meter = [(e.time, e.numerator, e.denominator) for e in score.time_signatures]
    key = [(e.time, e.key, e.tonality) for e in score.key_signatures]
    if _is_shuffled(paces) or _is_shuffled(meter) or _is_shuffled(key):
        return None
    lasts = [track.end() for track in score.tracks]
    lasts += [entries[-1][0] for entries in (tempo, meter, key) if entries]
    lasts += [marker.time for marker in score.markers[-1:]]
    return Found(
        ticks_per_quarter=chunks.ticks_per_quarter,
        parts=[(name, t.program, t.is_drum) for name, t in zip(names, tracks, strict=True)],
        sizes=sizes,
        onset=onset,
        duration=duration,
        pitch=pitch,
        velocity=velocity,
        tempo=tempo,
        meter=meter,
        key=key,
        end=max([0, *lasts]),
    )


def _columns(lists: list[Any]) -> tuple[list[int], list[Ints]]:
    """How many notes each list of symusic has, and onset, duration, pitch, velocity of all."""
    if _packs_as_rows():
        packed = [notes.__getstate__()[4:] for notes in lists]
        table = np.frombuffer(b"".join(packed), _ROW)
        sizes = [len(rows) // _ROW.itemsize for rows in packed]
        return sizes, [table[name].astype(np.int64) for name in _ROW.names or ()]
    tables = [notes.numpy() for notes in lists]
    columns = [np.concatenate([_NONE, *(t[name] for t in tables)]) for name in _ROW.names or ()]
    return [len(notes) for notes in lists], columns


@cache
def _packs_as_rows() -> bool:
    """Whether this symusic packs a list of notes as a count and rows like `_ROW`.

    It does since 0.6, and unpacking them is ten times faster than its arrays.
    """
    from symusic import Note
    from symusic.core import NoteTickList

    values = [(1, 258, 3, 4), (70_000, 5, 127, 1)]
    packed = NoteTickList([Note(*value) for value in values]).__getstate__()
    if not isinstance(packed, bytes) or len(packed) != 4 + 2 * _ROW.itemsize:
        return False
    return np.frombuffer(packed[4:], _ROW).tolist() == values


def _exclusive_is_plain(content: bytes) -> bool:
    """Whether system exclusive messages end where they say, and no running status comes after."""
    for message in _EXCLUSIVE.finditer(content):
        if message[0][1] != len(message[0]) - 2:
            return False
        at = message.end()
        for _ in range(_MOST_METAS):
            event = _NEXT.match(content, at)
            if not event or event[3] or event[1] == b"\x2f":
                break
            at = event.end() + event[2][0]
        if not event or not (event[3] or event[1] == b"\x2f"):
            return False
    return True


def _is_shuffled(entries: Sequence[tuple[int, ...]]) -> bool:
    """Whether symusic may have changed the order of entries that contradict each other."""
    few = 20  # it sorts so many by insertion, which keeps their order
    if len(entries) <= few:
        return False
    return len({entry[0] for entry in entries}) < len(set(entries))
