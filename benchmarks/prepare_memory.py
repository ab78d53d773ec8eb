"""Memory and time of `prepare` over folders of many songs, each another one.

    python benchmarks/prepare_memory.py [--songs 1000 --songs 50000] [--workers 2]

Songs are four voices of fourteen bars (224 notes), random in pitch and rhythm, written as MIDI by a
few lines of their own, for speed. Prints for each number of songs the peak resident memory of the
parent and of the largest reading process, milliseconds a file by wall clock, and the share of the
time that the parent was busy; then each peak and time as a multiple of the first row's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

_RUN = """
import json, resource, sys, time
from musicvae.data.prepare import prepare
began = time.perf_counter()
report = prepare(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]))
taken = time.perf_counter() - began
own, readers = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "kept": report.kept, "seconds": taken, "busy": (own.ru_utime + own.ru_stime) / taken,
    "parent": own.ru_maxrss, "reader": readers.ru_maxrss,
}))
"""
_LENGTHS = np.array([60, 120, 180, 240])
_VOICES = (67, 60, 55, 43)


def number(value: int) -> bytes:
    """A time as MIDI files have it, seven bits a byte."""
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(0x80 | value & 0x7F)
    return bytes(reversed(found))


def track(rng: np.random.Generator, low: int, channel: int) -> bytes:
    """One voice: 56 notes, one after the other."""
    events = bytearray()
    pitches = low + rng.integers(-6, 7, 56)
    for pitch, length in zip(pitches.tolist(), rng.choice(_LENGTHS, 56).tolist(), strict=True):
        events += bytes([0, 0x90 | channel, pitch, 80])
        events += number(length) + bytes([0x80 | channel, pitch, 0])
    events += b"\x00\xff\x2f\x00"
    return b"MTrk" + len(events).to_bytes(4, "big") + bytes(events)


def write_songs(folder: Path, n_songs: int) -> None:
    """So many different songs, a thousand in a subfolder."""
    head = b"MThd" + bytes([0, 0, 0, 6, 0, 1, 0, 4, 0, 120])
    for i in range(n_songs):
        rng = np.random.default_rng(i)
        voices = b"".join(track(rng, low, v) for v, low in enumerate(_VOICES))
        place = folder / f"{i // 1000:04d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:07d}.mid").write_bytes(head + voices)


def measure(n_songs: int, workers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        write_songs(Path(folder, "midi"), n_songs)
        command = [sys.executable, "-c", _RUN, f"{folder}/midi", f"{folder}/out", str(workers)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    assert found["kept"] == n_songs, "every song is kept"
    return found


@click.command()
@click.option("--songs", "sizes", multiple=True, type=int, default=(1000, 50_000))
@click.option("--workers", default=2, show_default=True)
def main(sizes: tuple[int, ...], workers: int) -> None:
    """Measure `prepare` on folders of growing size."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    first: dict[str, float] = {}
    print(f"{'songs':>8}{'parent MiB':>16}{'reader MiB':>16}{'ms a file':>16}{'parent busy':>13}")
    for n_songs in sizes:
        found = measure(n_songs, workers)
        found["ms"] = 1000 * found["seconds"] / n_songs
        first = first or found
        times = {name: found[name] / first[name] for name in ("parent", "reader", "ms")}
        print(
            f"{n_songs:8,}"
            f"{found['parent'] / unit:8.0f} x {times['parent']:.2f} "
            f"{found['reader'] / unit:8.0f} x {times['reader']:.2f} "
            f"{found['ms']:8.3f} x {times['ms']:.2f} "
            f"{found['busy']:12.0%}"
        )


if __name__ == "__main__":
    main()
