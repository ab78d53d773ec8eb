"""Commands that write, as `kill.py` and `pairs.py` run them, and checks of written files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from forks import ForkedCommand
from prepare_memory import write_songs

import musicvae
from musicvae import latent
from musicvae.checkpoints import load_tensors
from musicvae.data import Shards
from musicvae.io.audio.load import load_channels

MARK = "MUSICVAE_BENCHMARK_RUN"
"""Environment variable by which the processes of a run are found again."""
LEFTOVER_TIMEOUT_S = 20.0
RATE_HZ = 22_050


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command that writes into its working folder, and how it is run again after a kill."""

    words: str
    again: str = ""
    """Words of the second run, by default those of the first with --force."""
    writes_runs: bool = False


SCENARIOS = {
    "convert": Scenario(words="convert in --out out"),
    "render": Scenario(words="render few --out out --workers 2"),
    "stems": Scenario(words="render few --out out --workers 1 --stems"),
    "prepare": Scenario(words="prepare in --out out --workers 2", again="same"),
    "corpus": Scenario(words="corpus export chorales out --limit 20 --workers 2"),
    "plot": Scenario(words="plot few --out out"),
    "chords": Scenario(words="chords in/0.mid --out out/chart.musicxml"),
    "anomalies": Scenario(words="anomalies in/0.mid in/1.mid --plot out"),
    "evaluate": Scenario(
        words="evaluate melody-2bar few --split all --limit 8 --n 8 --plot out/plot.png "
        "--report out/report.html"
    ),
    "transcribe": Scenario(words="transcribe hum.wav --out out"),
    "sample": Scenario(words="sample --n 40 --seed 1 --out out", again="same"),
    "scores": Scenario(words="sample --n 4 --seed 1 --score --stems --out out", again="same"),
    "sounds": Scenario(words="sample --n 2 --bars 2 --seed 1 --audio --out out", again="same"),
    "vary": Scenario(words="vary in/0.mid --n 3 --seed 1 --out out", again="same"),
    "continue": Scenario(words="continue in/0.mid --seed 1 --out out", again="same"),
    "infill": Scenario(words="infill in/0.mid --bars 2-3 --seed 1 --out out", again="same"),
    "steer": Scenario(words="steer in/0.mid --density +1 --out out", again="same"),
    "interpolate": Scenario(
        words="interpolate in/0.mid in/1.mid --steps 3 --out out", again="same"
    ),
    "grid": Scenario(
        words="interpolate in/0.mid in/1.mid in/2.mid in/3.mid --grid "
        "--steps 2 --out out",
        again="same",
    ),
    "reconstruct": Scenario(words="reconstruct in/0.mid --out out"),
    "drumify": Scenario(words="drumify in/0.mid --seed 1 --out out"),
    "humanise": Scenario(words="humanise drums.mid --seed 1 --out out"),
    "denoise": Scenario(words="denoise in/0.mid --out out"),
    "encode": Scenario(words="encode in/0.mid --out out/song.z"),
    "decode": Scenario(words="decode song.z --out out/song.mid"),
    "map": Scenario(words="map in --out out/map.png"),
    "direction": Scenario(
        words="direction --from-folders in other --checkpoint melody-2bar "
        "--out out/way.safetensors"
    ),
    "train": Scenario(
        words="train in --preset tiny --steps 30 --name run",
        again="train in --name run --resume",
        writes_runs=True,
    ),
    "personalise": Scenario(
        words="personalise in --from melody-2bar --name run", again="same", writes_runs=True
    ),
    "refit": Scenario(
        words="refit melody-2bar in --prior --steps 10 --out out/refit.safetensors"
    ),
}  # fmt: skip


