"""Floor 3: a song's parts <-> a preset's slots.

A preset has a fixed row of slots (one melody, four voices, ...). Any song fits any preset:

- a part that plays several notes at once is split into lanes of one note at a time, where the
  preset's slots are single voices;
- lanes with chords go to slots for chords, then lanes go to slots by register, high to low;
- more lanes than slots go through in groups, each group a pass of its own through the model;
- drums are told in nine classes (`drums.fold`), each by the pitch that stands for it; a hit lasts
  one cell;
- what a preset cannot represent (drums without a drum slot or without a class, pitches outside its
  range) stays `untouched` and comes back as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.bars import Bars, Notes, cells, settled
from musicvae.representation.drums import canonical
from musicvae.representation.grid import Grid
from musicvae.song import Ints, Part, Song


class Slot(Protocol):
    """What this module needs to know of a preset's part (see `config.PartConfig`)."""

    @property
    def kind(self) -> str:
        """`voice` (one note at a time), `chords` or `drums`."""

    @property
    def low(self) -> int:
        """Lowest pitch the slot can hold."""

    @property
    def high(self) -> int:
        """Highest pitch the slot can hold."""

    @property
    def center(self) -> float:
        """The pitch around which the slot usually plays."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """One pass through the model: `notes.part` is a slot, `owner[slot]` the song's part or -1."""

    notes: Notes
    owner: Ints

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which slots are in use. `(R,)`"""
        return self.owner >= 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Slotted:
    """A song spread over slots: groups to be modelled, and notes that stay as they are.

    `struck` are the drum notes of the groups as they were before they were folded to classes.
    `doubled` of them are not in the groups: they fell onto another one of their class.
    """

    groups: tuple[Group, ...]
    untouched: Notes
    struck: Notes
    doubled: int


_CHORDAL = 0.1  # share of notes that begin while another sounds, above which a lane is chords


def into_slots(bars: Bars, slots: tuple[Slot, ...]) -> Slotted:
    """Spread the parts of `bars` over `slots`; the inverse is `out_of_slots`."""
    drum_part = np.array([part.is_drum for part in bars.frame.parts], bool)
    is_drum = drum_part[bars.notes.part] if len(bars.notes) else np.zeros(0, bool)
    notes = replace(
        bars.notes,
        pitch=_told(bars.notes.pitch, is_drum),
        duration=np.where(is_drum, 1, bars.notes.duration),
    )
    groups: list[Group] = []
    untouched = np.ones(len(notes), bool)
    for drums in (False, True):
        available = [i for i, slot in enumerate(slots) if (slot.kind == "drums") is drums]
        if not available:
            continue
        low = min(slots[i].low for i in available)
        high = max(slots[i].high for i in available)
        fits = (is_drum == drums) & (notes.pitch >= low) & (notes.pitch <= high)
        lanes = _lanes(bars, np.flatnonzero(fits), all(slots[i].kind == "voice" for i in available))
        untouched[fits] = False
        for row, choice in enumerate(_passes(bars, lanes, slots, available)):
            group = _grouped(notes, choice, len(slots))
            if drums:
                group = replace(group, notes=settled(bars.grid, group.notes))
            # Drums share the pass of the first melodic group, where there is one.
            if drums and row < len(groups):
                groups[row] = _joined(groups[row], group)
            else:
                groups.append(group)
    return Slotted(
        groups=tuple(groups),
        untouched=bars.notes.take(untouched),
        struck=bars.notes.take(is_drum & ~untouched),
        doubled=int((~untouched).sum()) - sum(len(group.notes) for group in groups),
    )


def out_of_slots(groups: tuple[Group, ...], untouched: Notes, struck: Notes | None = None) -> Notes:
    """Notes by the song's own parts again, from groups whose notes may have been remade.

    Drums come back at the pitches that stand for their classes. Given the notes that were `struck`
    before, a hit that is where one of its part and class was comes back as that one was.
    """
    back = [
        replace(group.notes, part=group.owner[group.notes.part])
        for group in groups
        if len(group.notes)
    ]
    made = Notes.concatenate(back)
    made = made.take(made.part >= 0)
    if struck is not None and len(struck):
        before, after = _hits(struck, canonical(struck.pitch)), _hits(made, made.pitch)
        drums = np.isin(made.part, struck.part)
        again = struck.take(np.isin(before, after))
        made = Notes.concatenate([made.take(~(drums & np.isin(after, before))), again])
    every = Notes.concatenate([made, untouched])
    return Notes.sorted(**vars(every))


def _told(pitch: Ints, is_drum: NDArray[np.bool_] | bool) -> Ints:
    """Pitches as slots are told them: drums by class, -1 where they have none."""
    return np.where(is_drum, canonical(pitch), pitch) if np.any(is_drum) else pitch


def _hits(notes: Notes, pitch: Ints) -> Ints:
    """One number for each place, part and pitch."""
    place = (notes.bar << 16) + notes.step
    return np.asarray((((place << 16) + notes.part) << 7) + pitch)


def set_aside(
    song: Song, slots: tuple[Slot, ...], spans: Ints | None = None
) -> tuple[Song, tuple[Part, ...]]:
    """Part a song into what slots can hold and what they cannot; the inverse is `put_back`.

    Set aside are drums without a drum slot or without a class, pitches outside the slots' range,
    and notes that sound within `spans` `(n, 2)` of ticks. Returns the song without them, and them,
    part by part.
    """
    aside, kept = [], []
    for part in song.parts:
        able = [slot for slot in slots if (slot.kind == "drums") is part.is_drum]
        low = min((slot.low for slot in able), default=128)
        high = max((slot.high for slot in able), default=-1)
        pitch = _told(part.pitch, part.is_drum)
        out = (pitch < low) | (pitch > high)
        for begin, end in [] if spans is None else spans.tolist():
            stop = part.onset_ticks + part.duration_ticks
            out |= (part.onset_ticks < end) & (stop > begin)
        kept.append(part.take(~out))
        aside.append(part.take(out))
    return replace(song, parts=tuple(kept)), tuple(aside)


def put_back(song: Song, aside: tuple[Part, ...]) -> Song:
    """A song with the notes that were set aside, exactly as they were: they win over others."""
    parts = tuple(part.with_others(other) for part, other in zip(song.parts, aside, strict=True))
    return replace(song, parts=parts)


def one_at_a_time(grid: Grid, notes: Notes, slots: tuple[Slot, ...]) -> Notes:
    """Notes of `voice` slots shortened so that each ends where the next of its slot begins."""
    voice = np.array([slot.kind == "voice" for slot in slots])
    start = cells(grid, notes)
    order = np.lexsort((notes.pitch, start, notes.part))
    part, begin = notes.part[order], start[order]
    until = np.full(len(order), np.iinfo(np.int64).max)
    later = np.flatnonzero((np.diff(part) == 0) & (np.diff(begin) > 0))
    until[later] = begin[later + 1]
    duration = notes.duration.copy()
    limit = np.where(voice[part], until - begin, until)
    duration[order] = np.minimum(duration[order], limit)
    return replace(notes, duration=duration)


def _lanes(bars: Bars, which: Ints, split: bool) -> list[Ints]:
    """Note indices of each lane, high lanes first."""
    lanes: list[Ints] = []
    for part in np.unique(bars.notes.part[which]):
        mine = which[bars.notes.part[which] == part]
        lanes.extend(_voices(bars, mine) if split else [mine])
    pitch = bars.notes.pitch
    return sorted(lanes, key=lambda lane: (-float(pitch[lane].mean()), int(lane[0])))


def _voices(bars: Bars, which: Ints) -> list[Ints]:
    """Split one part so that no lane holds two sounding notes; the top line stays in one lane."""
    start = cells(bars.grid, bars.notes)[which]
    stop = start + bars.notes.duration[which]
    order = np.lexsort((-bars.notes.pitch[which], start))
    if not np.any(start[order][1:] < np.maximum.accumulate(stop[order])[:-1]):
        return [which]
    free_at: list[int] = []
    lane_of = np.zeros(len(which), np.int64)
    previous, lowest = -1, 0
    for i in order.tolist():
        begin = int(start[i])
        if begin != previous:
            previous, lowest = begin, 0
        lane = next((n for n in range(lowest, len(free_at)) if free_at[n] <= begin), len(free_at))
        if lane == len(free_at):
            free_at.append(0)
        free_at[lane], lane_of[i], lowest = int(stop[i]), lane, lane + 1
    return [which[lane_of == lane] for lane in range(len(free_at))]


def _passes(
    bars: Bars, lanes: list[Ints], slots: tuple[Slot, ...], available: list[int]
) -> list[dict[int, Ints]]:
    """For each pass through the model the lane of each slot that has one."""
    voices = [i for i in available if slots[i].kind == "voice"]
    others = [i for i in available if slots[i].kind != "voice"]
    register = [float(bars.notes.pitch[lane].mean()) for lane in lanes]
    if voices and others:
        return _mixed(bars, lanes, register, slots, voices, others)
    size, found = len(available), []
    for i in range(0, len(lanes), size):
        at = register[i : i + size]

        def misfit(choice: tuple[int, ...], at: list[float] = at) -> float:
            return sum(abs(slots[s].center - pitch) for s, pitch in zip(choice, at, strict=True))

        # The slots nearest in register that keep the order from high to low.
        chosen = min(combinations(available, len(at)), key=misfit)
        found.append(dict(zip(chosen, lanes[i : i + size], strict=True)))
    return found


def _mixed(
    bars: Bars,
    lanes: list[Ints],
    register: list[float],
    slots: tuple[Slot, ...],
    voices: list[int],
    others: list[int],
) -> list[dict[int, Ints]]:
    """Passes where there are slots of both kinds: chords go to chordal slots alone, single lines
    to voices first, each slot taking what is nearest to it in register.
    """
    thick = [i for i, lane in enumerate(lanes) if _is_chordal(bars, lane)]
    thin = [i for i in range(len(lanes)) if i not in thick]
    found: list[dict[int, Ints]] = []
    while thick or thin:
        took: dict[int, Ints] = {}
        for places, left in ((others, thick), (voices, thin), (others, thin)):
            for slot in places:
                if left and slot not in took:
                    away = [abs(register[i] - slots[slot].center) for i in left]
                    nearest = left.pop(away.index(min(away)))
                    took[slot] = lanes[nearest]
        found.append(took)
    return found


def _is_chordal(bars: Bars, lane: Ints) -> bool:
    """Whether a lane holds notes that sound together, if only now and then."""
    start = cells(bars.grid, bars.notes)[lane]
    stop = start + bars.notes.duration[lane]
    order = np.argsort(start, kind="stable")
    over = start[order][1:] < np.maximum.accumulate(stop[order])[:-1]
    return bool(over.mean() > _CHORDAL) if len(over) else False


def _grouped(notes: Notes, choice: dict[int, Ints], n_slots: int) -> Group:
    """The lanes of one pass in their slots."""
    owner = np.full(n_slots, -1, np.int64)
    slot_of = np.full(len(notes), -1, np.int64)
    for slot, lane in choice.items():
        owner[slot], slot_of[lane] = notes.part[lane[0]], slot
    mine = slot_of >= 0
    placed = replace(notes.take(mine), part=slot_of[mine])
    return Group(notes=Notes.sorted(**vars(placed)), owner=owner)


def _joined(one: Group, other: Group) -> Group:
    both = Notes.concatenate([one.notes, other.notes])
    return Group(notes=Notes.sorted(**vars(both)), owner=np.maximum(one.owner, other.owner))
