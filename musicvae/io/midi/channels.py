"""State of MIDI channels as players keep it: instrument of each event, and channels of parts.

A player has sixteen channels for each port, whatever tracks their events are in. A program holds
for all notes of its channel from then on; at one tick it holds before notes of other tracks, and a
track's own program before that of others. A channel is drums

- if it is channel 10, unless GM2's bank 121 or GS makes it melodic;
- by bank 120 (GM2), 126 or 127 (XG; in GS these are melodic) in the high byte of the bank;
- by the system exclusive messages of GS ("use for rhythm part") and XG ("part mode").

The members of an MPE zone are one channel: its master (`mpe.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.io.midi.events import DRUM_CHANNEL, Events
from musicvae.io.midi.left_out import BANK_SELECT
from musicvae.io.midi.meta import PORT, SYSEX
from musicvae.io.midi.mpe import find_mpe_zones, join_mpe_zones
from musicvae.io.midi.scan import (
    DRUM_BANKS,
    MELODIC_BANK,
    ROLAND_RHYTHM_PART,
    YAMAHA_PART_MODE,
)
from musicvae.song import Part

MELODIC_CHANNELS = tuple(c for c in range(16) if c != DRUM_CHANNEL)
_MAX_PORTS = 128
_GM2_DRUM_BANK = 120
_ROLAND = b"\x41"
_GS_PARTS = (9, *range(9), *range(10, 16))  # channel of each part number of a GS message


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """What plays each channel event, arrays `(E,)`: channel, program, whether it is drums.

    `channel` is the master of an MPE zone for its members. `track` is that of the event, but one
    for all tracks of a zone that has a track for each channel.
    """

    track: Ints
    channel: Ints
    program: Ints
    is_drum: NDArray[np.bool_]


def find_instruments(events: Events, n_tracks: int, *, is_shared: bool) -> Instruments:
    """Return the instrument of each event; `is_shared` unless each track is a piece of its own."""
    ports = np.zeros(n_tracks, np.int64)
    for event in reversed(events.meta):  # the first one of a track counts
        if event.type == PORT and event.data:
            ports[event.track] = event.data[0]
    scope = (ports if is_shared else np.arange(n_tracks))[events.track]
    channel = events.status & 15
    track = events.track
    masters = find_mpe_zones(events, scope)
    if masters:
        track, channel = join_mpe_zones(events, scope, masters)
    group = scope << 4 | channel
    is_zone = np.isin(group, [s << 4 | c for s, c in masters.values()])
    return Instruments(
        track=track,
        channel=channel,
        program=_find_programs(events, group),
        is_drum=_find_drums(events, scope, ports, group, is_shared=is_shared) & ~is_zone,
    )


def _find_programs(events: Events, group: Ints) -> Ints:
    """Return the program that holds at each event of channels `group`."""
    program: Ints = np.zeros_like(group)
    change = np.flatnonzero(events.status >> 4 == 12)
    if not len(change):
        return program
    own = _last_before(events.track << 32 | group, change, np.arange(len(group)))
    own_tick = np.where(own >= 0, events.tick[own], np.iinfo(np.int64).min)
    other, found = own, own >= 0
    n_tracks = int(events.track.max()) + 1
    users = np.unique(group * n_tracks + events.track) // n_tracks
    is_used_by_several = np.isin(group[change], users[1:][users[1:] == users[:-1]])
    if is_used_by_several.any():
        latest = _latest(group, events.tick, change, np.lexsort((change, events.tick[change])))
        is_later = (latest >= 0) & (events.tick[latest] > own_tick)
        is_later &= events.track[latest] != events.track
        other, found = np.where(is_later, latest, own), found | is_later
    return np.where(found, events.data1[other], 0)


def _last_before(key: Ints, change: Ints, position: Ints) -> Ints:
    """Return, for each event, the last of the changes with its key that is not after it, or -1."""
    _, key = np.unique(key, return_inverse=True)
    n = len(key)
    change = change[np.argsort(key[change], kind="stable")]
    at = np.searchsorted(key[change] * n + change, key * n + position, side="right") - 1
    last = change[at]
    return np.where((at >= 0) & (key[last] == key), last, -1)


def _latest(group: Ints, tick: Ints, change: Ints, order: Ints) -> Ints:
    """Return, for each event, the latest change of its group at its tick or before, or -1."""
    change = change[order]
    latest = np.full(len(group), -1, np.int64)
    for value in np.unique(group[change]).tolist():
        own = change[group[change] == value]
        members = np.flatnonzero(group == value)
        at = np.searchsorted(tick[own], tick[members], side="right") - 1
        latest[members] = np.where(at >= 0, own[at], -1)
    return latest


def _find_drums(
    events: Events, scope: Ints, ports: Ints, group: Ints, *, is_shared: bool
) -> NDArray[np.bool_]:
    """Return whether each event is played by drums."""
    is_drum = events.status & 15 == DRUM_CHANNEL
    by_message: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    has_roland = False
    for event in events.meta:
        if event.type != SYSEX:
            continue
        has_roland |= event.data[:1] == _ROLAND
        base = (int(ports[event.track]) if is_shared else event.track) << 4
        if match := ROLAND_RHYTHM_PART.match(event.data):
            part = _GS_PARTS[match[1][0] & 15]
            by_message[base | part].append((event.tick, match[2] != b"\0"))
        elif (match := YAMAHA_PART_MODE.match(event.data)) and match[1][0] < 16:
            by_message[base | match[1][0]].append((event.tick, match[2] != b"\0"))
    is_bank = (events.status >> 4 == 11) & (events.data1 == BANK_SELECT)
    by_bank: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for at in np.flatnonzero(is_bank).tolist():
        bank, value = int(events.data2[at]), int(group[at])
        if bank in DRUM_BANKS and (not has_roland or bank == _GM2_DRUM_BANK):
            by_bank[value].append((int(events.tick[at]), True))
        elif value & 15 != DRUM_CHANNEL or bank == MELODIC_BANK:
            by_bank[value].append((int(events.tick[at]), False))
    for value, changes in (by_bank | by_message).items():
        by_default = value & 15 == DRUM_CHANNEL
        if all(drums == by_default for _, drums in changes):
            continue
        changes.sort(key=lambda change: change[0])
        members = np.flatnonzero(group == value)
        ticks = np.array([tick for tick, _ in changes])
        states = np.array([by_default, *(drums for _, drums in changes)])
        is_drum[members] = states[np.searchsorted(ticks, events.tick[members], side="right")]
    return is_drum


def assign_channels(parts: Iterable[Part]) -> list[tuple[int, int]]:
    """Return port and channel of each part, so that no two instruments share a channel.

    Drums are on channel 10, each kit on a port of its own. Melodic parts beyond fifteen go to
    further ports; there they prefer the channel of an earlier part of the same program, so that
    players without ports go wrong less often.
    """
    taken: set[tuple[int, int]] = set()
    kits: dict[int, int] = {}
    channels_of_program: dict[int, list[int]] = defaultdict(list)
    assigned, n_melodic = [], 0
    for part in parts:
        if part.is_drum:
            port = kits.setdefault(part.program, len(kits))
            assigned.append((port % _MAX_PORTS, DRUM_CHANNEL))
            continue
        port = n_melodic // len(MELODIC_CHANNELS) % _MAX_PORTS
        wanted = channels_of_program[part.program] if port else []
        place = next((port, c) for c in (*wanted, *MELODIC_CHANNELS) if (port, c) not in taken)
        taken.add(place)
        channels_of_program[part.program].append(place[1])
        assigned.append(place)
        n_melodic += 1
    return assigned
