"""`musicvae render`, and `--audio` of the commands that make songs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from musicvae.cli import main
from musicvae.cli.writer import print_once
from musicvae.io import write
from musicvae.io.audio.loudness import CEILING, loudness_of
from support.small_songs import chorale


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    for seed in range(3):
        write(chorale(seed=seed, bars=2), folder / f"song{seed}.mid")
    return folder


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_folder_becomes_sound_of_one_loudness(songs: Path, tmp_path: Path) -> None:
    (songs / "broken.mid").write_bytes(b"MThd nonsense")
    out = tmp_path / "sound"
    print_once.cache_clear()  # as in a process of its own
    code, told, trouble = run(
        "render", songs, "--out", out, "--format", "flac", "--workers", 2, "--json"
    )
    assert code == 1
    assert "broken.mid" in trouble
    assert trouble.count("sound by") == 1
    lines = [json.loads(line) for line in told.splitlines()]
    assert [Path(line["path"]).name for line in lines] == [f"song{n}.flac" for n in range(3)]
    for line in lines:
        samples, rate = soundfile.read(line["path"])
        assert loudness_of(samples.astype(np.float32), rate) == pytest.approx(-18, abs=0.5)
        assert np.abs(samples).max() <= CEILING + 1e-3
        assert len(samples) / rate > line["duration_s"]


def test_one_song_goes_beside_itself_or_where_it_is_told(songs: Path, tmp_path: Path) -> None:
    song = songs / "song0.mid"
    assert run("render", song)[0] == 0
    assert (songs / "song0.wav").exists()
    code, _, trouble = run("render", song)
    assert code == 1
    assert "--force" in trouble
    assert run("render", song, "--force")[0] == 0
    assert run("render", song, "--out", tmp_path / "a.ogg", "--rate", 22050, "--lufs", -14)[0] == 0
    assert soundfile.info(tmp_path / "a.ogg").samplerate == 22_050
    assert run("render", song, "--out", tmp_path / "b.ogg", "--format", "wav")[0] == 2
    assert run("render", songs, "--out", tmp_path / "b.ogg")[0] == 2


def test_audio_is_of_the_kind_and_by_the_font_that_is_asked_for(tmp_path: Path) -> None:
    code, _, trouble = run("sample", "--n", 1, "--out", tmp_path, "--audio-format", "nonsense")
    assert code == 2
    assert "nonsense" in trouble


def test_no_recording_is_replaced_by_its_own_sound(songs: Path, tmp_path: Path) -> None:
    run("render", songs / "song0.mid", "--out", tmp_path / "hum.wav")
    (tmp_path / "hum.mid").write_bytes((songs / "song0.mid").read_bytes())
    before = (tmp_path / "hum.wav").read_bytes()
    for force in ((), ("--force",)):
        code, _, trouble = run("render", tmp_path / "hum.wav", *force)
        assert code == 1 and "hum.wav: is the song itself" in trouble
    both = (tmp_path / "hum.mid", tmp_path / "hum.wav")
    code, told, trouble = run("render", *both, "--force", "--json")
    assert code == 1 and "hum.wav: is the song itself" in trouble
    assert [Path(json.loads(line)["path"]).name for line in told.splitlines()] == ["hum-2.wav"]
    assert (tmp_path / "hum.wav").read_bytes() == before
