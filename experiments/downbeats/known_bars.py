"""Songs whose bar lines are known from a score or a click track, and ways to damage what says so.

Used by `experiments/downbeats/evaluate.py`, which measures, and `experiments/downbeats/train.py`, which teaches.
Split by song: every tenth by a hash of its name is for validation, every tenth for the test.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from musicvae import io
from musicvae.data import corpora
from musicvae.errors import MusicVAEError
from musicvae.representation.grid import grid_of
from musicvae.song import Meter, Part, Song

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
CORPORA = ("chorales", "folk", "lieder", "freedoom", "groove")


@dataclass(frozen=True)
class Known:
    """A song whose meter map is true; `lines` are its bar lines in ticks, `meters` their names."""

    corpus: str
    name: str
    song: Song

    @property
    def split(self) -> str:
        """train, valid or test, by the name alone."""
        return {0: "valid", 1: "test"}.get(zlib.crc32(self.name.encode()) % 10, "train")


def known(corpus: str) -> Iterator[Known]:
    """The songs of one corpus. Of `groove` only the takes that are not held back, without fills."""
    if corpus in corpora.names():
        yield from (Known(corpus, stem, song) for stem, song in corpora.songs(corpus))
        return
    for name, path in _files(corpus):
        try:
            song = io.read(path)
        except MusicVAEError:
            continue
        if song.n_notes:
            yield Known(corpus, name, song)


def _files(corpus: str) -> Iterator[tuple[str, Path]]:
    if corpus == "lieder":
        for path in sorted((DATA / "lieder").rglob("*.mxl")):
            yield path.stem, path
    elif corpus == "freedoom":
        for path in sorted((DATA / "freedoom").glob("*.mid")):
            yield path.stem, path
    elif (DATA / "groove" / "info.csv").is_file():
        with (DATA / "groove" / "info.csv").open(encoding="utf-8") as table:
            for row in csv.DictReader(table):
                path = DATA / "groove" / row["midi_filename"]
                if row["split"] == "train" and row["beat_type"] == "beat" and path.is_file():
                    yield path.stem, path


def bar_lines(song: Song) -> list[tuple[int, str]]:
    """Bar lines as one hears them: (tick, meter). A bar that a repeat cuts in two is one bar."""
    grid = grid_of(song, 24)
    start, length = grid.start_ticks.tolist(), grid.length_ticks.tolist()
    names = [f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True)]
    keep = [True] * len(start)
    for i in range(1, len(start) - 2):
        whole = length[i + 2]
        halves = length[i] < whole and length[i] + length[i + 1] == whole
        if keep[i] and halves and (length[i - 1] == whole or i == 1 or not keep[i - 1]):
            keep[i + 1], names[i] = False, names[i + 2]
    lines = [(s, n) for s, n, k in zip(start, names, keep, strict=True) if k]
    return lines[1:] if len(grid) and grid.lead[0] > 0 else lines


def written_lines(song: Song) -> list[int]:
    """Bar lines as the score writes them, the beginning of a pickup left out."""
    grid = grid_of(song, 24)
    return grid.start_ticks[int(len(grid) > 0 and grid.lead[0] > 0) :].tolist()


DAMAGES = (
    "undamaged",
    "offset",
    "offset below a sixteenth",
    "no signatures",
    "1/4 or 1/8",
    "another meter",
    "pickup at zero",
    "leading rest, no signatures",
    "offset, no signatures",
    "signature within a bar",
    "contradictory signature",
    "drift below 1%",
    "drift below 1%, no signatures",
)


def damaged(
    song: Song, damage: str, rng: np.random.Generator
) -> tuple[Song, list[np.ndarray]] | None:
    """The song with this damage, and its bar lines in seconds: as heard and as written.

    None where the damage makes no sense (a pickup at zero in a song without one).
    """
    tpq, none = song.ticks_per_quarter, Meter.constant(4, 4)
    heard = np.array([tick for tick, _ in bar_lines(song)])
    lines = [heard, np.array(written_lines(song))]
    main = _main_meter(song)
    meter, move = song.meter, _still
    if damage in ("offset", "offset, no signatures"):
        move = _later(int(rng.integers(1, tpq * 8)))
    elif damage == "offset below a sixteenth":
        move = _later(int(rng.integers(1, tpq // 4)))
    elif damage == "leading rest, no signatures":
        move = _later(int(rng.integers(1, 17)) * tpq // 2)
    elif damage.startswith("drift"):
        move = _drifting(song, rng)
    elif damage == "1/4 or 1/8":
        meter = Meter.constant(1, int(rng.choice([4, 8])))
    elif damage == "another meter":
        meter = Meter.constant(*_other(main, rng))
    elif damage == "pickup at zero":
        grid = grid_of(song, 24)
        if not (len(grid) and grid.lead[0] > 0):
            return None
        meter = Meter.constant(*main)
    elif damage == "signature within a bar":
        if len(heard) < 6:
            return None
        inside = heard[len(heard) // 2] + round(tpq * float(rng.choice([0.5, 1, 1.25, 0.33])))
        meter = _with(song.meter, inside, main)
    elif damage == "contradictory signature":
        meter = _with(song.meter, int(song.meter.ticks[0]), _other(main, rng))
    if damage.endswith("no signatures"):
        meter = none
    worse = replace(
        song,
        parts=tuple(_moved(part, move) for part in song.parts),
        meter=meter,
        end_ticks=round(float(move(np.array([song.end_ticks]))[0])),
    )
    return worse, [worse.tempo.seconds(np.round(move(at)).astype(int), tpq) for at in lines]


def spoilt(one: Known, damage: str) -> tuple[Song, list[np.ndarray]] | None:
    """`damaged`, the same way each time."""
    rng = np.random.default_rng(zlib.crc32(f"{one.name} {damage}".encode()))
    return damaged(one.song, damage, rng)


def _still(ticks: np.ndarray) -> np.ndarray:
    return ticks


def _later(by: int):
    return lambda ticks: ticks + by


def _drifting(song: Song, rng: np.random.Generator):
    """A tempo that wanders by less than 1% around the one that the file states."""
    tpq, n = song.ticks_per_quarter, song.end_ticks // song.ticks_per_quarter + 4
    knots = max(2, n // 32)
    pace = np.interp(np.arange(n), np.linspace(0, n, knots), rng.uniform(-0.01, 0.01, knots))
    at = (np.arange(n) + np.concatenate([[0], np.cumsum(pace)[:-1]])) * tpq
    return lambda ticks: np.interp(ticks, np.arange(n) * tpq, at)


def _moved(part: Part, move) -> Part:
    onset = np.maximum(np.round(move(part.onset_ticks)).astype(int), 0)
    stop = np.round(move(part.onset_ticks + part.duration_ticks)).astype(int)
    return part.with_notes(onset, np.maximum(stop - onset, 1), part.pitch, part.velocity)


def _with(meter: Meter, tick: int, sign: tuple[int, int]) -> Meter:
    """A meter map with one more entry, which wins over one at its tick."""
    return Meter(
        ticks=np.append(meter.ticks, tick),
        numerator=np.append(meter.numerator, sign[0]),
        denominator=np.append(meter.denominator, sign[1]),
    )


def _main_meter(song: Song) -> tuple[int, int]:
    grid = grid_of(song, 24)
    codes, counts = np.unique(grid.numerator * 1000 + grid.denominator, return_counts=True)
    code = int(codes[counts.argmax()])
    return code // 1000, code % 1000


def _other(main: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """A common meter whose bars last longer or shorter."""
    common = ((4, 4), (3, 4), (2, 4), (6, 8))
    others = [m for m in common if m[0] * main[1] != main[0] * m[1]]
    return others[rng.integers(len(others))]
