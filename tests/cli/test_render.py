"""`musicvae render`, and `--audio` of the commands that generate songs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from musicvae.cli import main
from musicvae.cli.console import print_once
from musicvae.io import write
from musicvae.io.audio.loudness import PEAK_CEILING, measure_loudness
from support.songs import small_chorale


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    for seed in range(3):
        write(small_chorale(seed=seed, bars=2), folder / f"song{seed}.mid")
    return folder


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_render_folder_to_equal_loudness(songs: Path, tmp_path: Path) -> None:
    (songs / "broken.mid").write_bytes(b"MThd nonsense")
    out = tmp_path / "sound"
    print_once.cache_clear()  # as in a new process
    code, output, errors = run(
        "render", songs, "--out", out, "--format", "flac", "--workers", 2, "--json"
    )
    assert code == 1
    assert "broken.mid" in errors
    assert errors.count("rendering with") == 1
    lines = [json.loads(line) for line in output.splitlines()]
    assert [Path(line["path"]).name for line in lines] == [f"song{n}.flac" for n in range(3)]
    for line in lines:
        samples, rate = soundfile.read(line["path"])
        assert measure_loudness(samples.astype(np.float32), rate) == pytest.approx(-18, abs=0.5)
        assert np.abs(samples).max() <= PEAK_CEILING + 1e-3
        assert len(samples) / rate > line["duration_s"]


def test_render_output_paths(songs: Path, tmp_path: Path) -> None:
    song = songs / "song0.mid"
    assert run("render", song)[0] == 0
    assert (songs / "song0.wav").exists()
    code, _, errors = run("render", song)
    assert code == 1
    assert "--force" in errors
    assert run("render", song, "--force")[0] == 0
    assert run("render", song, "--out", tmp_path / "a.ogg", "--rate", 22050, "--lufs", -14)[0] == 0
    assert soundfile.info(tmp_path / "a.ogg").samplerate == 22_050
    assert run("render", song, "--out", tmp_path / "b.ogg", "--format", "wav")[0] == 2
    assert run("render", songs, "--out", tmp_path / "b.ogg")[0] == 2


def test_invalid_audio_format_is_rejected(tmp_path: Path) -> None:
    code, _, errors = run("sample", "--n", 1, "--out", tmp_path, "--audio-format", "nonsense")
    assert code == 2
    assert "nonsense" in errors


def test_render_never_replaces_its_input(songs: Path, tmp_path: Path) -> None:
    run("render", songs / "song0.mid", "--out", tmp_path / "hum.wav")
    (tmp_path / "hum.mid").write_bytes((songs / "song0.mid").read_bytes())
    before = (tmp_path / "hum.wav").read_bytes()
    for force in ((), ("--force",)):
        code, _, errors = run("render", tmp_path / "hum.wav", *force)
        assert code == 1 and "hum.wav: is the input itself" in errors
    both = (tmp_path / "hum.mid", tmp_path / "hum.wav")
    code, output, errors = run("render", *both, "--force", "--json")
    assert code == 1 and "hum.wav: is the input itself" in errors
    assert [Path(json.loads(line)["path"]).name for line in output.splitlines()] == ["hum-2.wav"]
    assert (tmp_path / "hum.wav").read_bytes() == before
