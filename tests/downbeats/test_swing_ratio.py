"""Estimation of swing: ratio, unit and phase; straight music and triplets have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musicvae import Song, estimate_barlines
from musicvae.arrays import Floats
from musicvae.downbeats import quantization
from musicvae.downbeats.swing_ratio import estimate_swing
from musicvae.song import Part
from musicvae.swing import EIGHTHS, SIXTEENTHS, Swing

QUARTERS = 96


def straight_onsets(unit: int, seed: int = 0) -> Floats:
    """Onsets on most beats and half of the notes off the beat, some twice as fast; in quarters."""
    rng = np.random.default_rng(seed)
    at = np.arange(QUARTERS * 2 * unit) / (2 * unit)
    position = np.arange(len(at)) % 4
    chance = np.array([0.9, 0.1, 0.6, 0.1])
    return at[rng.random(len(at)) < chance[position]]


def song_of(onsets: Floats) -> Song:
    ticks = np.round(np.sort(np.maximum(onsets, 0)) * 480).astype(np.int64)
    pitch = 60 + np.arange(len(ticks)) * 5 % 12
    part = Part.empty("melody").with_notes(ticks, np.full(len(ticks), 100), pitch, pitch * 0 + 80)
    return Song.new([part])


@pytest.mark.parametrize("unit", [EIGHTHS, SIXTEENTHS])
@pytest.mark.parametrize("ratio", [1.5, 2.0, 2.5])
@pytest.mark.parametrize("late", [0.0, 0.11, 0.6])
def test_ratio_is_found(ratio: float, unit: int, late: float) -> None:
    found = estimate_swing(Swing(ratio, unit).perform(straight_onsets(unit)) + late)
    assert found is not None and found.swing.unit == unit
    assert found.swing.ratio == pytest.approx(ratio, abs=0.01)
    distance = (found.phase_quarters - late) % (2 / unit)
    assert min(distance, 2 / unit - distance) < 0.01


@pytest.mark.parametrize("ratio", [1.5, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_ratio_is_found_in_played_notes(ratio: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    played = Swing(ratio).perform(straight_onsets(EIGHTHS, seed))
    found = estimate_swing(np.sort(played + rng.normal(0, 0.02, len(played))))
    assert found is not None and found.swing.unit == EIGHTHS
    assert found.swing.share == pytest.approx(ratio / (1 + ratio), abs=0.02)


def test_swung_sixteenths_at_three_to_one() -> None:
    """In eighths 3:1 is a dotted eighth and a sixteenth, which the grid holds."""
    found = estimate_swing(Swing(3.0, SIXTEENTHS).perform(straight_onsets(SIXTEENTHS)))
    assert found is not None and found.swing.ratio == pytest.approx(3.0, abs=0.01)
    assert estimate_swing(np.repeat(np.arange(64), 2) + np.tile([0, 0.75], 64)) is None


@pytest.mark.parametrize(
    "pattern",
    [
        [0, 0.5],
        [0, 0.25, 0.5, 0.75],
        [0, 0.75],
        [0, 1 / 3, 2 / 3],  # triplets
        [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6],
    ],
)
@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_straight_music_and_triplets_have_no_swing(pattern: list[float], jitter: float) -> None:
    rng = np.random.default_rng(5)
    at = (np.arange(64)[:, None] + pattern).reshape(-1)
    at = at[rng.random(len(at)) < 0.9]
    assert estimate_swing(np.sort(at + rng.normal(0, jitter, len(at)))) is None


def test_jigs_have_no_swing() -> None:
    """Eighths of 6/8, some of them dotted."""
    bar = np.array([0, 0.75, 1.0, 1.5, 2.0, 2.5])
    assert estimate_swing((3 * np.arange(32)[:, None] + bar).reshape(-1)) is None


def test_few_notes_have_no_swing() -> None:
    assert estimate_swing(np.zeros(0)) is None
    assert estimate_swing(np.repeat(np.arange(6), 2) + np.tile([0, 2 / 3], 6)) is None


@pytest.mark.parametrize("late", [0.0, 0.1, 1 / 3])
@pytest.mark.parametrize(("ratio", "unit"), [(1.5, EIGHTHS), (2.0, EIGHTHS), (2.0, SIXTEENTHS)])
def test_song_on_the_grid_is_straight_and_comes_back(ratio: float, unit: int, late: float) -> None:
    swung = song_of(Swing(ratio, unit).perform(straight_onsets(unit)) + late)
    found = estimate_barlines(swung)
    assert found.song.swing is not None and found.original.swing is None
    assert found.song.swing.ratio == pytest.approx(ratio, abs=0.02)
    onset = found.song.parts[0].onset_ticks
    off_grid = (onset + 30) % 60 - 30  # of 32nds
    assert np.abs(off_grid).max() <= 3
    assert found.undo(found.song) == swung
    moved = replace(
        found.song,
        parts=tuple(
            p.with_notes(p.onset_ticks, p.duration_ticks, p.pitch + 1, p.velocity)
            for p in found.song.parts
        ),
    )
    back = found.undo(moved)
    assert np.abs(back.parts[0].onset_ticks - swung.parts[0].onset_ticks).max() <= 1


def test_straight_song_is_untouched() -> None:
    song = song_of(straight_onsets(EIGHTHS))
    found = estimate_barlines(song)
    assert found.song.swing is None and found.grid_estimate.warp.is_identity


@pytest.mark.parametrize("lead", [0, 120, 300, 960])
def test_silence_before_the_music_is_no_pickup(lead: int) -> None:
    """Bars of four beats that begin late in the file, of which the meter is not known."""
    rng = np.random.default_rng(0)
    beat = np.arange(160)
    pitch = np.where(beat % 4 == 0, 36, 60 + rng.integers(0, 3, len(beat)) * 4)
    length = np.where(beat % 4 == 0, 1900, 400)
    part = Part.empty("piano").with_notes(beat * 480 + lead, length, pitch, np.full(160, 80))
    song = Song.new([part], meter=(1, 4))
    found = estimate_barlines(song)
    assert found.song.meter.ticks[0] == 0
    assert found.song.parts[0].onset_ticks[0] == 0
    assert found.undo(found.song) == song


def test_notes_that_stay_in_place_are_not_straightened(monkeypatch: pytest.MonkeyPatch) -> None:
    song = song_of(Swing(2.0).perform(straight_onsets(EIGHTHS)))
    assert estimate_barlines(song).grid_estimate.steps_per_quarter == 4
    monkeypatch.setattr(quantization, "estimate_swing", lambda at: pytest.fail("not needed"))
    for found in (
        estimate_barlines(song, as_written=True),
        estimate_barlines(replace(song, has_notated_bars=True)),
    ):
        assert found.is_identity and found.song is found.original
        assert found.grid_estimate.warp.is_identity and found.song.swing is None
        assert found.grid_estimate.steps_per_quarter == 12  # its notes lie on triplets


def test_swing_makes_a_file_metrical_as_written() -> None:
    rng = np.random.default_rng(0)
    played = Swing(2.0, SIXTEENTHS).perform(straight_onsets(SIXTEENTHS))
    song = song_of(played + rng.normal(0, 0.04, len(played)))
    for as_written in (False, True):
        assert estimate_barlines(song, as_written=as_written).grid_estimate.is_metrical
