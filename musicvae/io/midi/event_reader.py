"""Floor 3: MIDI by our own reader: any tracks of events -> notes and maps, every oddity counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicvae.io.limits import check_counts
from musicvae.io.midi.assembly import DEFAULT_METER, DEFAULT_TEMPO, Found
from musicvae.io.midi.events import KEY, METER, TEMPO, TRACK_NAME, Events, Meta, events_of
from musicvae.io.midi.header import Chunks
from musicvae.io.midi.note_pairing import Pairs, pairs_of, pedalled
from musicvae.io.result import many
from musicvae.song import Ints

_DRUM_CHANNEL = 9
_NOTHING = -99  # neither a meter nor a key
_DEFAULTS: dict[int, tuple[int, ...]] = {TEMPO: DEFAULT_TEMPO, METER: DEFAULT_METER}


def by_events(chunks: Chunks, path: str | Path, *, pedal: bool = False) -> Found:
    """Notes and maps as our own reader finds them, whatever is odd told in `chunks.warnings`.

    `pedal` lets the sustain pedal lengthen notes. Raises `ReadError` for what is damaged.
    """
    tpq, events = chunks.ticks_per_quarter, events_of(chunks, path)
    n_notes = int(np.count_nonzero((events.status >> 4 == 9) & (events.second > 0)))
    check_counts(n_notes, 0, path)
    if chunks.stretch > 1:
        events = _later(events, [0] * len(chunks.tracks), chunks.stretch)
    pairs = pairs_of(events, tpq)
    if pairs.endless:
        chunks.warnings.append(f"{many(pairs.endless, 'note')} without an end given one")
    starts: list[int] = []
    if chunks.format == 2 and len(chunks.tracks) > 1:
        starts = _one_after_another(events, pairs, len(chunks.tracks), tpq)
        told = f"{len(chunks.tracks)} independent sequences (format 2) laid one after another"
        chunks.warnings.append(told)
        events = _later(events, starts)
        pairs = replace(pairs, stop=pairs.stop + np.array(starts)[events.track[pairs.on]])
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
    maps = {kind: _maps(events.metas, kind, starts) for kind in (TEMPO, METER, KEY)}
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


def _later(events: Events, starts: list[int], stretch: int = 1) -> Events:
    """Every track begun at its tick of `starts`, its ticks longer by the factor `stretch`."""
    metas = [replace(m, tick=m.tick * stretch + starts[m.track]) for m in events.metas]
    tick = events.tick * stretch + np.array(starts, np.int64)[events.track]
    return replace(events, tick=tick, metas=metas)


def _one_after_another(events: Events, pairs: Pairs, n_tracks: int, tpq: int) -> list[int]:
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
    return starts


def _maps(metas: list[Meta], kind: int, starts: Sequence[int] = ()) -> list[tuple[int, ...]]:
    """Entries of a map in order of time; what is too short to be one is made impossible.

    At each of `starts` the default holds again until an entry says otherwise.
    """
    entries = [(start, *_DEFAULTS[kind]) for start in starts if kind in _DEFAULTS]
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
