"""Events of MIDI tracks as columns.

Tracks are cut into events by regular expressions (compiled, anchored, without backtracking), and
all events are decoded at once. Irregular but unambiguous input is read and counted: running status
across meta events, data bytes above 127, undefined messages, delta times of five bytes, a
missing end. Ambiguous input is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from musicvae.arrays import Ints
from musicvae.errors import ReadError
from musicvae.io.limits import MAX_INVALID_DATA, check_changes
from musicvae.io.midi.chord_texts import may_be_chord
from musicvae.io.midi.header import MidiChunks
from musicvae.io.midi.left_out import TEXT_TYPES, LeftOut
from musicvae.io.midi.meta import (
    END,
    KEY,
    LYRIC,
    MARKER,
    METER,
    PORT,
    SYSEX,
    TEMPO,
    TRACK_NAME,
    MetaEvent,
)
from musicvae.io.result import plural

DRUM_CHANNEL = 9
_STORED_TYPES = {TRACK_NAME, LYRIC, MARKER, PORT, TEMPO, METER, KEY}
_STORED_SYSEX = {0x41, 0x43}  # of Roland and Yamaha, which set parts to drums
_N_DATA_BYTES = (2, 2, 2, 2, 1, 1, 2)  # of 0x8n, 0x9n, ... 0xEn
_N_SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}


_DELTA_TIME = rb"[\x80-\xff]{0,3}+[\x00-\x7f]"
_CHANNEL_EVENT = re.compile(
    rb"%b(?:[\x80-\xbf\xe0-\xef]?+[\x00-\x7f]{2}"
    # One data byte only before an event with its own status: there its length is unambiguous.
    rb"|[\xc0-\xdf][\x00-\x7f](?=%b[\x80-\xff]))" % (_DELTA_TIME, _DELTA_TIME)
)
_TRUNCATED_END = re.compile(rb"(?:[\x80-\xff]{0,3}|%b(?:\xff\x2f?)?)" % _DELTA_TIME)


@dataclass(frozen=True, kw_only=True)
class Events:
    """Channel events in file order, arrays `(E,)` int64, meta events, and what is left out.

    `tick` counts from the start of the track; `data1` and `data2` are the data bytes.
    """

    track: Ints
    tick: Ints
    status: Ints
    data1: Ints
    data2: Ints
    meta: list[MetaEvent]
    left_out: LeftOut


def parse_events(chunks: MidiChunks, path: str | Path) -> Events:
    """Parse all events; irregularities are added to the warnings. Raises `ReadError`."""
    parser = _TrackParser(content=chunks.content, path=path)
    for number, (begin, end) in enumerate(chunks.tracks):
        parser.is_truncated = chunks.is_truncated and number == len(chunks.tracks) - 1
        parser.parse_track(begin, end)
    chunks.warnings.extend(
        text.format(plural(n, what)) for (what, text), n in parser.irregularities.items()
    )
    return parser.to_events()


@dataclass
class _TrackParser:
    """State of parsing. `starts` and `ends` place each channel event in `content`.

    `overrides[i]` is delta time, status and data of event `i` where its bytes alone are not
    enough; `delays` are ticks that pass before a channel event in events of other kinds.
    """

    content: bytes
    path: str | Path
    is_truncated: bool = False
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    n_events: list[int] = field(default_factory=list)
    overrides: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    delays: list[tuple[int, int]] = field(default_factory=list)
    meta: list[tuple[int, int, int, int, bytes]] = field(default_factory=list)
    irregularities: dict[tuple[str, str], int] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)

    # Of the current track:
    end: int = 0
    running_status: int = 0
    pending_ticks: int = 0
    n_invalid_data: int = 0
    has_end: bool = False

    def parse_track(self, at: int, end: int) -> None:
        """Parse the events from byte `at` to `end`."""
        before = len(self.starts)
        self.end, self.running_status, self.pending_ticks = end, 0, 0
        self.n_invalid_data, self.has_end = 0, False
        while at < end and not self.has_end:
            at = self._parse_run(at) or self._parse_event(at)
        if not self.has_end:
            if self.n_invalid_data:
                self._fail("data bytes above 127, and no end-of-track event")
            kind = "truncated at its" if self.is_truncated else "without an"
            self._count("track", "{} " + kind + " end-of-track event")
        elif at < end:
            self._count("byte", "{} after the end of a track ignored", end - at)
        self.n_events.append(len(self.starts) - before)

    def _parse_run(self, at: int) -> int:
        """Parse a run of well-formed channel events; return its end, or 0 if there is none."""
        content = self.content
        scanner = _CHANNEL_EVENT.scanner(content, at, self.end)  # type: ignore[attr-defined]
        ends = [match.end() for match in iter(scanner.match, None)]
        if not ends:
            return 0
        for end in reversed(ends):
            status = content[end - 2] if content[end - 2] >= 0x80 else content[end - 3]
            if status >= 0x80:
                break
        else:
            status = self.running_status
        is_running = content[ends[0] - 2] < 0x80 and content[ends[0] - 3] < 0x80
        if is_running and (not self.running_status or 0xC0 <= self.running_status < 0xE0):
            return 0  # event by event: the expression assumes two data bytes
        self._flush_pending()
        self.running_status = status
        self.starts += [at, *ends[:-1]]
        self.ends += ends
        return ends[-1]

    def _parse_event(self, at: int) -> int:
        """Parse any other event; return the start of the next one."""
        begin, content = at, self.content
        if self.is_truncated and _TRUNCATED_END.fullmatch(content, at, self.end):
            return self.end
        delta, at = self._read_varlen(at, 5)
        if at - begin == 5:
            self._count("delta time", "{} of five bytes read as signed")
            delta = (delta + 0x80000000) % 0x100000000 - 0x80000000
        status = self._read_byte(at)
        if status >= 0xF0:
            self.pending_ticks += delta
            return self._parse_system_event(status, at + 1)
        if status < 0x80:
            status = self.running_status or self._fail(f"no event at byte {at}")
        else:
            at += 1
        stop = at + _N_DATA_BYTES[(status >> 4) - 8]
        if stop > self.end:
            self._fail("an event runs past its end")
        data = content[at:stop]
        if max(data) >= 0x80:
            self._count("event", "{} with data bytes above 127, read as 127")
            self.n_invalid_data += 1
            if self.n_invalid_data > MAX_INVALID_DATA:
                self._fail("data bytes above 127 throughout")
        data1, data2 = min(data[0], 127), min(data[-1], 127) if len(data) > 1 else 0
        self._flush_pending()
        self.overrides[len(self.starts)] = (delta, status, data1, data2)
        self.running_status = status
        self.starts.append(begin)
        self.ends.append(stop)
        return stop

    def _parse_system_event(self, status: int, at: int) -> int:
        """Parse a meta event, a system exclusive one, or one that is invalid in a file."""
        if status not in (0xFF, 0xF0, 0xF7):
            self._count("system message", "{} ignored that is invalid in a file")
            stop = at + _N_SYSTEM_DATA_BYTES.get(status, 0)
            while at < min(stop, self.end) and self.content[at] < 0x80:
                at += 1
            return at
        kind = self._read_byte(at) if status == 0xFF else SYSEX
        size, at = self._read_varlen(at + (status == 0xFF), 4)
        if at + size > self.end:
            self._fail("an event runs past its end")
        self.has_end = kind == END
        data = self.content[at : at + size]
        if kind in TEXT_TYPES:
            self.left_out.add_text(kind, data)
        if (
            kind in _STORED_TYPES
            or (kind == SYSEX and data[:1] and data[0] in _STORED_SYSEX)
            or may_be_chord(kind, data)
        ):
            check_changes(len(self.meta), self.path)
            last = len(self.starts) - 1
            self.meta.append((len(self.n_events), last, self.pending_ticks, kind, data))
        return at + size

    def _read_varlen(self, at: int, max_bytes: int) -> tuple[int, int]:
        """Return a variable-length quantity and the position after it."""
        value = 0
        for position in range(at, at + max_bytes):
            byte = self._read_byte(position)
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, position + 1
        return self._fail(f"an unterminated number at byte {at}")

    def _read_byte(self, at: int) -> int:
        """Return a byte of the track."""
        return self.content[at] if at < self.end else self._fail("an event runs past its end")

    def _flush_pending(self) -> None:
        """Add the ticks of skipped events to the next channel event."""
        if self.pending_ticks:
            self.delays.append((len(self.starts), self.pending_ticks))
            self.pending_ticks = 0

    def _count(self, what: str, text: str, count: int = 1) -> None:
        """Count an irregularity; `text` has a placeholder for the count."""
        self.irregularities[what, text] = self.irregularities.get((what, text), 0) + count

    def _fail(self, reason: str) -> NoReturn:
        """Raise `ReadError` for the current track."""
        track = f"in track {len(self.n_events) + 1}"
        what = f"truncated {track}" if self.is_truncated else f"damaged {track} ({reason})"
        raise ReadError(self.path, what, "copy or export it again")

    def to_events(self) -> Events:
        """Decode the bytes of all channel events at once."""
        content = np.frombuffer(self.content, np.uint8)
        begin, end = np.array(self.starts, np.int64), np.array(self.ends, np.int64)
        before, third, last = (content[end - back].astype(np.int64) for back in (2, 3, 1))
        has_one_byte = before >= 0x80
        has_status = has_one_byte | (third >= 0x80)
        status = np.where(has_one_byte, before, third)
        data1, data2 = np.where(has_one_byte, last, before), np.where(has_one_byte, 0, last)
        delta_bytes = end - begin - 2 - (has_status & ~has_one_byte)
        delta = content[begin].astype(np.int64)
        if len(begin) and delta_bytes.max() > 1:
            delta &= 0x7F
            for position in range(1, 4):
                longer = np.flatnonzero(delta_bytes > position)
                low_bits = content[begin[longer] + position] & 0x7F
                delta[longer] = delta[longer] << 7 | low_bits
        if self.overrides:
            at = list(self.overrides)
            values = np.array(list(self.overrides.values())).T
            delta[at], status[at], data1[at], data2[at] = values
            has_status[at] = True
        status_from = np.maximum.accumulate(np.where(has_status, np.arange(len(end)), 0))
        if self.delays:
            at, ticks = np.array(self.delays, np.int64).T
            delta[at] += ticks
        n_events = np.array(self.n_events, np.int64)
        track = np.repeat(np.arange(len(n_events)), n_events)
        total = np.concatenate([[0], np.cumsum(delta)])
        tick = total[1:] - total[(np.cumsum(n_events) - n_events)[track]]
        event_ticks = tick.tolist() if self.meta else []
        first_event = (np.cumsum(n_events) - n_events).tolist()
        meta = [
            MetaEvent(
                track=t,
                tick=pending + (event_ticks[i] if i >= first_event[t] else 0),
                type=kind,
                data=data,
            )
            for t, i, pending, kind, data in self.meta
        ]
        status, left_out = status[status_from], self.left_out
        kind = status >> 4
        left_out.pitch_bends = int(np.count_nonzero(kind == 14))
        left_out.aftertouch = int(np.count_nonzero((kind == 10) | (kind == 13)))
        numbers, counts = np.unique(data1[kind == 11], return_counts=True)
        left_out.controllers.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
        return Events(
            track=track,
            tick=tick,
            status=status,
            data1=data1,
            data2=data2,
            meta=meta,
            left_out=left_out,
        )
