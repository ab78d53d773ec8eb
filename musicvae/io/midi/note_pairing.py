"""Floor 3: note-on and note-off events -> notes, and what the sustain pedal does to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.io.midi.events import Events
from musicvae.song import Ints

_SUSTAIN, _RESET = 64, 121  # controllers: the sustain pedal, all controllers as at first


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Notes in the order in which they begin, all arrays `(M,)` int64.

    `on` is the index of the event that begins the note; `stop` the tick of the one that ends it.
    `endless` counts notes that no event ends.
    """

    on: Ints
    stop: Ints
    endless: int


def pairs_of(events: Events, ticks_per_quarter: int) -> Pairs:
    """Notes of tracks. A note-off ends the note of its channel and pitch that began first.

    Where there are fewer ends than beginnings, each note of that channel and pitch ends at the
    next note-off; one that no note-off follows ends where its pitch begins again, else a quarter
    after it began.
    """
    kind = events.status >> 4
    is_on = (kind == 9) & (events.second > 0)
    sounds = np.flatnonzero(is_on | (kind == 8) | (kind == 9))
    line = (events.track << 11 | (events.status & 15) << 7 | events.first)[sounds]
    order = np.argsort(line, kind="stable")
    at, line = sounds[order], line[order]
    begins = is_on[at]
    on, off = at[0::2], at[1::2]
    in_turn = len(on) == len(off) and begins[0::2].all() and not begins[1::2].any()
    if in_turn and (line[0::2] == line[1::2]).all():
        by_onset = np.argsort(on)
        return Pairs(on=on[by_onset], stop=events.tick[off[by_onset]], endless=0)
    return _matched(events, at, line, begins, ticks_per_quarter)


def _matched(
    events: Events, at: Ints, line: Ints, begins: NDArray[np.bool_], ticks_per_quarter: int
) -> Pairs:
    """Pairs where notes overlap, or ends or beginnings are missing; rows sorted by `line`."""
    rows = np.arange(len(line))
    new = np.append(True, line[1:] != line[:-1])[: len(line)]
    group = np.cumsum(new) - 1
    # How many notes sound after each row: a sum that never falls below nought, line by line.
    # Each line lies below all before it, so one running minimum serves them all.
    floor = -group * (2 * len(line) + 2)
    total = np.cumsum(np.where(begins, 1, -1))
    level = total - np.append(0, total)[np.flatnonzero(new)][group] + floor
    lowest = np.minimum.accumulate(np.minimum(level, floor))
    ended_before = np.where(new, floor, np.append(floor[:1], lowest[:-1]))
    ends = ~begins & (lowest == ended_before)  # else there is nothing that it could end
    n_lines = len(np.flatnonzero(new))
    n_on = np.bincount(group[begins], minlength=n_lines)
    n_end = np.bincount(group[ends], minlength=n_lines)
    stop = np.full(len(line), -1, np.int64)
    whole = n_on == n_end
    stop[rows[begins & whole[group]]] = events.tick[at[ends & whole[group]]]
    short = rows[begins & ~whole[group]]
    endless = 0
    if len(short):
        offs = rows[~begins]
        after = np.searchsorted(offs, short)
        found = np.append(offs, len(line) - 1)[after]
        has_end = (after < len(offs)) & (group[found] == group[short])
        again = np.append(short[1:], len(line) - 1)
        repeated = np.append(group[short[1:]] == group[short[:-1]], False)
        later = np.where(
            repeated,
            np.minimum(events.tick[at[again]], events.tick[at[short]] + ticks_per_quarter),
            events.tick[at[short]] + ticks_per_quarter,
        )
        stop[short] = np.where(has_end, events.tick[at[found]], later)
        endless = int((n_on - n_end).sum())
    on = at[begins]
    by_onset = np.argsort(on)
    return Pairs(on=on[by_onset], stop=stop[begins][by_onset], endless=endless)


def pedalled(events: Events, pairs: Pairs) -> Ints:
    """Ends of notes `(M,)` as the sustain pedal lets them sound.

    A note that ends while the pedal is down ends when the pedal is released, else with the last
    event of the file. The pedal of a note's own track counts, or, where that has none, the
    pedals of its channel in all tracks. A pitch that begins again is for the rule of overlaps.
    """
    moves = np.flatnonzero(
        (events.status >> 4 == 11) & ((events.first == _SUSTAIN) | (events.first == _RESET))
    )
    moves = moves[np.argsort(events.tick[moves], kind="stable")]
    down = (events.first[moves] == _SUSTAIN) & (events.second[moves] >= 64)
    final = max(int(events.tick.max(initial=0)), int(pairs.stop.max(initial=0)))
    channel = events.status & 15
    place = events.track << 4 | channel
    stop, unheld = pairs.stop.copy(), np.ones(len(pairs.on), bool)
    for where, of_note in ((place, place[pairs.on]), (channel, channel[pairs.on])):
        of_move = where[moves]
        for value in np.unique(of_move):
            notes, mine = np.flatnonzero(unheld & (of_note == value)), of_move == value
            stop[notes] = _held(stop[notes], events.tick[moves[mine]], down[mine], final)
        unheld &= ~np.isin(of_note, of_move)
    return stop


def _held(stop: Ints, moved: Ints, down: NDArray[np.bool_], final: int) -> Ints:
    """Ends of notes under one pedal, which moves at `moved` and is then `down` or not."""
    state = np.searchsorted(moved, stop, side="right") - 1
    held = (state >= 0) & down[state]
    up = np.flatnonzero(~down)
    release = np.append(moved[up], final)[np.searchsorted(up, state)]
    return np.where(held, np.maximum(release, stop), stop)
