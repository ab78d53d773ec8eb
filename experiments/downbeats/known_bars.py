"""Songs with bar lines known from a score or a click track, and corruptions of them.

Split by song, by a hash of its name: a tenth for validation, a tenth for the test.
"""

from __future__ import annotations

import csv
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from musicvae import io
from musicvae.data import corpora
from musicvae.errors import MusicVAEError
from musicvae.representation.grid import grid_from_song
from musicvae.song import MeterMap, Part, Song

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CORPORA = ("chorales", "folk", "lieder", "freedoom", "groove")


@dataclass(frozen=True)
class Known:
    """A song with a correct meter map."""

    corpus: str
    name: str
    song: Song

    @property
    def split(self) -> str:
        """`train`, `valid` or `test`."""
        return {0: "valid", 1: "test"}.get(zlib.crc32(self.name.encode()) % 10, "train")


def known(corpus: str) -> Iterator[Known]:
    """Yield the songs of a corpus as MIDI files have them: no bars are known to be notated.

    Of `groove` only the public takes, without fills.
    """
    if corpus in corpora.names():
        yield from (Known(corpus, stem, song) for stem, song in corpora.songs(corpus))
        return
    for name, path in _files(corpus):
        try:
            song = io.read(path)
        except MusicVAEError:
            continue
        if song.n_notes:
            yield Known(corpus, name, replace(song, has_notated_bars=False))


def polish_scores() -> Iterator[Known]:
    """Yield songs and piano music from Polish sources, and string quartets, for training alone.

    Composers of `lieder` are left out, since a song may be in both.
    """
    composers = {
        _letters(path.name.split(",")[0])
        for path in (DATA / "lieder" / "scores").glob("*,*")
        if path.is_dir()
    }
    folders = (DATA / name for name in ("polish-songs", "polish-piano", "quartets"))
    files = (path for folder in folders for path in sorted(folder.rglob("*")))
    paths = (path for path in files if path.suffix in (".krn", ".mxl"))
    for path in paths:
        surname = path.stem.partition("_")[2].split("-")[0]
        if "--" in path.stem and _letters(surname) in composers:
            continue
        try:
            song = io.read(path)
        except MusicVAEError:
            continue
        if song.n_notes:
            yield Known("polish", path.stem, replace(song, has_notated_bars=False))


