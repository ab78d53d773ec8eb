"""Shards written by earlier versions stay readable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicvae.data import Shards, WindowDataset, prepare_cached
from musicvae.data.fingerprints import fingerprint
from musicvae.data.schema import batch_to_rows, row_to_song, rows_to_batch, song_to_row
from musicvae.data.stored_song import StoredSong
from musicvae.io import midi
from musicvae.representation.bars import Bars
from musicvae.song import Song
from musicvae.swing import Swing
from support.songs import small_band, small_chorale

FOLDER = Path(__file__).parents[1] / "fixtures" / "15d93ec" / "shards"
SONGS = {
    "band.mid": small_band(),
    "chorale0.mid": small_chorale(seed=0, bars=3),
    "chorale1.mid": small_chorale(seed=1, bars=3),
    "chorale2.mid": small_chorale(seed=2, bars=3),
    "transposed.mid": small_chorale(seed=1, bars=3, transpose=2),
}


def as_stored(song: Song) -> Song:
    return midi.read_bytes(midi.to_bytes(song), "song.mid").song


def test_old_shards_hold_the_same_songs() -> None:
    shards = Shards(FOLDER)
    assert prepare_cached(FOLDER) == FOLDER
    assert [song.path for song in shards] == list(SONGS)
    for song in shards:
        bars = Bars.from_song(SONGS[song.path])
        assert song.bars.to_song() == as_stored(SONGS[song.path])
        assert len(song.bars) == len(bars) and song.bars.grid.cell_offsets[-1] > 0
        assert np.array_equal(song.bars.grid.lead_steps, bars.grid.lead_steps)
        assert np.array_equal(song.fingerprint.bar_hashes, fingerprint(bars).bar_hashes)
        assert song.fingerprint[1:] == fingerprint(bars)[1:]
        assert [part["name"] for part in song.facts["parts"]] == [
            part.name for part in SONGS[song.path].parts
        ]


def test_old_skipped_files_and_clusters_are_read() -> None:
    shards = Shards(FOLDER)
    skipped = [row["path"] for row in shards.rows() if row["reason"] is not None]
    assert skipped == ["broken.mid"]
    assert shards.clusters().head.tolist() == [0, 1, 2, 3, 2]


@pytest.mark.parametrize("split", ["all", "train"])
def test_windows_of_old_shards(split: str) -> None:
    windows = WindowDataset(FOLDER, "tiny", split=split)
    batch = windows.batch(range(len(windows)))
    assert len(windows) > 0 and int(batch.n_notes.min()) > 0
    assert windows.n_passthrough == (48 if split == "all" or "band.mid" in windows.songs else 0)


@pytest.mark.parametrize("swing", [None, Swing(1.62)])
def test_swing_is_stored(swing: Swing | None) -> None:
    bars = Bars.from_song(replace(small_band(), swing=swing))
    stored = StoredSong(path="a.mid", bars=bars, fingerprint=fingerprint(bars))
    (row,) = batch_to_rows(rows_to_batch([song_to_row(stored, bytes(16))]))
    assert row_to_song(row).bars.header == bars.header
