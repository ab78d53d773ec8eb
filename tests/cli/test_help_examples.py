"""Every example in the help of every command runs on small files."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from musicvae.checkpoints import registry
from musicvae.chords import Chord, ChordMap
from musicvae.cli import main
from musicvae.io import write
from support.songs import chorale_song, small_band, small_chorale

CONTEXT = click.Context(main, info_name="musicvae")
SHIPPED = registry.shipped_folder()
# Options that shorten examples; those shown in the help are applied as well.
SHORTENING_OPTIONS = {
    "musicvae train": "--preset tiny --from scratch --steps 2",
    "musicvae evaluate": "--limit 4 --n 4 --split all",
    "musicvae sample": "--n 1",
    "musicvae interpolate a.mid b.mid c.mid --steps": "--steps 3",
    "musicvae render": "--workers 1",
    "musicvae refit mine": "--steps 2",
    "musicvae corpus export": "--limit 2",
}
# Examples that would take minutes, and what is run instead.
REPLACEMENTS = {
    "musicvae train data/midi/ --minutes 30 --name mine": "musicvae train data/midi/ --name mine",
    "musicvae train my-songs/ --from melody-2bar": "musicvae train my-songs/",
}
# Examples of other commands, by number, that must run first.
PREREQUISITES = {
    "decode": [("encode", 0)],
    "steer": [("direction", 0)],
    "refit": [("train", 1)],
}
SONG_COMMANDS = {
    "sample",
    "interpolate",
    "vary",
    "continue",
    "infill",
    "reconstruct",
    "denoise",
    "decode",
}


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the shipped models."""
    return SHIPPED


def commands() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name in main.list_commands(CONTEXT):
        command = main.get_command(CONTEXT, name)
        assert command is not None
        inner = command.commands.items() if isinstance(command, click.Group) else ()
        found += [(f"{name} {each}", one) for each, one in inner] or [(name, command)]
    return found


def examples(command: click.Command) -> list[str]:
    return re.findall(
        r"^\s+(musicvae [^\n]+?)\s*$", (command.help or "").partition("Example")[2], re.M
    )


@pytest.fixture(scope="module")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("stocked")
    for nth, name in enumerate(("song", "c", "d", "take")):
        write(small_chorale(seed=nth), folder / f"{name}.mid")
    for nth, name in enumerate(("a", "b")):  # the ends of an interpolation have drums
        both = replace(
            small_chorale(seed=nth), parts=(*small_chorale(seed=nth).parts, small_band().parts[2])
        )
        write(both, folder / f"{name}.mid")
    write(small_band(), folder / "beat.mid")
    write(small_band(), folder / "tune.mid")
    for place in (
        "songs",
        "downloads",
        "data/midi",
        "data/folk",
        "my-songs",
        "jigs",
        "reels",
        "other-system",
    ):
        for nth in range(4):
            write(chorale_song(bars=8, seed=nth + len(place)), folder / place / f"song{nth}.mid")
    stated = ChordMap.from_chords([(0, Chord(0, 1, 0))])
    write(replace(small_chorale(), chords=stated), folder / "leadsheet.mxl")
    np.save(folder / "points.npy", np.zeros((1, 2, 128), np.float32))  # two windows of melody-2bar
    moods = "".join(f"song{nth}.mid,{('sad', 'glad')[nth % 2]}\n" for nth in range(4))
    (folder / "mood.csv").write_text(moods, "utf-8")
    for place in ("hum.wav", "ideas/hum.wav"):
        write_hummed_scale(folder / place)
    run = folder / "checkpoints" / "melody-2bar" / "metrics.csv"
    run.parent.mkdir(parents=True)
    steps = "".join(f"{n},{n / 10},{90 / n},{1 - 1 / n},{80 / n}\n" for n in range(1, 9))
    run.write_text(f"step,minutes,train_loss,valid_f1,valid_loss\n{steps}", "utf-8")
    return folder


def write_hummed_scale(path: Path) -> None:
    """Write a scale of sine tones."""
    rate, wave = 22_050, []
    for pitch in (60, 62, 64, 65, 67, 65, 64, 62, 60, 64, 67, 64, 60):
        time_s = np.arange(rate // 2) / rate
        loud = np.minimum(1, np.minimum(time_s, 0.48 - time_s) * 40).clip(0)
        wave.append(0.4 * loud * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time_s))
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.concatenate(wave), rate)


def run(line: str) -> Result:
    words = shlex.split(REPLACEMENTS.get(line, line))
    more = next((more for begin, more in SHORTENING_OPTIONS.items() if line.startswith(begin)), "")
    if "--resume" in words:
        more = "--steps 3"  # a resumed run keeps its preset
    return CliRunner().invoke(main, [*words[1:], *shlex.split(more)])


@pytest.mark.parametrize("name,command", commands(), ids=lambda each: str(each))
def test_help_examples_run(
    name: str,
    command: click.Command,
    example_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = examples(command)
    assert shown, f"musicvae {name} --help shows no example"
    shutil.copytree(example_folder, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for needed, nth in PREREQUISITES.get(name, ()):
        assert run(examples(dict(commands())[needed])[nth]).exit_code == 0
    for line in shown:
        before = {path for path in Path().rglob("*") if path.is_file()}
        result = run(line)
        assert result.exit_code == 0, f"{line}: {result.output[-500:]}"
        assert result.stdout or line.split()[1] in ("train", "personalise"), line
        out = re.search(r"--out (\S+)", line)
        assert not out or Path(out[1]).exists(), line
        after = {path for path in Path().rglob("*") if path.is_file()}
        if line.split()[1] in SONG_COMMANDS:
            assert any(path.suffix in (".mid", ".musicxml") for path in after - before), line
