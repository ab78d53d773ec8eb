"""Pairing of note-on and note-off events into notes, and the sustain pedal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.io.midi.events import Events

_SUSTAIN_PEDAL, _RESET_CONTROLLERS = 64, 121  # controller numbers


@dataclass(frozen=True, kw_only=True)
class NotePairs:
    """Notes in order of onset, arrays `(M,)` int64.

    `note_on` is the index of the event that begins the note, `end_ticks` the tick of the event
    that ends it; `n_unterminated` counts notes without a note-off.
    """

    note_on: Ints
    end_ticks: Ints
    n_unterminated: int


def pair_notes(events: Events, ticks_per_quarter: int) -> NotePairs:
    """Pair the events of all tracks: a note-off ends the oldest note of its channel and pitch.

    A channel and pitch with fewer note-offs than note-ons: each note ends at the next note-off;
    without one, at the next onset of its pitch, at most a quarter after its onset.
    """
    kind = events.status >> 4
    is_on = (kind == 9) & (events.data2 > 0)
    note_events = np.flatnonzero(is_on | (kind == 8) | (kind == 9))
    voice = (events.track << 11 | (events.status & 15) << 7 | events.data1)[note_events]
    order = np.argsort(voice, kind="stable")
    at, voice = note_events[order], voice[order]
    begins = is_on[at]
    on, off = at[0::2], at[1::2]
    alternates = len(on) == len(off) and begins[0::2].all() and not begins[1::2].any()
    if alternates and (voice[0::2] == voice[1::2]).all():
        by_onset = np.argsort(on)
        return NotePairs(
            note_on=on[by_onset], end_ticks=events.tick[off[by_onset]], n_unterminated=0
        )
    return _pair_irregular(events, at, voice, begins, ticks_per_quarter)


def _pair_irregular(
    events: Events, at: Ints, voice: Ints, begins: NDArray[np.bool_], ticks_per_quarter: int
) -> NotePairs:
    """Pair events with overlaps or missing events; rows are sorted by `voice`."""
    rows = np.arange(len(voice))
    is_first = np.append(True, voice[1:] != voice[:-1])[: len(voice)]
    group = np.cumsum(is_first) - 1
    # Notes sounding after each row: a sum clipped at zero, voice by voice. Each voice lies below
    # all before it, so one running minimum serves them all.
    floor = -group * (2 * len(voice) + 2)
    total = np.cumsum(np.where(begins, 1, -1))
    level = total - np.append(0, total)[np.flatnonzero(is_first)][group] + floor
    lowest = np.minimum.accumulate(np.minimum(level, floor))
    lowest_before = np.where(is_first, floor, np.append(floor[:1], lowest[:-1]))
    ends = ~begins & (lowest == lowest_before)  # else no note sounds that it could end
    n_voices = len(np.flatnonzero(is_first))
    n_on = np.bincount(group[begins], minlength=n_voices)
    n_off = np.bincount(group[ends], minlength=n_voices)
    end_ticks = np.full(len(voice), -1, np.int64)
    complete = n_on == n_off
    end_ticks[rows[begins & complete[group]]] = events.tick[at[ends & complete[group]]]
    incomplete = rows[begins & ~complete[group]]
    n_unterminated = 0
    if len(incomplete):
        offs = rows[~begins]
        after = np.searchsorted(offs, incomplete)
        next_off = np.append(offs, len(voice) - 1)[after]
        has_off = (after < len(offs)) & (group[next_off] == group[incomplete])
        next_on = np.append(incomplete[1:], len(voice) - 1)
        is_repeated = np.append(group[incomplete[1:]] == group[incomplete[:-1]], False)
        default_end = np.where(
            is_repeated,
            np.minimum(events.tick[at[next_on]], events.tick[at[incomplete]] + ticks_per_quarter),
            events.tick[at[incomplete]] + ticks_per_quarter,
        )
        end_ticks[incomplete] = np.where(has_off, events.tick[at[next_off]], default_end)
        n_unterminated = int((n_on - n_off).sum())
    on = at[begins]
    by_onset = np.argsort(on)
    return NotePairs(
        note_on=on[by_onset],
        end_ticks=end_ticks[begins][by_onset],
        n_unterminated=n_unterminated,
    )


def apply_sustain_pedal(events: Events, pairs: NotePairs) -> Ints:
    """Return the ends of notes `(M,)` in ticks as the sustain pedal lengthens them.

    A note that ends while the pedal is down ends when the pedal is released, else with the last
    event of the file. The pedal of the note's own track counts, or, if that has none, the pedals
    of its channel in all tracks. A repeated pitch is left to `resolve_overlaps`.
    """
    moves = np.flatnonzero(
        (events.status >> 4 == 11)
        & ((events.data1 == _SUSTAIN_PEDAL) | (events.data1 == _RESET_CONTROLLERS))
    )
    moves = moves[np.argsort(events.tick[moves], kind="stable")]
    is_down = (events.data1[moves] == _SUSTAIN_PEDAL) & (events.data2[moves] >= 64)
    last_tick = max(int(events.tick.max(initial=0)), int(pairs.end_ticks.max(initial=0)))
    channel = events.status & 15
    track_channel = events.track << 4 | channel
    end_ticks, pending = pairs.end_ticks.copy(), np.ones(len(pairs.note_on), bool)
    for scope in (track_channel, channel):
        scope_of_note, scope_of_move = scope[pairs.note_on], scope[moves]
        for value in np.unique(scope_of_move):
            notes = np.flatnonzero(pending & (scope_of_note == value))
            own = scope_of_move == value
            end_ticks[notes] = _extend_to_release(
                end_ticks[notes], events.tick[moves[own]], is_down[own], last_tick
            )
        pending &= ~np.isin(scope_of_note, scope_of_move)
    return end_ticks


def _extend_to_release(
    end_ticks: Ints, move_ticks: Ints, is_down: NDArray[np.bool_], last_tick: int
) -> Ints:
    """Return the ends of notes under one pedal, which moves at `move_ticks`."""
    state = np.searchsorted(move_ticks, end_ticks, side="right") - 1
    is_held = (state >= 0) & is_down[state]
    up = np.flatnonzero(~is_down)
    release = np.append(move_ticks[up], last_tick)[np.searchsorted(up, state)]
    return np.where(is_held, np.maximum(release, end_ticks), end_ticks)
