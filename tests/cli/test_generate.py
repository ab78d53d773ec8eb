"""The commands that generate from a song: `vary`, `continue`, `infill`, `sample`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from musicvae.cli import main
from musicvae.io import read, write
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from support.cli import lines_of
from support.songs import chorale_song
from support.trained import tiny_workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with MIDI files and a small trained model."""
    return tiny_workplace(tmp_path_factory)


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    write(chorale_song(bars=5, meter=(3, 4), pickup=1), "hymn.mid")
    return place


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--checkpoint", "tiny", "--json"])


def test_commands_write_numbered_songs(here, tmp_path) -> None:
    out = str(tmp_path)
    varied = run("vary", "hymn.mid", "--amount", "0.7", "--n", "2", "--seed", "4", "--out", out)
    first, second = lines_of(varied)
    assert (first["seed"], second["seed"], first["amount"]) == (4, 5, 0.7)
    assert [Path(line["path"]).name for line in (first, second)] == ["hymn-01.mid", "hymn-02.mid"]
    (longer,) = lines_of(run("continue", "hymn.mid", "--bars", "3", "--seed", "1", "--out", out))
    song, made = read("hymn.mid"), read(longer["path"])
    assert Path(longer["path"]).name == "hymn-03.mid"  # nothing is overwritten
    assert made.end_ticks == song.end_ticks + 3 * 1440 - 480  # the pickup of the song
    assert longer["source"] == "hymn.mid"
    (filled,) = lines_of(run("infill", "hymn.mid", "--bars", "2-3", "--seed", "1", "--out", out))
    assert filled["bars"] == "2-3" and read(filled["path"]).end_ticks == song.end_ticks
    (shaped,) = lines_of(run("sample", "--n", "1", "--form", "ABA", "--seed", "1", "--out", out))
    assert Bars.from_song(read(shaped["path"])).grid.start_ticks[-1] == 23 * 1920


def test_commands_report_errors_in_one_line(here, tmp_path) -> None:
    write(Song.new([Part.empty("A")], end_ticks=1920), "empty.mid")
    for arguments, message in (
        (("infill", "hymn.mid", "--bars", "4-9"), "bars 4-9: the song has bars 0-5"),
        (("continue", "empty.mid"), "has no notes"),
        (("vary", "empty.mid"), "empty.mid: has no notes"),
        (("vary", "none.mid"), "none.mid"),
        (("sample", "--form", "A?"), "give letters"),
    ):
        result = run(*arguments, "--out", str(tmp_path))
        errors = [line for line in result.stderr.splitlines() if line.startswith("musicvae: ")]
        assert result.exit_code == 1 and len(errors) == 1 and message in errors[0], result.stderr
    for bars in ("5-3", "a-b", "-2", "5-"):
        result = run("infill", "hymn.mid", f"--bars={bars}")
        assert result.exit_code == 2 and "--bars" in result.stderr
