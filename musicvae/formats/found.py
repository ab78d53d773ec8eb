"""Floor 3: the two readers of MIDI: chunks -> notes and maps.

`by_symusic` takes only bytes that symusic is sure to read as they are meant (and safe to get:
it trusts lengths inside events), and checks that no note was lost; `by_events` takes all others.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

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
_NOTHING = -99  # neither a meter nor a key
_EXCLUSIVE = re.compile(rb"\xf0(?![\0-\x7f][\x80-\xff])")  # else it is in a delta time
_NONE = np.zeros(0, np.int64)
_WHOLE_MAPS = re.compile(rb"\xff(?:\x58\x04.[\0-\x06]|\x51\x03|\x59\x02)", re.DOTALL)


def by_symusic(chunks: Chunks, path: str | Path) -> Found | None:
    """Notes and maps as symusic reads them, or None where it would misread something.

    symusic drops notes that never end, stops at system messages, reads past short meta events
    and merges the sequences of format 2.
    """
    from symusic import Score

    content, n_tracks = chunks.content, len(chunks.tracks)
    if chunks.warnings or chunks.format > 1 or chunks.stretch > 1 or not n_tracks:
        return None
    if b"\xf7" in content or _EXCLUSIVE.search(content):
        return None
    if content.count(END_OF_TRACK) != n_tracks:
        return None
    if any(content[end - 3 : end] != END_OF_TRACK for _, end in chunks.tracks):
        return None
    maps = content.count(b"\xff\x58") + content.count(b"\xff\x51") + content.count(b"\xff\x59")
    if len(_WHOLE_MAPS.findall(content)) != maps:
        return None
    try:
        score = Score.from_midi(content)
    except (RuntimeError, MemoryError, ValueError):
        return None
    n_notes = score.note_num()
    if n_notes != _note_ons(content):
        return None
    tracks = [track for track in score.tracks if len(track.notes)]
    check_counts(n_notes, len(tracks), path)
    notes = [track.notes.numpy() for track in tracks]
    onset, duration, pitch, velocity = (
        np.concatenate([_NONE, *(table[name] for table in notes)])
        for name in ("time", "duration", "pitch", "velocity")
    )
    names = [track.name for track in tracks]
    if onset.min(initial=0) < 0 or any("\ufffd" in name for name in names):
        return None
    return Found(
        ticks_per_quarter=chunks.ticks_per_quarter,
        parts=[(t.name, t.program, t.is_drum) for t in tracks],
        sizes=[len(table["time"]) for table in notes],
        onset=onset,
        duration=duration,
        pitch=pitch,
        velocity=velocity,
        tempo=[(e.time, e.mspq) for e in score.tempos],
        meter=[(e.time, e.numerator, e.denominator) for e in score.time_signatures],
        key=[(e.time, e.key, e.tonality) for e in score.key_signatures],
        end=score.end(),
    )


def _note_ons(content: bytes) -> int:
    """Note-on events that say so themselves; fewer than there are where running status is used."""
    data = np.frombuffer(content, np.uint8)
    status, pitch, velocity = data[:-2], data[1:-1], data[2:]
    return int(
        np.count_nonzero(((status & 0xF0) == 0x90) & (pitch < 128) & (velocity - 1 < 127))
    )


def by_events(chunks: Chunks, path: str | Path, *, pedal: bool = False) -> Found:
    """Notes and maps as our own reader finds them, whatever is odd told in `chunks.warnings`.

    `pedal` lets the sustain pedal lengthen notes. Raises `ReadError` for what is damaged.
    """
    tpq, events = chunks.ticks_per_quarter, events_of(chunks, path)
    check_counts(np.count_nonzero((events.status >> 4 == 9) & (events.second > 0)), 0, path)
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
