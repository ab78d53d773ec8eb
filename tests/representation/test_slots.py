"""Assignment of parts to the slots of a preset, and back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicvae.config.sections import PartConfig
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.representation.slots import (
    assign_slots,
    merge_passthrough,
    restore_parts,
    split_passthrough,
)
from musicvae.song import Song
from support.equality import notes_equal
from support.songs import part_on_grid, small_band, small_chorale
from support.strategies import songs

VOICES = tuple(
    PartConfig(name=name, center=center)
    for name, center in (("S", 70.0), ("A", 64.0), ("T", 58.0), ("B", 50.0))
)
MELODY = (PartConfig(name="Melody", center=69.0),)
CHORDS = (PartConfig(name="Piano", kind="chords"),)
BAND = (
    PartConfig(name="Lead", center=72.0),
    PartConfig(name="Bass", center=40.0),
    PartConfig(name="Kit", kind="drums", low=35, high=81),
)
NARROW = (PartConfig(name="Few", low=61, high=63),)
SLOTS = st.sampled_from([VOICES, MELODY, CHORDS, BAND, NARROW])


@given(songs(), SLOTS, st.sampled_from([4, 24]))
def test_slot_assignment_round_trip(song: Song, slots: tuple[PartConfig, ...], steps: int) -> None:
    bars = Bars.from_song(song).at(steps)
    assignment = assign_slots(bars, slots)
    back = restore_parts(assignment.passes, assignment.passthrough, assignment.drum_originals)
    assert notes_equal(back, bars.notes)
    n_assigned = sum(len(each.notes) for each in assignment.passes)
    assert n_assigned + assignment.n_merged_hits + len(assignment.passthrough) == len(bars.notes)


@given(songs(), SLOTS)
def test_voice_slots_are_monophonic(song: Song, slots: tuple[PartConfig, ...]) -> None:
    bars = Bars.from_song(song).at(4)
    for each in assign_slots(bars, slots).passes:
        for slot in np.flatnonzero(each.slot_active):
            notes = each.notes.select(each.notes.part == slot)
            assert len(notes) > 0
            config = slots[slot]
            fits = [
                low <= p <= high for p in notes.pitch for low, high in [_pitch_range(config, slots)]
            ]
            assert all(fits)
            if config.kind == "voice":
                start = cell_index(bars.grid, notes)
                order = np.argsort(start)
                stop = start + notes.duration
                assert all(stop[a] <= start[b] for a, b in pairwise(order))


def _pitch_range(config: PartConfig, slots: tuple[PartConfig, ...]) -> tuple[int, int]:
    same_kind = [slot for slot in slots if (slot.kind == "drums") == (config.kind == "drums")]
    return min(slot.low for slot in same_kind), max(slot.high for slot in same_kind)


def test_four_voices_go_to_their_slots() -> None:
    (only,) = assign_slots(Bars.from_song(small_chorale()), VOICES).passes
    assert only.source_part.tolist() == [0, 1, 2, 3]


def test_slots_are_assigned_by_register() -> None:
    song = small_chorale()
    reversed_song = replace(song, parts=song.parts[::-1])
    (only,) = assign_slots(Bars.from_song(reversed_song), VOICES).passes
    assert only.source_part.tolist() == [3, 2, 1, 0]


def test_drums_without_a_drum_slot_pass_through() -> None:
    bars = Bars.from_song(small_band())
    assignment = assign_slots(bars, VOICES)
    assert set(assignment.passthrough.part.tolist()) == {2}
    with_kit = assign_slots(bars, BAND)
    assert len(with_kit.passthrough) == 0
    assert len(with_kit.passes) == 1
    assert with_kit.passes[0].source_part.tolist() == [0, 1, 2]


def test_more_voices_than_slots_take_several_passes() -> None:
    assignment = assign_slots(Bars.from_song(small_chorale()), MELODY)
    assert [each.source_part.tolist() for each in assignment.passes] == [[0], [1], [2], [3]]


def test_top_line_of_chords_stays_in_one_lane() -> None:
    chords = [(i * 24, 24, pitch + i, 64) for i in range(4) for pitch in (60, 64, 67)]
    bars = Bars.from_song(Song.new([part_on_grid(chords, 20)]))
    (only,) = assign_slots(bars, VOICES).passes
    lines = [only.notes.pitch[only.notes.part == s].tolist() for s in np.unique(only.notes.part)]
    assert lines == [[67, 68, 69, 70], [64, 65, 66, 67], [60, 61, 62, 63]]


def test_changed_notes_return_to_their_parts() -> None:
    bars = Bars.from_song(small_chorale())
    assignment = assign_slots(bars, VOICES)
    up = [replace(p, notes=replace(p.notes, pitch=p.notes.pitch + 1)) for p in assignment.passes]
    back = restore_parts(tuple(up), assignment.passthrough)
    assert notes_equal(back, replace(bars.notes, pitch=bars.notes.pitch + 1))


def test_song_without_notes_has_no_passes() -> None:
    assignment = assign_slots(Bars.from_song(Song.new(end_ticks=1920)), VOICES)
    assert assignment.passes == ()
    assert notes_equal(restore_parts((), assignment.passthrough), Notes.concatenate([]))


def kit(*hits: tuple[int, int]) -> Song:
    """Return a drum part from (quarter, pitch)."""
    notes = [(24 * at, 6, pitch, 90) for at, pitch in hits]
    return Song.new([part_on_grid(notes, 20, is_drum=True)])


def test_drums_are_reduced_to_canonical_pitches() -> None:
    bars = Bars.from_song(kit((0, 35), (1, 40), (2, 22), (3, 72), (4, 81)))
    assignment = assign_slots(bars, BAND)
    (only,) = assignment.passes
    assert only.notes.pitch.tolist() == [36, 38, 42, 46]
    assert assignment.passthrough.pitch.tolist() == [72]  # a whistle has no class
    assert restore_parts(assignment.passes, assignment.passthrough).pitch.tolist() == [
        36,
        38,
        42,
        72,
        46,
    ]


def test_simultaneous_hits_of_one_class_are_merged() -> None:
    assignment = assign_slots(Bars.from_song(kit((0, 35), (0, 36), (1, 38))), BAND)
    assert assignment.passes[0].notes.pitch.tolist() == [36, 38]
    assert assignment.n_merged_hits == 1
    back = restore_parts(assignment.passes, assignment.passthrough, assignment.drum_originals)
    assert back.pitch.tolist() == [35, 36, 38]


def test_unchanged_hits_keep_their_pitch() -> None:
    assignment = assign_slots(Bars.from_song(kit((0, 35), (1, 40), (2, 59))), BAND)
    (only,) = assignment.passes
    moved = replace(only.notes, pitch=np.where(only.notes.pitch == 38, 36, only.notes.pitch))
    back = restore_parts(
        (replace(only, notes=moved),), assignment.passthrough, assignment.drum_originals
    )
    assert back.pitch.tolist() == [35, 36, 59]


def test_passthrough_is_split_off_and_merged_back() -> None:
    song = kit((0, 35), (1, 72), (2, 22))
    kept, rest = split_passthrough(song, BAND)
    assert [part.pitch.tolist() for part in kept.parts] == [[35, 22]]
    assert [part.pitch.tolist() for part in rest] == [[72]]
    assert merge_passthrough(kept, rest) == song


def test_chords_and_lines_go_to_slots_of_their_kind() -> None:
    """A piano above the voice still goes to the slot for chords."""
    slots = (
        PartConfig(name="Voice", center=69.0),
        PartConfig(name="Piano", kind="chords", center=60.0),
    )
    chords = [(q * 24, 24, pitch, 64) for q in range(8) for pitch in (76, 79, 84)]
    voice = [(q * 24, 24, 62 + q % 3, 64) for q in range(8)]
    for order in (1, -1):
        parts = [part_on_grid(chords, 20, name="P"), part_on_grid(voice, 20, name="V")][::order]
        bars = Bars.from_song(Song.new(parts)).at(4)
        (only,) = assign_slots(bars, slots).passes
        assert [bars.header.parts[i].name for i in only.source_part] == ["V", "P"]
        assert notes_equal(restore_parts((only,), Notes.concatenate([])), bars.notes)
    two = Bars.from_song(Song.new([part_on_grid(chords, 20), part_on_grid(chords, 20)])).at(4)
    assert [p.source_part.tolist() for p in assign_slots(two, slots).passes] == [[-1, 0], [-1, 1]]
    lines = Bars.from_song(Song.new([part_on_grid(voice, 20)] * 3)).at(4)
    assert [(p.source_part >= 0).tolist() for p in assign_slots(lines, slots).passes] == [
        [True, True],
        [True, False],
    ]
