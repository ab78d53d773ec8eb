"""The command group, `presets`, `info`, `prepare` and `plot`, and shared helpers of commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner, Result

from musicvae import __version__, checkpoints
from musicvae.checkpoints import Checkpoint
from musicvae.cli import console, main, terminal
from musicvae.cli.writer import SongWriter
from musicvae.config.preset import load_preset, preset_names
from musicvae.errors import WriteError
from musicvae.io import write
from musicvae.storage import write_bytes
from support.songs import small_band, small_chorale


@pytest.fixture(autouse=True)
def empty_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def musicvae(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def json_lines(result: Result) -> list[dict[str, Any]]:
    """Parse the JSON lines of a result, each with its schema number."""
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(entry["schema"] == 1 and "path" in entry for entry in found)
    return found


def assert_refused(result: Result, message: str) -> None:
    """Assert exit code 1 and one line on stderr without traceback."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("musicvae: ")
    assert re.search(message, result.stderr)


# -- the group ------------------------------------------------------------------------------------


def test_help_lists_existing_commands() -> None:
    result = musicvae("--help")
    assert result.exit_code == 0
    listed = re.findall(r"^  ([a-z]+)  +\S", result.stdout, re.MULTILINE)
    assert {"prepare", "plot", "info", "presets"} <= set(listed)
    for name in listed:
        output = musicvae(name, "--help")
        assert output.exit_code == 0, name
        assert "Usage: main" in output.stdout or f"{name}" in output.stdout


def test_version_and_wrong_usage() -> None:
    assert __version__ in musicvae("--version").stdout
    for arguments in (["nonsense"], ["plot"], ["prepare", "x"], ["presets", "--nonsense"]):
        assert musicvae(*arguments).exit_code == 2


# -- presets --------------------------------------------------------------------------------------


def test_presets_are_listed() -> None:
    result = musicvae("presets")
    assert result.exit_code == 0
    for name in preset_names():
        assert f"\n{name} " in result.stdout
    entries = json_lines(musicvae("presets", "--json"))
    assert [entry["name"] for entry in entries] == list(preset_names())
    assert entries[0]["grid"]["bars"] == load_preset(preset_names()[0]).grid.bars


def test_presets_list_shipped_weights(shipped: Path) -> None:
    checkpoint(shipped / "given.safetensors")
    weights = {
        entry["name"]: entry["weights"] for entry in json_lines(musicvae("presets", "--json"))
    }
    assert weights.pop("tiny") == ["given"] and set(map(tuple, weights.values())) == {()}
    head, *rows = musicvae("presets").stdout.splitlines()
    at = head.index("WEIGHTS")
    shown = {row.split()[0]: row[at:].split()[0] for row in rows}
    assert shown.pop("tiny") == "given" and set(shown.values()) == {"-"}


# -- info -----------------------------------------------------------------------------------------


def checkpoint(path: Path, **provenance: Any) -> Path:
    tensors = {"model.a": torch.zeros(3, 5), "model.b": torch.zeros(2), "prior.mean": torch.ones(7)}
    known = {"source": "chorales", "held_out": {"f1": 0.81}, "keys": {"0": 3}, **provenance}
    made = Checkpoint(preset=load_preset("tiny"), tensors=tensors, provenance=known)
    return checkpoints.save(made, path)


