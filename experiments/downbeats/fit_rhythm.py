"""Count the tables of the rhythm model on simulated performances of training songs.

python -m experiments.downbeats.fit_rhythm musicvae/downbeats/rhythm_model.safetensors
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from experiments.downbeats.performances import CORPORA, Performance, perform, scores
from musicvae.downbeats.onset_clusters import FEATURES, N_CLASSES, OnsetClusters, cluster_onsets
from musicvae.downbeats.rhythm_model import (
    BAR_STEPS,
    COMPOUND,
    MAX_INTERVAL,
    STEPS_PER_QUARTER,
    positions,
)
from musicvae.song import Song

SMOOTHING = 30.0  # pseudo-counts of positions of the same place in a beat
PERFORMANCES = 2  # of each song


def clusters_of(song: Song) -> OnsetClusters:
    """Return the onset clusters of the pitched notes of a song of one part."""
    part, tpq = song.parts[0], song.ticks_per_quarter
    onset = song.tempo.seconds(part.onset_ticks, tpq)
    stop = song.tempo.seconds(part.onset_ticks + part.duration_ticks, tpq)
    return cluster_onsets(onset, stop - onset, part.pitch, part.velocity)


def labels(played: Performance, clusters: OnsetClusters) -> Iterator[tuple[str, float, float]]:
    """Yield meter, position in the bar and in the score of each cluster, -1 for ornaments."""
    order = np.argsort(played.onset_s)
    onset = played.onset_s[order]
    part, tpq = played.song.parts[0], played.song.ticks_per_quarter
    in_file = played.song.tempo.seconds(part.onset_ticks, tpq)
    edges = np.searchsorted(clusters.index, np.arange(len(clusters) + 1))
    for a, b in pairwise(edges):
        i, j = np.searchsorted(onset, [in_file[a] - 0.002, in_file[b - 1] + 0.002])
        mine = order[i:j]
        if not len(mine):
            yield "", -1.0, -1.0
            continue
        middle = mine[np.argsort(played.quarters[mine], kind="stable")[len(mine) // 2]]
        meter, position = meter_of(
            played.bar_quarters[middle], played.position[middle], bool(played.is_compound[middle])
        )
        yield meter, position, played.quarters[middle]


def meter_of(bar: float, position: float, compound: bool) -> tuple[str, float]:
    """Return the meter of the model for a bar, "" if none, and the position in its bar."""
    for name, steps in BAR_STEPS.items():
        quarters = steps / STEPS_PER_QUARTER
        if abs(bar - quarters) < 0.01 and (name in COMPOUND) == compound:
            return name, position
    if compound:
        if abs(bar - 6) < 0.01:
            return "6/8", position % 3
        if abs(bar - 4.5) < 0.01:
            return "3/8", position % 1.5
    return "", position


def count(performances: Iterable[Performance]) -> dict[str, np.ndarray]:
    """Return the tables by name, as `rhythm_model.build_meter_model` takes them."""
    places = {name: positions(name) for name in BAR_STEPS}
    jumps = {name: np.zeros((len(at), MAX_INTERVAL + 1)) for name, at in places.items()}
    shape = (len(FEATURES), N_CLASSES)
    seen = {name: np.zeros((len(at), *shape)) for name, at in places.items()}
    periods: dict[str, list[float]] = {name: [] for name in BAR_STEPS}
    songs = dict.fromkeys(BAR_STEPS, 1.0)
    for played in performances:
        clusters = clusters_of(played.song)
        before, known = None, None
        met: dict[str, int] = dict.fromkeys(BAR_STEPS, 0)
        for c, (meter, position, quarter) in enumerate(labels(played, clusters)):
            if not meter:
                if before is not None and position < 0:  # an ornament keeps the position
                    jumps[before[0]][before[1], 0] += 1
                continue
            met[meter] += 1
            at = places[meter]
            step = round(position * STEPS_PER_QUARTER) % BAR_STEPS[meter]
            state = int(np.abs(at - step).argmin())
            where = int(at[state])
            if before is not None and before[0] == meter:
                steps = round((quarter - before[2]) * STEPS_PER_QUARTER)
                steps += (where - before[3] - steps + 6) % BAR_STEPS[meter] - 6
                if 0 <= steps <= MAX_INTERVAL:
                    jumps[meter][before[1], steps] += 1
                    if steps == 0:
                        continue
            seen[meter][state, np.arange(shape[0]), clusters.salience[c]] += 1
            if known is not None and quarter > known[1]:
                pace = (clusters.time_s[c] - known[0]) / (quarter - known[1])
                if meter == known[2]:
                    periods[meter].append(float(pace))
            known = (clusters.time_s[c], quarter, meter)
            before = (meter, state, quarter, where)
        songs[max(met, key=lambda name: met[name])] += 1
    everything = sum(table.sum(0) for table in seen.values()) + 1
    marginal = everything / everything.sum(1, keepdims=True)
    out: dict[str, np.ndarray] = {}
    for kinds in (COMPOUND, tuple(name for name in BAR_STEPS if name not in COMPOUND)):
        beat = 18 if kinds is COMPOUND else 12
        pooled_jumps = np.full((beat, MAX_INTERVAL + 1), 0.02)
        pooled_seen = np.zeros((beat, *shape)) + 4 * marginal
        for name in kinds:
            np.add.at(pooled_jumps, places[name] % beat, jumps[name])
            np.add.at(pooled_seen, places[name] % beat, seen[name])
        for name in kinds:
            base = pooled_jumps[places[name] % beat]
            table = jumps[name] + SMOOTHING * base / base.sum(1, keepdims=True)
            out[f"{name}.transition"] = np.log(table / table.sum(1, keepdims=True))
            base = pooled_seen[places[name] % beat]
            table = seen[name] + SMOOTHING * base / base.sum(2, keepdims=True)
            out[f"{name}.salience"] = np.log(table / table.sum(2, keepdims=True) / marginal)
            logs = np.log(np.clip(periods[name], 0.1, 4))
            prior = np.log(songs[name] / sum(songs.values()))
            out[f"{name}.period"] = np.array([np.median(logs), max(logs.std(), 0.3), prior])
    return {name: table.astype(np.float32) for name, table in out.items()}


def main() -> None:
    """Count and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=int, default=150, help="of each collection")
    args = parser.parse_args()
    songs = (score for corpus in CORPORA for score in scores(corpus, "train", args.songs))
    tables = count(perform(score, seed) for score in songs for seed in range(PERFORMANCES))
    save_file(tables, args.out)
    for name in BAR_STEPS:
        print(name, np.round(tables[f"{name}.period"], 2))


if __name__ == "__main__":
    main()
