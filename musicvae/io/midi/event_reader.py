"""Own MIDI reader: tracks of events -> notes and maps, with a warning for every irregularity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicvae.io.limits import check_counts
from musicvae.io.midi.assembly import DEFAULT_METER, DEFAULT_TEMPO, MidiContents
from musicvae.io.midi.channels import find_instruments
from musicvae.io.midi.chord_texts import find_chords, may_be_chord
from musicvae.io.midi.events import Events, parse_events
from musicvae.io.midi.header import MidiChunks
from musicvae.io.midi.meta import KEY, LYRIC, MARKER, METER, TEMPO, TRACK_NAME, MetaEvent
from musicvae.io.midi.note_pairing import NotePairs, apply_sustain_pedal, pair_notes
from musicvae.io.midi.text import decode_texts
from musicvae.io.result import plural

_INVALID = -99  # neither a meter nor a key
_DEFAULTS: dict[int, tuple[int, ...]] = {TEMPO: DEFAULT_TEMPO, METER: DEFAULT_METER}


def read_events(chunks: MidiChunks, path: str | Path, *, pedal: bool = False) -> MidiContents:
    """Read notes and maps; irregularities are added to `chunks.warnings`.

    `pedal` lets the sustain pedal lengthen notes. Raises `ReadError` for damaged files.
    """
    tpq, events = chunks.ticks_per_quarter, parse_events(chunks, path)
    n_notes = int(np.count_nonzero((events.status >> 4 == 9) & (events.data2 > 0)))
    check_counts(n_notes, 0, path)
    if chunks.tick_scale > 1:
        events = _shift_tracks(events, [0] * len(chunks.tracks), chunks.tick_scale)
    pairs = pair_notes(events, tpq)
    if pairs.n_unterminated:
        chunks.warnings.append(f"{plural(pairs.n_unterminated, 'note')} without a note-off ended")
    starts: list[int] = []
    if chunks.format == 2 and len(chunks.tracks) > 1:
        starts = _sequence_starts(events, pairs, len(chunks.tracks), tpq)
        chunks.warnings.append(
            f"{len(chunks.tracks)} independent sequences (format 2) put one after another"
        )
        events = _shift_tracks(events, starts)
        shift = np.array(starts)[events.track[pairs.note_on]]
        pairs = replace(pairs, end_ticks=pairs.end_ticks + shift)
    end_ticks = apply_sustain_pedal(events, pairs) if pedal else pairs.end_ticks
    played = find_instruments(events, len(chunks.tracks), is_shared=chunks.format != 2)
    # Bits: track (but in format 2, where tracks are one after another), channel, drums, program.
    part_id = (played.channel << 1 | played.is_drum) << 7 | played.program
    if chunks.format != 2:
        part_id = played.track << 12 | part_id
    part_ids, part = np.unique(part_id[pairs.note_on], return_inverse=True)
    order = np.argsort(part, kind="stable")
    on = pairs.note_on[order]
    names = _track_names(events.meta, len(chunks.tracks))
    onset = np.maximum(events.tick[on], 0)
    # Controllers of channels without notes do not lengthen the piece.
    is_move = (events.status >> 4 == 11) | (events.status >> 4 == 14)
    last_move = events.tick[is_move & np.isin(part_id, part_ids)].max(initial=0)
    first_on = pairs.note_on[np.unique(part, return_index=True)[1]]
    maps = {kind: _map_entries(events.meta, kind, starts) for kind in (TEMPO, METER, KEY)}
    meta_ticks = [
        m.tick for m in events.meta if m.type in maps or (m.type in (LYRIC, MARKER) and m.data)
    ]
    kind, chords = find_chords(m for m in events.meta if may_be_chord(m.type, m.data))
    events.left_out.keep_texts(kind, len(chords))
    return MidiContents(
        ticks_per_quarter=tpq,
        parts=[
            (names[track], program, is_drum)
            for track, program, is_drum in zip(
                events.track[first_on].tolist(),
                played.program[first_on].tolist(),
                played.is_drum[first_on].tolist(),
                strict=True,
            )
        ],
        n_notes=np.bincount(part, minlength=len(part_ids)).tolist(),
        onset_ticks=onset,
        duration_ticks=end_ticks[order] - onset,
        pitch=events.data1[on],
        velocity=events.data2[on],
        tempo=[(0, chunks.us_per_quarter)] if chunks.us_per_quarter else maps[TEMPO],
        meter=maps[METER],
        key=maps[KEY],
        chords=chords,
        end_ticks=max(0, int(last_move), *meta_ticks),
        left_out=events.left_out.warnings(pedal=pedal),
    )


def _shift_tracks(events: Events, starts: list[int], tick_scale: int = 1) -> Events:
    """Return the events with ticks times `tick_scale` and each track moved to its start."""
    meta = [replace(m, tick=m.tick * tick_scale + starts[m.track]) for m in events.meta]
    tick = events.tick * tick_scale + np.array(starts, np.int64)[events.track]
    return replace(events, tick=tick, meta=meta)


def _sequence_starts(events: Events, pairs: NotePairs, n_tracks: int, tpq: int) -> list[int]:
    """Return the tick at which each track begins: at the first bar line after the track before."""
    last = np.zeros(n_tracks, np.int64)
    np.maximum.at(last, events.track[pairs.note_on], pairs.end_ticks)
    starts, now = [], 0
    for track in range(n_tracks):
        meta = [m for m in events.meta if m.track == track]
        starts.append(now)
        begin, numerator, denominator = (_map_entries(meta, METER) or [(0, 4, 4)])[-1]
        bar_ticks = max(round(4 * tpq * numerator / (denominator or 4)), 1)
        begin = max(begin, 0)
        now += begin + -(-max(int(last[track]) - begin, 0) // bar_ticks) * bar_ticks
    return starts


def _map_entries(
    meta: list[MetaEvent], kind: int, starts: Sequence[int] = ()
) -> list[tuple[int, ...]]:
    """Return the entries of a map in order of time; events that are too short become invalid.

    At each of `starts` the default holds again until the next event.
    """
    entries = [(start, *_DEFAULTS[kind]) for start in starts if kind in _DEFAULTS]
    for event in meta:
        tick, data = max(event.tick, 0), event.data
        if event.type != kind:
            continue
        if kind == TEMPO:
            entries.append((tick, int.from_bytes(data[:3], "big") if len(data) > 2 else 0))
        elif len(data) < 2:
            entries.append((tick, _INVALID, _INVALID))
        elif kind == METER:
            entries.append((tick, data[0], 1 << data[1] if data[1] < 8 else 0))
        else:
            entries.append((tick, (data[0] + 128) % 256 - 128, data[1]))
    return sorted(entries, key=lambda entry: entry[0])


def _track_names(meta: list[MetaEvent], n_tracks: int) -> list[str]:
    """Return the name of each track: the last one it is given."""
    names = [b""] * n_tracks
    for event in meta:
        if event.type == TRACK_NAME:
            names[event.track] = event.data
    decode = decode_texts([*names, *(event.data for event in meta if event.type == LYRIC)])
    return [decode(name) for name in names]
