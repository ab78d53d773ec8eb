"""Accuracy of bar-line estimation on songs with known bars, corrupted in the ways of real files.

    python -m experiments.downbeats.evaluate --split valid --songs 100
    python -m experiments.downbeats.evaluate --split test --ungridded

Reports the F1 of bar lines, matched one to one within half a sixteenth at the song's tempo, up to
the last onset; mean over songs. A bar split by a repeat may be estimated as one or as two. `twice`
also accepts estimates in which two bars are one or one is two.
With --ungridded: the share of performances that are rejected, by their freedom.
"""

from __future__ import annotations

import argparse
import json
import random
import zlib
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from experiments.common import markdown_head, markdown_row
from experiments.downbeats.known_bars import CORPORA, CORRUPTIONS, Known, corrupt_known, known
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.representation.grid import grid_from_song
from musicvae.song import Song

FREEDOM = ((0.02, 0.01), (0.04, 0.02), (0.06, 0.02), (0.08, 0.03), (0.12, 0.03), (0.2, 0.04))


def f1(truth: np.ndarray, found: np.ndarray, tolerance_s: float) -> float:
    """Return the F1 of two ascending arrays of times, matched one to one."""
    i = j = hits = 0
    while i < len(truth) and j < len(found):
        if abs(truth[i] - found[j]) <= tolerance_s:
            hits, i, j = hits + 1, i + 1, j + 1
        elif truth[i] < found[j]:
            i += 1
        else:
            j += 1
    return 2 * hits / max(len(truth) + len(found), 1)


def found_lines(estimate: BarlineEstimate) -> np.ndarray:
    """Return estimated bar lines in seconds of the file, without the beginning of a pickup."""
    grid = grid_from_song(estimate.song, 24)
    return estimate.seconds(grid.start_ticks[int(len(grid) > 0 and grid.lead_steps[0] > 0) :])


def scores(song: Song, found: np.ndarray, truths: list[np.ndarray]) -> tuple[float, float]:
    """Return the F1 against the best of several truths, strict and up to a factor of two."""
    last = max(int(part.onset_ticks[-1]) for part in song.parts if len(part))
    end = float(song.tempo.seconds(last, song.ticks_per_quarter)) + 1e-6
    tolerance = 60 / float(song.tempo.qpm[0]) / 8
    found = found[found <= end]
    truths = [truth[truth <= end] for truth in truths]
    score = max(f1(truth, found, tolerance) for truth in truths)
    level = [f1(t, f, tolerance) for t in truths for f in (found[::2], found[1::2])]
    level += [f1(t[k::2], found, tolerance) for t in truths for k in (0, 1)]
    return score, max(score, *level)


def evaluate(job: tuple[Known, str]) -> tuple[str, str, float, float, str, str] | None:
    """Return corpus, corruption, strict and lenient F1, source and name."""
    one, kind = job
    corrupted = corrupt_known(one, kind)
    if corrupted is None:
        return None
    song, truths = corrupted
    estimate = estimate_barlines(song)
    source = estimate.choice.source if estimate.grid_estimate.is_metrical else "declined"
    score, lenient = scores(song, found_lines(estimate), truths)
    return one.corpus, kind, score, lenient, source, one.name


