"""Memory and time of `prepare` on folders of many distinct songs.

    python benchmarks/prepare_memory.py [--songs 1000 --songs 50000] [--workers 2]

A song has four voices of fourteen bars (224 notes), random in pitch and rhythm. Prints for each
number of songs the peak resident memory of the parent and of the largest reading process,
wall-clock milliseconds per file, and the share of time that the parent was busy; with each value as
a multiple of the first row's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

PREPARE_CODE = """
import json, resource, sys, time
from musicvae.data.prepare import prepare
start = time.perf_counter()
report = prepare(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]))
seconds = time.perf_counter() - start
own, readers = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "kept": report.kept, "seconds": seconds, "busy": (own.ru_utime + own.ru_stime) / seconds,
    "parent": own.ru_maxrss, "reader": readers.ru_maxrss,
}))
"""
LENGTHS_TICKS = np.array([60, 120, 180, 240])
LOWEST_PITCHES = (67, 60, 55, 43)


def variable_length(value: int) -> bytes:
    """Return a variable-length quantity of a MIDI file, seven bits per byte."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))


def track(rng: np.random.Generator, low: int, channel: int) -> bytes:
    """Return the track of one voice: 56 consecutive notes."""
    events = bytearray()
    pitches = low + rng.integers(-6, 7, 56)
    for pitch, length in zip(pitches.tolist(), rng.choice(LENGTHS_TICKS, 56).tolist(), strict=True):
        events += bytes([0, 0x90 | channel, pitch, 80])
        events += variable_length(length) + bytes([0x80 | channel, pitch, 0])
    events += b"\x00\xff\x2f\x00"
    return b"MTrk" + len(events).to_bytes(4, "big") + bytes(events)


def write_songs(folder: Path, n_songs: int) -> None:
    """Write distinct songs, a thousand per subfolder."""
    head = b"MThd" + bytes([0, 0, 0, 6, 0, 1, 0, 4, 0, 120])
    for i in range(n_songs):
        rng = np.random.default_rng(i)
        voices = b"".join(track(rng, low, v) for v, low in enumerate(LOWEST_PITCHES))
        subfolder = folder / f"{i // 1000:04d}"
        subfolder.mkdir(parents=True, exist_ok=True)
        (subfolder / f"{i:07d}.mid").write_bytes(head + voices)


def measure(n_songs: int, workers: int) -> dict[str, float]:
    """Return seconds, busy share and peak memory of one `prepare`."""
    with tempfile.TemporaryDirectory() as folder:
        write_songs(Path(folder, "midi"), n_songs)
        command = [
            sys.executable,
            "-c",
            PREPARE_CODE,
            f"{folder}/midi",
            f"{folder}/out",
            str(workers),
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, float] = json.loads(done.stdout)
    assert row["kept"] == n_songs, "a song was skipped"
    return row


@click.command()
@click.option("--songs", "sizes", multiple=True, type=int, default=(1000, 50_000))
@click.option("--workers", default=2, show_default=True)
def main(sizes: tuple[int, ...], workers: int) -> None:
    """Measure `prepare` on folders of growing size."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    first: dict[str, float] = {}
    print(f"{'songs':>8}{'parent MiB':>16}{'reader MiB':>16}{'ms per file':>16}{'parent busy':>13}")
    for n_songs in sizes:
        row = measure(n_songs, workers)
        row["ms"] = 1000 * row["seconds"] / n_songs
        first = first or row
        ratios = {name: row[name] / first[name] for name in ("parent", "reader", "ms")}
        print(
            f"{n_songs:8,}"
            f"{row['parent'] / unit:8.0f} x {ratios['parent']:.2f} "
            f"{row['reader'] / unit:8.0f} x {ratios['reader']:.2f} "
            f"{row['ms']:8.3f} x {ratios['ms']:.2f} "
            f"{row['busy']:12.0%}"
        )


if __name__ == "__main__":
    main()