def _letters(name: str) -> str:
    """Return a name in lower case without accents."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("ł", "l").replace("ø", "o"))
    return "".join(letter for letter in plain if letter.isalpha())


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
    """Return musical bar lines as (tick, meter); a bar split by a repeat is one bar."""
    grid = grid_from_song(song, 24)
    start, length = grid.start_ticks.tolist(), grid.length_ticks.tolist()
    names = [f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True)]
    keep = [True] * len(start)
    for i in range(1, len(start) - 2):
        whole = length[i + 2]
        halves = length[i] < whole and length[i] + length[i + 1] == whole
        if keep[i] and halves and (length[i - 1] == whole or i == 1 or not keep[i - 1]):
            keep[i + 1], names[i] = False, names[i + 2]
    lines = [(s, n) for s, n, k in zip(start, names, keep, strict=True) if k]
    return lines[1:] if len(grid) and grid.lead_steps[0] > 0 else lines


def written_lines(song: Song) -> list[int]:
    """Return notated bar lines, without the beginning of a pickup."""
    grid = grid_from_song(song, 24)
    return grid.start_ticks[int(len(grid) > 0 and grid.lead_steps[0] > 0) :].tolist()


CORRUPTIONS = (
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


def corrupt(
    song: Song, kind: str, rng: np.random.Generator
) -> tuple[Song, list[np.ndarray]] | None:
    """Return the corrupted song, and its bar lines in seconds: musical and notated.

    None if the corruption does not apply, such as a pickup at zero in a song without one.
    """
    tpq, none = song.ticks_per_quarter, MeterMap.constant(4, 4)
    musical = np.array([tick for tick, _ in bar_lines(song)])
    lines = [musical, np.array(written_lines(song))]
    main = _main_meter(song)
    meter, move = song.meter, _still
    if kind in ("offset", "offset, no signatures"):
        move = _later(int(rng.integers(1, tpq * 8)))
    elif kind == "offset below a sixteenth":
        move = _later(int(rng.integers(1, tpq // 4)))
    elif kind == "leading rest, no signatures":
        move = _later(int(rng.integers(1, 17)) * tpq // 2)
    elif kind.startswith("drift"):
        move = _drifting(song, rng)
    elif kind == "1/4 or 1/8":
        meter = MeterMap.constant(1, int(rng.choice([4, 8])))
    elif kind == "another meter":
        meter = MeterMap.constant(*_other(main, rng))
    elif kind == "pickup at zero":
        grid = grid_from_song(song, 24)
        if not (len(grid) and grid.lead_steps[0] > 0):
            return None
        meter = MeterMap.constant(*main)
    elif kind == "signature within a bar":
        if len(musical) < 6:
            return None
        inside = musical[len(musical) // 2] + round(tpq * float(rng.choice([0.5, 1, 1.25, 0.33])))
        meter = _with(song.meter, inside, main)
    elif kind == "contradictory signature":
        meter = _with(song.meter, int(song.meter.ticks[0]), _other(main, rng))
    if kind.endswith("no signatures"):
        meter = none
    corrupted = replace(
        song,
        parts=tuple(_moved(part, move) for part in song.parts),
        meter=meter,
        end_ticks=round(float(move(np.array([song.end_ticks]))[0])),
    )
    return corrupted, [corrupted.tempo.seconds(np.round(move(at)).astype(int), tpq) for at in lines]


def corrupt_known(one: Known, kind: str) -> tuple[Song, list[np.ndarray]] | None:
    """Return `corrupt` with a seed from the name of the song."""
    rng = np.random.default_rng(zlib.crc32(f"{one.name} {kind}".encode()))
    return corrupt(one.song, kind, rng)


def _still(ticks: np.ndarray) -> np.ndarray:
    return ticks


def _later(by: int):
    return lambda ticks: ticks + by


def _drifting(song: Song, rng: np.random.Generator):
    """Return a time map with a tempo that deviates by less than 1% from the notated one."""
    tpq, n = song.ticks_per_quarter, song.end_ticks // song.ticks_per_quarter + 4
    knots = max(2, n // 32)
    pace = np.interp(np.arange(n), np.linspace(0, n, knots), rng.uniform(-0.01, 0.01, knots))
    at = (np.arange(n) + np.concatenate([[0], np.cumsum(pace)[:-1]])) * tpq
    return lambda ticks: np.interp(ticks, np.arange(n) * tpq, at)


def _moved(part: Part, move) -> Part:
    onset = np.maximum(np.round(move(part.onset_ticks)).astype(int), 0)
    stop = np.round(move(part.onset_ticks + part.duration_ticks)).astype(int)
    return part.with_notes(onset, np.maximum(stop - onset, 1), part.pitch, part.velocity)


def _with(meter: MeterMap, tick: int, sign: tuple[int, int]) -> MeterMap:
    """Return a meter map with one more entry, which overrides one at its tick."""
    return MeterMap(
        ticks=np.append(meter.ticks, tick),
        numerator=np.append(meter.numerator, sign[0]),
        denominator=np.append(meter.denominator, sign[1]),
    )


def _main_meter(song: Song) -> tuple[int, int]:
    grid = grid_from_song(song, 24)
    codes, counts = np.unique(grid.numerator * 1000 + grid.denominator, return_counts=True)
    code = int(codes[counts.argmax()])
    return code // 1000, code % 1000


def _other(main: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Return a common meter with longer or shorter bars."""
    common = ((4, 4), (3, 4), (2, 4), (6, 8))
    others = [m for m in common if m[0] * main[1] != main[0] * m[1]]
    return others[rng.integers(len(others))]
