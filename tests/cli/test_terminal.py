"""Terminal output: rolls, tables, encodings, completion, and plain text in pipes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import click
import numpy as np
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import musicvae
from musicvae.checkpoints import registry
from musicvae.cli import main
from musicvae.cli.commands import inspect
from musicvae.cli.console import progress_bar
from musicvae.cli.inputs import read_with_barlines
from musicvae.cli.pianoroll import roll_lines
from musicvae.io import write
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from support.songs import small_band, small_chorale

ROOT = Path(musicvae.__file__).parents[1]
SHIPPED = registry.shipped_folder()
COMMAND = "import sys; from musicvae.cli import main; sys.argv[0] = 'musicvae'; main()"


def terminal_environment(**more: str) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if n not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **more}


def on_terminal(*words: str, columns: int = 80, cwd: Path, **more: str) -> tuple[int, str]:
    """Run a command on a pseudo-terminal; return its exit code and output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        cwd=cwd,
        env=terminal_environment(COLUMNS=str(columns), **more),
    )
    os.close(theirs)
    found = []
    try:
        while part := os.read(ours, 4096):
            found.append(part)
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    return process.wait(), b"".join(found).decode("utf-8").replace("\r\n", "\n")


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    for nth in range(3):
        write(small_chorale(seed=nth), tmp_path / "songs" / f"song{nth}.mid")
    return tmp_path


# -- rolls ----------------------------------------------------------------------------------------


def plain_roll(song: Song, width: int = 80, **how: bool) -> list[str]:
    return roll_lines(song, width, **{"colors": False, **how})


def test_roll_note_positions() -> None:
    part = Part(onset_ticks=[0, 960], duration_ticks=[480, 960], pitch=[60, 63], velocity=[80, 80])
    *rows, said = plain_roll(Song.new([part], end_ticks=1920))
    # One column per sixteenth, a bar line before each bar; the upper half of the first row is 63.
    assert rows == [" Eb4 │        ▀▀▀▀▀▀▀▀", "     │▄▄▄▄"]
    assert said.strip() == "1 bar"
    assert plain_roll(Song.new([part], end_ticks=1920), unicode=False)[0].endswith("''''''''")
    assert plain_roll(Song.new()) == []


def test_roll_counts_pickup_as_bar_0() -> None:
    begun = small_chorale(bars=12)
    assert bool(Bars.from_song(begun).grid.lead_steps[0])
    n = len(Bars.from_song(begun)) - 1
    assert f"a pickup and {n} bars" in plain_roll(begun, 400)[-1]
    assert re.search(rf"a pickup and bars 1 to \d+ of {n}\b", plain_roll(begun, 80)[-1])
    assert "pickup" not in plain_roll(small_band())[-1]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("song", [small_chorale(bars=40), small_band()], ids=["chorale", "band"])
def test_roll_fits_width(song: Song, width: int) -> None:
    plain, colored = plain_roll(song, width), plain_roll(song, width, colors=True)
    assert max(map(len, plain)) <= width
    assert max(len(click.unstyle(line)) for line in colored) <= width
    if width == 120:
        assert sum("│" in line for line in plain) > 8
    assert "\x1b" not in "".join(plain) and "Bass" in click.unstyle(colored[-1])


def test_roll_drum_lanes_and_wide_ranges() -> None:
    names = [line[:5].strip() for line in plain_roll(small_band())]
    assert names[-4:-1] == ["hats", "snar", "kick"]
    pitches = np.array([21, 108])
    part = Part(onset_ticks=[0, 0], duration_ticks=[480, 480], pitch=pitches, velocity=[80, 80])
    assert len(plain_roll(Song.new([part]))) <= 25


# -- terminals and pipes --------------------------------------------------------------------------


def test_inspect_reads_a_file_once_unless_a_roll_is_drawn(songs: Path, monkeypatch) -> None:
    read: list[Path] = []

    def read_again(path: Path, *options: object, **more: object) -> object:
        read.append(path)
        return read_with_barlines(path, *options, **more)

    monkeypatch.setattr(inspect, "read_with_barlines", read_again)
    path = str(songs / "songs" / "song0.mid")
    for words, again in ((), 0), (("--no-roll",), 0), (("--roll",), 1):
        assert CliRunner().invoke(main, ["inspect", path, *words]).exit_code == 0
        assert len(read) == again


