"""How right bar lines are: songs whose bars are known, damaged in the ways that real files are.

    python experiments/downbeats/evaluate.py --split valid --songs 100
    python experiments/downbeats/evaluate.py --split test --ungridded

F1 of bar lines, one to one, right within half a sixteenth at the song's tempo, up to the last
onset; the mean over songs. A bar that a repeat cuts in two may be found as one or as two. `twice`
counts as right also what differs only in whether two bars are one, which no one can hear.
With --ungridded: which share of performances is declined, by how free they are.
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
from known_bars import CORPORA, DAMAGES, Known, known, spoilt

from musicvae.downbeats import Alignment, align
from musicvae.representation.grid import grid_of
from musicvae.song import Song

FREEDOM = ((0.02, 0.01), (0.04, 0.02), (0.06, 0.02), (0.08, 0.03), (0.12, 0.03), (0.2, 0.04))


def f1(truth: np.ndarray, found: np.ndarray, tolerance_s: float) -> float:
    """F1 of two rising rows of times, matched one to one."""
    i = j = hits = 0
    while i < len(truth) and j < len(found):
        if abs(truth[i] - found[j]) <= tolerance_s:
            hits, i, j = hits + 1, i + 1, j + 1
        elif truth[i] < found[j]:
            i += 1
        else:
            j += 1
    return 2 * hits / max(len(truth) + len(found), 1)


def found_lines(aligned: Alignment) -> np.ndarray:
    """Where bars begin, in seconds of the file, the beginning of a pickup left out."""
    grid = grid_of(aligned.song, 24)
    return aligned.seconds(grid.start_ticks[int(len(grid) > 0 and grid.lead[0] > 0) :])


def scores(song: Song, found: np.ndarray, truths: list[np.ndarray]) -> tuple[float, float]:
    """F1 against the best of several truths, and the same where two bars for one are forgiven."""
    last = max(int(part.onset_ticks[-1]) for part in song.parts if len(part))
    end = float(song.tempo.seconds(last, song.ticks_per_quarter)) + 1e-6
    tolerance = 60 / float(song.tempo.qpm[0]) / 8
    found = found[found <= end]
    truths = [truth[truth <= end] for truth in truths]
    score = max(f1(truth, found, tolerance) for truth in truths)
    level = [f1(t, f, tolerance) for t in truths for f in (found[::2], found[1::2])]
    level += [f1(t[k::2], found, tolerance) for t in truths for k in (0, 1)]
    return score, max(score, *level)


def judged(job: tuple[Known, str]) -> tuple[str, str, float, float, str, str] | None:
    """Corpus, damage, F1, F1 forgiving two bars for one, source and name."""
    one, damage = job
    worse = spoilt(one, damage)
    if worse is None:
        return None
    song, truths = worse
    aligned = align(song)
    source = aligned.choice.source if aligned.fit.gridded else "declined"
    score, lenient = scores(song, found_lines(aligned), truths)
    return one.corpus, damage, score, lenient, source, one.name


def freed(song: Song, rubato: float, jitter_s: float, rng: np.random.Generator) -> Song:
    """A free performance: tempo that sways by this much (SD of its logarithm), onsets off by so
    many seconds (SD). Its file says a steady tempo, as a recording without a click does."""
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


def declined(job: Known) -> tuple[str, list[tuple[bool, float]]]:
    """Whether the clean song and each freer performance of it are declined, and how tight."""
    rng = np.random.default_rng(zlib.crc32(job.name.encode()))
    songs = [job.song, *(freed(job.song, *freedom, rng) for freedom in FREEDOM)]
    fits = [align(song).fit for song in songs]
    return job.corpus, [(not fit.gridded, fit.fit) for fit in fits]


def chosen(split: str, n: int | None, names: list[str]) -> list[Known]:
    """Songs of the split, at most `n` of each corpus, drawn by a fixed seed."""
    songs = []
    for corpus in names:
        mine = [one for one in known(corpus) if one.split == split and one.song.n_notes >= 8]
        random.Random(1).shuffle(mine)
        songs += mine[:n]
    return songs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="valid", choices=("valid", "test"))
    parser.add_argument("--songs", type=int, help="at most so many of each corpus")
    parser.add_argument("--corpus", nargs="*", default=list(CORPORA))
    parser.add_argument("--ungridded", action="store_true")
    parser.add_argument("--json", type=Path, help="write every single result there")
    chosen_args = parser.parse_args()
    songs = chosen(chosen_args.split, chosen_args.songs, chosen_args.corpus)
    with ProcessPoolExecutor() as pool:
        if chosen_args.ungridded:
            tell_ungridded(list(pool.map(declined, songs, chunksize=8)))
            return
        jobs = [(one, damage) for one in songs for damage in DAMAGES]
        results = [r for r in pool.map(judged, jobs, chunksize=8) if r]
    if chosen_args.json:
        chosen_args.json.write_text(json.dumps(results))
    tell(results)


def tell(results: list[tuple[str, str, float, float, str, str]]) -> None:
    """A table: a row a damage, a column a corpus."""
    table = defaultdict(list)
    for corpus, damage, score, lenient, source, _ in results:
        table[damage, corpus].append((score, lenient, source))
    names = [c for c in CORPORA if any(c == r[0] for r in results)]
    print("| damage | " + " | ".join(names) + " |\n|---" * 1 + "|---" * len(names) + "|")
    for damage in DAMAGES:
        row = []
        for corpus in names:
            cell = table[damage, corpus]
            if not cell:
                row.append("")
                continue
            score, lenient = (np.mean([c[i] for c in cell]) for i in (0, 1))
            sources = Counter(c[2] for c in cell)
            told = " ".join(f"{k[:3]} {v}" for k, v in sources.most_common())
            row.append(f"{score:.3f} (twice {lenient:.3f}; {told})")
        print(f"| {damage} | " + " | ".join(row) + " |")


def tell_ungridded(results: list[tuple[str, list[tuple[bool, float]]]]) -> None:
    """A table: a row a degree of freedom, the share declined, and tightness."""
    print("| rubato | jitter | " + " | ".join(f"{c} declined" for c in CORPORA) + " | tightness |")
    print("|---|---|" + "---|" * (len(CORPORA) + 1))
    for i, (rubato, jitter) in enumerate(((0.0, 0.0), *FREEDOM)):
        row = []
        for corpus in CORPORA:
            mine = [r[1][i][0] for r in results if r[0] == corpus]
            row.append(f"{np.mean(mine):.1%}" if mine else "")
        fits = np.percentile([r[1][i][1] for r in results], [5, 50, 95])
        told = " ".join(f"{fit:.2f}" for fit in fits)
        print(f"| {rubato:.0%} | {jitter * 1000:.0f} ms | " + " | ".join(row) + f" | {told} |")


if __name__ == "__main__":
    main()
