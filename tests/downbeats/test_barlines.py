from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae.downbeats.decoding import CHANGE, LENGTHS, Hearing
from musicvae.downbeats.features import N_FEATURES, Heard, features
from musicvae.downbeats.network import METERS, listen, weights
from musicvae.downbeats.quantization import fit_grid
from musicvae.downbeats.tempo_drift import resultants, track
from musicvae.downbeats.time_warp import Warp
from musicvae.song import Part, Song
from support.small_songs import chorale
from support.strategies import songs

# -- warps ----------------------------------------------------------------------------------------

WARPS = st.one_of(
    st.integers(-40, 400).map(Warp.shift),
    st.lists(st.floats(0.985, 1.015), min_size=2, max_size=12).map(
        lambda slopes: Warp(
            file_ticks=np.arange(len(slopes)) * 960.0,
            song_ticks=np.concatenate([[0.0], np.cumsum(slopes[1:]) * 960.0]),
        )
    ),
)


@settings(max_examples=60)
@given(songs(), WARPS)
def test_what_a_warp_does_can_be_undone(song: Song, warp: Warp) -> None:
    late = _later(song, 50)
    assert warp.undo(warp.apply(late), late) == late


@settings(max_examples=60)
@given(songs(), WARPS)
def test_a_warp_changes_no_second_between_notes(song: Song, warp: Warp) -> None:
    late = _later(song, 50)
    moved = warp.apply(late)
    slowest = late.tempo.us_per_quarter.max() / 1e6 / late.ticks_per_quarter
    for before, after in zip(late.parts, moved.parts, strict=True):
        old = late.tempo.seconds(before.onset_ticks, late.ticks_per_quarter)
        new = moved.tempo.seconds(after.onset_ticks, late.ticks_per_quarter)
        if len(old):
            # Both count from their own beginning; a tick is rounded at each end.
            drift = (new - new[0]) - (old - old[0])
            assert np.abs(drift).max() <= 3 * slowest + 1e-4 * np.abs(old - old[0]).max()


def test_no_bar_begins_for_a_tick_of_silence() -> None:
    """An end that a warp leaves a tick past a bar line, where no note does."""
    line = Part.empty().with_notes([9, 393], [300, 300], [60, 62], [80, 80])
    song = Song.new([line], end_ticks=2 * 384 + 10, ticks_per_quarter=96)
    assert Warp.shift(-9).apply(song).end_ticks == 2 * 384
    assert Warp.shift(-2).apply(song).end_ticks == 2 * 384 + 8  # no hair, but silence
    held = replace(song, parts=(line.with_notes([9], [2 * 384 + 1], [60], [80]),))
    assert Warp.shift(-9).apply(held).end_ticks == 2 * 384 + 1


def _later(song: Song, ticks: int) -> Song:
    parts = [
        p.with_notes(p.onset_ticks + ticks, p.duration_ticks, p.pitch, p.velocity)
        for p in song.parts
    ]
    return replace(song, parts=tuple(parts), end_ticks=song.end_ticks + ticks + 500)


def test_a_note_that_a_model_made_comes_back_within_a_tick() -> None:
    song = chorale()
    warp = Warp(file_ticks=np.array([0.0, 9600.0]), song_ticks=np.array([30.0, 9700.0]))
    moved = warp.apply(song)
    part = moved.parts[0]
    new = part.with_notes(part.onset_ticks + 7, part.duration_ticks, part.pitch, part.velocity)
    back = warp.undo(replace(moved, parts=(new, *moved.parts[1:])), song)
    assert back.parts[1:] == song.parts[1:]
    assert np.abs(back.parts[0].onset_ticks - song.parts[0].onset_ticks - 7).max() <= 1
    assert back.meter == song.meter
    assert back.end_ticks == song.end_ticks


# -- grids ----------------------------------------------------------------------------------------


def test_tightness_is_one_on_the_grid_and_little_off_it() -> None:
    rng = np.random.default_rng(0)
    on_grid = rng.integers(0, 400, 300) / 4
    R = resultants(on_grid)
    assert abs(R[4]) == pytest.approx(1)
    assert abs(R[12]) == pytest.approx(1)
    assert abs(resultants(rng.uniform(0, 100, 2000))[4]) < 0.1
    assert resultants(np.zeros(0))[4] == 0


@pytest.mark.parametrize("late", [0.0, 0.03, 0.07, 0.12, -0.05])
def test_a_constant_offset_is_found(late: float) -> None:
    rng = np.random.default_rng(1)
    onsets = np.sort(rng.integers(4, 400, 300) / 4 + late)
    fit = fit_grid(onsets, 480, drums_alone=False)
    assert fit.gridded
    assert not fit.drifts
    assert fit.steps_per_quarter == 4
    found = fit.warp.forward(onsets * 480) / 120
    assert np.abs(found - np.round(found)).max() < 0.05


def test_triplets_ask_for_twelve_steps() -> None:
    rng = np.random.default_rng(2)
    quarter = np.repeat(np.arange(64), 3)
    triplets = quarter + np.tile([0, 1 / 3, 2 / 3], 64)
    swing = np.repeat(np.arange(64), 2) + np.tile([0, 2 / 3], 64)
    for onsets in (triplets, swing, swing + 0.05, np.sort(triplets + rng.normal(0, 0.01, 192))):
        fit = fit_grid(onsets, 480, drums_alone=False)
        assert fit.steps_per_quarter == 12
        assert fit.tightness[12] > fit.tightness[4] + 0.05
        beats = fit.warp.forward(onsets[onsets % 1 < 0.06] * 480) / 480
        assert np.abs(beats - np.round(beats)).max() < 0.1


