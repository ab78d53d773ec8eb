from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicvae.config.sections import PartConfig
from musicvae.representation.bars import Bars, Notes, cells
from musicvae.representation.slots import into_slots, out_of_slots, put_back, set_aside
from musicvae.song import Song
from support.same import same_notes
from support.small_songs import band, chorale
from support.strategies import part_of, songs

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
def test_into_slots_and_back_is_the_same(
    song: Song, slots: tuple[PartConfig, ...], steps: int
) -> None:
    bars = Bars.from_song(song).at(steps)
    slotted = into_slots(bars, slots)
    back = out_of_slots(slotted.groups, slotted.untouched, slotted.struck)
    assert same_notes(back, bars.notes)
    held = sum(len(group.notes) for group in slotted.groups)
    assert held + slotted.doubled + len(slotted.untouched) == len(bars.notes)


@given(songs(), SLOTS)
def test_a_voice_holds_one_note_at_a_time(song: Song, slots: tuple[PartConfig, ...]) -> None:
    bars = Bars.from_song(song).at(4)
    for group in into_slots(bars, slots).groups:
        for slot in np.flatnonzero(group.present):
            mine = group.notes.take(group.notes.part == slot)
            assert len(mine) > 0
            config = slots[slot]
            fits = [low <= p <= high for p in mine.pitch for low, high in [_reach(config, slots)]]
            assert all(fits)
            if config.kind == "voice":
                start = cells(bars.grid, mine)
                order = np.argsort(start)
                stop = start + mine.duration
                assert all(stop[a] <= start[b] for a, b in pairwise(order))


def _reach(config: PartConfig, slots: tuple[PartConfig, ...]) -> tuple[int, int]:
    alike = [slot for slot in slots if (slot.kind == "drums") == (config.kind == "drums")]
    return min(slot.low for slot in alike), max(slot.high for slot in alike)


def test_four_voices_find_their_slots() -> None:
    (group,) = into_slots(Bars.from_song(chorale()), VOICES).groups
    assert group.owner.tolist() == [0, 1, 2, 3]


def test_slots_go_by_register_not_by_order_in_the_file() -> None:
    song = chorale()
    upside_down = replace(song, parts=song.parts[::-1])
    (group,) = into_slots(Bars.from_song(upside_down), VOICES).groups
    assert group.owner.tolist() == [3, 2, 1, 0]


def test_drums_without_a_drum_slot_stay_untouched() -> None:
    bars = Bars.from_song(band())
    slotted = into_slots(bars, VOICES)
    assert set(slotted.untouched.part.tolist()) == {2}
    with_kit = into_slots(bars, BAND)
    assert len(with_kit.untouched) == 0
    assert len(with_kit.groups) == 1
    assert with_kit.groups[0].owner.tolist() == [0, 1, 2]


def test_more_voices_than_slots_go_in_groups() -> None:
    slotted = into_slots(Bars.from_song(chorale()), MELODY)
    assert [group.owner.tolist() for group in slotted.groups] == [[0], [1], [2], [3]]


def test_the_top_line_of_chords_stays_in_one_lane() -> None:
    chords = [(i * 24, 24, pitch + i, 64) for i in range(4) for pitch in (60, 64, 67)]
    bars = Bars.from_song(Song.new([part_of(chords, 20)]))
    (group,) = into_slots(bars, VOICES).groups
    lines = [group.notes.pitch[group.notes.part == s].tolist() for s in np.unique(group.notes.part)]
    assert lines == [[67, 68, 69, 70], [64, 65, 66, 67], [60, 61, 62, 63]]


def test_notes_remade_in_a_group_return_to_the_parts_they_stand_for() -> None:
    bars = Bars.from_song(chorale())
    slotted = into_slots(bars, VOICES)
    up = [replace(g, notes=replace(g.notes, pitch=g.notes.pitch + 1)) for g in slotted.groups]
    back = out_of_slots(tuple(up), slotted.untouched)
    assert same_notes(back, replace(bars.notes, pitch=bars.notes.pitch + 1))


