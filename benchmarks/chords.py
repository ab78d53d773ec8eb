"""Processor time of finding the chords of songs, as a ratio to reading the same files.

python -m benchmarks.chords FOLDER [FOLDER ...] [--limit N] [--rounds N]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from musicvae.errors import ReadError
from musicvae.harmony import estimate_chords
from musicvae.io import SONG_SUFFIXES, load, read_bytes


def main() -> None:
    """Print a row for each folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=60, help="files of each folder")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print("| folder | songs | read, ms | chords, ms | ratio |")
    print("|---|---|---|---|---|")
    for folder in args.folders:
        paths = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SONG_SUFFIXES]
        contents = [load(path) for path in paths[:: max(len(paths) // args.limit, 1)]]
        reading = finding = float("inf")
        for _ in range(args.rounds):  # the fastest round, since others disturb
            begin = time.process_time()
            songs = []
            for content in contents:
                try:
                    songs.append(read_bytes(content).song)
                except ReadError:
                    continue
            middle = time.process_time()
            for song in songs:
                estimate_chords(song)
            reading = min(reading, middle - begin)
            finding = min(finding, time.process_time() - middle)
        n = max(len(songs), 1)
        row = f"{1000 * reading / n:.1f} | {1000 * finding / n:.1f} | {finding / reading:.2f}"
        print(f"| {folder.name} | {n} | {row} |", flush=True)


if __name__ == "__main__":
    main()
