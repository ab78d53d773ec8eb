"""Floor 3: the events of MIDI tracks as columns, however they were written.

The tracks are cut into events by regular expressions (compiled, anchored, without backtracking),
and what is in the events is read from all of them at once. What is odd but clear is read and
counted: running status across meta events, data bytes above 127, undefined messages, delta times
of five bytes, an end cut off. What is not clear is an error: a guess would be other music.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from musicvae.errors import ReadError
from musicvae.io.limits import check_changes
from musicvae.io.midi.header import Chunks
from musicvae.io.result import many
from musicvae.song import Ints

TRACK_NAME, LYRIC, MARKER, END, TEMPO, METER, KEY = 0x03, 0x05, 0x06, 0x2F, 0x51, 0x58, 0x59
_KEPT = {TRACK_NAME, LYRIC, MARKER, TEMPO, METER, KEY}
_DATA_BYTES = (2, 2, 2, 2, 1, 1, 2)  # of 0x8n, 0x9n, ... 0xEn
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}

_MOST_DOUBTS = 1000  # in a track: then it is something else

_TIME = rb"[\x80-\xff]{0,3}+[\x00-\x7f]"
_EVENT = re.compile(
    rb"%b(?:[\x80-\xbf\xe0-\xef]?+[\x00-\x7f]{2}"
    # One data byte only where the next event has a status of its own: its length is not in doubt.
    rb"|[\xc0-\xdf][\x00-\x7f](?=%b[\x80-\xff]))" % (_TIME, _TIME)
)
_CUT_END = re.compile(rb"(?:[\x80-\xff]{0,3}|%b(?:\xff\x2f?)?)" % _TIME)


@dataclass(frozen=True, kw_only=True)
class Meta:
    """A meta event of `type`: its track, its tick there, its data."""

    track: int
    tick: int
    type: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Events:
    """Channel events in the order of the file, all arrays `(E,)` int64, and meta events.

    `tick` counts from the beginning of the event's track; `first` and `second` are data bytes.
    """

    track: Ints
    tick: Ints
    status: Ints
    first: Ints
    second: Ints
    metas: list[Meta]


def events_of(chunks: Chunks, path: str | Path) -> Events:
    """All events of a file; what was odd is added to its warnings. Raises `ReadError`."""
    walk = _Walk(content=chunks.content, path=path)
    for number, (begin, end) in enumerate(chunks.tracks):
        walk.cut = chunks.cut and number == len(chunks.tracks) - 1
        walk.track(begin, end)
    chunks.warnings.extend(text.format(many(n, what)) for (what, text), n in walk.odd.items())
    return walk.decoded()


@dataclass
class _Walk:
    """From bytes to events. `begins` and `ends` place each channel event in `content`.

    `told[i]` is delta time, status and data of event `i` where its bytes alone do not say so;
    `late` are times that pass before a channel event in events that are none.
    """

    content: bytes
    path: str | Path
    cut: bool = False
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    told: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    late: list[tuple[int, int]] = field(default_factory=list)
    metas: list[tuple[int, int, int, int, bytes]] = field(default_factory=list)
    odd: dict[tuple[str, str], int] = field(default_factory=dict)

    # Of the track that is being walked:
    end: int = 0
    running: int = 0
    waited: int = 0
    doubtful: int = 0
    ended: bool = False

    def track(self, at: int, end: int) -> None:
        """Walk the events from byte `at` to `end`."""
        before = len(self.begins)
        self.end, self.running, self.waited, self.doubtful, self.ended = end, 0, 0, 0, False
        while at < end and not self.ended:
            at = self._row(at) or self._single(at)
        if not self.ended:
            if self.doubtful:
                self._fail("data bytes above 127, and no end where it should be")
            text = "{} cut off at its end-of-track event" if self.cut else "{} without its end"
            self._count("track", text)
        elif at < end:
            self._count("byte", "{} after the end of a track ignored", end - at)
        self.sizes.append(len(self.begins) - before)

    def _row(self, at: int) -> int:
        """A row of well-formed channel events: where it ends, or 0 if there is none."""
        content = self.content
        ends = [m.end() for m in iter(_EVENT.scanner(content, at, self.end).match, None)]  # type: ignore[attr-defined]
        if not ends:
            return 0
        for end in reversed(ends):
            status = content[end - 2] if content[end - 2] >= 0x80 else content[end - 3]
            if status >= 0x80:
                break
        else:
            status = self.running
        bare = content[ends[0] - 2] < 0x80 and content[ends[0] - 3] < 0x80
        if bare and (not self.running or 0xC0 <= self.running < 0xE0):
            return 0  # one after another, to see what each is
        self._wait()
        self.running = status
        self.begins += [at, *ends[:-1]]
        self.ends += ends
        return ends[-1]

    def _single(self, at: int) -> int:
        """Any other event: where the next one begins."""
        begin, content = at, self.content
        if self.cut and _CUT_END.fullmatch(content, at, self.end):
            return self.end
        delta, at = self._number(at, 5)
        if at - begin == 5:
            self._count("delta time", "{} of five bytes read with a sign")
            delta = (delta + 0x80000000) % 0x100000000 - 0x80000000
        status = self._byte(at)
        if status >= 0xF0:
            self.waited += delta
            return self._other(status, at + 1)
        if status < 0x80:
            status = self.running or self._fail(f"no event at byte {at}")
        else:
            at += 1
        stop = at + _DATA_BYTES[(status >> 4) - 8]
        if stop > self.end:
            self._fail("an event runs past its end")
        data = content[at:stop]
        if max(data) >= 0x80:
            self._count("event", "{} with data bytes above 127, read as 127")
            self.doubtful += 1
            if self.doubtful > _MOST_DOUBTS:
                self._fail("data bytes above 127 all over")
        first, second = min(data[0], 127), min(data[-1], 127) if len(data) > 1 else 0
        self._wait()
        self.told[len(self.begins)] = (delta, status, first, second)
        self.running = status
        self.begins.append(begin)
        self.ends.append(stop)
        return stop

    def _other(self, status: int, at: int) -> int:
        """A meta event, a system exclusive one, or one that has no place in a file."""
        if status not in (0xFF, 0xF0, 0xF7):
            self._count("system message", "{} ignored that no file should have")
            stop = at + _SYSTEM_DATA.get(status, 0)
            while at < min(stop, self.end) and self.content[at] < 0x80:
                at += 1
            return at
        kind = self._byte(at) if status == 0xFF else -1
        size, at = self._number(at + (status == 0xFF), 4)
        if at + size > self.end:
            self._fail("an event runs past its end")
        self.ended = kind == END
        if kind in _KEPT:
            data = self.content[at : at + size]
            check_changes(len(self.metas), self.path)
            self.metas.append((len(self.sizes), len(self.begins) - 1, self.waited, kind, data))
        return at + size

    def _number(self, at: int, longest: int) -> tuple[int, int]:
        value = 0
        for place in range(at, at + longest):
            byte = self._byte(place)
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, place + 1
        return self._fail(f"a number without an end at byte {at}")

    def _byte(self, at: int) -> int:
        return self.content[at] if at < self.end else self._fail("an event runs past its end")

    def _wait(self) -> None:
        if self.waited:
            self.late.append((len(self.begins), self.waited))
            self.waited = 0

    def _count(self, what: str, text: str, count: int = 1) -> None:
        self.odd[what, text] = self.odd.get((what, text), 0) + count

    def _fail(self, reason: str) -> NoReturn:
        track = f"in track {len(self.sizes) + 1}"
        what = f"truncated {track}" if self.cut else f"damaged {track} ({reason})"
        raise ReadError(self.path, what, "copy or export it again")

    def decoded(self) -> Events:
        """What the bytes say, all events at once."""
        content = np.frombuffer(self.content, np.uint8)
        begin, end = np.array(self.begins, np.int64), np.array(self.ends, np.int64)
        before, third, last = (content[end - back].astype(np.int64) for back in (2, 3, 1))
        short = before >= 0x80
        explicit = short | (third >= 0x80)
        status = np.where(short, before, third)
        first, second = np.where(short, last, before), np.where(short, 0, last)
        length = end - begin - 2 - (explicit & ~short)
        delta = content[begin].astype(np.int64)
        if len(begin) and length.max() > 1:
            delta &= 0x7F
            for place in range(1, 4):
                longer = np.flatnonzero(length > place)
                more = content[begin[longer] + place] & 0x7F
                delta[longer] = delta[longer] << 7 | more
        if self.told:
            at = list(self.told)
            delta[at], status[at], first[at], second[at] = np.array(list(self.told.values())).T
            explicit[at] = True
        holds = np.maximum.accumulate(np.where(explicit, np.arange(len(end)), 0))
        if self.late:
            at, times = np.array(self.late, np.int64).T
            delta[at] += times
        sizes = np.array(self.sizes, np.int64)
        track = np.repeat(np.arange(len(sizes)), sizes)
        total = np.concatenate([[0], np.cumsum(delta)])
        tick = total[1:] - total[(np.cumsum(sizes) - sizes)[track]]
        ticks = tick.tolist() if self.metas else []
        firsts = (np.cumsum(sizes) - sizes).tolist()
        metas = [
            Meta(track=t, tick=waited + (ticks[i] if i >= firsts[t] else 0), type=kind, data=data)
            for t, i, waited, kind, data in self.metas
        ]
        return Events(
            track=track,
            tick=tick,
            status=status[holds],
            first=first,
            second=second,
            metas=metas,
        )
