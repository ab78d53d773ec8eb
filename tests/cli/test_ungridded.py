"""Performances without a grid: files are declined in the same words, songs in memory are taken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from musicvae import MusicVAE, Song, estimate_barlines, read, write
from musicvae.data.prepare import prepare
from musicvae.data.stored_song import read_stored_song
from musicvae.downbeats.quantization import UNGRIDDED, UNGRIDDED_HINT
from musicvae.errors import ReadError
from musicvae.io.options import ReadOptions
from support.cli import run
from support.performances import played_freely, waltz
from support.trained import tiny_workplace

REASON = f"{UNGRIDDED}; {UNGRIDDED_HINT}"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_workplace(tmp_path_factory)


@pytest.fixture
def free(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Song:
    """Return a performance, in `folder/free.mid` of a working folder with a model."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(workplace / "checkpoints", "checkpoints")
    Path("folder").mkdir()
    write(played_freely(waltz(), seed=1), "folder/free.mid")
    return read("folder/free.mid")


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "folder/free.mid"],
        ["reconstruct", "folder/free.mid", "--out", "out"],
        ["encode", "folder/free.mid", "--out", "out"],
        ["similar", "folder/free.mid", "folder"],
        ["inspect", "folder/free.mid"],
        ["prepare", "folder", "--out", "shards"],
        ["train", "folder", "--steps", "1"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_decline_in_the_same_words(free: Song, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    words = " ".join(result.output.split())  # lines are wrapped in a terminal
    assert REASON in words
    assert "Traceback" not in result.output


def test_reports_and_json_decline_in_the_same_words(free: Song) -> None:
    line = json.loads(run("inspect", "folder", "--json").stdout)
    assert not line["ok"] and line["reason"] == REASON
    write(waltz(), "folder/waltz.mid")
    report = prepare("folder", "shards")
    assert report.skipped == [{"path": "free.mid", "reason": REASON}]


def test_tools_decline_files_in_the_same_words(free: Song) -> None:
    model = MusicVAE.load("tiny")
    for call in (
        lambda: model.embed("folder/free.mid"),
        lambda: read_stored_song(Path("folder/free.mid").read_bytes(), "x", ReadOptions()),
    ):
        with pytest.raises(ReadError) as declined:
            call()
        assert declined.value.reason == REASON


def test_tools_take_songs_in_memory(free: Song) -> None:
    model = MusicVAE.load("tiny")
    assert model.reconstruct(free).n_notes
    assert model.embed(free).names == ("song 1",)


def test_commands_read_it_where_allowed(free: Song) -> None:
    assert (
        run(
            "convert", "folder/free.mid", "--format", "mid", "--allow-ungridded", "--out", "a"
        ).exit_code
        == 0
    )
    written = read("a/free.mid")
    here, there = (
        np.sort(song.tempo.seconds(song.parts[0].onset_ticks, song.ticks_per_quarter))
        for song in (free, written)
    )
    drift = there - here
    assert np.abs(drift - drift[0]).max() < 0.02
    line = json.loads(run("inspect", "folder/free.mid", "--json", "--allow-ungridded").stdout)
    assert line["ok"] and line["grid"]["tracked"] and len(line["tempos"]) > 20
    assert any(UNGRIDDED in warning for warning in line["warnings"])
    assert run("prepare", "folder", "--out", "shards", "--allow-ungridded").exit_code == 0


def test_reconstruction_comes_back_in_its_own_time(free: Song) -> None:
    """Decoded notes lie on the tracked grid, in the tempo map of the file."""
    model = MusicVAE.load("tiny")
    found = estimate_barlines(free, ungridded=True)
    again = model.reconstruct(found)
    assert again.tempo == free.tempo
    steps = found.grid_estimate.warp.forward(again.parts[0].onset_ticks) / 120  # of four a quarter
    assert np.abs(steps - np.round(steps)).max() < 0.05