def test_info_describes_checkpoint(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.safetensors", steps=120)
    (entry,) = json_lines(musicvae("info", path, "--json"))
    assert entry["path"] == str(path)
    assert entry["parameters"] == {"model": 17, "prior": 7}
    assert entry["bytes"] == path.stat().st_size
    assert entry["preset"] == json.loads(json.dumps(load_preset("tiny").to_dict()))
    assert entry["provenance"]["keys"] == {"0": 3}
    output = musicvae("info", path).stdout
    for words in ("tiny", "chorales", "17 parameters", "0.81", "120", "Soprano"):
        assert words in output


def test_info_finds_run_by_name() -> None:
    path = checkpoint(Path("checkpoints/mine/model.safetensors"), finished=True)
    (entry,) = json_lines(musicvae("info", "mine", "--json"))
    assert entry["path"] == str(path)


def test_info_without_argument_lists_checkpoints(shipped: Path) -> None:
    assert musicvae("info").stdout.startswith("there are no shipped models and no finished runs")
    checkpoint(shipped / "given.safetensors", data="folk tunes")
    checkpoint(Path("checkpoints/half/model.safetensors"))
    path = checkpoint(Path("checkpoints/mine/model.safetensors"), finished=True, minutes=2.5)
    found = json_lines(musicvae("info", "--json"))
    assert [(entry["name"], entry["shipped"]) for entry in found] == [
        ("given", True),
        ("mine", False),
    ]
    assert found[1]["path"] == str(path) and found[0]["provenance"]["data"] == "folk tunes"
    head, given, mine = (re.split(r"  +", row) for row in musicvae("info").stdout.splitlines())
    assert head[:3] == ["NAME", "ORIGIN", "PRESET"]
    assert given[:3] == ["given", "shipped", "tiny"] and given[-1] == "folk tunes"
    assert mine[:3] == ["mine", "run", "tiny"] and {"0.810", "2.5", "chorales"} <= set(mine)


def test_info_shows_provenance(shipped: Path) -> None:
    known = {"data": "folk tunes", "licence": "public domain", "minutes": 3.25, "beta": 0.0712}
    known |= {"figures": {"f1": 0.9512}, "from": {"name": "melody-2bar", "hash": "00ff"}}
    checkpoint(shipped / "given.safetensors", **known)
    output = [re.split(r"  +", row) for row in musicvae("info", "given").stdout.splitlines()]
    rows = {row[0]: row[1] for row in output}
    assert rows["data"] == "folk tunes" and rows["licence"] == "public domain"
    assert rows["minutes"] == "3.25" and rows["fine-tuned from"] == "melody-2bar (00ff)"
    assert rows["evaluated: f1"] == "0.9512" and rows["held out: f1"] == "0.81"
    assert "beta" not in rows


def test_info_rejects_invalid_checkpoints(tmp_path: Path) -> None:
    assert_refused(musicvae("info", tmp_path / "none"), "no such checkpoint; train one with")
    (tmp_path / "text.safetensors").write_text("hello, I am not a checkpoint")
    assert_refused(musicvae("info", tmp_path / "text.safetensors"), "not a safetensors file")
    whole = checkpoint(tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[:-5])
    assert_refused(musicvae("info", tmp_path / "a.safetensors"), "damaged")
    (tmp_path / "a.safetensors").write_bytes(whole.replace(b'\\"latent\\"', b'\\"latnet\\"'))
    assert_refused(musicvae("info", tmp_path / "a.safetensors"), "latnet.*did you mean 'latent'")


# -- names and paths -----------------------------------------------------------------------------


def test_file_names_are_escaped_to_one_line(midi_folder: Path) -> None:
    Path("odd").mkdir()
    for name in (b"a\nb.mid", b"c\xff.mid", b"d\x1b[31m.mid"):
        shutil.copy(midi_folder / "song0.mid", os.path.join(b"odd", name))  # noqa: PTH118
    shown = [r"odd/a\nb.mid", r"odd/c\xff.mid", r"odd/d\x1b[31m.mid"]
    result = musicvae("inspect", "odd")
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == shown
    found = json_lines(musicvae("inspect", "odd", "--json"))
    assert [entry["path"] for entry in found] == [
        "odd/a\nb.mid",
        r"odd/c\xff.mid",
        "odd/d\x1b[31m.mid",
    ]
    assert all(entry["ok"] for entry in found)
    assert musicvae("plot", "odd", "--out", "odd").stdout.splitlines() == [
        name.replace(".mid", ".png") for name in shown
    ]
    assert_refused(
        musicvae("prepare", "none\nsuch", "--out", "x"), r"^musicvae: none\\nsuch: no such folder"
    )


def test_json_output_is_ascii(midi_folder: Path) -> None:
    (midi_folder / "song0.mid").rename(midi_folder / "Übung ♯1.mid")
    result = musicvae("inspect", midi_folder / "Übung ♯1.mid", "--json")
    assert result.stdout.isascii()
    assert json_lines(result)[0]["path"].endswith("Übung ♯1.mid")


def test_inspect_reports_empty_folder() -> None:
    Path("empty").mkdir()
    assert_refused(musicvae("inspect", "empty"), "empty: an empty folder; give files")
    result = musicvae("inspect", "empty", "none.mid", "--json")
    assert result.exit_code == 1
    assert "empty: an empty folder" in result.stderr
    assert [entry["reason"] for entry in json_lines(result)] == ["no such file or directory"]


def test_write_error_on_stdout_is_reported(
    midi_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, err: bool = False, **__: object) -> None:
        if not err:
            raise OSError(28, "No space left on device")
        print(*_, file=sys.stderr)

    monkeypatch.setattr(click, "echo", full)
    assert_refused(musicvae("inspect", midi_folder), "output: no space left on device")


# -- prepare --------------------------------------------------------------------------------------


def test_prepare_reports_kept_and_skipped(midi_folder: Path) -> None:
    for name in ("a.mid", "b.mid"):
        (midi_folder / name).write_bytes(b"")
    result = musicvae("prepare", midi_folder, "--out", "out")
    assert result.exit_code == 0
    shown = [line.split() for line in result.stdout.splitlines()]
    assert " ".join(shown[0]) == "out: 10 of 12 files kept, 90 bars, 90 windows, 1,320 notes"
    assert ["skipped:", "empty", "file", "2", "a.mid,", "b.mid"] in shown
    assert ["bars:", "kept", "90"] in shown
    assert ["duplicates:", "transposed", "2", "groups,", "named", "in", "report.json"] in shown
    assert result.stderr == ""
    (entry,) = json_lines(
        musicvae("prepare", midi_folder, "--out", "out", "--workers", "1", "--json")
    )
    assert entry["path"] == "out"
    assert {name: entry[name] for name in ("files", "kept", "bars", "windows")} == {
        "files": 12, "kept": 10, "bars": 90, "windows": 90,
    }  # fmt: skip
    report = json.loads(Path("out/report.json").read_text())
    assert report["skipped"] == entry["skipped"]
    assert report["settings"]["options"]["merge"]
    musicvae("prepare", midi_folder, "--out", "out", "--keep-tracks", "--pedal")
    chosen = json.loads(Path("out/report.json").read_text())["settings"]["options"]
    assert {name for name, value in chosen.items() if value} == {"pedal"}


def test_prepare_fails_when_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "midi").mkdir()
    assert_refused(musicvae("prepare", tmp_path / "midi", "--out", "out"), "empty folder")
    (tmp_path / "midi" / "a.mid").write_bytes(b"")
    assert_refused(
        musicvae("prepare", tmp_path / "midi", "--out", "out"), "no usable bar in 1 file "
    )
    assert json.loads(Path("out/report.json").read_text())["kept"] == 0
    assert_refused(musicvae("prepare", tmp_path / "none", "--out", "out"), "no such folder")
    assert_refused(
        musicvae("prepare", tmp_path / "midi", "--out", tmp_path / "midi" / "a.mid"), "--out"
    )


