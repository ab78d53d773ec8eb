"""A quick look through the tracks of a regular MIDI file, without its notes.

It counts what is left out, and tells whether each track can be read on its own: whether no channel
has its program, bank or rest of its state from another track, or is set to drums or may be of MPE,
and no text is a chord.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache

from musicvae.io.midi.chord_texts import find_chords, may_be_chord
from musicvae.io.midi.left_out import BANK_SELECT, RPN_LOW, TEXT_TYPES, LeftOut
from musicvae.io.midi.meta import MetaEvent
from musicvae.io.midi.mpe import MIN_MPE_MEMBERS, MPE_PARAMETER

DRUM_BANKS = {120, 126, 127}  # GM2, XG effects, XG drums
MELODIC_BANK = 121  # GM2
ROLAND_RHYTHM_PART = re.compile(
    rb"\x41[\0-\x7f]\x42\x12\x40([\x10-\x1f])\x15([\0-\x7f])", re.DOTALL
)
YAMAHA_PART_MODE = re.compile(rb"\x43[\x10-\x1f]\x4c\x08([\0-\x7f])\x07([\0-\x7f])", re.DOTALL)

_DELTA = rb"[\x80-\xff]{0,3}+[\0-\x7f]"
_TWO = rb"[\0-\x7f]{2}(?:%b[\0-\x7f]{2})*+" % _DELTA
_ONE = rb"[\0-\x7f](?:%b[\0-\x7f])*+" % _DELTA
_TOKEN = re.compile(
    rb"((?:%(d)b[\x80-\x9f]?+[\0-\x7f]{2})*+)"
    rb"(?:((?:%(d)b[\xb0-\xbf]%(two)b)++)"
    rb"|((?:%(d)b[\xe0-\xef]%(two)b)++)"
    rb"|((?:%(d)b[\xa0-\xaf]%(two)b)++)"
    rb"|((?:%(d)b[\xd0-\xdf]%(one)b)++)"
    rb"|(%(d)b)([\xc0-\xcf])(%(one)b)"
    rb"|(%(d)b)(?:\xff([\0-\x7f])|[\xf0\xf7])(%(d)b)|)" % {b"d": _DELTA, b"two": _TWO, b"one": _ONE}
)
_CONTROLLERS, _BENDS, _POLY_PRESSURE, _PRESSURE, _PROGRAM, _OTHER = 2, 3, 4, 5, 8, 11
_RUNNING_EVENT = re.compile(rb"%b[\0-\x7f]" % _DELTA)
_LAST_DELTA = re.compile(_DELTA)
_AT_ONCE = re.compile(rb"(?:\0[\xb0-\xbf][\0-\x7f]{2}(?:\0[\0-\x7f]{2})*+)++")
# In what a track of notes and maps alone does not have.
_TEMPO = re.compile(rb"\xff\x51\x03.{3}", re.DOTALL)
_LOUD = re.compile(
    rb"[\xa0-\xbf\xd0-\xf7]|\xff(?:[\x01\x02\x04-\x07](?!\x03end|[\0-\x7f]musicvae )|\x21"
    rb"|\x7f[\x05-\x7f]\x43\x7b\x01)",
    re.DOTALL,
)
_STATUSES = bytes(range(0x80, 0x100))
_NOT_BENDS = bytes(set(range(0x100)) - set(range(0xE0, 0xF0)))
_SPECIAL_BANKS = bytes((*DRUM_BANKS, MELODIC_BANK))
_PORT = b"\xff\x21\x01"


@dataclass
class Scan:
    """What `scan_tracks` found: `is_plain` if each track can be read on its own."""

    left_out: LeftOut = field(default_factory=LeftOut)
    is_plain: bool = True
    texts: list[MetaEvent] = field(default_factory=list)  # that may be chords, without their ticks
    note_runs: list[list[bytes]] = field(default_factory=list)  # by track
    # For each port and channel, by track: whether its one program is set before the first note.
    programs: dict[tuple[int, int], dict[int, bool]] = field(
        default_factory=lambda: defaultdict(dict)
    )


def scan_tracks(tracks: list[bytes]) -> Scan | None:
    """Scan the bytes of all tracks, without their ends; None if one is irregular."""
    if _are_notes_alone(tracks):
        return Scan()
    scan = Scan()
    ports = []
    for number, events in enumerate(tracks):
        at = events.find(_PORT)
        ports.append(events[at + 3] if 0 <= at < len(events) - 3 else 0)
        if not _scan_track(events, number, ports[number], scan):
            return None
    for (port, channel), by_track in scan.programs.items():
        together = set(by_track)
        for number, events in enumerate(tracks):
            if number in together or ports[number] != port or 0x90 | channel not in events:
                continue
            if any(map(_note_on_finder(channel).match, scan.note_runs[number])):
                together.add(number)
        # Several tracks that each begin with a program of their own keep it.
        if len(together) > 1 and not all(by_track.get(i, False) for i in together):
            scan.is_plain = False
    if scan.texts and find_chords(scan.texts)[1]:
        scan.is_plain = False
    return scan


@cache
def _note_on_finder(channel: int) -> re.Pattern[bytes]:
    """Return an expression for notes of other channels up to a note-on of this one."""
    status = b"\\x%02x" % (0x90 | channel)
    others = rb"(?:%b(?:(?!%b)[\x80-\x9f])?+[\0-\x7f]{2})*+" % (_DELTA, status)
    return re.compile(others + _DELTA + status)


def _are_notes_alone(tracks: list[bytes]) -> bool:
    """Return whether tracks hold nothing but notes, maps, names, and programs for themselves."""
    if any(_LOUD.search(_TEMPO.sub(b"", events)) for events in tracks):
        return False
    for channel in range(16):
        programs = {i for i, events in enumerate(tracks) if 0xC0 | channel in events}
        if (
            programs
            and len(
                programs.union(i for i, events in enumerate(tracks) if 0x90 | channel in events)
            )
            > 1
        ):
            return False
    return True


def _scan_track(events: bytes, number: int, port: int, scan: Scan) -> bool:
    """Scan one track; return whether it is regular."""
    if _RUNNING_EVENT.match(events):
        return False
    at, end, at_start = 0, len(events), True
    left_out, note_runs, bent = scan.left_out, list[bytes](), set[int]()
    scan.note_runs.append(note_runs)
    while at < end:
        token = _TOKEN.match(events, at)
        assert token  # its last alternative is empty
        if token.end() == at:
            return _LAST_DELTA.fullmatch(events, at) is not None
        at, kind = token.end(), token.lastindex
        if token[1]:
            at_start = False
            note_runs.append(token[1])
        if kind == _CONTROLLERS:
            # Of each event: the last byte of its delta time, number, value.
            low = token[2].translate(None, _STATUSES)
            numbers, values = low[1::3], low[2::3]
            left_out.controllers.update(numbers)
            if BANK_SELECT in numbers or RPN_LOW in numbers:
                for controller, value in zip(numbers, values, strict=True):
                    if (controller == BANK_SELECT and value in _SPECIAL_BANKS) or (
                        controller == RPN_LOW and value == MPE_PARAMETER
                    ):
                        scan.is_plain = False
            at_start = at_start and _AT_ONCE.fullmatch(token[2]) is not None
        elif kind == _BENDS:
            left_out.pitch_bends += len(token[3].translate(None, _STATUSES)) // 3
            bent.update(token[3].translate(None, _NOT_BENDS))
            if len(bent) >= MIN_MPE_MEMBERS:
                scan.is_plain = False
        elif kind == _POLY_PRESSURE:
            left_out.aftertouch += len(token[4].translate(None, _STATUSES)) // 3
        elif kind == _PRESSURE:
            left_out.aftertouch += len(token[5].translate(None, _STATUSES)) // 2
        elif kind == _PROGRAM:
            at_start = at_start and token[6] == b"\0"
            by_track = scan.programs[port, token[7][0] & 15]
            by_track[number] = at_start and number not in by_track and len(token[8]) == 1
        elif kind == _OTHER:
            at_start = at_start and token[9] == b"\0"
            size = 0
            for byte in token[11]:
                size = size << 7 | byte & 0x7F
            data = events[at : at + size]
            at += size
            if at > end:
                return False
            if token[10] is None:
                if ROLAND_RHYTHM_PART.match(data) or YAMAHA_PART_MODE.match(data):
                    scan.is_plain = False
            else:
                if token[10][0] in TEXT_TYPES:
                    left_out.add_text(token[10][0], data)
                if may_be_chord(token[10][0], data):
                    scan.texts.append(MetaEvent(track=number, tick=0, type=token[10][0], data=data))
            if _RUNNING_EVENT.match(events, at):
                return False
        if kind in (_BENDS, _POLY_PRESSURE, _PRESSURE):
            at_start = False
    return True
