"""Drums of different windows played together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import Song, Windows
from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError
from musicvae.io import write
from musicvae.networks.vae import rows_of
from musicvae.training.augmentation import kits_mixed
from musicvae.training.sampler import Steps
from support.songs import part_of


@pytest.fixture
def windows(tmp_path: Path) -> Windows:
    """Beats of kick and hi-hat in four speeds, each drum at a loudness of its own."""
    for nth, every in enumerate((240, 480, 120, 960)):
        hits = [(t, 60, 42, 50 + nth) for t in range(0, 16 * 480, every)]
        hits += [(t, 60, 36, 90 + nth) for t in range(0, 16 * 480, 2 * every)]
        write(Song.new([part_of(hits, is_drum=True)]), tmp_path / f"beat{nth}.mid")
    return Windows(tmp_path, "groove-2bar", split="all", hop=2)


def kept(rows: np.ndarray, window: int) -> list[tuple[int, ...]]:
    return sorted(map(tuple, rows[rows[:, 0] == window][:, 1:].tolist()))


def test_every_pitch_is_of_one_of_two_windows_whole(windows: Windows) -> None:
    batch = windows.batch(np.arange(len(windows)))
    before = rows_of(batch)
    made = rows_of(kits_mixed(batch, 1.0, np.random.default_rng(0)))
    lines = {
        (pitch, tuple(kept(before[before[:, 4] == pitch], w)))
        for w in range(len(windows))
        for pitch in (36, 42)
    }
    changed = 0
    for w in range(len(windows)):
        for pitch in (36, 42):
            assert (pitch, tuple(kept(made[made[:, 4] == pitch], w))) in lines
        changed += kept(made, w) != kept(before, w)
    assert changed >= len(windows) // 4
    assert kept(rows_of(kits_mixed(batch, 0.0, np.random.default_rng(0))), 3) == kept(before, 3)


def test_a_window_without_one_alike_stays(windows: Windows) -> None:
    one = windows.batch(np.array([0]))
    made = kits_mixed(one, 1.0, np.random.default_rng(0))
    assert np.array_equal(rows_of(made), rows_of(one))


def test_batches_are_dealt_out_alike(windows: Windows) -> None:
    preset = windows.preset.with_settings(["training.kit_mixing=0.5"])
    windows.preset = preset
    kwargs = {"batch": 8, "seed": 1, "key_jitter": 0.0}
    whole = Steps(windows, **kwargs).at(3)
    halves = [Steps(windows, **kwargs, rank=rank, world=2).at(3) for rank in range(2)]
    for rank, half in enumerate(halves):
        assert torch.equal(half.n_notes, whole.n_notes[rank::2])


def test_it_is_for_drums_alone() -> None:
    with pytest.raises(ConfigError, match="more than drums"):
        load_preset("band-4bar").with_settings(["training.kit_mixing=0.5"])