def prepare_inputs(folder: Path, songs: int = 12) -> None:
    """Write songs, drums, a recording and a file of latents for all scenarios."""
    write_songs(folder / "numbered", songs)
    (folder / "in").mkdir()
    for nth, path in enumerate(sorted((folder / "numbered").rglob("*.mid"))):
        path.rename(folder / "in" / f"{nth}.mid")
    shutil.rmtree(folder / "numbered")
    shutil.copytree(folder / "in", folder / "other")
    (folder / "few").mkdir()
    for nth in range(3):
        shutil.copy(folder / "in" / f"{nth}.mid", folder / "few")
    t = np.arange(4 * RATE_HZ) / RATE_HZ
    pitch = 220 * 2 ** (np.floor(2 * t) / 6)
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / RATE_HZ) * (np.modf(2 * t)[0] < 0.8)
    import soundfile

    soundfile.write(folder / "hum.wav", 0.5 * tone, RATE_HZ)
    run_to_end(folder, "encode in/0.mid --out song.z")
    run_to_end(folder, "drumify in/0.mid --seed 1 --out drums.mid")


def run_rounds(
    commands: Sequence[str],
    n_rounds: int,
    n_songs: int,
    play: Callable[[str, Path, Path, float], list[str]],
) -> int:
    """Run commands whole, then `n_rounds` rounds of each; print what is wrong and a row for each.

    `play(name, folder, whole, duration_s)` runs a round in a folder of inputs and returns what is
    wrong; `whole` is the folder of the whole run. Returns the number of wrong rounds.
    """
    n_wrong = 0
    with tempfile.TemporaryDirectory() as place:
        inputs = Path(place, "inputs")
        inputs.mkdir()
        prepare_inputs(inputs, n_songs)
        for name in commands or SCENARIOS:
            whole = Path(shutil.copytree(inputs, Path(place, f"{name}-whole")))
            duration_s = run_to_end(whole, SCENARIOS[name].words)
            wrong = 0
            for nth in range(n_rounds):
                folder = Path(shutil.copytree(inputs, Path(place, f"{name}-{nth}")))
                problems = play(name, folder, whole, duration_s)
                for problem in problems:
                    print(f"  {name}, round {nth + 1}: {problem}", flush=True)
                wrong += bool(problems)
                shutil.rmtree(folder)
            n_wrong += wrong
            right = f"{n_rounds - wrong} of {n_rounds} right"
            print(f"{name:12} {right} ({duration_s:.1f} s)", flush=True)
    return n_wrong


def start(folder: Path, words: str, mark: str = "") -> ForkedCommand:
    """Start `musicvae` with these words in a folder."""
    environment = {MARK: mark or uuid4().hex, "MUSICVAE_CACHE": str(folder / ".cache")}
    environment["PYTHONPATH"] = str(Path(musicvae.__file__).parents[1])
    return ForkedCommand(folder, words, environment)


def run_to_end(folder: Path, words: str) -> float:
    """Run `musicvae` with these words in a folder; returns the seconds. Raises if it fails."""
    began = time.monotonic()
    process = start(folder, words)
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"musicvae {words}: {errors}")
    return time.monotonic() - began


def leftover_processes(group: int, mark: str) -> list[int]:
    """Return the processes that are in a group or carry a mark, after waiting some time (Linux)."""
    deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
    while found := [p for p in _processes() if _in_group(p, group) or _has_mark(p, mark)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return found


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False


def _has_mark(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def written_files(folder: Path) -> list[Path]:
    """Return the files under final names in what a scenario writes."""
    roots = [folder / "out", folder / "checkpoints"]
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    return sorted(path for path in files if not path.name.startswith("."))


def broken_files(folder: Path) -> list[str]:
    """Return the written files that are not whole."""
    broken = []
    for path in written_files(folder):
        try:
            _CHECKS.get(path.suffix, lambda file: None)(path)
        except Exception as error:  # whatever it is, the file is not whole
            broken.append(f"{path.relative_to(folder)}: {error}")
    if (folder / "out" / "index.json").exists():
        list(Shards(folder / "out"))
    return broken


def _check_end(path: Path, end: bytes) -> None:
    if not path.read_bytes().rstrip().endswith(end):
        raise ValueError("cut off")


_CHECKS: dict[str, Callable[[Path], object]] = {
    ".mid": musicvae.read,
    ".musicxml": musicvae.read,
    ".mxl": lambda path: zipfile.ZipFile(path).testzip(),
    ".wav": load_channels,
    ".png": lambda path: _check_end(path, b"IEND\xae\x42\x60\x82"),
    ".html": lambda path: _check_end(path, b"</html>"),
    ".z": latent.load,
    ".safetensors": load_tensors,
}
