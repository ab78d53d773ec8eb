"""Distribution metrics on sets of windows with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.metrics.baselines import random_notes, shuffled_bars, unigram_bars
from musicvae.metrics.features import window_features
from musicvae.metrics.memorization import NearestWindows, is_empty, is_static
from musicvae.metrics.overlap import histogram_kl, intra_inter_overlap, overlapping_area
from musicvae.metrics.two_sample import classifier_two_sample_auc
from musicvae.representation.note_table import NoteTable
from musicvae.representation.windows import CARRY
from support.windows import make_table, random_melodies


def one(found: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in found.items()}


def test_features_of_a_scale() -> None:
    # C D E F in the first bar, C D E F# in the second; four notes of a quarter each.
    notes = [(0, b, 1 + s, 0, p, 1) for b in range(2) for s, p in enumerate((60, 62, 64, 65 + b))]
    found = one(window_features(make_table(notes)))
    assert found["scale_consistency"] == 7 / 8
    assert found["pitch_class_entropy"] == pytest.approx(
        -0.75 * np.log2(0.25) - 0.25 * np.log2(0.125)
    )
    assert found["pitches"] == 5 and found["pitch_range"] == 6
    assert found["interval"] == pytest.approx((2 + 2 + 1 + 5 + 2 + 2 + 2) / 7)
    assert found["note_length"] == 1 and found["polyphony"] == 1
    assert found["notes_per_bar"] == 4 and found["empty_bars"] == 0
    assert found["groove_consistency"] == 1
    assert found["self_similarity"] == pytest.approx(3 / 4)
    assert np.isnan(found["hits_at_once"]) and np.isnan(found["drum_classes"])


def test_features_of_two_voices_and_drums() -> None:
    kinds = ("voice", "voice", "drums")
    notes = [(0, 0, 1, 0, 72, 4), (0, 0, 3, 1, 60, 2), (0, 0, 1, 2, 36, 1), (0, 0, 1, 2, 42, 1)]
    found = one(
        window_features(make_table([*notes, (0, 0, 2, 2, 42, 1)], kinds=kinds), velocities=True)
    )
    assert found["polyphony"] == (1 + 1 + 2 + 2) / 4
    assert found["empty_bars"] == 1 / 2
    assert found["hits_at_once"] == 3 / 2 and found["drum_classes"] == 2
    assert np.isnan(found["interval"]) and found["note_length"] == 3
    assert found["velocity"] == 80 and found["velocity_spread"] == 0
    assert found["groove_consistency"] == 1 / 4
    assert found["self_similarity"] == 0


def test_features_of_an_empty_window() -> None:
    found = one(window_features(make_table([])))
    assert found["notes_per_bar"] == 0 and found["empty_bars"] == 1
    assert np.isnan(found["pitch_range"]) and np.isnan(found["self_similarity"])


@given(st.integers(-12, 12))
def test_features_are_transposition_invariant(shift: int) -> None:
    before = random_melodies(5, kinds=("voice", "chords"))
    rows = before.rows.copy()
    rows[:, 4] += shift
    after = window_features(before.with_rows(rows))
    for name, values in window_features(before).items():
        np.testing.assert_allclose(values, after[name], err_msg=name)


VALUES = st.lists(st.floats(-10, 10), min_size=2, max_size=30).map(np.array)


@given(VALUES, VALUES)
def test_overlap_is_bounded_and_symmetric(a: np.ndarray, b: np.ndarray) -> None:
    assert overlapping_area(a, a) == pytest.approx(1)
    assert 0 <= overlapping_area(a, b) <= 1 + 1e-9
    assert overlapping_area(a, b) == pytest.approx(overlapping_area(b, a))
    assert histogram_kl(a, a) == pytest.approx(0)
    assert histogram_kl(a, b) >= 0


def test_overlap_of_known_distributions() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(20_000), rng.standard_normal(20_000) + 1
    # Two normals a deviation apart have 2 Phi(-1/2) = .617 in common.
    assert overlapping_area(a, b) == pytest.approx(0.617, abs=0.02)
    assert overlapping_area(a, a + 100) == pytest.approx(0, abs=1e-6)
    assert histogram_kl(a, b) == pytest.approx(0.5, abs=0.05)  # of two normals half a square
    # Nine of ten at one value, the tenth elsewhere: as much is in common.
    mostly = np.concatenate([np.zeros(900), np.ones(100)])
    assert overlapping_area(mostly, np.zeros(1000), shared=True) == pytest.approx(0.9, abs=0.02)
    assert overlapping_area(mostly, np.zeros(1000)) < 0.5
    overlap, kl = intra_inter_overlap(a, b)
    same, none = intra_inter_overlap(a, rng.standard_normal(20_000))
    assert overlap < same and same > 0.95 and kl > none >= 0


def test_missing_values_count_in_the_overlap() -> None:
    half = np.where(np.arange(100) % 2, np.nan, 1.0)
    assert overlapping_area(half, np.ones(100)) == pytest.approx(0.5)
    assert overlapping_area(half, np.full(100, np.nan)) == pytest.approx(0.5)
    assert overlapping_area(half, half) == pytest.approx(1)


def test_two_sample_auc_of_equal_and_different_sets() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 400, 3))
    songs = np.arange(400) // 4
    assert classifier_two_sample_auc(a, b, songs, songs) == pytest.approx(0.5, abs=0.08)
    b[:, 1] += 3
    assert classifier_two_sample_auc(a, b, songs, songs) > 0.95
    b[:, 1] = np.nan  # missingness is informative too
    assert classifier_two_sample_auc(a, b, songs, songs) == 1
    assert np.isnan(classifier_two_sample_auc(a, b, 0 * songs, 0 * songs))


def test_two_sample_folds_keep_songs_together() -> None:
    # Features identify the song, and its windows have one label: useless for other songs.
    rng = np.random.default_rng(0)
    songs = np.repeat(np.arange(40), 10)
    place = rng.standard_normal((40, 25))[songs]
    first = songs < 20
    assert (
        classifier_two_sample_auc(place[first], place[~first], songs[first], songs[~first]) < 0.75
    )


@pytest.mark.parametrize("shift", [-12, 0, 5])
@pytest.mark.parametrize("kinds", [("voice",), ("voice", "voice"), ("chords",)])
def test_nearest_window_of_a_transposed_copy(kinds: tuple[str, ...], shift: int) -> None:
    library = random_melodies(300, kinds=kinds)
    copies = library.select(np.array([7, 205, 33]))
    rows = copies.rows.copy()
    rows[:, 4] += shift
    found = NearestWindows(library).query(copies.with_rows(rows))
    assert found.f1.tolist() == [1, 1, 1] and found.window.tolist() == [7, 205, 33]


def test_drums_are_not_transposed() -> None:
    library = random_melodies(50, kinds=("drums",))
    rows = library.rows.copy()
    rows[:, 4] += 1
    assert NearestWindows(library).query(library).f1.min() == 1
    assert NearestWindows(library).query(library.with_rows(rows)).f1.max() < 0.9


def test_similarity_is_f1_at_the_best_transposition() -> None:
    library = make_table([(0, 0, 1 + s, 0, 60 + s, 1) for s in range(4)])
    asked = make_table(
        [(0, 0, 1, 0, 67, 1), (0, 0, 2, 0, 68, 1), (0, 0, 3, 0, 80, 1), (0, 1, 1, 0, 60, 1)]
    )
    assert NearestWindows(library).query(asked).f1.tolist() == [2 * 2 / (4 + 4)]
    nothing = NearestWindows(library).query(make_table([]))
    assert nothing.f1.tolist() == [0] and nothing.window.tolist() == [-1]


def test_random_notes_keep_counts_and_active_bars() -> None:
    frames = random_melodies(20, kinds=("voice", "drums"))
    present = frames.present.copy()
    present[:, 1, 0] = False
    on = frames.rows[(frames.rows[:, 3] == 1) | (frames.rows[:, 1] == 0)]
    frames = replace(frames, present=present, rows=on)
    made = random_notes(frames, frames)
    count = [np.bincount(t.rows[:, 0] * 2 + t.rows[:, 3], minlength=40) for t in (frames, made)]
    assert np.array_equal(*count)
    assert not ((made.rows[:, 1] == 1) & (made.rows[:, 3] == 0)).any()
    voice = made.rows[made.rows[:, 3] == 0]
    assert len(np.unique(voice[:, :3], axis=0)) == len(voice)
    assert not np.array_equal(np.sort(made.rows, 0), np.sort(frames.rows, 0))


def test_shuffled_bars_stay_in_their_song_and_unigram_bars_do_not() -> None:
    songs = random_melodies(10)
    songs = replace(songs, song=np.arange(10) // 5)

    def bars(of: NoteTable) -> list[tuple[int, ...]]:
        found = []
        for w in range(len(of)):
            for b in range(2):
                mine = of.rows[(of.rows[:, 0] == w) & (of.rows[:, 1] == b)]
                found.append((int(of.song[w]), *mine[np.argsort(mine[:, 2]), 2:].ravel().tolist()))
        return found

    mixed = bars(shuffled_bars(songs))
    assert sorted(mixed) == sorted(bars(songs)) and mixed != bars(songs)
    drawn = bars(unigram_bars(songs, songs.select(np.arange(5, 10))))
    assert {bar[1:] for bar in drawn} <= {bar[1:] for bar in bars(songs)[10:]}


def test_unigram_bars_match_the_meter() -> None:
    songs = random_melodies(6)
    meter = np.where(np.arange(6)[:, None] < 3, 1, 2) * np.ones((6, 2), np.int64)
    songs = replace(songs, meter=meter)
    made = unigram_bars(songs, songs.select(np.arange(3)))
    assert set(made.rows[:, 0].tolist()) == {0, 1, 2}


def test_empty_and_static_windows() -> None:
    notes = [(1, 0, CARRY, 0, 60, 8), (2, 0, 1, 0, 60, 1), (2, 1, 1, 0, 60, 1)]
    notes += [(3, 0, 1, 0, 60, 1), (3, 1, 1, 0, 62, 1)]
    four = make_table(notes, 4)
    assert is_empty(four).tolist() == [True, True, False, False]
    assert is_static(four).tolist() == [False, False, True, False]
    chords = make_table(
        [(0, b, 1, 0, p, 1) for b in range(2) for p in (60, 64 + b)], kinds=("chords",)
    )
    assert is_static(chords).tolist() == [False]


def test_values_equal_but_for_rounding_have_a_histogram() -> None:
    a = np.full(4, 2 / 3)
    b = a + np.array([0, 1, 0, 1]) * 2**-52
    for x, y in ((a, b), (b, a), (a * 1e6, b * 1e6)):
        assert overlapping_area(x, y) == pytest.approx(1)
        assert histogram_kl(x, y) == pytest.approx(0)
        assert np.isfinite(intra_inter_overlap(x, y)).all()
