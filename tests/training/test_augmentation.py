"""Drum augmentation: mixing the instruments of two windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import Song, WindowDataset
from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError
from musicvae.io import write
from musicvae.networks.vae import to_note_rows
from musicvae.training.augmentation import mix_drum_kits
from musicvae.training.sampler import BatchSampler
from support.songs import part_from_notes


@pytest.fixture
def windows(tmp_path: Path) -> WindowDataset:
    """Beats of kick and hi-hat in four speeds, each drum at a loudness of its own."""
    for nth, every in enumerate((240, 480, 120, 960)):
        hits = [(t, 60, 42, 50 + nth) for t in range(0, 16 * 480, every)]
        hits += [(t, 60, 36, 90 + nth) for t in range(0, 16 * 480, 2 * every)]
        write(Song.new([part_from_notes(hits, is_drum=True)]), tmp_path / f"beat{nth}.mid")
    return WindowDataset(tmp_path, "groove-2bar", split="all", hop_bars=2)


def notes_in(rows: np.ndarray, window: int) -> list[tuple[int, ...]]:
    return sorted(map(tuple, rows[rows[:, 0] == window][:, 1:].tolist()))


def test_each_pitch_comes_from_one_window(windows: WindowDataset) -> None:
    batch = windows.batch(np.arange(len(windows)))
    before = to_note_rows(batch)
    mixed = to_note_rows(mix_drum_kits(batch, 1.0, np.random.default_rng(0)))
    lines = {
        (pitch, tuple(notes_in(before[before[:, 4] == pitch], w)))
        for w in range(len(windows))
        for pitch in (36, 42)
    }
    changed = 0
    for w in range(len(windows)):
        for pitch in (36, 42):
            assert (pitch, tuple(notes_in(mixed[mixed[:, 4] == pitch], w))) in lines
        changed += notes_in(mixed, w) != notes_in(before, w)
    assert changed >= len(windows) // 4
    unmixed = to_note_rows(mix_drum_kits(batch, 0.0, np.random.default_rng(0)))
    assert notes_in(unmixed, 3) == notes_in(before, 3)


def test_window_without_partner_is_unchanged(windows: WindowDataset) -> None:
    one = windows.batch(np.array([0]))
    mixed = mix_drum_kits(one, 1.0, np.random.default_rng(0))
    assert np.array_equal(to_note_rows(mixed), to_note_rows(one))


def test_result_does_not_depend_on_ranks(windows: WindowDataset) -> None:
    preset = windows.preset.with_settings(["training.drum_mix_share=0.5"])
    windows.preset = preset
    kwargs = {"batch_size": 8, "seed": 1, "key_jitter": 0.0}
    whole = BatchSampler(windows, **kwargs).batch(3)
    halves = [BatchSampler(windows, **kwargs, rank=rank, world=2).batch(3) for rank in range(2)]
    for rank, half in enumerate(halves):
        assert torch.equal(half.n_notes, whole.n_notes[rank::2])


def test_preset_with_other_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="parts other than drums"):
        load_preset("band-4bar").with_settings(["training.drum_mix_share=0.5"])
