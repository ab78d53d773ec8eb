"""Traits of parts: kind, family, register, resolution, and onsets moved to it."""

from __future__ import annotations

import numpy as np
import pytest

from musicvae.representation.bars import Bars, cell_index
from musicvae.representation.part_traits import (
    CHORDS,
    DRUMS,
    KIND,
    LINE,
    REGISTER,
    RESOLUTION,
    RESOLUTIONS,
    SIZES,
    allowed_steps,
    find_resolution,
    part_traits,
    snap_to_resolution,
)
from musicvae.song import Part, Song
from support.songs import part_from_notes

TPQ = 480


def song_of(*onsets: float, length: float = 0.2, **kind: object) -> Song:
    """Return a song of one part with a note at each quarter of `onsets`."""
    notes = [
        (round(at * TPQ), round(length * TPQ), 40 + nth % 48, 80) for nth, at in enumerate(onsets)
    ]
    return Song.new([part_from_notes(notes, **kind)])


@pytest.mark.parametrize(
    ("step", "resolution"),
    [(1 / 4, 4), (1 / 2, 4), (1 / 3, 12), (1 / 6, 12), (1 / 8, 8), (1 / 24, 24)],
)
def test_resolution_is_the_coarsest_that_has_the_onsets(step: float, resolution: int) -> None:
    bars = Bars.from_song(song_of(*(i * step for i in range(64))))
    assert find_resolution(bars, bars.notes) == resolution
    snapped = snap_to_resolution(bars, bars.notes, resolution)
    assert np.array_equal(snapped.step, bars.notes.step) and not snapped.timing.any()


def test_notes_end_where_they_did() -> None:
    rng = np.random.default_rng(1)
    onsets = np.sort(rng.choice(np.arange(24, 24 * 60), 80, replace=False)) / 24
    song = song_of(*onsets, length=0.75)
    bars = Bars.from_song(song)
    for resolution in RESOLUTIONS:
        snapped = snap_to_resolution(bars, bars.notes, resolution)
        assert not (snapped.step % (24 // resolution)).any()
        starts, moved = (cell_index(bars.grid, notes) for notes in (bars.notes, snapped))
        assert np.abs(snapped.timing).max() <= 20 * 24 // resolution
        assert sorted(40 * moved + snapped.timing) == sorted(40 * starts)
        assert sorted(moved + snapped.duration) == sorted(starts + bars.notes.duration)


def test_what_is_played_freely_keeps_its_timing() -> None:
    rng = np.random.default_rng(0)
    late = rng.uniform(-0.1, 0.1, 64)
    bars = Bars.from_song(song_of(*(i + 1 + d for i, d in enumerate(late)), length=0.5))
    assert find_resolution(bars, bars.notes) == 4
    snapped = snap_to_resolution(bars, bars.notes, 4)
    assert not (snapped.step % 6).any()
    np.testing.assert_allclose(snapped.timing, 960 * late, atol=2)


def test_traits_tell_parts_apart() -> None:
    line = [(i * TPQ, TPQ, 72, 80) for i in range(8)]
    chords = [(i * TPQ, TPQ, pitch, 80) for i in range(8) for pitch in (48, 52, 55)]
    parts = [
        part_from_notes(line, "Flute", 73),
        part_from_notes(chords, "Piano", 0),
        part_from_notes([(i * TPQ, 60, 36, 80) for i in range(8)], "Drums", 0, True),
        Part.empty("Silent"),
    ]
    bars = Bars.from_song(Song.new(parts))
    traits = np.array(
        [
            part_traits(bars, bars.notes.select(bars.notes.part == nth), part)
            for nth, part in enumerate(parts)
        ]
    )
    assert traits[:, KIND].tolist() == [LINE, CHORDS, DRUMS, 0]
    assert traits[:, 1].tolist() == [10, 1, 17, 0]  # families, from 1
    assert traits[0, REGISTER] > traits[1, REGISTER] > traits[2, REGISTER] == 0
    assert (traits[3] == 0).all() and (traits < SIZES).all()


def test_onsets_are_allowed_on_the_steps_of_a_resolution() -> None:
    allowed = allowed_steps(24)
    assert allowed.sum(1).tolist() == [24, *RESOLUTIONS]
    assert np.flatnonzero(allowed[1]).tolist() == [0, 6, 12, 18]
    assert allowed_steps(4).sum(1).tolist() == [4] * 5
    assert SIZES[RESOLUTION] == len(allowed)
