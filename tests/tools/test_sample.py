"""Samples: form, pickup, and refused arguments."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.distances import note_distance, onset_cells
from musicvae.errors import ConfigError
from musicvae.representation.bars import Bars
from musicvae.swing import Swing
from musicvae.tools import sample as module


def test_sections_of_one_letter_are_alike(model) -> None:
    songs = model.sample(6, form="AABA", bars=16, seed=0)

    def between(a: int, b: int) -> float:
        """Return the mean distance between two sections of four bars."""
        found = []
        for song in songs:
            cells = onset_cells(song, by_bar=False)
            section = [cells[(cells[:, 0] // 64) == nth] - [64 * nth, 0] for nth in (a, b)]
            found.append(note_distance(*section))
        return float(np.mean(found))

    assert [song.end_ticks for song in songs] == [16 * 1920] * 6
    assert between(0, 1) < 0.6 * between(0, 2)
    assert songs == model.sample(6, form="AABA", bars=16, seed=0)
    assert Bars.from_song(model.sample(1, form="AB")[0]).grid.start_ticks[-1] == 15 * 1920
    with pytest.raises(ConfigError, match="give letters"):
        model.sample(1, form="A-B")
    with pytest.raises(ConfigError, match="too few"):
        model.sample(1, form="AABA", bars=3)
    with pytest.raises(ConfigError, match="at least one bar"):
        model.sample(1, bars=0)


def test_last_bar_is_shorter_by_the_pickup(model) -> None:
    songs = model.sample(2, bars=9, meter="4/4", pickup="1/4", form="AAB", seed=1)
    grid = Bars.from_song(songs[0]).grid
    assert len(grid) == 10 and grid.lead_steps[0] == 3 * 24 and grid.length_ticks.sum() == 9 * 1920
    assert grid.length_ticks[-1] == 3 * 480
    assert all(part.end_ticks <= 9 * 1920 for song in songs for part in song.parts if len(part))
    assert songs == model.sample(2, bars=9, meter="4/4", pickup="1/4", form="AAB", seed=1)
    assert len(Bars.from_song(model.sample(1, bars=9, meter="4/4", pickup="0")[0])) == 9
    with pytest.raises(ConfigError, match="not shorter than a bar"):
        model.sample(1, meter="3/4", pickup="3/4")


def test_songs_are_sampled_as_they_are_asked_for(model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BARS_PER_CHUNK", 8)  # two songs of four bars
    sizes, real = [], module._sample_chunk

    def sample_chunk(codec, n, *args, **kwargs):
        sizes.append(n)
        return real(codec, n, *args, **kwargs)

    monkeypatch.setattr(module, "_sample_chunk", sample_chunk)
    stream = model.sample_stream(1_000_000, bars=4, seed=3)
    first = [next(stream) for _ in range(5)]
    assert sizes == [2, 2, 2]
    assert first == model.sample(5, bars=4, seed=3)[:4] + first[4:]
    assert first[0] != first[2]
    assert model.sample(2, bars=4, seed=3) == first[:2]
    for arguments in ({"n": 10**9}, {"n": 1, "bars": 10**9}):
        with pytest.raises(ConfigError, match="at most 1,000,000 songs of at most 4,096 bars"):
            model.sample_stream(**arguments)


def test_share_of_pickups_is_that_of_the_training_songs(model, monkeypatch) -> None:
    counts = {"4/4": {"0": 30, "1/4": 50, "1/8": 20}}
    monkeypatch.setitem(model.provenance, "pickups", counts)
    grids = [Bars.from_song(song).grid for song in model.sample(100, bars=8, meter="4/4", seed=3)]
    lengths = [int(grid.length_ticks[0]) if grid.lead_steps[0] else 0 for grid in grids]
    assert set(lengths) == {0, 480, 240}
    assert np.mean(np.array(lengths) > 0) == pytest.approx(0.7, abs=0.1)
    assert all(grid.length_ticks.sum() == 8 * 1920 for grid in grids)


def test_samples_swing_as_the_training_songs_do(model, monkeypatch) -> None:
    straight = model.sample(3, bars=4, seed=5)
    assert all(song.swing is None for song in straight)
    monkeypatch.setitem(model.provenance, "swing", {"2:1 in eighths": 9, "straight": 1})
    swung = model.sample(3, bars=4, seed=5)
    assert any(song.swing == Swing(2.0) for song in swung)
    assert [song.parts for song in swung] == [song.parts for song in straight]
    assert all(song.swing is None for song in model.sample(3, bars=4, seed=5, swing="1:1"))
    asked = model.sample(2, bars=4, seed=5, swing="3:2 in sixteenths")
    assert all(song.swing == Swing(1.5, 4) for song in asked)
    with pytest.raises(ConfigError, match="swing"):
        model.sample(1, swing="fast")
