"""Floor 3: the two readers of MIDI: chunks -> notes and maps.

`by_symusic` takes only bytes that symusic is sure to read as they are meant (and safe to get:
it trusts lengths inside events), and checks that no note was lost; `by_events` takes all others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.formats.assembly import Found
from musicvae.formats.chunks import END_OF_TRACK, Chunks
from musicvae.formats.events import (
    KEY,
    METER,
    TEMPO,
    TRACK_NAME,
    Events,
    Meta,
    events_of,
)
from musicvae.formats.limits import check_counts
from musicvae.formats.pairs import Pairs, pairs_of, pedalled
from musicvae.formats.reading import many
from musicvae.song import Ints

_DRUM_CHANNEL = 9
_HEADER_BYTES = 14
_NOTHING = -99  # neither a meter nor a key
# Ends of tracks and whole entries of maps, three bytes or more; whatever is shorter is odd: an
# entry that is not whole, a system message (unless an event with a status follows so that it is
# part of a delta time).
_TELLING = re.compile(
    rb"\xff(?:\x2f\0|\x51\x03.{3}|\x58\x04.[\0-\x06]..|\x59\x02..|[\x2f\x51\x58\x59])"
    rb"|[\xf1-\xf6\xf8-\xfe](?![\0-\x7f][\x80-\xff])",
    re.DOTALL,
)
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
    if not _exclusive_is_plain(content):
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


def _is_shuffled(entries: Sequence[tuple[int, ...]]) -> bool:
    """Whether symusic may have changed the order of entries that contradict each other."""
    few = 20  # it sorts so many by insertion, which keeps their order
    if len(entries) <= few:
        return False
    return len({entry[0] for entry in entries}) < len(set(entries))


def _exclusive_is_plain(content: bytes) -> bool:
    """Whether after each system exclusive message an event follows with a status of its own."""
    ends = 0
    at = content.find(b"\xf0")
    while at >= 0:
        after = content[at + 1 : at + 3]
        if len(after) < 2 or after[0] >= 0x80:
            return False
        stop = at + 2 + after[0]
        if content[stop - 1 : stop] == b"\xf7":
            ends += 1
            if content[stop : stop + 1] >= b"\x80" or content[stop + 1 : stop + 2] < b"\x80":
                return False
        elif after[1] < 0x80 or b"\xf7" in content:
            return False  # else it is part of a delta time before an event with a status
        at = content.find(b"\xf0", at + 1)
    return content.count(b"\xf7") == ends


def by_events(chunks: Chunks, path: str | Path, *, pedal: bool = False) -> Found:
    """Notes and maps as our own reader finds them, whatever is odd told in `chunks.warnings`.

    `pedal` lets the sustain pedal lengthen notes. Raises `ReadError` for what is damaged.
    """
    tpq, events = chunks.ticks_per_quarter, events_of(chunks, path)
    n_notes = int(np.count_nonzero((events.status >> 4 == 9) & (events.second > 0)))
    check_counts(n_notes, 0, path)
    if chunks.stretch > 1:
        events = _later(events, np.zeros(len(chunks.tracks), np.int64), chunks.stretch)
    pairs = pairs_of(events, tpq)
    if pairs.endless:
        chunks.warnings.append(f"{many(pairs.endless, 'note')} without an end given one")
    if chunks.format == 2 and len(chunks.tracks) > 1:
        starts = _one_after_another(events, pairs, len(chunks.tracks), tpq)
        events = _later(events, starts)
        pairs = replace(pairs, stop=pairs.stop + starts[events.track[pairs.on]])
        text = f"{len(chunks.tracks)} independent sequences (format 2) laid one after another"
        chunks.warnings.append(text)
    stop = pedalled(events, pairs) if pedal else pairs.stop
    line = _lines(events, apart=chunks.format != 2)
    line_of_note = line[pairs.on]
    lines, part = np.unique(line_of_note, return_inverse=True)
    order = np.argsort(part, kind="stable")
    on = pairs.on[order]
    names = _names(events.metas, len(chunks.tracks))
    onset = np.maximum(events.tick[on], 0)
    # What a silent channel does is not music, and does not make the piece longer.
    moves = (events.status >> 4 == 11) | (events.status >> 4 == 14)
    last_move = events.tick[moves & np.isin(line, lines)].max(initial=0)
    first_on = pairs.on[np.unique(part, return_index=True)[1]]
    maps = {kind: _maps(events.metas, kind) for kind in (TEMPO, METER, KEY)}
    timed = [m.tick for m in events.metas if m.type != TRACK_NAME and (m.data or m.type in maps)]
    return Found(
        ticks_per_quarter=tpq,
        parts=[
            (names[track], program, channel == _DRUM_CHANNEL)
            for track, channel, program in zip(
                events.track[first_on].tolist(),
                (lines >> 7 & 15).tolist(),
                (lines & 127).tolist(),
                strict=True,
            )
        ],
        sizes=np.bincount(part, minlength=len(lines)).tolist(),
        onset=onset,
        duration=stop[order] - onset,
        pitch=events.first[on],
        velocity=events.second[on],
        tempo=[(0, chunks.us_per_quarter)] if chunks.us_per_quarter else maps[TEMPO],
        meter=maps[METER],
        key=maps[KEY],
        end=max(0, int(last_move), *timed),
    )


def _lines(events: Events, *, apart: bool) -> Ints:
    """The part of each event, as a number: track (if `apart`), channel, program. `(E,)`"""
    place = events.track << 4 | events.status & 15
    change = np.flatnonzero(events.status >> 4 == 12)
    program: Ints = np.zeros_like(place)
    if len(change):
        change = change[np.argsort(place[change], kind="stable")]
        n = len(place)
        at = np.searchsorted(place[change] * n + change, place * n + np.arange(n), side="right")
        last = change[at - 1]
        program = np.where((at > 0) & (place[last] == place), events.first[last], 0)
    return (place if apart else place & 15) << 7 | program


def _later(events: Events, starts: Ints, stretch: int = 1) -> Events:
    """Every track begun at its tick of `starts`, its ticks longer by the factor `stretch`."""
    begin = starts.tolist()
    metas = [replace(m, tick=m.tick * stretch + begin[m.track]) for m in events.metas]
    return replace(events, tick=events.tick * stretch + starts[events.track], metas=metas)


def _one_after_another(events: Events, pairs: Pairs, n_tracks: int, tpq: int) -> Ints:
    """Where each track begins if it begins with the bar after the one before."""
    last = np.zeros(n_tracks, np.int64)
    np.maximum.at(last, events.track[pairs.on], pairs.stop)
    starts, now = [], 0
    for track in range(n_tracks):
        mine = [m for m in events.metas if m.track == track]
        starts.append(now)
        begin, numerator, denominator = (_maps(mine, METER) or [(0, 4, 4)])[-1]
        bar = max(round(4 * tpq * numerator / (denominator or 4)), 1)
        begin = max(begin, 0)
        now += begin + -(-max(int(last[track]) - begin, 0) // bar) * bar
    return np.array(starts, np.int64)


def _maps(metas: list[Meta], kind: int) -> list[tuple[int, ...]]:
    """Entries of a map in order of time; what is too short to be one is made impossible."""
    entries: list[tuple[int, ...]] = []
    for meta in metas:
        tick, data = max(meta.tick, 0), meta.data
        if meta.type != kind:
            continue
        if kind == TEMPO:
            entries.append((tick, int.from_bytes(data[:3], "big") if len(data) > 2 else 0))
        elif len(data) < 2:
            entries.append((tick, _NOTHING, _NOTHING))
        elif kind == METER:
            entries.append((tick, data[0], 1 << data[1] if data[1] < 8 else 0))
        else:
            entries.append((tick, (data[0] + 128) % 256 - 128, data[1]))
    return sorted(entries, key=lambda entry: entry[0])


def _names(metas: list[Meta], n_tracks: int) -> list[str]:
    """The name of each track, the last one that it was given."""
    names = [""] * n_tracks
    for meta in metas:
        if meta.type == TRACK_NAME:
            try:
                names[meta.track] = meta.data.decode("utf-8")
            except UnicodeDecodeError:
                names[meta.track] = meta.data.decode("latin-1")
    return names
