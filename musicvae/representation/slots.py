"""A song's parts <-> the slots of a preset.

A preset has a fixed row of slots (one melody, four voices, ...). Any song fits any preset:

- a part with simultaneous notes is split into monophonic lanes if all slots are single voices;
- polyphonic lanes go to slots for chords, then lanes go to slots by register, high to low;
- more lanes than slots go through the model in several passes;
- a slot for any part takes one part of whatever kind, so each goes through the model alone;
- drums are reduced to nine classes (`drums.pitch_to_class`), each at its canonical pitch, and hits
  last one cell;
- notes that a preset cannot represent (drums without a drum slot or class, pitches out of range)
  pass through unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

import numpy as np

from musicvae.arrays import Bools, Ints
from musicvae.representation.bars import Bars, Notes, cell_index, resolve_note_overlaps
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.grid import Grid
from musicvae.representation.part_traits import is_polyphonic
from musicvae.song import Part, Song


class Slot(Protocol):
    """The attributes of a preset's part that this module uses, see `config.PartConfig`."""

    @property
    def kind(self) -> str:
        """`voice` (monophonic), `chords`, `drums`, or `any` for one part of any kind."""

    @property
    def low(self) -> int:
        """Lowest MIDI pitch that the slot can hold."""

    @property
    def high(self) -> int:
        """Highest MIDI pitch that the slot can hold."""

    @property
    def center(self) -> float:
        """Typical mean MIDI pitch of the slot."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelPass:
    """Notes of one pass through the model, R slots.

    `notes.part` is a slot; `source_part` `(R,)` is the song's part in each slot, -1 for none.
    """

    notes: Notes
    source_part: Ints

    @property
    def slot_active(self) -> Bools:
        """Whether each slot is in use. `(R,)`"""
        return self.source_part >= 0


@dataclass(frozen=True, kw_only=True, eq=False)
class SlotAssignment:
    """A song distributed over slots.

    `passthrough` are the notes that no slot can hold. `drum_originals` are the drum notes of the
    passes before their reduction to classes; `n_merged_hits` of them are in no pass, because
    another hit of their class is in the same cell.
    """

    passes: tuple[ModelPass, ...]
    passthrough: Notes
    drum_originals: Notes
    n_merged_hits: int


def assign_slots(bars: Bars, slots: tuple[Slot, ...]) -> SlotAssignment:
    """Distribute the parts of `bars` over `slots`; the inverse is `restore_parts`."""
    drum_part = np.array([part.is_drum for part in bars.header.parts], bool)
    is_drum = drum_part[bars.notes.part] if len(bars.notes) else np.zeros(0, bool)
    notes = replace(
        bars.notes,
        pitch=_slot_pitch(bars.notes.pitch, is_drum),
        duration=np.where(is_drum, 1, bars.notes.duration),
    )
    passes: list[ModelPass] = []
    passthrough = np.ones(len(notes), bool)
    for drums in (False, True):
        available = [i for i, slot in enumerate(slots) if _takes(slot, drums=drums)]
        if not available:
            continue
        low = min(slots[i].low for i in available)
        high = max(slots[i].high for i in available)
        fits = (is_drum == drums) & (notes.pitch >= low) & (notes.pitch <= high)
        all_voices = all(slots[i].kind == "voice" for i in available)
        lanes = _split_lanes(bars, np.flatnonzero(fits), all_voices)
        passthrough[fits] = False
        for nth, lane_of_slot in enumerate(_assign_lanes(bars, lanes, slots, available)):
            model_pass = _make_pass(notes, lane_of_slot, len(slots))
            if drums:
                hits = resolve_note_overlaps(bars.grid, model_pass.notes)
                model_pass = replace(model_pass, notes=hits)
            # Drums share a pass with pitched parts, if there is one.
            if drums and nth < len(passes) and slots[available[0]].kind == "drums":
                passes[nth] = _merge_passes(passes[nth], model_pass)
            else:
                passes.append(model_pass)
    return SlotAssignment(
        passes=tuple(passes),
        passthrough=bars.notes.select(passthrough),
        drum_originals=bars.notes.select(is_drum & ~passthrough),
        n_merged_hits=int((~passthrough).sum()) - sum(len(each.notes) for each in passes),
    )


def _takes(slot: Slot, *, drums: bool) -> bool:
    """Return whether a slot is for parts of drums, or for pitched ones."""
    return slot.kind == "any" or (slot.kind == "drums") is drums


def restore_parts(
    passes: tuple[ModelPass, ...], passthrough: Notes, drum_originals: Notes | None = None
) -> Notes:
    """Return notes by the song's parts from passes, whose notes may have changed.

    Drums come back at the canonical pitches of their classes. With `drum_originals`, a hit in the
    same cell, part and class as an original one comes back as that one was.
    """
    by_part = [
        replace(each.notes, part=each.source_part[each.notes.part])
        for each in passes
        if len(each.notes)
    ]
    notes = Notes.concatenate(by_part)
    notes = notes.select(notes.part >= 0)
    if drum_originals is not None and len(drum_originals):
        before = _hit_ids(drum_originals, canonical_pitch(drum_originals.pitch))
        after = _hit_ids(notes, notes.pitch)
        is_drum = np.isin(notes.part, drum_originals.part)
        unchanged = drum_originals.select(np.isin(before, after))
        new = notes.select(~(is_drum & np.isin(after, before)))
        notes = Notes.concatenate([new, unchanged])
    return Notes.sorted(**vars(Notes.concatenate([notes, passthrough])))


def _slot_pitch(pitch: Ints, is_drum: Bools | bool) -> Ints:
    """Return pitches as slots hold them: drums at canonical pitches, -1 without a class."""
    return np.where(is_drum, canonical_pitch(pitch), pitch) if np.any(is_drum) else pitch


def _hit_ids(notes: Notes, pitch: Ints) -> Ints:
    """Return one number for each bar, step, part and pitch. `(M,)`"""
    cell_id = (notes.bar << 16) + notes.step
    return np.asarray((((cell_id << 16) + notes.part) << 7) + pitch)


def split_passthrough(
    song: Song, slots: tuple[Slot, ...], spans: Ints | None = None
) -> tuple[Song, tuple[Part, ...]]:
    """Split a song into what slots can hold and the rest; the inverse is `merge_passthrough`.

    The rest are drums without a drum slot or class, pitches out of range, and notes that sound
    within `spans` `(n, 2)` of ticks. Returns the song without them, and them part by part.
    """
    rest, kept = [], []
    for part in song.parts:
        candidates = [slot for slot in slots if _takes(slot, drums=part.is_drum)]
        low = min((slot.low for slot in candidates), default=128)
        high = max((slot.high for slot in candidates), default=-1)
        pitch = _slot_pitch(part.pitch, part.is_drum)
        is_rest = (pitch < low) | (pitch > high)
        for begin, end in [] if spans is None else spans.tolist():
            stop = part.onset_ticks + part.duration_ticks
            is_rest |= (part.onset_ticks < end) & (stop > begin)
        kept.append(part.select(~is_rest))
        rest.append(part.select(is_rest))
    return replace(song, parts=tuple(kept)), tuple(rest)


def merge_passthrough(song: Song, passthrough: tuple[Part, ...]) -> Song:
    """Return a song with the notes that were split off, which take precedence over others."""
    parts = tuple(part.overlay(rest) for part, rest in zip(song.parts, passthrough, strict=True))
    return replace(song, parts=parts)


def make_monophonic(grid: Grid, notes: Notes, slots: tuple[Slot, ...]) -> Notes:
    """Shorten the notes of `voice` slots so that each ends where the next of its slot begins."""
    is_voice = np.array([slot.kind == "voice" for slot in slots])
    start = cell_index(grid, notes)
    order = np.lexsort((notes.pitch, start, notes.part))
    part, begin = notes.part[order], start[order]
    next_start = np.full(len(order), np.iinfo(np.int64).max)
    has_next = np.flatnonzero((np.diff(part) == 0) & (np.diff(begin) > 0))
    next_start[has_next] = begin[has_next + 1]
    duration = notes.duration.copy()
    limit = np.where(is_voice[part], next_start - begin, next_start)
    duration[order] = np.minimum(duration[order], limit)
    return replace(notes, duration=duration)


def _split_lanes(bars: Bars, index: Ints, monophonic: bool) -> list[Ints]:
    """Return the note indices of each lane, lanes of high register first."""
    lanes: list[Ints] = []
    for part in np.unique(bars.notes.part[index]):
        of_part = index[bars.notes.part[index] == part]
        lanes.extend(_split_voices(bars, of_part) if monophonic else [of_part])
    pitch = bars.notes.pitch
    return sorted(lanes, key=lambda lane: (-float(pitch[lane].mean()), int(lane[0])))


def _split_voices(bars: Bars, index: Ints) -> list[Ints]:
    """Split a part into monophonic lanes, the top line in one lane."""
    start = cell_index(bars.grid, bars.notes)[index]
    stop = start + bars.notes.duration[index]
    order = np.lexsort((-bars.notes.pitch[index], start))
    if not np.any(start[order][1:] < np.maximum.accumulate(stop[order])[:-1]):
        return [index]
    free_from: list[int] = []  # the cell from which each lane is silent
    lane_of = np.zeros(len(index), np.int64)
    previous, lowest = -1, 0
    for i in order.tolist():
        begin = int(start[i])
        if begin != previous:
            previous, lowest = begin, 0
        lane = next(
            (n for n in range(lowest, len(free_from)) if free_from[n] <= begin), len(free_from)
        )
        if lane == len(free_from):
            free_from.append(0)
        free_from[lane], lane_of[i], lowest = int(stop[i]), lane, lane + 1
    return [index[lane_of == lane] for lane in range(len(free_from))]


def _assign_lanes(
    bars: Bars, lanes: list[Ints], slots: tuple[Slot, ...], available: list[int]
) -> list[dict[int, Ints]]:
    """Return, for each pass through the model, the lane of each slot that has one."""
    voices = [i for i in available if slots[i].kind == "voice"]
    others = [i for i in available if slots[i].kind != "voice"]
    register = [float(bars.notes.pitch[lane].mean()) for lane in lanes]
    if voices and others:
        return _assign_by_polyphony(bars, lanes, register, slots, voices, others)
    size, passes = len(available), []
    for i in range(0, len(lanes), size):
        pitches = register[i : i + size]

        def distance(choice: tuple[int, ...], pitches: list[float] = pitches) -> float:
            return sum(
                abs(slots[s].center - pitch) for s, pitch in zip(choice, pitches, strict=True)
            )

        # The slots nearest in register that keep the order from high to low.
        chosen = min(combinations(available, len(pitches)), key=distance)
        passes.append(dict(zip(chosen, lanes[i : i + size], strict=True)))
    return passes


def _assign_by_polyphony(
    bars: Bars,
    lanes: list[Ints],
    register: list[float],
    slots: tuple[Slot, ...],
    voices: list[int],
    others: list[int],
) -> list[dict[int, Ints]]:
    """Return the lanes of each pass where slots are of both kinds.

    Polyphonic lanes go to slots for chords alone, monophonic ones to voices first; each slot takes
    the lane nearest to it in register.
    """
    polyphonic = [i for i, lane in enumerate(lanes) if is_polyphonic(bars, bars.notes.select(lane))]
    monophonic = [i for i in range(len(lanes)) if i not in polyphonic]
    passes: list[dict[int, Ints]] = []
    while polyphonic or monophonic:
        lane_of_slot: dict[int, Ints] = {}
        for candidates, left in ((others, polyphonic), (voices, monophonic), (others, monophonic)):
            for slot in candidates:
                if left and slot not in lane_of_slot:
                    distance = [abs(register[i] - slots[slot].center) for i in left]
                    nearest = left.pop(distance.index(min(distance)))
                    lane_of_slot[slot] = lanes[nearest]
        passes.append(lane_of_slot)
    return passes


def _make_pass(notes: Notes, lane_of_slot: dict[int, Ints], n_slots: int) -> ModelPass:
    source_part = np.full(n_slots, -1, np.int64)
    slot_of = np.full(len(notes), -1, np.int64)
    for slot, lane in lane_of_slot.items():
        source_part[slot], slot_of[lane] = notes.part[lane[0]], slot
    within = slot_of >= 0
    by_slot = replace(notes.select(within), part=slot_of[within])
    return ModelPass(notes=Notes.sorted(**vars(by_slot)), source_part=source_part)


def _merge_passes(a: ModelPass, b: ModelPass) -> ModelPass:
    both = Notes.concatenate([a.notes, b.notes])
    return ModelPass(
        notes=Notes.sorted(**vars(both)), source_part=np.maximum(a.source_part, b.source_part)
    )
