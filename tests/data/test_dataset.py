from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae.config.preset import load_preset
from musicvae.data import Windows
from musicvae.data.batch import WindowCutter, sources_of
from musicvae.errors import DataError
from musicvae.io import write
from musicvae.representation.bars import Bars
from musicvae.song import Song
from support.small_songs import band, chorale

TINY = load_preset("tiny")


# -- windows --------------------------------------------------------------------------------------


def test_splits_share_no_song_and_miss_none(midi_folder: Path) -> None:
    every = Windows(midi_folder, TINY, split="all").songs
    apart = [Windows(midi_folder, TINY, split=s).songs for s in ("train", "valid")]
    assert sorted(apart[0] + apart[1]) == every
    assert not set(apart[0]) & set(apart[1])


def test_an_item_is_the_batch_of_one(midi_folder: Path) -> None:
    windows = Windows(midi_folder, TINY, split="all")
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


def test_any_loader_of_torch_will_do(midi_folder: Path) -> None:
    windows = Windows(midi_folder, TINY, split="all")
    loader = torch.utils.data.DataLoader(windows, batch_size=16)
    assert sum(len(batch.notes) for batch in loader) == len(windows)


def test_windows_hop_one_bar_in_training_and_a_window_in_encoding(midi_folder: Path) -> None:
    n_bars = 9
    assert len(Windows(midi_folder, TINY, split="all")) == 10 * n_bars
    assert len(Windows(midi_folder, TINY, split="all", hop=2)) == 10 * -(-n_bars // 2)


def test_a_window_past_the_end_is_padded_and_a_pickup_is_masked() -> None:
    cutter = WindowCutter(sources_of(Bars.from_song(chorale()), TINY)[0], TINY)
    batch = cutter.batch(np.array([0, 0]), np.array([0, 8]))
    assert batch.lead.tolist() == [[12, 0], [0, 0]]
    assert batch.steps.tolist() == [[16, 16], [16, 0]]
    assert batch.meter.tolist() == [[1, 1], [1, 0]]
    assert batch.n_bars.tolist() == [2, 1]
    assert batch.notes[0, 0, :4].tolist() == [0, 13, 0, batch.notes[0, 0, 3]]


def test_a_window_ends_with_its_song_whatever_comes_next() -> None:
    both = [chorale(), chorale(seed=5, transpose=2)]
    sources = [sources_of(Bars.from_song(song), TINY)[0][0] for song in both]
    together = WindowCutter(sources, TINY)
    for row, song in enumerate(both):
        first = np.arange(9)
        one = cutter_of(song).batch(np.zeros(9, np.int64), first)
        among = together.batch(np.full(9, row), first)
        for name in one._fields:
            assert torch.equal(getattr(one, name), getattr(among, name)), name


def test_pitches_are_normalised_by_key_and_moved_by_shift() -> None:
    plain = cutter_of(chorale())
    up = cutter_of(chorale(transpose=3))
    one, other = (w.batch(np.array([0]), np.array([2])) for w in (plain, up))
    assert torch.equal(one.notes, other.notes)
    assert (other.key - one.key).tolist() in ([3], [-9])
    moved = plain.batch(np.array([0]), np.array([2]), shift=np.array([2]))
    n = int(one.n_notes[0])
    assert torch.equal(moved.notes[0, :n, 3], one.notes[0, :n, 3] - 2)
    assert (moved.key - one.key).tolist() == [2]


def cutter_of(song: Song) -> WindowCutter:
    return WindowCutter(sources_of(Bars.from_song(song), TINY)[0], TINY)


def test_key_and_notes_give_the_song_back() -> None:
    song = chorale(transpose=-4)
    bars = Bars.from_song(song).at(4)
    batch = cutter_of(song).batch(np.zeros(5, np.int64), np.arange(0, 9, 2))
    seen = [
        (int(pitch + key), int(velocity))
        for row, count, key in zip(batch.notes, batch.n_notes, batch.key, strict=True)
        for _, position, _, pitch, _, velocity, _ in row[:count]
        if position > 0
    ]
    notes = zip(bars.notes.pitch.tolist(), bars.notes.velocity.tolist(), strict=True)
    assert sorted(seen) == sorted(notes)


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    for seed in range(3):
        write(chorale(seed=seed), folder / f"{seed}.mid")
    write(band(), folder / "band.mid")
    write(Song.new(chorale(seed=9).parts, meter=(5, 2)), folder / "long-bars.mid")
    silence = replace(chorale(seed=7), end_ticks=480 * 4 * 20)
    write(silence, folder / "silence.mid")
    windows = Windows(folder, TINY, split="all")
    assert windows.n_untouched == len(band().parts[2])
    assert windows.left_out["with a bar of over 24 cells"] == 4
    assert windows.left_out["without a note"] == 21 - 9
    every = windows.batch(np.arange(len(windows)))
    assert int(every.steps.max()) <= TINY.grid.max_steps
    assert int(every.n_notes.min()) > 0
    counts = windows.counts()
    assert counts["songs"] == 6
    assert counts["windows"] == len(windows)


def test_nothing_for_a_preset_is_an_error(tmp_path: Path) -> None:
    drums = Song.new([band().parts[2]])
    write(drums, tmp_path / "midi" / "drums.mid")
    with pytest.raises(DataError, match="no song of the train split fits preset tiny"):
        Windows(tmp_path / "midi", "tiny")
