"""Time from file to piano roll: the pipeline against pretty_midi, muspy and a bare symusic parse.

    python benchmarks/reading.py [--folder MIDI ...] [--muspy PYTHON] [--workers]

The files are those of the given folders, by default the built-in chorales and folk tunes, exported
to a temporary folder. The readers take turns file by file, with one thread each; a ratio is the
median over all files and rounds of two times measured one after the other, printed with quartiles.
The pipeline reads, merges tracks, estimates bar lines and roles, quantizes, computes fingerprints
and makes the row that `musicvae prepare` stores, and the roll at four steps per quarter; the reader
on pretty_midi uses the notated bar lines and does none of the rest. Only files for which both give
the same roll are timed: files whose parts or bar lines the pipeline changes, and files that
pretty_midi reads differently, are left out and counted; muspy makes a roll of its own. `--muspy` is
a Python interpreter with muspy. `--workers` times `prepare` with one and two workers, without
start-up, as the difference of two folders.
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
from other_readers import Muspy, read_with_pretty_midi

from musicvae import io
from musicvae.data import corpora
from musicvae.data.fingerprints import fingerprint
from musicvae.data.pipeline import ProcessedFile, process_file
from musicvae.data.prepare import prepare
from musicvae.data.schema import song_to_row
from musicvae.data.stored_song import StoredSong, read_stored_song
from musicvae.downbeats import barlines, estimate_barlines
from musicvae.errors import MusicVAEError
from musicvae.harmony import stated_or_found_chords
from musicvae.io import midi
from musicvae.io.options import ReadOptions
from musicvae.representation.bars import Bars
from musicvae.representation.pianoroll import TIMING, to_roll
from musicvae.representation.roles import classify_roles
from musicvae.representation.tracks import merge_tracks

OPTIONS = ReadOptions()
DIGEST = bytes(16)
STEPS_PER_QUARTER = 4
Times = tuple[float, float]  # wall-clock and processor seconds
INNER_STAGES = ("estimate_grid", "grid_from_song", "cell_features", "predict", "select_barlines")


def pipeline(content: bytes) -> NDArray[np.uint8]:
    """Run what `musicvae prepare` does for a file, and return its roll."""
    stored = read_stored_song(content, "file", OPTIONS)
    song_to_row(stored, DIGEST)
    return to_roll(stored.bars.at(STEPS_PER_QUARTER))


def measure(work: Callable[[], Any]) -> Times:
    """Return the time of a call."""
    wall, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - own


class Stages:
    """Seconds of each stage of the pipeline, measured separately."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._current: dict[str, float] = {}

    def run(self, content: bytes) -> None:
        """Run the pipeline on a file and record the time of each stage."""
        self._current.clear()
        result = self._time("read", lambda: io.read_bytes(content, "file", OPTIONS))
        song, merge = self._time("merge", lambda: merge_tracks(result.song))
        barline_estimate = self._time("bar lines", lambda: estimate_barlines(song))
        roles = self._time("roles", lambda: classify_roles(barline_estimate.song))
        bars = self._time("bars", lambda: Bars.from_song(barline_estimate.song))
        hashes = self._time("fingerprint", lambda: fingerprint(bars))
        chords = self._time(
            "chords", lambda: stated_or_found_chords(barline_estimate.song, grid=bars.grid)
        )
        file = ProcessedFile(read_result=result, merge=merge, barlines=barline_estimate, bars=bars)
        vars(file).update(roles=roles, chords=chords)  # the cached properties

        def row() -> None:
            stored = StoredSong(path="file", bars=bars, fingerprint=hashes, facts=file.facts())
            song_to_row(stored, DIGEST)

        self._time("row", row)
        self._time("roll", lambda: to_roll(bars.at(STEPS_PER_QUARTER)))
        for name, seconds in self._current.items():
            self.seconds.setdefault(name, []).append(seconds)

    @contextmanager
    def timed_inner_stages(self) -> Iterator[None]:
        """Also time the functions that `estimate_barlines` calls."""
        originals = {name: getattr(barlines, name) for name in INNER_STAGES}

        def timed(name: str) -> Callable[..., Any]:
            return lambda *args, **kwargs: self._time(
                f"  {name}", lambda: originals[name](*args, **kwargs)
            )

        for name in INNER_STAGES:
            setattr(barlines, name, timed(name))
        try:
            yield
        finally:
            for name, function in originals.items():
                setattr(barlines, name, function)

    def _time(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        self._current[name] = self._current.get(name, 0.0) + time.perf_counter() - start
        return result


def comparable(paths: list[Path], wanted: int) -> list[Path]:
    """Return files for which both readers give the same roll; print how many are left out."""
    found: list[Path] = []
    changed = differ = refused = 0
    for path in paths:
        content = path.read_bytes()
        try:
            file = process_file(content, path, OPTIONS)
            theirs = read_with_pretty_midi(content)
        except (MusicVAEError, ValueError, IndexError, OSError, KeyError):
            refused += 1
            continue
        if not file.barlines.is_identity or (file.merge and file.merge.descriptions):
            changed += 1
        elif not np.array_equal(to_roll(file.bars.at(STEPS_PER_QUARTER))[:, :, :TIMING], theirs):
            differ += 1
        elif not file.barlines.grid_estimate.reject_reason:
            found.append(path)
        if len(found) == wanted:
            break
    print(
        f"{len(found)} files with equal rolls; left out: {changed} whose parts or bar lines are "
        f"changed, {differ} that pretty_midi reads differently, {refused} that one of them refuses"
    )
    return found


def compare(paths: list[Path], rounds: int, muspy: Muspy | None) -> None:
    """Print times and ratios for these files."""
    contents = [path.read_bytes() for path in paths]
    readers: dict[str, Callable[[int], Times]] = {
        "pipeline": lambda i: measure(lambda: pipeline(contents[i])),
        "symusic, parse alone": lambda i: measure(lambda: symusic.Score.from_midi(contents[i])),
        "pretty_midi, same rolls": lambda i: measure(lambda: read_with_pretty_midi(contents[i])),
    }
    if muspy is not None:
        readers["muspy, its own roll"] = lambda i: muspy.times(str(paths[i]))
    times: dict[str, list[Times]] = {name: [] for name in readers}
    stages = Stages()
    for round_ in range(rounds + 1):  # the first one is a warm-up
        for i in range(len(paths)):
            for name, reader in readers.items():
                if round_:
                    times[name].append(reader(i))
                else:
                    reader(i)
            if round_:
                with stages.timed_inner_stages():
                    stages.run(contents[i])
    notes = statistics.fmean(symusic.Score.from_midi(content).note_num() for content in contents)
    print(f"{len(paths)} files, {notes:.0f} notes per file, {rounds} rounds; load {load()}")
    print(f"{'':26}{'ms':>8}{'cpu ms':>8}   ratio to the pipeline (quartiles), in cpu time")
    own = np.array(times["pipeline"])
    for name, pairs in times.items():
        both = np.array(pairs)
        middle, cpu = np.median(both, axis=0) * 1e3
        low, half, high = np.quantile(both[:, 0] / own[:, 0], (0.25, 0.5, 0.75))
        by_cpu = np.median(both[:, 1] / own[:, 1])
        ratio = f"{half:8.2f} ({low:.2f} to {high:.2f}), {by_cpu:.2f}"
        print(f"{name:26}{middle:8.3f}{cpu:8.3f}{ratio}")
    shares = {name: statistics.median(seconds) for name, seconds in stages.seconds.items()}
    total = sum(seconds for name, seconds in shares.items() if not name.startswith(" "))
    print(f"\n{'stage':26}{'ms':>8}{'share':>8}")
    order = [name for name in shares if not name.startswith(" ")]
    at = order.index("bar lines") + 1
    order[at:at] = [name for name in shares if name.startswith(" ")]
    for name in order:
        print(f"{name:26}{1e3 * shares[name]:8.3f}{shares[name] / total:8.0%}")
    print()


def scaling(paths: list[Path], rounds: int, n_files: int) -> None:
    """Print the speed-up of `prepare` by a second worker, without start-up."""
    with tempfile.TemporaryDirectory() as place:
        folders = {n: Path(place, str(n)) for n in (n_files // 8, n_files)}
        for n, folder in folders.items():
            write_transposed(paths, folder, n)
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
    print(f"prepare, ms per file by workers: {each}; load {load()}, {os.cpu_count()} cores")
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}, {rounds} rounds"
    print(f"speed-up with two workers: {statistics.median(ratios):.2f} ({spread})")


def write_transposed(paths: list[Path], folder: Path, n_files: int) -> None:
    """Write `n_files` distinct files: the given ones, then transpositions of them."""
    folder.mkdir()
    songs = [io.read(path) for path in paths]
    for i in range(n_files):
        song, semitones = songs[i % len(songs)], (i // len(songs)) % 24 - 12
        parts = tuple(
            replace(part, pitch=np.clip(part.pitch + semitones, 0, 127), name=f"{part.name} {i}")
            for part in song.parts
        )
        midi.write(replace(song, parts=parts), folder / f"{i:06d}.mid")


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


@click.command()
@click.option(
    "--folder",
    "folders",
    multiple=True,
    help="Folder of MIDI files; by default the built-in corpora.",
)
@click.option("--files", default=60, show_default=True, help="Number of files per folder.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--muspy", "python", help="Python interpreter with muspy.")
@click.option("--workers", is_flag=True, help="Also time prepare with two workers.")
@click.option("--worker-files", default=3000, show_default=True)
def main(
    folders: tuple[str, ...],
    files: int,
    rounds: int,
    python: str | None,
    workers: bool,
    worker_files: int,
) -> None:
    """Time the readers and print tables."""
    warnings.simplefilter("ignore")  # pretty_midi warns of tempos on later tracks
    muspy = None
    if python is None:
        print("without muspy: give --muspy a Python interpreter that has it")
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
            stride = max(len(paths) // (2 * files), 1)
            chosen = comparable(paths[::stride], files)
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
