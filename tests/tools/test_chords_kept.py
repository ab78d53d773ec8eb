"""Chords that a song states: kept by tools that keep its bars, dropped where notes are new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicvae import MusicVAE, latent
from musicvae.checkpoints.registry import shipped_folder
from musicvae.chords import Chord, ChordMap
from musicvae.downbeats import estimate_barlines
from musicvae.io.stems import split_stems
from musicvae.song import Song
from support.irregular import irregular_song
from support.songs import chorale_song

CHORDS = [
    (0, Chord(0, 1, 0)),
    (960, Chord(3, 11, 0)),
    (1930, Chord(-1, 1, -1)),
    (5760, Chord(1, 9, 1)),
]


@pytest.fixture(scope="module")
def model() -> MusicVAE:
    return MusicVAE.load(shipped_folder() / "chorale-4bar.safetensors", device="cpu")


def with_chords(song: Song) -> Song:
    return replace(song, chords=ChordMap.from_chords(CHORDS))


@pytest.mark.parametrize("song", [chorale_song(bars=6), irregular_song()])
def test_tools_keep_chords(model: MusicVAE, song: Song, tmp_path: Path) -> None:
    song = with_chords(song)
    latent.save(model.encode(song), tmp_path / "a.z")
    results = [
        model.reconstruct(song),
        model.vary(song, amount=0.5),
        model.infill(song, 2, 3),
        model.extend(song, bars=2),
        model.decode(latent.load(tmp_path / "a.z").encoding),
    ]
    assert [result.chords for result in results] == [song.chords] * len(results)


def test_stems_keep_chords() -> None:
    song = with_chords(chorale_song(bars=6))
    assert {part.chords == song.chords for part in split_stems(song).values()} == {True}


def test_bar_lines_move_chords_and_bring_them_back() -> None:
    song = with_chords(irregular_song())
    barlines = estimate_barlines(song)
    moved = barlines.song.chords
    forward = barlines.grid_estimate.warp.forward(np.asarray(song.chords.ticks))
    assert moved.ticks.tolist() == np.round(forward).astype(int).tolist()
    assert moved.labels() == song.chords.labels()
    assert barlines.undo(barlines.song).chords == song.chords


def test_new_songs_state_no_chords(model: MusicVAE) -> None:
    assert not len(model.sample(1, bars=4)[0].chords)
    a, b = (model.encode(with_chords(chorale_song(bars=6, seed=seed))) for seed in (1, 2))
    half = model.decode(latent.blend(a, b, 0.5, model.preset.grid.bars))
    assert not len(half.chords)


def test_samples_are_in_the_key_asked(model: MusicVAE) -> None:
    named = model.sample(1, bars=4, key="D minor", seed=4)[0]
    counted = model.sample(1, bars=4, key=5, seed=4)[0]
    assert named.parts == counted.parts
    assert (named.key.fifths.tolist(), named.key.minor.tolist()) == ([-1], [1])
    assert (counted.key.fifths.tolist(), counted.key.minor.tolist()) == ([-1], [0])
