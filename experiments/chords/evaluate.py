"""Measure estimated chords against stated ones: weighted chord symbol recall by `mir_eval.chord`.

    python -m experiments.chords.evaluate LEADSHEETS [--weights FILE] [--split SPLIT] [--copies N]

Needs `mir_eval` (the extra `bench`). Lead sheets of the test split are accompanied in each style,
and with their melody alone. Chorales of music21's corpus are compared with its analyses, in Roman
numerals, which no one was trained on.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import mir_eval
import numpy as np

from experiments.chords.accompaniment import STYLES, accompany_lead_sheet, made_song
from experiments.chords.train import lead_sheets
from musicvae.chords import Chord, ChordMap
from musicvae.chords.spelling import parse_name
from musicvae.chords.vocabulary import nearest_quality
from musicvae.harmony import estimate_chords
from musicvae.harmony.network import load_weights
from musicvae.io import read
from musicvae.song import Song

METRICS = ("root", "majmin", "sevenths", "mirex")


def intervals(song: Song, chords: ChordMap) -> tuple[np.ndarray, list[str]]:
    """Return the intervals in seconds `(M, 2)` and the labels of chords, as mir_eval has them."""
    ticks = np.append(chords.ticks, max(song.end_ticks, int(chords.ticks[-1]) + 1))
    seconds = song.tempo.seconds(ticks, song.ticks_per_quarter)
    return np.stack([seconds[:-1], seconds[1:]], 1), [plain(label) for label in chords.labels()]


def plain(label: str) -> str:
    """Return a label as mir_eval reads it: without omitted or listed degrees alone."""
    return (
        label.replace(":(3,b5,b7)", ":7(*5,b5)")
        .replace(":aug(7)", ":maj7(*5,#5)")
        .replace(":aug(b7)", ":7(*5,#5)")
    )


def score(song: Song, stated: ChordMap, found: ChordMap) -> dict[str, tuple[float, float]]:
    """Return for each metric the seconds that are right, and those that count."""
    reference, labels = intervals(song, stated)
    estimated, guesses = intervals(song, found)
    estimated, guesses = mir_eval.util.adjust_intervals(
        estimated, guesses, reference.min(), reference.max(),
        mir_eval.chord.NO_CHORD, mir_eval.chord.NO_CHORD,
    )  # fmt: skip
    edges, labels, guesses = mir_eval.util.merge_labeled_intervals(
        reference, labels, estimated, guesses
    )
    lasts = mir_eval.util.intervals_to_durations(edges)
    rows = {}
    for name in METRICS:
        compared = getattr(mir_eval.chord, name)(labels, guesses)
        counts = compared >= 0
        rows[name] = (float((compared * lasts)[counts].sum()), float(lasts[counts].sum()))
    return rows


def analyzed_chorales() -> list[Song]:
    """Return the chorales of music21's corpus that have an analysis, with its chords."""
    import music21

    folder = Path(music21.__file__).parent / "corpus" / "bach"
    songs = []
    for path in sorted((folder / "choraleAnalyses").glob("*.rntxt")):
        number = re.search(r"BWV:\s*([\d.]+)", path.read_text("utf-8"))
        chorale = folder / f"bwv{number[1]}.mxl" if number else path
        if chorale.suffix != ".mxl" or not chorale.is_file():
            continue
        song = read(chorale)
        analysis = music21.converter.parse(path)
        entries = []
        for numeral in analysis.recurse().getElementsByClass("RomanNumeral"):
            tick = round(float(numeral.getOffsetInHierarchy(analysis)) * song.ticks_per_quarter)
            root, bass = (
                parse_name(n.name.replace("-", "b")) for n in (numeral.root(), numeral.bass())
            )
            tones = frozenset(
                (p.pitchClass - numeral.root().pitchClass) % 12 for p in numeral.pitches
            )
            if root is not None and bass is not None:
                entries.append((tick, Chord(root, nearest_quality(tones)[0], bass)))
        last = analysis.highestTime * song.ticks_per_quarter
        if abs(last - song.end_ticks) <= song.ticks_per_quarter:  # of the same edition
            songs.append(replace(song, chords=ChordMap.from_chords(entries)))
    return songs


def table_row(name: str, songs: Iterable[Song], weights: dict) -> None:
    """Print the recall on songs with stated chords."""
    total = {metric: np.zeros(2) for metric in METRICS}
    each: list[float] = []
    seconds, n = 0.0, 0
    for song in songs:
        begin = time.process_time()
        found = estimate_chords(song, weights).chords
        seconds, n = seconds + time.process_time() - begin, n + 1
        rows = score(song, song.chords, found)
        for metric, row in rows.items():
            total[metric] += row
        each.append(rows["majmin"][0] / max(rows["majmin"][1], 1e-9))
    cells = " | ".join(f"{right / max(all_, 1e-9):.3f}" for right, all_ in total.values())
    print(
        f"| {name} | {n} | {cells} | {np.median(each):.3f} | {1000 * seconds / max(n, 1):.1f} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("leadsheets", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--copies", type=int, default=2)
    args = parser.parse_args()
    weights = load_weights()
    if args.weights:
        from safetensors.numpy import load_file

        weights = {k: v.astype(np.float32) for k, v in load_file(args.weights).items()}
    sheets = lead_sheets(args.leadsheets, args.split)
    print("| songs | n | " + " | ".join(METRICS) + " | median majmin | ms a song |")
    print("|" + "---|" * (len(METRICS) + 4))
    for style in STYLES:
        made = [
            accompany_lead_sheet(sheet, np.random.default_rng([i, k]), [style])
            for i, sheet in enumerate(sheets) for k in range(args.copies)
        ]  # fmt: skip
        table_row(f"lead sheets, {style}", (s for s in made if len(s.parts) == 2), weights)
    table_row("lead sheets, melody alone", sheets, weights)
    table_row("chorales with analyses", analyzed_chorales(), weights)
    rng = np.random.default_rng(1)
    table_row("made progressions", (made_song(rng, list(STYLES)) for _ in range(60)), weights)


if __name__ == "__main__":
    main()
