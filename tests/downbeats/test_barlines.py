"""Parts of the bar-line estimation: time warps, grids, features and decoding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae.data.inspect import inspect_file
from musicvae.downbeats import estimate_barlines
from musicvae.downbeats.decoding import METER_CELLS, METER_CHANGE_COST, DownbeatScores
from musicvae.downbeats.features import N_FEATURES, NoteFeatures, cell_features
from musicvae.downbeats.network import METERS, load_weights, predict
from musicvae.downbeats.quantization import estimate_grid
from musicvae.downbeats.tempo_drift import phase_coherence, track_drift
from musicvae.downbeats.time_warp import TimeWarp
from musicvae.io import read, write
from musicvae.io.options import ReadOptions
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from support.songs import small_chorale
from support.strategies import songs

# -- time warps ----------------------------------------------------------------------------------

WARPS = st.one_of(
    st.integers(-40, 400).map(TimeWarp.shift),
    st.lists(st.floats(0.985, 1.015), min_size=2, max_size=12).map(
        lambda slopes: TimeWarp(
            file_ticks=np.arange(len(slopes)) * 960.0,
            song_ticks=np.concatenate([[0.0], np.cumsum(slopes[1:]) * 960.0]),
        )
    ),
)


@settings(max_examples=60)
@given(songs(), WARPS)
def test_warp_round_trip(song: Song, warp: TimeWarp) -> None:
    late = _later(song, 50)
    assert warp.undo(warp.apply(late), late) == late


@settings(max_examples=60)
@given(songs(), WARPS)
def test_warp_preserves_times_in_seconds(song: Song, warp: TimeWarp) -> None:
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


def test_end_just_past_a_bar_line_snaps_to_it() -> None:
    """An end that a warp leaves a tick past a bar line, without notes there."""
    line = Part.empty().with_notes([9, 393], [300, 300], [60, 62], [80, 80])
    song = Song.new([line], end_ticks=2 * 384 + 10, ticks_per_quarter=96)
    assert TimeWarp.shift(-9).apply(song).end_ticks == 2 * 384
    assert TimeWarp.shift(-2).apply(song).end_ticks == 2 * 384 + 8  # more than half a cell
    held = replace(song, parts=(line.with_notes([9], [2 * 384 + 1], [60], [80]),))
    assert TimeWarp.shift(-9).apply(held).end_ticks == 2 * 384 + 1


def _later(song: Song, ticks: int) -> Song:
    parts = [
        p.with_notes(p.onset_ticks + ticks, p.duration_ticks, p.pitch, p.velocity)
        for p in song.parts
    ]
    return replace(song, parts=tuple(parts), end_ticks=song.end_ticks + ticks + 500)


def test_new_notes_are_unwarped_within_a_tick() -> None:
    song = small_chorale()
    warp = TimeWarp(file_ticks=np.array([0.0, 9600.0]), song_ticks=np.array([30.0, 9700.0]))
    moved = warp.apply(song)
    part = moved.parts[0]
    new = part.with_notes(part.onset_ticks + 7, part.duration_ticks, part.pitch, part.velocity)
    back = warp.undo(replace(moved, parts=(new, *moved.parts[1:])), song)
    assert back.parts[1:] == song.parts[1:]
    assert np.abs(back.parts[0].onset_ticks - song.parts[0].onset_ticks - 7).max() <= 1
    assert back.meter == song.meter
    assert back.end_ticks == song.end_ticks


# -- grids ----------------------------------------------------------------------------------------


def test_phase_coherence_is_one_on_the_grid_and_low_off_it() -> None:
    rng = np.random.default_rng(0)
    on_grid = rng.integers(0, 400, 300) / 4
    R = phase_coherence(on_grid)
    assert abs(R[4]) == pytest.approx(1)
    assert abs(R[12]) == pytest.approx(1)
    assert abs(phase_coherence(rng.uniform(0, 100, 2000))[4]) < 0.1
    assert phase_coherence(np.zeros(0))[4] == 0


@pytest.mark.parametrize("late", [0.0, 0.03, 0.07, 0.12, -0.05])
def test_constant_offset_is_estimated(late: float) -> None:
    rng = np.random.default_rng(1)
    onsets = np.sort(rng.integers(4, 400, 300) / 4 + late)
    estimate = estimate_grid(onsets, 480, drums_alone=False)
    assert estimate.is_metrical
    assert not estimate.drifts
    assert estimate.steps_per_quarter == 4
    found = estimate.warp.forward(onsets * 480) / 120
    assert np.abs(found - np.round(found)).max() < 0.05


def test_triplets_need_twelve_steps() -> None:
    rng = np.random.default_rng(2)
    quarter = np.repeat(np.arange(64), 3)
    triplets = quarter + np.tile([0, 1 / 3, 2 / 3], 64)
    for onsets in (triplets, triplets + 0.05, np.sort(triplets + rng.normal(0, 0.01, 192))):
        estimate = estimate_grid(onsets, 480, drums_alone=False)
        assert estimate.steps_per_quarter == 12
        assert estimate.tightness[12] > estimate.tightness[4] + 0.05
        beats = estimate.warp.forward(onsets[onsets % 1 < 0.06] * 480) / 480
        assert np.abs(beats - np.round(beats)).max() < 0.1


@pytest.mark.parametrize("per_quarter", [4, 3])
def test_slow_drift_is_tracked(per_quarter: int) -> None:
    rng = np.random.default_rng(3)
    score = np.sort(rng.integers(0, 200 * per_quarter, 900) / per_quarter)
    wander = 0.3 + 1.2 * np.sin(score / 200 * 2 * np.pi)  # quarters: at most 3.8% of drift a radian
    played = score + wander * 0.2
    steady = abs(phase_coherence(played)[per_quarter])
    found = track_drift(played, per_quarter)
    assert steady < 0.8 < 0.97 < found.tightness
    at = np.interp(played, np.arange(len(found.offset_quarters)) + 0.5, found.offset_quarters)
    off = (at - wander * 0.2) * per_quarter
    assert np.abs(off - np.round(off.mean())).max() < 0.2


def test_rubato_is_not_mistaken_for_drift() -> None:
    rng = np.random.default_rng(4)
    score = np.sort(rng.integers(0, 800, 600) / 4)
    pace = np.exp(0.12 * np.sin(np.arange(210) / 5) + 0.05 * rng.normal(size=210))
    free = np.interp(score, np.arange(210), np.cumsum(pace)) + rng.normal(0, 0.03, 600)
    assert not estimate_grid(np.sort(free), 480, drums_alone=False).is_metrical
    assert estimate_grid(score, 480, drums_alone=False).is_metrical
    # Too short to judge is not rejected.
    assert estimate_grid(np.sort(free)[:20], 480, drums_alone=False).is_metrical


# -- features and decoding ------------------------------------------------------------------------


def note_features(song: Song) -> tuple[NoteFeatures, int]:
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
    return NoteFeatures(*columns), int(columns[0].max()) + 5


def test_features_are_transposition_invariant() -> None:
    one, n = note_features(small_chorale())
    up = one._replace(pitch=one.pitch + 5)
    rows = cell_features(one, n)
    assert rows.shape == (n, N_FEATURES)
    assert np.allclose(rows, cell_features(up, n), atol=1e-5)
    assert np.isfinite(rows).all()


def test_features_of_one_or_two_notes() -> None:
    for n_notes, is_drum in ((1, False), (1, True), (2, True)):
        notes = NoteFeatures(
            np.arange(n_notes), np.ones(n_notes), np.full(n_notes, 38), np.full(n_notes, 80),
            np.zeros(n_notes, np.int64), np.full(n_notes, is_drum),
        )  # fmt: skip
        for n_cells in (n_notes, n_notes + 1, 40):
            rows = cell_features(notes, n_cells)
            assert rows.shape == (n_cells, N_FEATURES)
            odds, meters = predict(rows, load_weights())
            assert odds.shape == (n_cells,)
            assert meters.shape == (-(-n_cells // 2), len(METERS))
            assert np.allclose(np.exp(meters).sum(1), 1, atol=1e-4)


def test_viterbi_path_is_the_global_optimum() -> None:
    rng = np.random.default_rng(5)
    for T in (9, 14, 21):
        odds = rng.normal(0, 3, T).astype(np.float32)
        logs = np.log(rng.dirichlet(np.ones(len(METERS)), -(-T // 2))).astype(np.float32)
        scores = DownbeatScores(odds, logs)
        best = scores.decode()
        assert best.score == pytest.approx(max(_every_path(scores, T)))
        changes = METER_CHANGE_COST * np.count_nonzero(np.diff(best.meters))
        assert scores.score(best.lines, best.meters) - changes == pytest.approx(best.score)
        assert np.array_equal(np.diff(best.lines), METER_CELLS[best.meters[:-1]])


def _every_path(scores: DownbeatScores, T: int) -> list[float]:
    found: list[float] = []

    def walk(cell: int, meter: int, score: float) -> None:
        score += float(scores.log_odds[cell] + scores.bar_scores[cell, meter])
        after = cell + int(METER_CELLS[meter])
        if after >= T:
            found.append(score)
            return
        for other in range(len(METERS)):
            walk(after, other, score - (METER_CHANGE_COST if other != meter else 0))

    for meter in range(len(METERS)):
        for cell in range(min(int(METER_CELLS[meter]), T)):
            walk(cell, meter, 0.0)
    return found


def test_score_shifts_equals_scores_of_shifted_lines() -> None:
    rng = np.random.default_rng(6)
    logs = np.log(rng.dirichlet(np.ones(len(METERS)), 32)).astype(np.float32)
    scores = DownbeatScores(rng.normal(size=64).astype(np.float32), logs)
    lines, meters = np.array([0, 16, 32, 48]), np.full(4, METERS.index("4/4"))
    shifts = np.array([-5, 0, 3, 16])
    each = [scores.score(lines + shift, meters) for shift in shifts]
    assert np.allclose(scores.score_shifts(lines, meters, shifts), each)


def test_a_beat_played_early_ends_in_no_empty_bar() -> None:
    """Sixteen bars of drums that are all 15 ticks early, in a file that ends on a bar line."""
    onset = np.maximum(np.arange(256) * 120 - 15, 0)
    pitch = np.where(np.arange(256) % 8 == 0, 36, np.where(np.arange(256) % 8 == 4, 38, 42))
    for last in (100, 135):  # the last hit ends before and at the end of the file
        length = np.append(np.full(255, 60), last)
        drums = Part.empty("Drums", 0, is_drum=True).with_notes(
            onset, length, pitch, pitch * 0 + 90
        )
        song = Song.new([drums], end_ticks=256 * 120)
        found = estimate_barlines(song)
        assert not found.grid_estimate.warp.is_identity
        assert len(Bars.from_song(found.song)) == 16
        assert found.undo(found.song) == song


def test_bars_of_a_score_stay_as_notated_once_it_is_read(tmp_path) -> None:
    """`inspect` and `estimate_barlines(read(path))` see the same bars."""
    waltz = "C,2 [EG]2 [EG]2 F,2 [FA]2 [FA]2 G,2 [GB]2 [GB]2 C,2 [EG]2 [EG]2"
    beats = (4 * f"{waltz} ").split()
    bars = [" ".join(beats[i : i + 4]) for i in range(0, len(beats), 4)]
    path = tmp_path / "waltz.abc"
    path.write_text("X:1\nT:waltz\nM:4/4\nL:1/8\nK:C\n" + " | ".join(bars) + " |]\n")
    song = read(path)
    assert song.has_notated_bars and song.without_notes().has_notated_bars
    notated, info = estimate_barlines(song), inspect_file(path, ReadOptions())
    assert notated.is_identity
    assert len(Bars.from_song(notated.song)) == len(info["bars"]) == len(bars)
    assert [each["meter"] for each in info["meters"]] == ["4/4"]
    guessed = estimate_barlines(song, has_notated_bars=False)
    assert len(Bars.from_song(guessed.song)) != len(bars)
    changed = replace(song, parts=song.parts[:1])
    assert changed.has_notated_bars and changed == replace(changed, has_notated_bars=False)
    write(song, tmp_path / "waltz.mid")
    assert not read(tmp_path / "waltz.mid").has_notated_bars