def test_a_song_without_notes_has_no_groups() -> None:
    slotted = into_slots(Bars.from_song(Song.new(end_ticks=1920)), VOICES)
    assert slotted.groups == ()
    assert same_notes(out_of_slots((), slotted.untouched), Notes.concatenate([]))


def kit(*hits: tuple[int, int]) -> Song:
    """A drum part from (quarter, pitch)."""
    notes = [(24 * at, 6, pitch, 90) for at, pitch in hits]
    return Song.new([part_of(notes, 20, is_drum=True)])


def test_drums_are_told_in_classes_and_come_back_in_general_midi() -> None:
    bars = Bars.from_song(kit((0, 35), (1, 40), (2, 22), (3, 72), (4, 81)))
    slotted = into_slots(bars, BAND)
    (group,) = slotted.groups
    assert group.notes.pitch.tolist() == [36, 38, 42, 46]
    assert slotted.untouched.pitch.tolist() == [72]  # a whistle has no class
    assert out_of_slots(slotted.groups, slotted.untouched).pitch.tolist() == [36, 38, 42, 72, 46]


def test_hits_of_one_class_at_once_are_one_hit() -> None:
    slotted = into_slots(Bars.from_song(kit((0, 35), (0, 36), (1, 38))), BAND)
    assert slotted.groups[0].notes.pitch.tolist() == [36, 38]
    assert slotted.doubled == 1
    back = out_of_slots(slotted.groups, slotted.untouched, slotted.struck)
    assert back.pitch.tolist() == [35, 36, 38]


def test_a_hit_that_was_not_remade_keeps_its_pitch() -> None:
    slotted = into_slots(Bars.from_song(kit((0, 35), (1, 40), (2, 59))), BAND)
    (group,) = slotted.groups
    moved = replace(group.notes, pitch=np.where(group.notes.pitch == 38, 36, group.notes.pitch))
    back = out_of_slots((replace(group, notes=moved),), slotted.untouched, slotted.struck)
    assert back.pitch.tolist() == [35, 36, 59]


def test_what_slots_cannot_be_told_is_set_aside_and_put_back() -> None:
    song = kit((0, 35), (1, 72), (2, 22))
    kept, aside = set_aside(song, BAND)
    assert [part.pitch.tolist() for part in kept.parts] == [[35, 22]]
    assert [part.pitch.tolist() for part in aside] == [[72]]
    assert put_back(kept, aside) == song


def test_chords_and_single_lines_find_slots_of_their_kind() -> None:
    """A piano that lies above the voice still goes to the slot for chords."""
    slots = (
        PartConfig(name="Voice", center=69.0),
        PartConfig(name="Piano", kind="chords", center=60.0),
    )
    chords = [(q * 24, 24, pitch, 64) for q in range(8) for pitch in (76, 79, 84)]
    voice = [(q * 24, 24, 62 + q % 3, 64) for q in range(8)]
    for order in (1, -1):
        parts = [part_of(chords, 20, name="P"), part_of(voice, 20, name="V")][::order]
        bars = Bars.from_song(Song.new(parts)).at(4)
        (group,) = into_slots(bars, slots).groups
        assert [bars.frame.parts[i].name for i in group.owner] == ["V", "P"]
        assert same_notes(out_of_slots((group,), Notes.concatenate([])), bars.notes)
    two = Bars.from_song(Song.new([part_of(chords, 20), part_of(chords, 20)])).at(4)
    assert [g.owner.tolist() for g in into_slots(two, slots).groups] == [[-1, 0], [-1, 1]]
    lines = Bars.from_song(Song.new([part_of(voice, 20)] * 3)).at(4)
    assert [(g.owner >= 0).tolist() for g in into_slots(lines, slots).groups] == [
        [True, True],
        [True, False],
    ]
