"""Two processes with one output: nothing is overwritten, nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musicvae.checkpoints import MODEL_FILE, locked_checkpoint
from musicvae.cli import console, writer
from musicvae.cli.writer import SongWriter
from musicvae.config.preset import load_preset
from musicvae.errors import ExistsError, WriteError
from musicvae.io import read
from musicvae.song import Song
from musicvae.training import train
from support.cli import run
from support.songs import small_band, small_chorale


@pytest.fixture
def other_process(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths that another process has written just before this one writes there."""
    written: list[Path] = []
    real: Callable[..., int] = writer.write_song

    def write_song(song: Song, path: Path, note: str) -> int:
        if path in written:
            path.write_bytes(b"of the other process")
        return real(song, path, note)

    monkeypatch.setattr(writer, "write_song", write_song)
    return written


def song_writer(folder: Path, **options: Any) -> SongWriter:
    return SongWriter(folder, as_json=True, audio=None, **options)


def test_numbered_song_takes_the_next_number(tmp_path: Path, other_process: list[Path]) -> None:
    other_process += [tmp_path / "song-01.mid", tmp_path / "song-02.mid"]
    path = song_writer(tmp_path, score=True).write_numbered(small_chorale(), "song", note="")
    assert path == tmp_path / "song-03.mid"
    assert read(path.with_suffix(".musicxml")).n_notes == small_chorale().n_notes
    assert {file.read_bytes() for file in other_process} == {b"of the other process"}
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["song-01.mid", "song-02.mid", "song-03.mid", "song-03.musicxml"]


def test_named_song_is_refused(tmp_path: Path, other_process: list[Path]) -> None:
    other_process.append(tmp_path / "song.mid")
    with pytest.raises(ExistsError, match="already exists; overwrite it with --force"):
        song_writer(tmp_path).write_named(small_chorale(), "song", force=False, note="")
    assert (tmp_path / "song.mid").read_bytes() == b"of the other process"
    song_writer(tmp_path).write_named(small_chorale(), "song", force=True, note="")
    assert read(tmp_path / "song.mid").n_notes == small_chorale().n_notes


def test_group_of_songs_takes_the_next_number(tmp_path: Path, other_process: list[Path]) -> None:
    other_process.append(tmp_path / "grid-01-a.mid")
    songs = {"-a": small_chorale(), "-b": small_band()}
    song_writer(tmp_path).write_group(songs, "grid", note="")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["grid-01-a.mid", "grid-02-a.mid", "grid-02-b.mid"]


def test_group_with_its_number_is_not_spread_over_two(
    tmp_path: Path, other_process: list[Path]
) -> None:
    other_process.append(tmp_path / "grid-01-b.mid")
    songs = {"-a": small_chorale(), "-b": small_band()}
    with pytest.raises(ExistsError):
        song_writer(tmp_path).write_group(songs, "grid", note="")


def test_free_name_is_numbered_on(tmp_path: Path) -> None:
    from musicvae.storage import write_bytes

    tried: list[Path] = []

    def write(path: Path) -> None:
        if not tried:
            path.write_bytes(b"of the other process")
        tried.append(path)
        write_bytes(path, b"own")

    path = console.write_free(tmp_path, "map", ".png", write)
    assert [each.name for each in tried] == ["map.png", "map-1.png"]
    assert (path.read_bytes(), tried[0].read_bytes()) == (b"own", b"of the other process")


def test_run_that_another_process_writes_is_refused(midi_folder: Path) -> None:
    folder = Path("checkpoints/mine")
    folder.mkdir(parents=True)
    with locked_checkpoint(folder / MODEL_FILE):
        result = run("train", midi_folder, "--preset", "tiny", "--steps", 1, "--name", "mine")
        assert result.exit_code == 1
        expected = "mine/model.safetensors: another process is writing it"
        assert expected in result.output.replace(os.sep, "/")
        with pytest.raises(WriteError, match="another process"):
            train(midi_folder, load_preset("tiny"), folder, steps=1)
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_pair_of_processes_with_one_output(midi_folder: Path) -> None:
    command = [sys.executable, "-m", "musicvae", "convert", str(midi_folder / "song0.mid")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    pair = [
        subprocess.Popen(
            [*command, "--out", "scores", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate() for process in pair]
    assert sorted(process.returncode for process in pair) == [0, 1]
    loser = next(errors for (_, errors), p in zip(outputs, pair, strict=True) if p.returncode)
    assert "already exists; overwrite it with --force" in loser
    (line,) = (json.loads(out) for out, _ in outputs if out)
    assert [path.name for path in Path("scores").iterdir()] == [Path(line["path"]).name]