def test_inspect_draws_roll_only_on_terminal(songs: Path) -> None:
    code, seen = on_terminal("inspect", "songs/song0.mid", cwd=songs)
    assert code == 0 and "▀" in seen and "\x1b[38;5;" in seen
    assert "▀" not in on_terminal("inspect", "songs/song0.mid", "--no-roll", cwd=songs)[1]
    without = on_terminal("inspect", "songs/song0.mid", cwd=songs, NO_COLOR="1")[1]
    assert "▀" in without and "[38;5" not in without
    assert "\x1b" not in on_terminal("inspect", "songs/song0.mid", cwd=songs, TERM="dumb")[1]
    piped = subprocess.run(
        [sys.executable, "-c", COMMAND, "inspect", "songs"],
        cwd=songs,
        env=terminal_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in piped.stdout + piped.stderr and "▀" not in piped.stdout
    assert piped.stderr == "" and len(piped.stdout.splitlines()) == 3


def test_progress_bar_does_not_touch_stdout(songs: Path) -> None:
    """With stderr on a terminal and stdout in a file, every JSON line is in the file."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    with (songs / "seen.jsonl").open("wb") as file:
        subprocess.run(
            [sys.executable, "-c", COMMAND, "inspect", "songs", "--json"],
            cwd=songs,
            env=terminal_environment(),
            stdout=file,
            stderr=theirs,
            check=True,
        )
    os.close(theirs)
    reader.join()
    lines = (songs / "seen.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["path"] for line in lines] == [f"songs/song{n}.mid" for n in range(3)]


def _drain(end: int) -> None:
    try:
        while os.read(end, 4096):
            pass
    except OSError:
        os.close(end)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("sample", "--help"),
        ("completion", "--help"),
        ("presets",),
        ("info", str(SHIPPED / "melody-2bar.safetensors")),
        ("inspect", "songs/song0.mid"),
    ],
)
def test_output_fits_40_columns(words: tuple[str, ...], songs: Path) -> None:
    code, seen = on_terminal(*words, columns=40, cwd=songs)
    long = [line for line in map(click.unstyle, seen.splitlines()) if len(line) > 40]
    assert code == 0
    assert [line for line in long if not line.strip().startswith("musicvae ")] == []


def test_roll_is_rejected_where_not_drawn(songs: Path) -> None:
    one, two = (str(songs / "songs" / f"song{nth}.mid") for nth in range(2))
    wrong = (("inspect", one, two), ("inspect", one, "--json"), ("sample", "--json"))
    for words in wrong:
        done = CliRunner().invoke(main, [*words, "--roll"])
        assert done.exit_code == 2 and "--roll" in done.stderr
    assert CliRunner().invoke(main, ["inspect", one, two, "--no-roll"]).exit_code == 0


def test_closed_pipe_is_silent(songs: Path) -> None:
    for words in ("inspect songs", "presets", "--help"):
        done = subprocess.run(
            f'"{sys.executable}" -c "$CODE" {words} | head -1',
            shell=True,
            cwd=songs,
            env=terminal_environment(CODE=COMMAND),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "" and len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "how",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
def test_unencodable_characters(how: dict[str, str], songs: Path) -> None:
    write(small_chorale(), songs / "nö.mid")
    for words in (("inspect", "nö.mid", "--roll"), ("steer", "--help"), ("nö",), ("plot", "ö.mid")):
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *words],
            cwd=songs,
            env=terminal_environment(**how),
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode == {"nö": 2, "plot": 1}.get(words[0], 0)
        if words[0] == "inspect":  # the bytes of a name are kept
            assert done.stdout.replace("nö".encode(), b"").isascii() and b"''" in done.stdout


# -- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0 and f"_MUSICVAE_COMPLETE={shell}_complete" in done.stdout


def test_completion_of_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shipped: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (shipped / "melody-9bar.safetensors").touch()
    (tmp_path / "checkpoints" / "mine").mkdir(parents=True)
    (tmp_path / "checkpoints" / "mine" / "model.safetensors").touch()
    complete = ShellComplete(main, {}, "musicvae", "_MUSICVAE_COMPLETE")

    def names(*words: str, typed: str = "") -> list[str]:
        return [str(item.value) for item in complete.get_completions(list(words), typed)]

    assert {"sample", "similar", "steer"} == set(names(typed="s"))
    assert names("sample", "--checkpoint", typed="m") == ["melody-9bar", "mine"]
    assert names("info", typed="mel") == ["melody-9bar"]
    assert names("train", "x", "--from", typed="scr")[0] == "scratch"
    assert "melody-2bar" in names("train", "x", "--preset", typed="mel")
    assert names("corpus", "export") == ["chorales", "folk"]
    assert "density" in names("map", "x", "--colour", typed="d")
    assert "--syncopation" in names("steer", "x", typed="--sy")


def test_completion_does_not_import_torch() -> None:
    words = "musicvae sample --checkpoint "
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", COMMAND],
        env=terminal_environment(
            _MUSICVAE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="3"
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(f"plain,{path.stem}" in done.stdout for path in SHIPPED.glob("*.safetensors"))
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "music21", "pretty_midi", "matplotlib", "pyarrow", "librosa"}


def test_progress_is_told_in_lines_where_there_is_no_terminal(monkeypatch, capsys) -> None:
    now = 100.0
    monkeypatch.setattr("musicvae.cli.console.time.monotonic", lambda: now)
    with progress_bar("reading folk") as advance:
        for done in range(1, 101):
            now += 1.0
            advance(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"reading folk: {done} of 100" for done in (20, 40, 60, 80)]