def perform_freely(song: Song, rubato: float, jitter_s: float, rng: np.random.Generator) -> Song:
    """Return a free performance in a file with a constant tempo, as recorded without a click.

    `rubato`: standard deviation of the log tempo; `jitter_s`: of onsets.
    """
    tpq = song.ticks_per_quarter
    at = np.arange(4 * (song.end_ticks // tpq + 8)) / 4
    sway = sum(
        rng.normal() * np.sin(2 * np.pi * at / period + rng.uniform(0, 2 * np.pi))
        for period in rng.uniform(4, 32, 6)
    )
    pace = np.exp(sway / max(sway.std(), 1e-9) * rubato)
    place = np.concatenate([[0], np.cumsum(pace)[:-1] / 4])
    quarter_s = 60 / float(song.tempo.qpm[0])
    parts = []
    for part in song.parts:
        onset = np.interp(part.onset_ticks / tpq, at, place)
        onset = onset + rng.normal(0, jitter_s / quarter_s, len(part))
        ticks = np.maximum(np.round(onset * tpq), 0).astype(int)
        parts.append(part.with_notes(ticks, part.duration_ticks, part.pitch, part.velocity))
    return Song(
        ticks_per_quarter=tpq, parts=tuple(parts), tempo=song.tempo, meter=song.meter, key=song.key
    )


def rejections(job: Known) -> tuple[str, list[tuple[bool, float]]]:
    """Return whether the song and each freer performance of it are rejected, and tightness."""
    rng = np.random.default_rng(zlib.crc32(job.name.encode()))
    songs = [job.song, *(perform_freely(job.song, *freedom, rng) for freedom in FREEDOM)]
    fits = [estimate_barlines(song).grid_estimate for song in songs]
    return job.corpus, [(not fit.is_metrical, fit.best_tightness) for fit in fits]


def sample_songs(split: str, n: int | None, names: list[str]) -> list[Known]:
    """Return songs of the split, at most `n` of each corpus, drawn with a fixed seed."""
    songs = []
    for corpus in names:
        mine = [one for one in known(corpus) if one.split == split and one.song.n_notes >= 8]
        random.Random(1).shuffle(mine)
        songs += mine[:n]
    return songs


def main() -> None:
    """Evaluate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="valid", choices=("valid", "test"))
    parser.add_argument("--songs", type=int, help="maximum number of each corpus")
    parser.add_argument("--corpus", nargs="*", default=list(CORPORA))
    parser.add_argument("--ungridded", action="store_true")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    args = parser.parse_args()
    songs = sample_songs(args.split, args.songs, args.corpus)
    with ProcessPoolExecutor() as pool:
        if args.ungridded:
            print_rejections(list(pool.map(rejections, songs, chunksize=8)))
            return
        jobs = [(one, kind) for one in songs for kind in CORRUPTIONS]
        results = [r for r in pool.map(evaluate, jobs, chunksize=8) if r]
    if args.json:
        args.json.write_text(json.dumps(results))
    print_f1(results)


def print_f1(results: list[tuple[str, str, float, float, str, str]]) -> None:
    """Print a table with a row for each corruption and a column for each corpus."""
    table = defaultdict(list)
    for corpus, kind, score, lenient, source, _ in results:
        table[kind, corpus].append((score, lenient, source))
    names = [c for c in CORPORA if any(c == r[0] for r in results)]
    print(markdown_head(["corruption", *names]))
    for kind in CORRUPTIONS:
        row = []
        for corpus in names:
            cell = table[kind, corpus]
            if not cell:
                row.append("")
                continue
            score, lenient = (np.mean([c[i] for c in cell]) for i in (0, 1))
            sources = Counter(c[2] for c in cell)
            text = " ".join(f"{k[:3]} {v}" for k, v in sources.most_common())
            row.append(f"{score:.3f} (twice {lenient:.3f}; {text})")
        print(markdown_row([kind, *row]))


def print_rejections(results: list[tuple[str, list[tuple[bool, float]]]]) -> None:
    """Print the share rejected and the tightness by degree of freedom."""
    print(markdown_head(["rubato", "jitter", *(f"{c} rejected" for c in CORPORA), "tightness"]))
    for i, (rubato, jitter) in enumerate(((0.0, 0.0), *FREEDOM)):
        row = []
        for corpus in CORPORA:
            mine = [r[1][i][0] for r in results if r[0] == corpus]
            row.append(f"{np.mean(mine):.1%}" if mine else "")
        fits = np.percentile([r[1][i][1] for r in results], [5, 50, 95])
        text = " ".join(f"{fit:.2f}" for fit in fits)
        print(markdown_row([f"{rubato:.0%}", f"{jitter * 1000:.0f} ms", *row, text]))


if __name__ == "__main__":
    main()
