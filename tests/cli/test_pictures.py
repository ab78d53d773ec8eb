"""Commands that draw and that write reports, as a new user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from matplotlib.image import imread

from musicvae.cli import main
from musicvae.cli.writer import print_once
from musicvae.io import read, write
from musicvae.io.audio.render import SoundOptions, write_audio
from support.songs import corpus_folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with MIDI and a tiny model, trained by the command."""
    place = tmp_path_factory.mktemp("work")
    corpus_folder(place / "midi", n=12, bars=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = ("--preset", "tiny", "--steps", 8, "--from", "scratch", "--json")
        result = run("train", "midi", *words)
    (place / "told.json").write_text(result.stdout.splitlines()[-1])
    return place


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def page(result: Result, path: Path) -> str:
    assert result.exit_code == 0, result.output
    return path.read_text("utf-8")


def a_song(here: Path, nth: int = 0) -> Path:
    return sorted((here / "midi").glob("*.mid"))[nth]


def test_plot_draws_what_a_file_is(here: Path, tmp_path: Path) -> None:
    song, sound, latents = a_song(here), tmp_path / "take.wav", tmp_path / "song.z"
    write_audio(read(song), sound, SoundOptions(rate=16_000))
    assert run("encode", song, "--out", latents).exit_code == 0
    out = tmp_path / "out"
    paths = (song, sound, latents, here / "checkpoints" / "tiny")
    result = run("plot", *paths, "--out", out, "--theme", "dark", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["drawn"] for line in lines] == ["roll", "sound", "latents", "curves"]
    for line in lines:
        assert np.median(imread(line["path"])[..., :3]) < 0.3
    assert Path(lines[3]["path"]).name == "tiny.png"


def test_plot_draws_the_sound_of_a_song(here: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.svg"
    print_once.cache_clear()  # as in a process of its own
    result = run("plot", a_song(here), "--as", "sound", "--out", out, "--transparent")
    assert result.exit_code == 0, result.output
    assert "<image" in out.read_text("utf-8")
    assert "sound by" in result.stderr


def test_plot_says_in_a_line_what_it_cannot_draw(here: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    sound = tmp_path / "bad.wav"
    sound.write_bytes(b"RIFFnothing")
    result = run("plot", bad, sound, tmp_path / "none.wav", a_song(here), "--out", tmp_path / "o")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("musicvae: ")]
    assert len(lines) == 3
    assert "not a table of metrics" in lines[0]
    assert "Traceback" not in result.output
    assert len(list((tmp_path / "o").iterdir())) == 1


def test_a_rendering_beside_its_song_is_not_drawn_again(here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    for nth in range(2):
        write(read(a_song(here, nth)), folder / f"song-{nth}.mid")
    for stem in ("song-0", "song-1", "take"):
        soundfile.write(folder / f"{stem}.wav", np.sin(np.arange(16_000) / 10), 16_000)

    def drawn(*words: str) -> list[str]:
        out = tmp_path / "-".join(("out", *words))
        result = run("plot", folder, "--out", out, *words)
        assert result.exit_code == 0, result.output
        return sorted(path.name for path in out.iterdir())

    assert drawn() == ["song-0.png", "song-1.png", "take.png"]
    assert len(drawn("--as", "sound")) == 5


def test_plot_goes_on_after_sound_that_is_no_numbers(here: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(16_000, np.nan), 16_000, subtype="FLOAT")
    out = tmp_path / "o"
    result = run("plot", tmp_path / "nan.wav", a_song(here), "--out", out)
    assert result.exit_code == 1 and result.exception.args == (1,)
    assert "samples that are no numbers; export it again" in result.stderr
    assert len(list(out.iterdir())) == 1


def test_plot_draws_the_roll_of_a_recording(tmp_path: Path) -> None:
    tune = np.repeat([440.0, 494.0, 523.0, 587.0, 523.0, 494.0, 440.0, 440.0], 8000)
    loud = np.tile(np.minimum(1, 8 - 8 * np.linspace(0, 1, 8000)), 8)
    sound = 0.3 * loud * np.sin(2 * np.pi * np.cumsum(tune) / 16_000)
    soundfile.write(tmp_path / "take.wav", sound, 16_000)
    result = run("plot", tmp_path / "take.wav", "--as", "roll", "--out", tmp_path / "t.png")
    assert result.exit_code == 0, result.output
    assert "heard" in result.stderr and (tmp_path / "t.png").is_file()


def test_sample_writes_a_report(here: Path, tmp_path: Path) -> None:
    report = tmp_path / "songs.html"
    words = ("sample", "--n", 2, "--bars", 2, "--seed", 1, "--out", tmp_path / "s")
    text = page(run(*words, "--report", report), report)
    assert text.count("<article") == 2 and text.count("<audio") == 2
    assert "song-01" in text
    again = run(*words, "--report", report)
    assert again.exit_code == 1
    assert "exists already; give another name" in again.stderr
    wrong = run(*words, "--report", tmp_path / "songs.txt")
    assert wrong.exit_code == 1
    assert "name it so that it ends in .html" in wrong.stderr
    assert len(list((tmp_path / "s").iterdir())) == 2


def test_interpolate_draws_and_tells_of_the_way(here: Path, tmp_path: Path) -> None:
    ends = [a_song(here, nth) for nth in range(4)]
    out, plot, report = ("--out", tmp_path / "w"), tmp_path / "way.svg", tmp_path / "way.html"
    more = (*out, "--plot", plot, "--report", report, "--json")
    result = run("interpolate", *ends[:2], "--steps", 3, *more)
    text = page(result, report)
    assert text.count("<article") == 3 and 'class="place"' in text
    assert "0.50" in text and plot.read_text("utf-8").count("<svg") == 1
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["kind"] for line in told] == ["song"] * 3 + ["plot", "report"]
    assert told[-2]["path"] == str(plot)
    assert told[-1]["songs"] == 3
    again = run("interpolate", *ends[:2], *more)
    assert again.exit_code == 1 and "exists already" in again.stderr
    square = tmp_path / "square.png"
    result = run("interpolate", *ends, "--grid", "--steps", 2, *out, "--plot", square)
    assert result.exit_code == 0 and square.is_file()
    morph = tmp_path / "morph.html"
    text = page(run("interpolate", *ends[:2], "--morph", *out, "--report", morph), morph)
    assert text.count("<article") == 1


@pytest.mark.parametrize("option", ["--plot", "--report"])
def test_what_cannot_be_written_is_found_before_the_work(
    here: Path, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    suffix = {"--plot": ".png", "--report": ".html"}[option]
    ends = [a_song(here, nth) for nth in range(2)]
    for name, reason in (("file/way", "file is a file, not a folder"), ("n" * 300, "too long")):
        path = tmp_path / f"{name}{suffix}"
        for words in (("interpolate", *ends), ("evaluate", "tiny", here / "midi")):
            out = ("--out", tmp_path / "w") if words[0] == "interpolate" else ()
            result = run(*words, *out, option, path)
            assert result.exit_code == 1 and "using" not in result.stderr
            (line,) = result.stderr.splitlines()
            assert reason in line and line.endswith(f"choose another place with {option}")
    assert not (tmp_path / "w").exists()
    (tmp_path / f"folder{suffix}").mkdir()
    result = run("interpolate", *ends, option, tmp_path / f"folder{suffix}")
    assert result.exit_code == 1 and "is a folder; choose" in result.stderr


def test_steer_tells_of_its_picture(here: Path, tmp_path: Path) -> None:
    picture = tmp_path / "moved.png"
    words = ("steer", a_song(here), "--density", 1, "--out", tmp_path / "s", "--plot", picture)
    told = [json.loads(line) for line in run(*words, "--json").stdout.splitlines()]
    assert [line["kind"] for line in told] == ["song", "plot"]
    assert told[-1]["path"] == str(picture) and picture.is_file()


def test_train_leaves_a_page_beside_its_model(here: Path) -> None:
    path = Path("checkpoints/tiny/report.html")
    assert json.loads((here / "told.json").read_text())["report"] == str(path)
    text = path.read_text("utf-8")
    assert "checkpoints/" not in text and str(here) not in text
    assert "songs to learn from" in text and "<picture>" in text
    assert text.count("<article") == 4 and "<audio" not in text


def test_prepare_tells_of_files_and_lets_some_be_heard(here: Path, tmp_path: Path) -> None:
    folder, report = tmp_path / "in", tmp_path / "p.html"
    folder.mkdir()
    for nth in range(2):
        (folder / f"{nth}.mid").write_bytes(a_song(here, nth).read_bytes())
    (folder / "readme.txt").write_text("no music")
    words = ("prepare", folder, "--out", tmp_path / "shards", "--workers", 1)
    text = page(run(*words, "--report", report), report)
    assert "2 of 3 files kept" in text and "not a MIDI file" in text
    assert text.count("<article") == 2 and text.count("<audio") == 2