# -- plot -----------------------------------------------------------------------------------------


def test_plot_prints_output_path(tmp_path: Path) -> None:
    song = write(small_chorale(), tmp_path / "a song.mid")
    result = musicvae("plot", song, "--out", "picture.png")
    assert result.exit_code == 0
    assert result.stdout == "picture.png\n"
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")


def test_plot_overwrites_only_with_force(tmp_path: Path) -> None:
    song = write(small_band(), tmp_path / "a.mid")
    Path("picture.svg").write_text("precious")
    assert_refused(
        musicvae("plot", song, "--out", "picture.svg"), "already exists; overwrite it with --force"
    )
    assert Path("picture.svg").read_text() == "precious"
    assert musicvae("plot", song, "--out", "picture.svg", "--force").exit_code == 0
    assert Path("picture.svg").read_text().startswith("<?xml")


def test_plot_numbers_files_in_folder(tmp_path: Path) -> None:
    song = write(small_band(), tmp_path / "a.mid")
    names = [json_lines(musicvae("plot", song, "--json"))[0]["path"] for _ in range(3)]
    assert [Path(name).name for name in names] == ["a.png", "a-1.png", "a-2.png"]
    assert {Path(name).parent.name for name in names} == {"plots"}
    assert musicvae("plot", song, "--force").stdout == f"{Path('plots/a.png')}\n"


