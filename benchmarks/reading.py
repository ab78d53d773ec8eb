"""How fast files become rolls: the pipeline beside pretty_midi, muspy and a bare symusic parse.

    python benchmarks/reading.py [--folder MIDI ...] [--muspy PYTHON] [--workers]

Files are those of folders, by default of the built-in chorales and folk tunes, exported to a
temporary place. Readers take turns file by file, in one process condition (one thread each), and
each ratio is the median over all files and rounds of two times measured one after the other; its
quartiles stand beside. The pipeline reads, merges, aligns, judges roles, quantises, marks and makes
the row that `musicvae prepare` stores, and the roll at four steps a quarter; pretty_midi's way
takes the bar lines that the file states and judges nothing. Only files of which both make the very
same roll are timed: those whose parts or bar lines the pipeline puts right, and those that
pretty_midi reads otherwise, are left out and counted; muspy's roll is one of its own. `--muspy` is
an interpreter that has muspy. `--workers` measures `prepare` with one and two workers, start-up
left out by taking the difference of two folders.
"""

from __future__ import annotations

import os

# Before numpy is loaded.
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import symusic
from numpy.typing import NDArray
from other_readers import Muspy, by_pretty_midi

from musicvae import io
from musicvae.data import corpora
from musicvae.data.fingerprints import fingerprint
from musicvae.data.pipeline import ProcessedFile, process_file
from musicvae.data.prepare import prepare
from musicvae.data.schema import song_to_row
from musicvae.data.stored_song import StoredSong, read_stored_song
from musicvae.downbeats import barlines, estimate_barlines
from musicvae.errors import MusicVAEError
from musicvae.io import midi
from musicvae.io.options import ReadOptions
from musicvae.representation.bars import Bars
from musicvae.representation.pianoroll import to_roll
from musicvae.representation.roles import classify_roles
from musicvae.representation.tracks import merge_tracks

OPTIONS = ReadOptions()
DIGEST = bytes(16)
STEPS_PER_QUARTER = 4
Times = tuple[float, float]  # seconds by the wall clock, and of the processor
INSIDE = ("fit_grid", "grid_of", "features", "listen", "choose")  # the stages of `align`


def pipeline(content: bytes) -> NDArray[np.uint8]:
    """All that `musicvae prepare` does to a file, and its roll."""
    stored = read_stored_song(content, "file", OPTIONS)
    song_to_row(stored, DIGEST)
    return to_roll(stored.bars.at(STEPS_PER_QUARTER))


def timed(work: Callable[[], Any]) -> Times:
    wall, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - own


