"""Interpolation: ends, monotonicity, matched windows, pinned parts, morphs and grids."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.distances import note_distance, onset_cells
from musicvae import MusicVAE
from musicvae.checkpoints.registry import shipped_folder
from musicvae.downbeats import estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.latent import (
    BlendOptions,
    blend,
    crossfade,
    dtw_path,
    match_by_dtw,
    match_by_position,
)
from musicvae.song import Song
from support.songs import band_song, chorale_song, wandering_song
from support.strategies import songs

FOLDER = shipped_folder()


@cache
def model(name: str = "melody-2bar") -> MusicVAE:
    return MusicVAE.load(FOLDER / f"{name}.safetensors", device="cpu")


def tune(seed: int, bars: int = 16, transpose: int = 0, meter: tuple[int, int] = (4, 4)) -> Song:
    """Return the top voice of a chorale."""
    song = chorale_song(bars, seed=seed, transpose=transpose, meter=meter, qpm=90 + seed)
    return Song(**{**vars(song), "parts": song.parts[:1]})


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0, 1))
def test_windows_are_matched_by_position_and_the_last_with_the_last(
    n_a: int, n_b: int, t: float
) -> None:
    n = round((1 - t) * n_a + t * n_b)
    for at, size in zip(match_by_position(n_a, n_b, n), (n_a, n_b), strict=True):
        assert len(at) == n and at.min() >= 0 and at.max() < size
        assert at[:-1].tolist() == [k % size for k in range(n - 1)]
        assert n == 1 or at[-1] == size - 1
    assert match_by_position(n_a, n_b, n_a)[0].tolist() == list(range(n_a))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_warping_path_has_the_least_cost(n_a: int, n_b: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((2, n, 3)).astype(np.float32) for n in (n_a, n_b))
    path = dtw_path(a, b)
    steps = np.diff(path, axis=0)
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [n_a - 1, n_b - 1]
    assert ((steps >= 0) & (steps <= 1)).all() and (steps.sum(1) > 0).all()

    def cost(way: np.ndarray) -> float:
        apart = [np.linalg.norm(a[:, i] - b[:, j]) for i, j in way]
        weight = [2, *np.diff(way, axis=0).sum(1)]
        return float(np.dot(apart, weight))

    for _ in range(20):  # no other path is cheaper
        moves = [0] * (n_a - 1) + [1] * (n_b - 1)
        rng.shuffle(moves)
        other = np.array([[0, 0]] + [[1 - m, m] for m in moves]).cumsum(0)
        assert cost(path) <= cost(other) + 1e-4


def test_warping_path_finds_repeated_and_omitted_windows() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((1, 12, 8)).astype(np.float32)
    b = a[:, [0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 11]]
    path = dtw_path(a, b)
    assert {(2, 2), (2, 3), (2, 4), (3, 5), (8, 10), (11, 11)} <= set(map(tuple, path.tolist()))
    for t, n, end in ((0.0, 12, 0), (1.0, 12, 1)):
        assert match_by_dtw(path, t, n)[end].tolist() == list(range(12))


@settings(max_examples=15, deadline=None)
@given(a=songs(), b=songs(), how=st.sampled_from(["slerp", "lerp"]), align_=st.booleans())
def test_ends_are_the_reconstructions(a: Song, b: Song, how: str, align_: bool) -> None:
    it = model()
    if any(it.encode(song).is_empty for song in (a, b)):
        with pytest.raises(DataError, match=r"has no notes|only drums|can represent"):
            it.interpolate(a, b, steps=2)
        return
    made = it.interpolate(a, b, steps=3, how=how, align=align_)
    assert made[0] == it.reconstruct(a) and made[-1] == it.reconstruct(b)
    shortest, longest = sorted((len(it.encode(a).bars), len(it.encode(b).bars)))
    n = len(it.encode(estimate_barlines(made[1], as_written=True)).bars)
    assert shortest - 1 <= n <= longest + 1


def test_distance_to_the_ends_is_monotonic() -> None:
    it = model()
    a, b = tune(1), tune(2, bars=20, transpose=5)
    made = [onset_cells(song) for song in it.interpolate(a, b, steps=7)]
    from_a = [note_distance(cells, made[0]) for cells in made]
    from_b = [note_distance(cells, made[-1]) for cells in made]
    assert from_a[0] == from_b[-1] == 0
    assert from_a[1] < from_a[3] < from_a[6] and from_b[5] < from_b[3] < from_b[0]
    rank = np.corrcoef(np.argsort(np.argsort(from_a)), np.arange(7))[0, 1]
    assert rank > 0.85


def test_keys_are_interpolated_without_leaps() -> None:
    """F and G flat major are a semitone apart, not eleven."""
    it = model()
    a, b = tune(1, transpose=-2), tune(1, transpose=-1)
    assert (it.encode(a).key, it.encode(b).key) == (5, -6)
    for song in it.interpolate(a, b, steps=5):
        middle = float(np.mean(song.parts[0].pitch))
        assert abs(middle - np.mean(a.parts[0].pitch)) < 3


def test_like_takes_meter_key_and_parts_from_one_song() -> None:
    it = model()
    a, b = tune(1), tune(3, meter=(3, 4), transpose=3)
    for like, (numerator, name) in {"A": (4, "x"), "B": (3, "y")}.items():
        named = [
            Song(**{**vars(s), "parts": (type(s.parts[0])(**{**vars(s.parts[0]), "name": n}),)})
            for s, n in ((a, "x"), (b, "y"))
        ]
        ends = [estimate_barlines(song, has_notated_bars=True) for song in named]
        for song in it.interpolate(*ends, steps=5, like=like)[1:-1]:
            assert set(song.meter.numerator.tolist()) == {numerator}
            assert [part.name for part in song.parts] == [name]


def test_pinned_part_stays_throughout() -> None:
    it = model("chorale-4bar")
    a, b = chorale_song(8, seed=1), chorale_song(8, seed=2)
    made = it.interpolate(a, b, steps=3, parts={"soprano": "A", "Bass": 1.0})
    one, other = it.reconstruct(a), it.reconstruct(b)
    for song in made:
        assert [part.name for part in song.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    for song in (made[0], made[2]):
        assert note_distance(part_cells(song, 0), part_cells(one, 0)) < 0.02
        assert note_distance(part_cells(song, 3), part_cells(other, 3)) < 0.02
    assert made[0].parts[1] == one.parts[1] and made[2].parts[2] == other.parts[2]
    assert note_distance(part_cells(made[1], 0), part_cells(one, 0)) < 0.3


def part_cells(song: Song, part: int) -> np.ndarray:
    return onset_cells(Song(**{**vars(song), "parts": (song.parts[part],)}))


def test_pinned_drums_that_bypass_the_model_stay() -> None:
    it = model("chorale-4bar")
    a, b = band_song(), chorale_song(8)
    for song in it.interpolate(a, b, steps=3, parts={"drums": "A"}):
        kits = [part for part in song.parts if part.is_drum]
        assert len(kits) == 1 and len(kits[0]) > 10
    without = it.interpolate(a, b, steps=3, parts={"drums": "B"})
    assert not any(part.is_drum for song in without for part in song.parts)


def test_invalid_arguments_are_refused() -> None:
    it, a, b = model(), tune(1, 4), tune(2, 4)
    with pytest.raises(ConfigError, match=r"no part is called .flute.*melody"):
        it.interpolate(a, b, parts={"flute": "A"})
    with pytest.raises(ConfigError, match="0 to 1"):
        it.interpolate(a, b, parts={"melody": 2.0})
    with pytest.raises(ConfigError, match="two songs, A and B"):
        it.interpolate(a, b, a, like="A")
    with pytest.raises(ConfigError, match="how='cubic'"):
        it.morph(a, b, how="cubic")
    with pytest.raises(ConfigError, match="like='C'"):
        it.morph(a, b, like="C")
    with pytest.raises(ConfigError, match="two rows"):
        it.grid(a, b, a, b, steps=1)
    with pytest.raises(DataError, match="song 2 of 2"):
        it.morph(a, Song.new(end_ticks=1920))


@settings(max_examples=12, deadline=None)
@given(a=songs(), b=songs(), n=st.integers(1, 9))
def test_morph_begins_as_a_and_ends_as_b(a: Song, b: Song, n: int) -> None:
    it = model()
    one, other = it.encode(a), it.encode(b)
    if one.is_empty or other.is_empty:
        return
    halves = crossfade(one, other, n, 2)
    for half in halves:
        assert half.mu.shape[1] == n == -(-len(half.bars) // 2)
        if n > 1:
            there = one.sigma[0, 0] < 1
            assert np.array_equal(half.mu[0, 0][there], one.mu[0, 0][there])
            there = other.sigma[0, -1] < 1
            assert np.array_equal(half.mu[0, -1][there], other.mu[0, -1][there])
    song = it.morph(a, b, bars=2 * n)
    assert song.end_ticks == halves[0].bars.header.end_ticks == halves[1].bars.header.end_ticks


def test_parts_and_key_change_in_the_middle_of_a_morph() -> None:
    it = model("chorale-4bar")
    a, b = chorale_song(16, seed=1), chorale_song(16, seed=2, transpose=2, qpm=120)
    b = Song(**{**vars(b), "parts": tuple(
        type(part)(**{**vars(part), "program": 60}) for part in b.parts)})  # fmt: skip
    song = it.morph(*(estimate_barlines(each, has_notated_bars=True) for each in (a, b)))
    assert [part.program for part in song.parts] == [52] * 4 + [60] * 4
    half = song.end_ticks // 2
    for part in song.parts:
        early = part.onset_ticks < half
        assert early.all() if part.program == 52 else not early.any()
    assert np.all(np.diff(song.tempo.qpm) > 0) and song.tempo.qpm[0] < 90 < 115 < song.tempo.qpm[-1]
    assert [part.program for part in it.morph(a, b, like="B").parts] == [60] * 4
    one = it.morph(a, chorale_song(12, seed=2))  # the same instruments: the same parts
    assert [part.name for part in one.parts] == ["Soprano", "Alto", "Tenor", "Bass"]


def test_corners_of_a_grid_are_the_reconstructions() -> None:
    it, corners = model(), [tune(1, 8), tune(2, 12), tune(3, 8, 7), tune(4, 6, -4, (3, 4))]
    rows = it.grid(*corners, steps=(2, 3))
    assert [len(row) for row in rows] == [3, 3]
    found = [rows[0][0], rows[0][2], rows[1][0], rows[1][2]]
    assert found == [it.reconstruct(song) for song in corners]
    assert rows[0][1].n_notes and rows[0][1] not in found


def test_batch_decoding_equals_single_decoding() -> None:
    it = model()
    encodings = [it.encode(wandering_song(n, seed=n, parts=1 + n % 2)) for n in (1, 4, 9)]
    encodings.append(it.encode(Song.new(end_ticks=960)))
    assert it.decode_batch(encodings) == [it.decode(encoding) for encoding in encodings]
    assert it.decode_batch([]) == []


def test_passed_through_notes_follow_their_bars_and_the_key() -> None:
    """Notes above the model's range, in every bar, are kept in between, in the right key."""
    it = model()
    line = tune(1, 8)
    high = type(line.parts[0])(
        name="whistle",
        onset_ticks=np.arange(8) * 1920,
        duration_ticks=np.full(8, 480),
        pitch=np.full(8, 120),
        velocity=np.full(8, 70),
    )
    a = Song(**{**vars(line), "parts": (*line.parts, high)})
    one, other = it.encode(a), it.encode(tune(2, 16, 4))
    assert one.n_passthrough == 8
    blended = blend(one, other, 0.25, 2, BlendOptions())
    whistle = blended.passthrough[1]
    assert len(blended.bars) == 10 == len(whistle)
    assert set(whistle.pitch.tolist()) == {120 + blended.key - one.key}
