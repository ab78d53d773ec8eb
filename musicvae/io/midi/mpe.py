"""Zones of MIDI polyphonic expression: channels that are one instrument, a note at a time on each.

A zone is announced by its configuration message (registered parameter 6 on channel 1 or 16; MIDI
Association, MPE 1.0). Programs that leave the message out are known by how they write notes.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from musicvae.arrays import Ints
from musicvae.io.midi.events import Events
from musicvae.io.midi.left_out import RPN_LOW

MPE_PARAMETER = 6
"""The registered parameter number of the configuration message."""
MIN_MPE_MEMBERS = 3
"""Channels that a track bends, for a zone without that message."""
_RPN_HIGH, _DATA_ENTRY = 101, 6
_MIN_NOTES = 8
_MIN_SHARE = 0.9  # of notes that are bent, change the channel, and have it for themselves


def find_mpe_zones(events: Events, scope: Ints) -> dict[tuple[int, int], tuple[int, int]]:
    """Return (scope, master channel) of each (scope, channel) in an MPE zone."""
    masters = _announced_zones(events, scope)
    return masters | {c: m for c, m in _implied_zones(events, scope).items() if c not in masters}


def _announced_zones(events: Events, scope: Ints) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the zones of configuration messages, as `find_mpe_zones`."""
    kind, channel = events.status >> 4, events.status & 15
    moves = (kind == 11) & ((channel == 0) | (channel == 15))
    moves &= np.isin(events.data1, (_RPN_HIGH, RPN_LOW, _DATA_ENTRY))
    found = np.flatnonzero(moves)
    is_mpe = (events.data1[found] == RPN_LOW) & (events.data2[found] == MPE_PARAMETER)
    if not is_mpe.any():
        return {}
    masters: dict[tuple[int, int], tuple[int, int]] = {}
    parameter: dict[tuple[int, int], list[int]] = defaultdict(lambda: [127, 127])
    for at in found[np.lexsort((found, events.tick[found]))].tolist():
        zone = (int(scope[at]), int(channel[at]))
        number, value = int(events.data1[at]), int(events.data2[at])
        if number != _DATA_ENTRY:
            parameter[zone][number == RPN_LOW] = value
        elif parameter[zone] == [0, MPE_PARAMETER] and 0 < value <= 15:
            step = 1 if zone[1] == 0 else -1
            for i in range(value + 1):
                masters[zone[0], zone[1] + i * step] = zone
    return masters


def _implied_zones(events: Events, scope: Ints) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the zones of tracks that bend each note on a channel of its own.

    Such a track has its notes on several channels in turn, one at a time on each, all of one
    program, and nearly each note is bent anew. No other track has notes on these channels.
    """
    kind, channel = events.status >> 4, events.status & 15
    is_note = (kind == 9) & (events.data2 > 0)
    masters: dict[tuple[int, int], tuple[int, int]] = {}
    for track in np.unique(events.track[kind == 14]).tolist():
        own = events.track == track
        notes = np.flatnonzero(own & is_note)
        members = np.unique(channel[notes])
        if len(members) < MIN_MPE_MEMBERS or len(notes) < _MIN_NOTES:
            continue
        place = int(scope[notes[0]])
        is_shared = (scope == place) & np.isin(channel, members)
        has_others = bool((is_shared & is_note & ~own).any())
        programs = np.unique(events.data1[is_shared & (kind == 12)])
        moves = channel[notes[1:]] != channel[notes[:-1]]
        if has_others or len(programs) > 1 or np.mean(moves) < _MIN_SHARE:
            continue
        if _is_played_alone(events, np.flatnonzero(own & is_shared)):
            is_master_used = (is_note & (scope == place) & (channel == 0)).any()
            master = int(members[0]) if is_master_used else 0
            masters |= {(place, c): (place, master) for c in (master, *members.tolist())}
    return masters


def _is_played_alone(events: Events, at: Ints) -> bool:
    """Return whether nearly each note of events `at` is bent anew, and alone on its channel."""
    at = at[np.argsort(events.status[at] & 15, kind="stable")]
    kind, channel = events.status[at] >> 4, events.status[at] & 15
    n_bends = np.cumsum(kind == 14)
    begins = np.flatnonzero((kind == 9) & (events.data2[at] > 0))
    is_first = np.diff(channel[begins], prepend=-1) != 0
    channel_begin = np.searchsorted(channel, channel[begins])
    previous = np.where(is_first, channel_begin - 1, np.roll(begins, 1))
    is_bent = n_bends[begins] > np.where(previous < 0, 0, n_bends[previous])
    n_ends = np.cumsum((kind == 8) | ((kind == 9) & (events.data2[at] == 0)))
    is_alone = is_first | (n_ends[begins] > n_ends[previous])
    return bool(np.mean(is_bent & is_alone) >= _MIN_SHARE)


def join_mpe_zones(
    events: Events, scope: Ints, masters: dict[tuple[int, int], tuple[int, int]]
) -> tuple[Ints, Ints]:
    """Return track and channel of each event with the channels of zones replaced by masters."""
    track, channel = events.track.copy(), events.status & 15
    is_note = events.status >> 4 == 9
    for zone in set(masters.values()):
        members = [c for (s, c), master in masters.items() if master == zone and s == zone[0]]
        inside = (scope == zone[0]) & np.isin(events.status & 15, members)
        channel[inside] = zone[1]
        voices = {
            (int(t), int(c))
            for t, c in zip(
                events.track[inside & is_note].tolist(),
                (events.status & 15)[inside & is_note].tolist(),
                strict=True,
            )
        }
        if len(voices) == len({t for t, _ in voices}) == len({c for _, c in voices}) > 0:
            track[inside] = min(t for t, _ in voices)
    return track, channel