class Stages:
    """Seconds of each stage of the pipeline, taken one by one."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._found: dict[str, float] = {}

    def run(self, content: bytes) -> None:
        self._found.clear()
        reading = self._took("read", lambda: io.read_bytes(content, "file", OPTIONS))
        song, merge = self._took("merge", lambda: merge_tracks(reading.song))
        aligned = self._took("align", lambda: estimate_barlines(song))
        roles = self._took("roles", lambda: classify_roles(aligned.song))
        bars = self._took("bars", lambda: Bars.from_song(aligned.song))
        numbers = self._took("fingerprints", lambda: fingerprint(bars))
        seen = ProcessedFile(read_result=reading, merge=merge, barlines=aligned, bars=bars)
        vars(seen)["roles"] = roles  # as it keeps them once they were asked for

        def row() -> None:
            stored = StoredSong(path="file", bars=bars, fingerprint=numbers, facts=seen.facts())
            song_to_row(stored, DIGEST)

        self._took("row", row)
        self._took("roll", lambda: to_roll(bars.at(STEPS_PER_QUARTER)))
        for name, taken in self._found.items():
            self.seconds.setdefault(name, []).append(taken)

    @contextmanager
    def within_align(self) -> Iterator[None]:
        """Time also what `align` calls."""
        known = {name: getattr(barlines, name) for name in INSIDE}

        def watched(name: str) -> Callable[..., Any]:
            return lambda *args, **kwargs: self._took(
                f"  {name}", lambda: known[name](*args, **kwargs)
            )

        for name in INSIDE:
            setattr(barlines, name, watched(name))
        try:
            yield
        finally:
            for name, function in known.items():
                setattr(barlines, name, function)

    def _took(self, name: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = work()
        self._found[name] = self._found.get(name, 0.0) + time.perf_counter() - began
        return found


def comparable(paths: list[Path], wanted: int) -> list[Path]:
    """Files of which both ways make one roll; says how many are left out, and why."""
    found: list[Path] = []
    changed = differ = refused = 0
    for path in paths:
        content = path.read_bytes()
        try:
            seen = process_file(content, path, OPTIONS)
            theirs = by_pretty_midi(content)
        except (MusicVAEError, ValueError, IndexError, OSError, KeyError):
            refused += 1
            continue
        if not seen.barlines.is_identity or (seen.merge and seen.merge.descriptions):
            changed += 1
        elif not np.array_equal(to_roll(seen.bars.at(STEPS_PER_QUARTER)), theirs):
            differ += 1
        elif not seen.barlines.grid_estimate.reject_reason:
            found.append(path)
        if len(found) == wanted:
            break
    print(
        f"{len(found)} files with equal rolls; left out: {changed} whose parts or bars are put "
        f"right, {differ} that pretty_midi reads otherwise, {refused} that one of them refuses"
    )
    return found


def compare(paths: list[Path], rounds: int, muspy: Muspy | None) -> None:
    """Print times and ratios over these files."""
    contents = [path.read_bytes() for path in paths]
    ways: dict[str, Callable[[int], Times]] = {
        "pipeline": lambda i: timed(lambda: pipeline(contents[i])),
        "symusic, parse alone": lambda i: timed(lambda: symusic.Score.from_midi(contents[i])),
        "pretty_midi, same rolls": lambda i: timed(lambda: by_pretty_midi(contents[i])),
    }
    if muspy is not None:
        ways["muspy, its own roll"] = lambda i: muspy.times(str(paths[i]))
    taken: dict[str, list[Times]] = {name: [] for name in ways}
    stages = Stages()
    for round_ in range(rounds + 1):  # the first one to warm up
        for i in range(len(paths)):
            for name, way in ways.items():
                if round_:
                    taken[name].append(way(i))
                else:
                    way(i)
            if round_:
                with stages.within_align():
                    stages.run(contents[i])
    notes = statistics.fmean(symusic.Score.from_midi(content).note_num() for content in contents)
    print(f"{len(paths)} files, {notes:.0f} notes each, {rounds} rounds; load {load()}")
    print(f"{'':26}{'ms':>8}{'cpu ms':>8}   times as long as the pipeline (quartiles), by cpu time")
    own = np.array(taken["pipeline"])
    for name, pairs in taken.items():
        both = np.array(pairs)
        middle, cpu = np.median(both, axis=0) * 1e3
        low, half, high = np.quantile(both[:, 0] / own[:, 0], (0.25, 0.5, 0.75))
        by_cpu = np.median(both[:, 1] / own[:, 1])
        times = f"{half:8.2f} ({low:.2f} to {high:.2f}), {by_cpu:.2f}"
        print(f"{name:26}{middle:8.3f}{cpu:8.3f}{times}")
    shares = {name: statistics.median(seconds) for name, seconds in stages.seconds.items()}
    total = sum(taken for name, taken in shares.items() if not name.startswith(" "))
    print(f"\n{'stage':26}{'ms':>8}{'share':>8}")
    order = [name for name in shares if not name.startswith(" ")]
    at = order.index("align") + 1
    order[at:at] = [name for name in shares if name.startswith(" ")]
    for name in order:
        print(f"{name:26}{1e3 * shares[name]:8.3f}{shares[name] / total:8.0%}")
    print()


def scaling(paths: list[Path], rounds: int, n_files: int) -> None:
    """Print how much faster two workers prepare many files than one, start-up left out."""
    with tempfile.TemporaryDirectory() as place:
        folders = {n: Path(place, str(n)) for n in (n_files // 8, n_files)}
        for n, folder in folders.items():
            transposed(paths, folder, n)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for round_ in range(rounds):
            for workers, found in seconds.items():
                taken = {}
                for n, folder in folders.items():
                    out = Path(place, f"out-{round_}-{workers}-{n}")
                    began = time.perf_counter()
                    prepare(folder, out, workers=workers)
                    taken[n] = time.perf_counter() - began
                found.append((taken[n_files] - taken[n_files // 8]) / (n_files - n_files // 8))
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    each = ", ".join(
        f"{workers}: {1e3 * statistics.median(s):.3f}" for workers, s in seconds.items()
    )
    print(f"prepare, ms a file by workers: {each}; load {load()}, {os.cpu_count()} cores")
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}, {rounds} rounds"
    print(f"two workers are {statistics.median(ratios):.2f} times as fast as one ({spread})")


def transposed(paths: list[Path], folder: Path, n_files: int) -> None:
    """So many different files: those given, then the same ones in other keys."""
    folder.mkdir()
    songs = [io.read(path) for path in paths]
    for i in range(n_files):
        song, up = songs[i % len(songs)], (i // len(songs)) % 24 - 12
        parts = tuple(
            replace(part, pitch=np.clip(part.pitch + up, 0, 127), name=f"{part.name} {i}")
            for part in song.parts
        )
        midi.write(replace(song, parts=parts), folder / f"{i:06d}.mid")


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


@click.command()
@click.option("--folder", "folders", multiple=True, help="MIDI files; else built-in corpora")
@click.option("--files", default=60, show_default=True, help="how many of each folder")
@click.option("--rounds", default=5, show_default=True)
@click.option("--muspy", "python", help="an interpreter that has muspy")
@click.option("--workers", is_flag=True, help="measure prepare with two workers as well")
@click.option("--worker-files", default=3000, show_default=True)
def main(
    folders: tuple[str, ...],
    files: int,
    rounds: int,
    python: str | None,
    workers: bool,
    worker_files: int,
) -> None:
    """Measure reading, and print tables."""
    warnings.simplefilter("ignore")  # pretty_midi's, of tempi on other tracks than the first
    muspy = None
    if python is None:
        print("muspy left out: give --muspy an interpreter that has it")
    else:
        muspy = Muspy(python)
        print(f"muspy {muspy.version}")
    with tempfile.TemporaryDirectory() as place:
        for name in () if folders else ("chorales", "folk"):
            corpora.export(name, Path(place, name))
            folders = (*folders, str(Path(place, name)))
        for folder in folders:
            found = (p for p in Path(folder).rglob("*") if p.suffix.lower() in (".mid", ".midi"))
            paths = sorted(found)
            print(f"== {Path(folder).name}: {len(paths)} files")
            every = max(len(paths) // (2 * files), 1)
            chosen = comparable(paths[::every], files)
            if chosen:
                compare(chosen, rounds, muspy)
        if workers and chosen:
            paths = comparable(sorted(Path(folders[0]).rglob("*.mid")), 200)
            scaling(paths, min(rounds, 3), worker_files)
    if muspy is not None:
        muspy.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
