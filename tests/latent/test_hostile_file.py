"""Files of latents from anywhere: refused in one line, before memory is taken."""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from musicvae.downbeats import estimate_barlines
from musicvae.errors import ReadError
from musicvae.latent import load, save
from musicvae.latent.encoding import Encoding
from musicvae.latent.quantization import _FILTERS, Quantization
from musicvae.representation.bars import Bars, Notes
from support.songs import small_chorale


@pytest.fixture
def path(tmp_path: Path) -> Path:
    song = small_chorale(bars=4)
    bars = Bars.from_song(song).at(4)
    N, n_parts = len(bars), len(song.parts)
    encoding = Encoding(
        bars=Bars(header=bars.header, grid=bars.grid, notes=Notes.concatenate([])),
        source_parts=(np.arange(n_parts),),
        active=(np.ones((N, n_parts), bool),),
        key=0,
        mu=np.zeros((1, 2, 8), np.float32),
        sigma=np.ones((1, 2, 8), np.float32),
        passthrough=tuple(part.select(np.arange(0)) for part in song.parts),
        bar_velocities=np.full((N, n_parts), 80.0),
        time_map=estimate_barlines(song).time_map(song.parts),
        checkpoint="0" * 12,
    )
    save(encoding, tmp_path / "song.z", quantization=Quantization(step=1.0))
    return tmp_path / "song.z"


def rewrite(
    path: Path,
    header: Callable[[dict[str, Any]], object] = lambda header: None,
    metadata: Callable[[dict[str, Any]], object] = lambda metadata: None,
    **tensors: np.ndarray,
) -> None:
    """Change header, compressed metadata and tensors of a file, in place."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        data = json.loads(file.metadata()["musicvae-song"])
    found = load_file(path)
    content = json.loads(zlib.decompress(found["frame"].tobytes()))
    header(data)
    metadata(content)
    found["frame"] = np.frombuffer(zlib.compress(json.dumps(content).encode()), np.uint8)
    save_file(found | tensors, path, {"musicvae-song": json.dumps(data)})


def test_file_is_read(path: Path) -> None:
    rewrite(path)
    assert load(path).encoding.mu.shape == (1, 2, 8)


def test_bomb_of_latents_is_refused_by_its_shape(path: Path) -> None:
    bomb = lzma.compress(bytes(10_000_000), lzma.FORMAT_RAW, filters=_FILTERS)
    packed = np.frombuffer(bomb, np.uint8)
    rewrite(path, lambda header: header.update(shape=[1, 5000, 1000]), mu=packed, sigma=packed)
    with pytest.raises(ReadError, match="latents do not match the bars"):
        load(path)
    rewrite(path, lambda header: header.update(shape=[1, 2, 10**8]))
    with pytest.raises(ReadError, match="invalid latent shape"):
        load(path)


@pytest.mark.parametrize(
    "shape",
    [[], [2, 8], [1, 2, -8], [1.0, 2, 8], [1, 0, 8], "abc", None, [1, 2, 10**30], [2, 2, 8]],
)
def test_shapes_are_checked(path: Path, shape: object) -> None:
    rewrite(path, lambda header: header.update(shape=shape))
    with pytest.raises(ReadError, match=r"song.z: damaged"):
        load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"checkpoint": 3},
        {"checkpoint": None},
        {"hash": ["x"]},
        {"unit": float("nan")},
        {"unit": -1},
        {"unit": 0},
        {"coding": "x"},
    ],
)
def test_header_is_checked(path: Path, change: dict[str, object]) -> None:
    rewrite(path, lambda header: header.update(change))
    with pytest.raises(ReadError, match=r"song.z: damaged"):
        load(path)


def test_slots_times_bars_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoding = load(path).encoding
    size = encoding.active[0].size
    monkeypatch.setattr("musicvae.latent.serialization.MAX_SLOT_BARS", size)
    assert load(path).encoding.active[0].size == size
    monkeypatch.setattr("musicvae.latent.serialization.MAX_SLOT_BARS", size - 1)
    with pytest.raises(ReadError, match="too many slots and bars"):
        load(path)


@pytest.mark.parametrize("depth", [990, 100_000])
def test_deep_nesting_is_refused(path: Path, depth: int) -> None:
    found = load_file(path)
    deep = zlib.compress(("[" * depth + "]" * depth).encode())
    frame = np.frombuffer(deep, np.uint8)
    rewrite(path, frame=frame)
    with pytest.raises(ReadError, match=r"song.z: damaged"):
        load(path)
    save_file(found, path, {"musicvae-song": "[" * depth + "]" * depth})
    with pytest.raises(ReadError, match=r"song.z: damaged"):
        load(path)
