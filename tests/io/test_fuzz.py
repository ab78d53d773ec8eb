"""Fuzzing: mutated files are read or refused in one line, and the process survives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FUZZER = TESTS.parent / "benchmarks" / "fuzz.py"
SONGS, MODELS = (
    ("midi", "musicxml", "abc", "humdrum"),
    ("latents", "checkpoint", "direction", "toml"),
)
FUZZ = """
import json, sys
from collections import Counter
from pathlib import Path
import numpy as np
from support.songs import small_band, small_chorale
from support.mutations import MUTATIONS, mutate
from musicvae import io
from musicvae.errors import ReadError
from musicvae.io import midi
from musicvae.io.options import ReadOptions

seed, rounds, *paths = sys.argv[1:]
rng, outcomes = np.random.default_rng(int(seed)), Counter()
contents = [midi.to_bytes(small_chorale(bars=3)), midi.to_bytes(small_band())]
contents += [Path(path).read_bytes() for path in paths]
for number in range(int(rounds)):
    mutated = mutate(contents[number % len(contents)], rng)
    try:
        song = io.read_bytes(mutated, "mutated", ReadOptions(pedal=number % 2 == 1)).song
    except ReadError:
        outcomes["refused"] += 1
        continue
    outcomes["read"] += 1
    assert np.all(np.diff(song.meter.ticks) > 0) and np.all(np.diff(song.tempo.ticks) > 0)
    assert song.meter.ticks[0] == song.tempo.ticks[0] == 0
    for part in song.parts:
        assert len(part) and part == part.select(np.arange(len(part)))
        assert part.end_ticks <= song.end_ticks
print(json.dumps(outcomes))
"""


def run_fuzzer(seed: int, rounds: int, paths: list[Path]) -> dict[str, int]:
    command = [sys.executable, "-c", FUZZ, str(seed), str(rounds), *map(str, paths)]
    done = subprocess.run(
        command, cwd=TESTS, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, int] = json.loads(done.stdout)
    return outcomes


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_songs_are_read_or_refused(seed: int) -> None:
    outcomes = run_fuzzer(seed, 300, [])
    assert outcomes["read"] + outcomes["refused"] == 300
    assert min(outcomes.values()) > 30


def test_mutated_collected_files_are_read_or_refused(shared_data: Path) -> None:
    files = sorted((shared_data / "bad-midi").rglob("*.mid"))
    if not files:
        pytest.skip("no ../shared/data/bad-midi")
    outcomes = run_fuzzer(3, 500, files)
    assert outcomes["read"] + outcomes["refused"] == 500
    assert min(outcomes.values()) > 50


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and measures memory as Linux does")
@pytest.mark.parametrize(
    ("kinds", "n"),
    [
        pytest.param((*SONGS, *MODELS), 3, id="texts-and-models"),
        pytest.param(("soundfont", "audio"), 4, id="sounds", marks=pytest.mark.slow),
    ],
)
def test_mutations_of_each_kind_end_in_success_or_one_line(
    kinds: tuple[str, ...], n: int, tmp_path: Path
) -> None:
    command = [sys.executable, str(FUZZER), "--place", str(tmp_path), "--n", str(n), "--seed", "5"]
    command += ["--seconds", "200", "--kinds", *kinds]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = [line for line in done.stdout.splitlines() if ": a valid file: " in line]
    assert all(line.startswith("toml: ") for line in broken)  # without songs to train on
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["kind"] for row in rows] == list(kinds)
    assert all(row.get("refused", 0) + row.get("done", 0) == n for row in rows)
    assert sum(row.get("refused", 0) for row in rows) > 0
