"""Accuracy of bar-line estimation on pop arrangements of lead sheets, as their files are.

    python -m experiments.downbeats.pop_bars --split test

The songs and the styles of accompaniment are held out from training. Each file states 1/4 (or what
`--meter` says), begins a random time late, and its notes are played with jitter. Reports the F1 of
bar lines, matched one to one within 70 ms, and what went wrong where it is below .9.
"""

from __future__ import annotations

import argparse
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from experiments.downbeats.evaluate import f1, found_lines
from experiments.downbeats.known_bars import Known, bar_lines
from experiments.downbeats.lead_sheets import lead_sheets
from experiments.downbeats.pop_songs import arrange
from musicvae.downbeats import estimate_barlines
from musicvae.song import MeterMap, Song

TOLERANCE_S = 0.07
MAX_JITTER_S = 0.02  # standard deviation
FOUND_F1 = 0.9
METERS = {"1/4": (1, 4), "4/4": (4, 4), "3/4": (3, 4)}


def played(one: Known, meter: str, rng: np.random.Generator) -> tuple[Song, np.ndarray]:
    """Return a song as in a file that states `meter`, and its bar lines in seconds.

    The grid is late by up to four quarters, and the beat is up to .4% faster or slower in the
    middle of one song in four.
    """
    song, tpq = one.song, one.song.ticks_per_quarter
    quarter_s = 60 / float(song.tempo.qpm[0])
    late, jitter_s = rng.uniform(0, 4) * tpq, rng.uniform(0.3, 1.0) * MAX_JITTER_S
    bend = rng.uniform(-0.004, 0.004) if rng.random() < 0.25 else 0.0
    span = max(song.end_ticks, 1)

    def move(ticks: np.ndarray) -> np.ndarray:
        return ticks + late + bend * span * np.sin(np.pi * ticks / span) / np.pi

    parts = []
    for part in song.parts:
        off = rng.normal(0, jitter_s / quarter_s * tpq, len(part))
        onset = np.maximum(np.round(move(part.onset_ticks) + off), 0).astype(int)
        parts.append(part.with_notes(onset, part.duration_ticks, part.pitch, part.velocity))
    lines = np.array([tick for tick, _ in bar_lines(song)])
    made = replace(song, parts=tuple(parts), meter=MeterMap.constant(*METERS[meter]))
    return made, move(lines) / tpq * quarter_s


def mistake(truth: np.ndarray, found: np.ndarray) -> str:
    """Return what is wrong with the bar lines found, both in seconds."""
    if len(found) < 3 or len(truth) < 3:
        return "few"
    bar, ratio = np.median(np.diff(truth)), np.median(np.diff(found)) / np.median(np.diff(truth))
    if abs(ratio - 1) > 0.03:
        return f"bars {ratio:.2f} as long"
    off = (found - truth[np.abs(found[:, None] - truth[None]).argmin(1)]) / bar % 1
    eighths = np.round(off * 8).astype(int) % 8
    value, count = np.unique(eighths, return_counts=True)
    if count.max() < 0.8 * len(off):
        return "phase slips"
    return f"{value[count.argmax()]}/8 of a bar late"


def outcome(job: tuple[Known, str]) -> tuple[float, str, str, str]:
    """Return the F1 of a song, what went wrong, the source of its bars, and its name."""
    one, meter = job
    song, truth = played(one, meter, np.random.default_rng(zlib.crc32(one.name.encode())))
    estimate = estimate_barlines(song)
    end = max(p.onset_ticks[-1] for p in song.parts) / song.ticks_per_quarter
    end = end * 60 / float(song.tempo.qpm[0]) + 1e-6
    found = found_lines(estimate)
    found, truth = found[found <= end], truth[truth <= end]
    kept = estimate.grid_estimate.is_metrical
    source = estimate.choice.source if kept else "declined"
    return f1(truth, found, TOLERANCE_S), mistake(truth, found), source, one.name


def pop_songs(split: str, copies: int) -> Iterator[Known]:
    """Yield arrangements in held-out styles of the lead sheets of a split."""
    for sheet in lead_sheets():
        if sheet.split == split:
            for copy in range(copies):
                rng = np.random.default_rng([zlib.crc32(sheet.name.encode()), copy])
                yield replace(arrange(sheet, rng, held_out=True), name=f"{sheet.name} {copy}")


def main() -> None:
    """Evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="valid", choices=("valid", "test"))
    parser.add_argument("--meter", default="1/4", choices=tuple(METERS))
    parser.add_argument("--copies", type=int, default=2, help="arrangements of each song")
    args = parser.parse_args()
    jobs = [(one, args.meter) for one in pop_songs(args.split, args.copies)]
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(outcome, jobs, chunksize=4))
    score = np.array([r[0] for r in results])
    print(
        f"{len(score)} songs: F1 {score.mean():.3f}, {np.mean(score >= FOUND_F1):.0%} at {FOUND_F1}"
    )
    print("below:", Counter(r[1] for r in results if r[0] < FOUND_F1).most_common())
    print("source:", Counter(r[2] for r in results).most_common())


if __name__ == "__main__":
    main()
