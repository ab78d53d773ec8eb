"""Commands that write plots and reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import Result
from matplotlib.image import imread

from musicvae.cli.console import print_once
from musicvae.io import read, write
from musicvae.io.audio.render import RenderOptions, write_audio
from support.cli import run
from support.songs import corpus_folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working folder with MIDI and a tiny model trained by the command."""
    place = tmp_path_factory.mktemp("work")
    corpus_folder(place / "midi", n=12, bars=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = ("--preset", "tiny", "--steps", 8, "--from", "scratch", "--json")
        result = run("train", "midi", *words)
    (place / "result.json").write_text(result.stdout.splitlines()[-1])
    return place


@pytest.fixture
def working_folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def read_page(result: Result, path: Path) -> str:
    assert result.exit_code == 0, result.output
    return path.read_text("utf-8")


def song_path(working_folder: Path, nth: int = 0) -> Path:
    return sorted((working_folder / "midi").glob("*.mid"))[nth]


def test_plot_detects_file_kind(working_folder: Path, tmp_path: Path) -> None:
    song, sound, latents = song_path(working_folder), tmp_path / "take.wav", tmp_path / "song.z"
    write_audio(read(song), sound, RenderOptions(rate=16_000))
    assert run("encode", song, "--out", latents).exit_code == 0
    out = tmp_path / "out"
    paths = (song, sound, latents, working_folder / "checkpoints" / "tiny")
    result = run("plot", *paths, "--out", out, "--theme", "dark", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["drawn"] for line in lines] == ["roll", "sound", "latents", "curves"]
    for line in lines:
        assert np.median(imread(line["path"])[..., :3]) < 0.3
    assert Path(lines[3]["path"]).name == "tiny.png"


def test_plot_spectrogram_of_song(working_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.svg"
    print_once.cache_clear()  # as in a new process
    result = run("plot", song_path(working_folder), "--as", "sound", "--out", out, "--transparent")
    assert result.exit_code == 0, result.output
    assert "<image" in out.read_text("utf-8")
    assert "rendering with" in result.stderr


def test_plot_reports_unplottable_files(working_folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    sound = tmp_path / "bad.wav"
    sound.write_bytes(b"RIFFnothing")
    result = run(
        "plot",
        bad,
        sound,
        tmp_path / "none.wav",
        song_path(working_folder),
        "--out",
        tmp_path / "o",
    )
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("musicvae: ")]
    assert len(lines) == 3
    assert "not a table of metrics" in lines[0]
    assert "Traceback" not in result.output
    assert len(list((tmp_path / "o").iterdir())) == 1


def test_plot_skips_rendering_beside_song(working_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    for nth in range(2):
        write(read(song_path(working_folder, nth)), folder / f"song-{nth}.mid")
    for stem in ("song-0", "song-1", "take"):
        soundfile.write(folder / f"{stem}.wav", np.sin(np.arange(16_000) / 10), 16_000)

    def plotted(*words: str) -> list[str]:
        out = tmp_path / "-".join(("out", *words))
        result = run("plot", folder, "--out", out, *words)
        assert result.exit_code == 0, result.output
        return sorted(path.name for path in out.iterdir())

    assert plotted() == ["song-0.png", "song-1.png", "take.png"]
    assert len(plotted("--as", "sound")) == 5


def test_plot_continues_after_nan_samples(working_folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(16_000, np.nan), 16_000, subtype="FLOAT")
    out = tmp_path / "o"
    result = run("plot", tmp_path / "nan.wav", song_path(working_folder), "--out", out)
    assert result.exit_code == 1 and result.exception.args == (1,)
    assert "samples that are NaN or inf; export it again" in result.stderr
    assert len(list(out.iterdir())) == 1


def test_plot_roll_of_recording(tmp_path: Path) -> None:
    tune = np.repeat([440.0, 494.0, 523.0, 587.0, 523.0, 494.0, 440.0, 440.0], 8000)
    loud = np.tile(np.minimum(1, 8 - 8 * np.linspace(0, 1, 8000)), 8)
    sound = 0.3 * loud * np.sin(2 * np.pi * np.cumsum(tune) / 16_000)
    soundfile.write(tmp_path / "take.wav", sound, 16_000)
    result = run("plot", tmp_path / "take.wav", "--as", "roll", "--out", tmp_path / "t.png")
    assert result.exit_code == 0, result.output
    assert "recognized" in result.stderr and (tmp_path / "t.png").is_file()


def test_sample_writes_a_report(working_folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "songs.html"
    words = ("sample", "--n", 2, "--bars", 2, "--seed", 1, "--out", tmp_path / "s")
    text = read_page(run(*words, "--report", report), report)
    assert text.count("<article") == 2 and text.count("<audio") == 2
    assert "song-01" in text
    again = run(*words, "--report", report)
    assert again.exit_code == 1
    assert "already exists; choose another name" in again.stderr
    wrong = run(*words, "--report", tmp_path / "songs.txt")
    assert wrong.exit_code == 1
    assert "use a name that ends in .html" in wrong.stderr
    assert len(list((tmp_path / "s").iterdir())) == 2


def test_interpolate_writes_plot_and_report(working_folder: Path, tmp_path: Path) -> None:
    ends = [song_path(working_folder, nth) for nth in range(4)]
    out, plot, report = ("--out", tmp_path / "w"), tmp_path / "way.svg", tmp_path / "way.html"
    more = (*out, "--plot", plot, "--report", report, "--json")
    result = run("interpolate", *ends[:2], "--steps", 3, *more)
    text = read_page(result, report)
    assert text.count("<article") == 3 and 'class="step-slider"' in text
    assert "0.50" in text and plot.read_text("utf-8").count("<svg") == 1
    entries = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["kind"] for line in entries] == ["song"] * 3 + ["plot", "report"]
    assert entries[-2]["path"] == str(plot)
    assert entries[-1]["songs"] == 3
    again = run("interpolate", *ends[:2], *more)
    assert again.exit_code == 1 and "already exists" in again.stderr
    square = tmp_path / "square.png"
    result = run("interpolate", *ends, "--grid", "--steps", 2, *out, "--plot", square)
    assert result.exit_code == 0 and square.is_file()
    morph = tmp_path / "morph.html"
    text = read_page(run("interpolate", *ends[:2], "--morph", *out, "--report", morph), morph)
    assert text.count("<article") == 1


@pytest.mark.parametrize("option", ["--plot", "--report"])
def test_output_paths_are_checked_first(working_folder: Path, tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("no folder")
    suffix = {"--plot": ".png", "--report": ".html"}[option]
    ends = [song_path(working_folder, nth) for nth in range(2)]
    for name, reason in (("file/way", "file is a file, not a folder"), ("n" * 300, "too long")):
        path = tmp_path / f"{name}{suffix}"
        for words in (("interpolate", *ends), ("evaluate", "tiny", working_folder / "midi")):
            out = ("--out", tmp_path / "w") if words[0] == "interpolate" else ()
            result = run(*words, *out, option, path)
            assert result.exit_code == 1 and "using" not in result.stderr
            (line,) = result.stderr.splitlines()
            assert reason in line and line.endswith(f"choose another place with {option}")
    assert not (tmp_path / "w").exists()
    (tmp_path / f"folder{suffix}").mkdir()
    result = run("interpolate", *ends, option, tmp_path / f"folder{suffix}")
    assert result.exit_code == 1 and "is a folder; choose" in result.stderr


def test_steer_prints_plot_path(working_folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "moved.png"
    words = (
        "steer",
        song_path(working_folder),
        "--density",
        1,
        "--out",
        tmp_path / "s",
        "--plot",
        picture,
    )
    entries = [json.loads(line) for line in run(*words, "--json").stdout.splitlines()]
    assert [line["kind"] for line in entries] == ["song", "plot"]
    assert entries[-1]["path"] == str(picture) and picture.is_file()


def test_train_writes_report(working_folder: Path) -> None:
    path = Path("checkpoints/tiny/report.html")
    assert json.loads((working_folder / "result.json").read_text())["report"] == str(path)
    text = path.read_text("utf-8")
    assert "checkpoints/" not in text and str(working_folder) not in text
    assert "training songs" in text and "<picture>" in text
    assert text.count("<article") == 4 and "<audio" not in text


def test_prepare_writes_report_with_sound(working_folder: Path, tmp_path: Path) -> None:
    folder, report = tmp_path / "in", tmp_path / "p.html"
    folder.mkdir()
    for nth in range(2):
        (folder / f"{nth}.mid").write_bytes(song_path(working_folder, nth).read_bytes())
    (folder / "readme.txt").write_text("no music")
    words = ("prepare", folder, "--out", tmp_path / "shards", "--workers", 1)
    text = read_page(run(*words, "--report", report), report)
    assert "2 of 3 files kept" in text and "not a MIDI file" in text
    assert text.count("<article") == 2 and text.count("<audio") == 2
