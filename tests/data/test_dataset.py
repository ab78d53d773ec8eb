"""Windows of songs: batches, padding, splits and what does not fit a preset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.errors import DataError
from musicvae.io import write
from musicvae.representation.bars import Bars
from musicvae.song import Song
from support.songs import small_band, small_chorale

TINY = load_preset("tiny")


def test_splits_partition_the_songs(midi_folder: Path) -> None:
    every = WindowDataset(midi_folder, TINY, split="all").songs
    apart = [WindowDataset(midi_folder, TINY, split=s).songs for s in ("train", "valid")]
    assert sorted(apart[0] + apart[1]) == every
    assert not set(apart[0]) & set(apart[1])


def test_item_equals_a_row_of_a_batch(midi_folder: Path) -> None:
    windows = WindowDataset(midi_folder, TINY, split="all")
    batch = windows.batch([0, 5, len(windows) - 1])
    for row, index in enumerate((0, 5, len(windows) - 1)):
        item = windows[index]
        width = batch.notes.shape[1]
        assert torch.equal(item.notes[:width], batch.notes[row])
        assert item.notes[width:].abs().sum() == 0
        for name in batch._fields[1:]:
            assert torch.equal(getattr(item, name), getattr(batch, name)[row]), name
    with pytest.raises(IndexError):
        windows[len(windows)]


def test_torch_data_loader_collates_items(midi_folder: Path) -> None:
    windows = WindowDataset(midi_folder, TINY, split="all")
    loader = torch.utils.data.DataLoader(windows, batch_size=16)
    assert sum(len(batch.notes) for batch in loader) == len(windows)


def test_number_of_windows_by_hop(midi_folder: Path) -> None:
    n_bars = 9
    assert len(WindowDataset(midi_folder, TINY, split="all")) == 10 * n_bars
    assert len(WindowDataset(midi_folder, TINY, split="all", hop_bars=2)) == 10 * -(-n_bars // 2)


def test_last_window_is_padded_and_pickup_is_masked() -> None:
    batcher = WindowBatcher(model_inputs(Bars.from_song(small_chorale()), TINY)[0], TINY)
    batch = batcher.batch(np.array([0, 0]), np.array([0, 8]))
    assert batch.lead_steps.tolist() == [[12, 0], [0, 0]]
    assert batch.steps.tolist() == [[16, 16], [16, 0]]
    assert batch.meter.tolist() == [[1, 1], [1, 0]]
    assert batch.n_bars.tolist() == [2, 1]
    assert batch.notes[0, 0, :4].tolist() == [0, 13, 0, batch.notes[0, 0, 3]]


def test_windows_do_not_cross_songs() -> None:
    both = [small_chorale(), small_chorale(seed=5, transpose=2)]
    sources = [model_inputs(Bars.from_song(song), TINY)[0][0] for song in both]
    together = WindowBatcher(sources, TINY)
    for row, song in enumerate(both):
        first = np.arange(9)
        one = batcher_of(song).batch(np.zeros(9, np.int64), first)
        among = together.batch(np.full(9, row), first)
        for name in one._fields:
            assert torch.equal(getattr(one, name), getattr(among, name)), name


def test_pitches_are_relative_to_key_and_shift() -> None:
    plain = batcher_of(small_chorale())
    up = batcher_of(small_chorale(transpose=3))
    one, other = (w.batch(np.array([0]), np.array([2])) for w in (plain, up))
    assert torch.equal(one.notes, other.notes)
    assert (other.key - one.key).tolist() in ([3], [-9])
    moved = plain.batch(np.array([0]), np.array([2]), shift=np.array([2]))
    n = int(one.n_notes[0])
    assert torch.equal(moved.notes[0, :n, 3], one.notes[0, :n, 3] - 2)
    assert (moved.key - one.key).tolist() == [2]


def batcher_of(song: Song) -> WindowBatcher:
    return WindowBatcher(model_inputs(Bars.from_song(song), TINY)[0], TINY)


def test_key_and_pitches_restore_the_song() -> None:
    song = small_chorale(transpose=-4)
    bars = Bars.from_song(song).at(4)
    batch = batcher_of(song).batch(np.zeros(5, np.int64), np.arange(0, 9, 2))
    seen = [
        (int(pitch + key), int(velocity))
        for row, count, key in zip(batch.notes, batch.n_notes, batch.key, strict=True)
        for _, position, _, pitch, _, velocity, _ in row[:count]
        if position > 0
    ]
    notes = zip(bars.notes.pitch.tolist(), bars.notes.velocity.tolist(), strict=True)
    assert sorted(seen) == sorted(notes)


def test_skipped_windows_and_passthrough_notes_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    for seed in range(3):
        write(small_chorale(seed=seed), folder / f"{seed}.mid")
    write(small_band(), folder / "band.mid")
    write(Song.new(small_chorale(seed=9).parts, meter=(5, 2)), folder / "long-bars.mid")
    silence = replace(small_chorale(seed=7), end_ticks=480 * 4 * 20)
    write(silence, folder / "silence.mid")
    windows = WindowDataset(folder, TINY, split="all")
    assert windows.n_passthrough == len(small_band().parts[2])
    assert windows.skipped_windows["with a bar of over 24 cells"] == 4
    assert windows.skipped_windows["without a note"] == 21 - 9
    every = windows.batch(np.arange(len(windows)))
    assert int(every.steps.max()) <= TINY.grid.max_steps
    assert int(every.n_notes.min()) > 0
    counts = windows.counts()
    assert counts["songs"] == 6
    assert counts["windows"] == len(windows)


def test_folder_without_fitting_song_is_an_error(tmp_path: Path) -> None:
    drums = Song.new([small_band().parts[2]])
    write(drums, tmp_path / "midi" / "drums.mid")
    with pytest.raises(DataError, match="no song of the train split fits preset tiny"):
        WindowDataset(tmp_path / "midi", "tiny")
