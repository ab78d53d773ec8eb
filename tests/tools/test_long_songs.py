"""Songs of any length through the shipped models: all but the notes is kept to the tick."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicvae import MusicVAE
from musicvae.checkpoints.registry import shipped_folder
from musicvae.downbeats import estimate_barlines
from musicvae.errors import ReadError
from musicvae.io import midi, read
from musicvae.song import Part, Song
from support.songs import wandering_song
from support.strategies import songs

MODELS = ("melody-2bar", "chorale-4bar")


@cache
def model(name: str) -> MusicVAE:
    return MusicVAE.load(FOLDER / f"{name}.safetensors", device="cpu")


FOLDER = shipped_folder()


def notes_of(part: Part) -> set[tuple[int, ...]]:
    columns = (part.onset_ticks, part.duration_ticks, part.pitch, part.velocity)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def assert_all_but_notes_kept(name: str, song: Song, *, as_written: bool = False) -> None:
    """Assert that all but the notes is kept, and the notes that the model cannot represent."""
    barlines = estimate_barlines(song, as_written=as_written)
    encoding = model(name).encode(barlines)
    made = model(name).decode(encoding)
    assert made.without_notes() == song.without_notes()
    again = midi.from_bytes(midi.to_bytes(made))
    assert again.end_ticks == midi.from_bytes(midi.to_bytes(song)).end_ticks
    assert 0 <= encoding.n_passthrough <= song.n_notes
    assert sum(len(part) for part in encoding.passthrough) == encoding.n_passthrough
    if barlines.grid_estimate.warp.is_identity:
        for back, aside in zip(made.parts, encoding.passthrough, strict=True):
            assert notes_of(aside) <= notes_of(back)
    else:
        for part, back in zip(song.parts, made.parts, strict=True):
            assert not (part.is_drum and len(part)) or notes_of(part) == notes_of(back)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12, deadline=None)
@given(song=songs())
def test_any_song_keeps_all_but_its_notes(name: str, song: Song) -> None:
    assert_all_but_notes_kept(name, song)
    assert_all_but_notes_kept(name, song, as_written=True)


@pytest.mark.parametrize("bars", [1, 2, 3, 5, 33, 400])
@pytest.mark.parametrize("name", MODELS)
def test_songs_of_1_to_400_bars_in_mixed_meters(name: str, bars: int) -> None:
    song = wandering_song(bars, seed=bars, drums=bars == 33)
    assert_all_but_notes_kept(name, song, as_written=True)
    encoding = model(name).encode(estimate_barlines(song, as_written=True))
    assert len(encoding.bars) == bars
    assert (encoding.n_passthrough > 0) is (bars == 33)
    assert encoding.mu.shape[1] == -(-bars // model(name).preset.grid.bars)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("folder", ["freedoom", "groove"])
def test_real_files_keep_all_but_their_notes(shared_data: Path, name: str, folder: str) -> None:
    files = sorted((shared_data / folder).rglob("*.mid"))
    for path in files[:: max(len(files) // 3, 1)][:3]:
        assert_all_but_notes_kept(name, read(path))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_many_real_files_keep_all_but_their_notes(shared_data: Path, name: str) -> None:
    scores = sorted((shared_data / "lieder").rglob("*.mxl"))[::40]
    files = [*scores[:30], *sorted((shared_data / "freedoom").rglob("*.mid"))]
    seen = 0
    for path in files:
        try:
            song = read(path)
        except ReadError:
            continue
        assert_all_but_notes_kept(name, song)
        seen += 1
    assert seen > 40


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), bars=st.integers(1, 40))
def test_decoded_notes_lie_within_the_song(seed: int, bars: int) -> None:
    song = wandering_song(bars, seed=seed, parts=2)
    made = model("melody-2bar").reconstruct(song)
    assert all(part.end_ticks <= song.end_ticks for part in made.parts)
    assert made.n_notes > 0