def test_plot_continues_after_unreadable_file(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    write(small_band(), folder / "a.mid")
    (folder / "b.mid").write_bytes(b"")
    write(small_chorale(), folder / "c.mid")
    result = musicvae("plot", folder, "--out", "out", "--json", "--bars", "4", "--format", "svg")
    assert [Path(entry["path"]).name for entry in json_lines(result)] == ["a.svg", "c.svg"]
    assert_refused(result, "b.mid: empty file")


def test_plot_of_several_songs_requires_folder(tmp_path: Path) -> None:
    songs = [write(small_band(), tmp_path / f"{i}.mid") for i in range(2)]
    result = musicvae("plot", *songs, "--out", "one.png")
    assert result.exit_code == 2
    assert "give a folder" in result.stderr


# -- shared helpers --------------------------------------------------------------------------


def test_free_path_and_check_overwrite(tmp_path: Path) -> None:
    assert console.free_path(tmp_path, "a", ".png").name == "a.png"
    for name in ("a.png", "a-7.png"):
        (tmp_path / name).touch()
    assert console.free_path(tmp_path, "a", ".png").name == "a-8.png"
    assert console.free_path(tmp_path, "a", ".png", force=True).name == "a.png"
    with pytest.raises(WriteError, match="--force"):
        console.check_overwrite(tmp_path / "a.png", force=False)


def test_link_to_nowhere_is_in_use(tmp_path: Path) -> None:
    for name in ("a.png", "map.png", "song-01.musicxml"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert console.free_path(tmp_path, "a", ".png").name == "a-1.png"
    for check in (console.check_overwrite, partial(console.check_option_path, option="--out")):
        with pytest.raises(WriteError, match="already exists"):
            check(tmp_path / "a.png", force=False)
        assert check(tmp_path / "a.png", force=True) == tmp_path / "a.png"
    with pytest.raises(WriteError, match="already exists"):
        console.check_option_path(tmp_path / "a.png", "--out")
    written = console.write_free(tmp_path, "map", ".png", lambda path: write_bytes(path, b"map"))
    assert written.name == "map-1.png"
    writer = SongWriter(tmp_path, as_json=True, audio=None, score=True)
    assert writer.write_numbered(small_band(), "song", "").name == "song-02.mid"
    assert not (tmp_path / "nowhere").exists()
    assert sum(path.is_symlink() for path in tmp_path.iterdir()) == 3


def test_seed_is_random_by_default() -> None:
    seen: list[int] = []

    @click.command()
    @console.seed_option
    def command(seed: int) -> None:
        seen.append(seed)

    for arguments in ([], [], ["--seed", "7"]):
        assert CliRunner().invoke(command, arguments).exit_code == 0
    assert seen[0] != seen[1]
    assert seen[2] == 7
    assert CliRunner().invoke(command, ["--seed", "-1"]).exit_code == 2


def test_emit_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit(False, "song", path="a")
    console.emit(True, "song", path=Path("ä [b]:x:"), notes=3)
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1, "kind": "song", "path": "ä [b]:x:", "notes": 3,
    }  # fmt: skip


def test_console_does_not_wrap_or_mark_up_paths(capsys: pytest.CaptureFixture[str]) -> None:
    path = "songs/[live] :smile: " + "x" * 200 + ".mid"
    console.stderr_console().print(path)
    captured = capsys.readouterr()
    assert captured.err == path + "\n"
    assert captured.out == ""


def test_no_progress_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress_bar("reading") as advance:
        advance(1, 2)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_format_columns_aligns() -> None:
    assert terminal.format_columns([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"
