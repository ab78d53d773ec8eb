"""Songs without notes, and songs made from them in batches."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError
from musicvae.representation.bars import Notes
from musicvae.representation.templates import (
    choose_keys,
    choose_pickups,
    choose_swings,
    choose_tempos,
    empty_bars,
    songs_from_bars,
)
from musicvae.representation.velocity import metrical_velocities
from musicvae.song import Part, parts_from_table
from musicvae.swing import SIXTEENTHS, Swing

PRESET = load_preset("tiny")
R = len(PRESET.parts)


def notes_of(rows: list[tuple[int, int, int, int, int]]) -> Notes:
    """Return notes from rows of bar, step, part, pitch and duration."""
    names = ("bar", "step", "part", "pitch", "duration")
    columns = dict(zip(names, np.array(rows, np.int64).reshape(-1, 5).T, strict=True))
    return Notes.sorted(**columns, velocity=columns["bar"] + 60, timing=columns["bar"] * 0)


ROWS = st.tuples(
    st.integers(0, 3), st.integers(0, 11), st.integers(0, 3 * R - 1), st.integers(40, 45)
)


@given(
    st.lists(st.tuples(ROWS, st.integers(1, 20)), max_size=40, unique_by=lambda row: row[0]),
    st.lists(st.integers(-6, 5), min_size=3, max_size=3),
)
def test_songs_from_bars_equal_songs_made_one_by_one(rows, keys) -> None:
    bars = empty_bars(PRESET, 4, (3, 4))
    notes = notes_of([(*place, duration) for place, duration in rows])
    mean_velocity = np.full((4, 3 * R), 74.0)
    with_velocities = replace(
        notes, velocity=metrical_velocities(bars.grid, notes, mean_velocity, notes.part // R)
    )
    songs = songs_from_bars(
        replace(bars, notes=with_velocities), [90.0, 100.0, 110.0], np.array(keys)
    )
    assert [song.tempo.qpm[0].round() for song in songs] == [90, 100, 110]
    for nth, song in enumerate(songs):
        own = notes.select(notes.part // R == nth)
        own = replace(own, part=own.part - nth * R)
        own = replace(own, velocity=metrical_velocities(bars.grid, own, mean_velocity[:, :R]))
        alone = replace(bars, notes=own).at(24).to_song()
        assert song.parts == alone.parts
        assert song.meter == alone.meter and song.end_ticks == alone.end_ticks
        assert (int(song.key.fifths[0]) * 7 - keys[nth]) % 12 == 0


def test_parts_from_table_validates_like_parts() -> None:
    parts = (Part.empty("A", 3), Part.empty("B", 0, True))
    index, onset = np.array([1, 0, 1]), np.array([9, 5, 2])
    made = parts_from_table(parts, index, onset, onset * 0 + 4, onset + 60, onset + 126)
    assert made == (
        parts[0].with_notes([5], [4], [65], [127]),
        parts[1].with_notes([2, 9], [4, 4], [62, 69], [127, 127]),
    )
    assert [part.name for part in made] == ["A", "B"] and made[1].is_drum
    with pytest.raises(ValueError, match="read-only"):
        made[0].pitch[0] = 1
    with pytest.raises(ValueError, match="durations >= 1"):
        parts_from_table(parts, index, onset, onset * 0, onset, onset)


def test_keys_and_tempos_follow_the_training_songs() -> None:
    rng = np.random.default_rng(0)
    provenance = {"keys": {"0": 3, "-2": 1}, "qpm": [80.0, 90.0, 100.0]}
    keys = choose_keys(provenance, None, 400, rng)
    assert set(keys.tolist()) == {0, -2} and 0.65 < (keys == 0).mean() < 0.85
    tempos = choose_tempos(PRESET, provenance, None, 50, rng)
    assert all(80 <= tempo <= 100 for tempo in tempos) and len(set(tempos)) > 5
    assert choose_keys(provenance, 4, 2, rng).tolist() == [4, 4]
    assert choose_tempos(PRESET, provenance, 77.0, 2, rng) == [77.0, 77.0]


def test_pickup_shortens_the_last_bar() -> None:
    bars = empty_bars(PRESET, 4, (3, 4), pickup=Fraction(1, 8))
    quarter, grid = bars.grid.steps_per_quarter, bars.grid
    assert len(grid) == 5 and grid.length_ticks.sum() == 4 * 3 * 480
    assert grid.unmasked_steps.tolist() == [quarter // 2, *[3 * quarter] * 3, 5 * quarter // 2]
    assert grid.lead_steps[0] == 5 * quarter // 2 and not grid.lead_steps[1:].any()
    song = bars.to_song()
    assert replace(bars, notes=bars.notes).from_song(song).grid.lead_steps[0] == 5 * 24 // 2


def test_pickups_are_drawn_from_training_songs() -> None:
    counts = {"1/8": 590, "0": 300, "1/4": 100, "1/16": 10}
    provenance = {"pickups": {"6/8": counts, "4/4": {"0": 9}}}

    def choose(pickup: str | None, meter: tuple[int, int], n_bars: int) -> list[Fraction]:
        rng = np.random.default_rng(0)
        return choose_pickups(provenance, pickup, meter, n_bars, 400, rng)

    found = choose(None, (6, 8), 8)
    assert set(found) == {0, Fraction(1, 8), Fraction(1, 4)}  # a sixteenth is rare
    assert np.mean([length > 0 for length in found]) == pytest.approx(0.7, abs=0.1)
    assert set(choose(None, (6, 8), 7)) == {0}  # an excerpt
    assert set(choose(None, (4, 4), 16)) == set(choose(None, (3, 4), 16)) == {0}
    assert set(choose("0", (6, 8), 16)) == {0}
    assert set(choose("1/4", (4, 4), 2)) == {Fraction(1, 4)}
    for wrong in ("1/3", "-1/8", "a", "3/4"):
        with pytest.raises(ConfigError, match="pickup"):
            choose(wrong, (3, 4), 16)


def test_swings_are_drawn_from_training_songs() -> None:
    provenance = {"swing": {"2:1 in eighths": 30, "straight": 10}}
    rng = np.random.default_rng(0)
    found = choose_swings(provenance, None, 400, rng)
    assert set(found) == {None, Swing(2.0)}
    assert np.mean([swing is not None for swing in found]) == pytest.approx(0.75, abs=0.1)
    assert choose_swings({}, None, 2, rng) == [None, None]
    assert choose_swings({"swing": {"straight": 3}}, None, 2, rng) == [None, None]
    assert choose_swings(provenance, "1:1", 2, rng) == [None, None]
    assert choose_swings(provenance, "3:2 in sixteenths", 1, rng) == [Swing(1.5, SIXTEENTHS)]
    for wrong in ("2", "x", "1:2", "20:1", "2:1 in quarters"):
        with pytest.raises(ConfigError, match="swing"):
            choose_swings(provenance, wrong, 1, rng)
