"""Performances without a grid: beats tracked from the onsets, bars with a tempo map, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae.downbeats import estimate_barlines
from musicvae.downbeats.onset_clusters import MAX_SPREAD_S, cluster_onsets
from musicvae.downbeats.quantization import UNGRIDDED, UNGRIDDED_HINT
from musicvae.downbeats.rhythm_model import BAR_STEPS, load_rhythm_model
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from support.performances import played_freely, waltz


@pytest.fixture(scope="module")
def free() -> Song:
    return played_freely(waltz(), seed=1)


def seconds(song: Song) -> np.ndarray:
    """Return the onsets of the first part in seconds."""
    return song.tempo.seconds(song.parts[0].onset_ticks, song.ticks_per_quarter)


def test_declined_unless_beats_may_be_tracked(free: Song) -> None:
    reason = estimate_barlines(free).grid_estimate.reject_reason
    assert reason == f"{UNGRIDDED}; {UNGRIDDED_HINT}"
    assert "--allow-ungridded" in reason
    assert not estimate_barlines(free, ungridded=True).grid_estimate.reject_reason


def test_comes_back_exactly(free: Song) -> None:
    found = estimate_barlines(free, ungridded=True)
    assert found.undo(found.song) == free
    assert not found.is_identity


def test_song_time_has_the_seconds_of_the_file(free: Song) -> None:
    """The tempo map plays the notes when they were played."""
    found = estimate_barlines(free, ungridded=True)
    slowest = found.song.tempo.us_per_quarter.max() / 1e6 / found.song.ticks_per_quarter
    drift = np.sort(seconds(found.song)) - np.sort(seconds(free))
    assert np.abs(drift - drift[0]).max() <= 2 * slowest + 1e-3


def test_quantized_notes_return_within_half_a_step(free: Song) -> None:
    found = estimate_barlines(free, ungridded=True)
    bars = Bars.from_song(found.song).at(4)
    flat = replace(bars, notes=replace(bars.notes, timing=bars.notes.timing * 0))
    back = found.undo(flat.to_song())
    longest = found.song.tempo.us_per_quarter.max() / 1e6
    # Half a sixteenth at the slowest tempo, and the rounding to ticks and to the stored grid.
    bound = longest / 8 + longest / 48 + 0.003
    for pitch in np.unique(free.parts[0].pitch):
        mine = back.parts[0].pitch == pitch
        there, here = seconds(back)[mine], seconds(free)[free.parts[0].pitch == pitch]
        assert np.abs(here[:, None] - there[None]).min(1).max() <= bound
    assert np.median(np.abs(np.sort(seconds(back)) - np.sort(seconds(free)))) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_beats_follow_rubato(seed: int) -> None:
    score = waltz()
    free = played_freely(score, seed=seed)
    found = estimate_barlines(free, ungridded=True)
    quarters = found.grid_estimate.warp.forward(free.parts[0].onset_ticks)
    quarters = np.round(quarters / free.ticks_per_quarter * 4) / 4
    true = np.sort(score.parts[0].onset_ticks) / score.ticks_per_quarter
    steps, mine = np.diff(true), np.diff(np.sort(quarters))
    right = [np.mean(np.abs(mine - steps * level) < 0.1) for level in (0.5, 1, 1.5, 2)]
    assert max(right) > 0.9


def test_tempo_of_the_file_does_not_matter(free: Song) -> None:
    part = free.parts[0]
    ticks = part.onset_ticks * 5 // 4, np.maximum(part.duration_ticks * 5 // 4, 1)
    fast = Song.new([part.with_notes(*ticks, part.pitch, part.velocity)], qpm=150)
    found = [estimate_barlines(song, ungridded=True) for song in (free, fast)]
    assert all(each.grid_estimate.tracked is not None for each in found)
    bars = [len(Bars.from_song(each.song)) for each in found]
    assert abs(bars[0] - bars[1]) <= 1


def test_a_long_pause_is_bars_of_rest(free: Song) -> None:
    part = free.parts[0]
    later = part.onset_ticks + np.where(np.arange(len(part)) > len(part) // 2, 90 * 960, 0)
    song = Song.new([part.with_notes(later, part.duration_ticks, part.pitch, part.velocity)])
    found = estimate_barlines(song, ungridded=True)
    assert found.undo(found.song) == song
    assert found.song.tempo.us_per_quarter.max() < 8_000_000  # a MIDI file can say twice as much
    assert len(Bars.from_song(found.song)) > 24 + 15


def test_same_result_every_time(free: Song) -> None:
    a, b = (estimate_barlines(free, ungridded=True) for _ in range(2))
    assert a.song == b.song


def test_songs_on_a_grid_do_not_change() -> None:
    for song in (waltz(), played_freely(waltz(), seed=0, rubato=0, jitter_s=0.002)):
        plain, allowed = (estimate_barlines(song, ungridded=allow) for allow in (False, True))
        assert allowed.grid_estimate.tracked is None
        assert plain.song == allowed.song


def test_as_written_keeps_the_grid_of_the_file(free: Song) -> None:
    found = estimate_barlines(free, as_written=True, ungridded=True)
    assert found.is_identity


def test_drums_without_a_click_are_tracked() -> None:
    rng = np.random.default_rng(0)
    at = np.cumsum(0.27 * np.exp(0.25 * np.sin(np.arange(160) / 9)) + rng.normal(0, 0.012, 160))
    ticks = np.round(at * 960).astype(int)
    pitch = np.where(np.arange(160) % 4 == 0, 36, np.where(np.arange(160) % 4 == 2, 38, 42))
    kit = Part.empty(is_drum=True).with_notes(ticks, ticks * 0 + 60, pitch, ticks * 0 + 90)
    song = Song.new([kit])
    found = estimate_barlines(song, ungridded=True)
    assert found.grid_estimate.tracked is not None
    assert found.undo(found.song) == song


def test_empty_and_short_songs() -> None:
    assert estimate_barlines(Song.new([Part.empty()]), ungridded=True).is_identity
    few = Part.empty().with_notes([0, 333, 801], [100] * 3, [60, 62, 64], [80] * 3)
    found = estimate_barlines(Song.new([few]), ungridded=True)
    assert found.grid_estimate.tracked is None  # too little to judge


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(33, 60), st.sampled_from([3, 24, 96, 480, 32767]))
def test_any_notes_come_back(seed: int, n: int, tpq: int) -> None:
    """Notes at random times, in files of any resolution."""
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.exponential(tpq, n)).astype(int)
    length = rng.integers(1, 2 * tpq, n)
    song = Song.new(
        [Part.empty().with_notes(onset, length, np.arange(n) + 30, rng.integers(1, 128, n))],
        ticks_per_quarter=tpq,
    )
    found = estimate_barlines(song, ungridded=True)
    assert found.undo(found.song) == song
    Bars.from_song(found.song)


def test_onsets_of_a_chord_are_one_cluster() -> None:
    onset = np.array([0.0, 0.02, 0.03, 0.5, 0.9, 0.91])
    ones = np.ones(6, int)
    clusters = cluster_onsets(onset, 0.1 * ones, 60 * ones, 80 * ones)
    assert clusters.index.tolist() == [0, 0, 0, 1, 2, 2]
    run = np.arange(40) * 0.03  # no chord is as long
    ones = np.ones(40, int)
    clusters = cluster_onsets(run, 0.1 * ones, 60 * ones, 80 * ones)
    assert np.bincount(clusters.index).max() <= MAX_SPREAD_S / 0.03 + 1


def test_rhythm_model_is_a_distribution() -> None:
    models = load_rhythm_model()
    assert [model.name for model in models] == list(BAR_STEPS)
    for model in models:
        total = np.zeros(len(model.positions))
        np.add.at(total, model.source, np.exp(model.transition))
        assert (total <= 1.01).all()
        arrives = (model.positions[model.source] + model.interval) % model.bar_steps
        valid = np.isfinite(model.transition)
        assert (arrives == model.positions[:, None])[valid].all()