@pytest.mark.parametrize("per_quarter", [4, 3])
def test_a_slow_drift_is_followed(per_quarter: int) -> None:
    rng = np.random.default_rng(3)
    score = np.sort(rng.integers(0, 200 * per_quarter, 900) / per_quarter)
    wander = 0.3 + 1.2 * np.sin(score / 200 * 2 * np.pi)  # quarters: at most 3.8% of drift a radian
    played = score + wander * 0.2
    steady = abs(resultants(played)[per_quarter])
    found = track(played, per_quarter)
    assert steady < 0.8 < 0.97 < found.tightness
    at = np.interp(played, np.arange(len(found.offset)) + 0.5, found.offset)
    off = (at - wander * 0.2) * per_quarter
    assert np.abs(off - np.round(off.mean())).max() < 0.2


def test_free_playing_is_told_from_a_drift() -> None:
    rng = np.random.default_rng(4)
    score = np.sort(rng.integers(0, 800, 600) / 4)
    pace = np.exp(0.12 * np.sin(np.arange(210) / 5) + 0.05 * rng.normal(size=210))
    free = np.interp(score, np.arange(210), np.cumsum(pace)) + rng.normal(0, 0.03, 600)
    assert not fit_grid(np.sort(free), 480, drums_alone=False).gridded
    assert fit_grid(score, 480, drums_alone=False).gridded
    # Too little to judge is not declined.
    assert fit_grid(np.sort(free)[:20], 480, drums_alone=False).gridded


# -- what is heard --------------------------------------------------------------------------------


def heard(song: Song) -> tuple[Heard, int]:
    scale = 4 / song.ticks_per_quarter
    rows = [
        (int(on * scale), length * scale, pitch, velocity, index, part.is_drum)
        for index, part in enumerate(song.parts)
        for on, length, pitch, velocity in zip(
            part.onset_ticks, part.duration_ticks, part.pitch, part.velocity, strict=True
        )
    ]
    rows.sort(key=lambda row: row[0])
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Heard(*columns), int(columns[0].max()) + 5


def test_features_hear_no_key() -> None:
    one, n = heard(chorale())
    up = one._replace(pitch=one.pitch + 5)
    rows = features(one, n)
    assert rows.shape == (n, N_FEATURES)
    assert np.allclose(rows, features(up, n), atol=1e-5)
    assert np.isfinite(rows).all()


def test_features_of_next_to_nothing() -> None:
    for n_notes, is_drum in ((1, False), (1, True), (2, True)):
        notes = Heard(
            np.arange(n_notes), np.ones(n_notes), np.full(n_notes, 38), np.full(n_notes, 80),
            np.zeros(n_notes, np.int64), np.full(n_notes, is_drum),
        )  # fmt: skip
        for n_cells in (n_notes, n_notes + 1, 40):
            rows = features(notes, n_cells)
            assert rows.shape == (n_cells, N_FEATURES)
            odds, meters = listen(rows, weights())
            assert odds.shape == (n_cells,)
            assert meters.shape == (-(-n_cells // 2), len(METERS))
            assert np.allclose(np.exp(meters).sum(1), 1, atol=1e-4)


def test_the_best_path_is_the_best_of_all() -> None:
    rng = np.random.default_rng(5)
    for T in (9, 14, 21):
        odds = rng.normal(0, 3, T).astype(np.float32)
        logs = np.log(rng.dirichlet(np.ones(len(METERS)), -(-T // 2))).astype(np.float32)
        hearing = Hearing(odds, logs)
        best = hearing.best()
        assert best.score == pytest.approx(max(_every_path(hearing, T)))
        changes = CHANGE * np.count_nonzero(np.diff(best.meters))
        assert hearing.score(best.lines, best.meters) - changes == pytest.approx(best.score)
        assert np.array_equal(np.diff(best.lines), LENGTHS[best.meters[:-1]])


def _every_path(hearing: Hearing, T: int) -> list[float]:
    found: list[float] = []

    def walk(cell: int, meter: int, score: float) -> None:
        score += float(hearing.odds[cell] + hearing.bar_scores[cell, meter])
        after = cell + int(LENGTHS[meter])
        if after >= T:
            found.append(score)
            return
        for other in range(len(METERS)):
            walk(after, other, score - (CHANGE if other != meter else 0))

    for meter in range(len(METERS)):
        for cell in range(min(int(LENGTHS[meter]), T)):
            walk(cell, meter, 0.0)
    return found


def test_a_shift_scores_like_the_shifted() -> None:
    rng = np.random.default_rng(6)
    logs = np.log(rng.dirichlet(np.ones(len(METERS)), 32)).astype(np.float32)
    hearing = Hearing(rng.normal(size=64).astype(np.float32), logs)
    lines, meters = np.array([0, 16, 32, 48]), np.full(4, METERS.index("4/4"))
    shifts = np.array([-5, 0, 3, 16])
    each = [hearing.score(lines + shift, meters) for shift in shifts]
    assert np.allclose(hearing.shifted(lines, meters, shifts), each)
