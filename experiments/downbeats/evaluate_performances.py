"""Accuracy of beat tracking on simulated piano performances of held-out scores.

    python -m experiments.downbeats.evaluate_performances --split valid --songs 10

Needs `mir_eval`. Beats and downbeats: F1 within 70 ms; beats also by continuity, at the metrical
level of the score (CMLt) and at any (AMLt: half, double, off the beat). Positions: share of notes
at their position in the bar, as a fraction of it, since 3/8 and 3/4 sound alike. Intervals: share
of those between successive onsets that last as many quarters as in the score, up to a constant
factor (2, 1/2, 3/2 or 2/3). Return: how far notes come back from where they were played once they
were quantized to the grid of the song, in milliseconds, 95% of its notes.

Systems: `file` believes the tempo of the file (what `estimate_barlines` does without the option);
`librosa` tracks beats in an onset envelope (Ellis 2007), with bars by the downbeat network on them;
`tracked` is what ships; `rhythm alone` takes meter and bars from the rhythm model without the
downbeat network, `network bars` from the network without those of the rhythm model.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from unittest.mock import patch

import mir_eval
import numpy as np

from experiments.common import markdown_head, markdown_row
from experiments.downbeats.performances import CORPORA, Performance, beats_of, perform, scores
from musicvae.arrays import Floats
from musicvae.downbeats import BarlineEstimate, barlines, estimate_barlines, performance
from musicvae.downbeats.barlines import Candidate
from musicvae.downbeats.beat_tracking import BeatTrack, track_beats
from musicvae.downbeats.onset_clusters import OnsetClusters
from musicvae.downbeats.quantization import TrackedBars
from musicvae.downbeats.time_warp import TimeWarp
from musicvae.representation.bars import Bars
from musicvae.representation.grid import grid_from_song
from musicvae.song import Song

MEASURES = ("beats", "CMLt", "AMLt", "downbeats", "positions", "intervals", "return ms")
_RATE, _HOP = 22050, 256  # of the onset envelope
ABLATIONS: dict[str, dict[str, float]] = {
    "tracked": {},
    "rhythm alone": {"DOWNBEAT_WEIGHT": 0.0, "TRACKED_LOG_ODDS": 1000.0},
    "network bars": {"TRACKED_LOG_ODDS": 0.0},
}
_LEVELS = (1, 2, 1 / 2, 3 / 2, 2 / 3)


def track(system: str, song: Song) -> BarlineEstimate:
    """Return the bars that a system finds in a song."""
    if system == "file":
        return estimate_barlines(song)
    if system == "librosa":
        return _with_beats(song, _librosa_beats(song))
    with ExitStack() as stack:
        stack.enter_context(patch.object(performance, "track_beats", _tracks_once))
        for name, value in ABLATIONS[system].items():
            stack.enter_context(patch.object(barlines, name, value))
        return estimate_barlines(song, ungridded=True)


_LAST_TRACKS: dict[bytes, list[BeatTrack]] = {}


def _tracks_once(clusters: OnsetClusters) -> list[BeatTrack]:
    """Track the beats of a song once for all ablations."""
    key = clusters.time_s.tobytes()
    if key not in _LAST_TRACKS:
        _LAST_TRACKS.clear()
        _LAST_TRACKS[key] = track_beats(clusters)
    return _LAST_TRACKS[key]


def _librosa_beats(song: Song) -> Floats:
    import librosa

    part, tpq = song.parts[0], song.ticks_per_quarter
    onset = song.tempo.seconds(part.onset_ticks, tpq)
    frame = np.round(onset * _RATE / _HOP).astype(int)
    envelope = np.zeros(frame.max() + 200)
    np.add.at(envelope, frame, part.velocity / 64)
    envelope = np.convolve(envelope, np.hanning(7), "same")
    beats = librosa.beat.beat_track(
        onset_envelope=envelope, sr=_RATE, hop_length=_HOP, trim=False, units="time"
    )[1]
    return np.asarray(beats)


def _with_beats(song: Song, beats_s: Floats) -> BarlineEstimate:
    """Return the bars by the downbeat network on a grid of these beats, taken as quarters."""
    if len(beats_s) < 3:
        return estimate_barlines(song)
    tpq = song.ticks_per_quarter
    pace = float(song.tempo.us_per_quarter[0]) / 1e6 / tpq
    first = max(round(beats_s[0] / np.diff(beats_s)[0]), 1)
    at = np.append(0, np.round(beats_s / pace))
    warp = TimeWarp(file_ticks=at, song_ticks=np.append(0, first + np.arange(len(beats_s))) * tpq)
    grid = estimate_barlines(song).grid_estimate
    bars = TrackedBars(first_cell=0, numerator=4, denominator=4, log_likelihood=0)
    grid = replace(grid, warp=warp, drifts=True, is_metrical=True, tracked=bars)
    with patch.object(barlines, "TRACKED_LOG_ODDS", 0.0):
        candidate = Candidate.from_song(song, estimate=grid)
    return candidate.apply(candidate.tracked_choice)


def measure(played: Performance, found: BarlineEstimate) -> dict[str, float]:
    """Return `MEASURES` of one song."""
    grid = grid_from_song(found.song, 24)
    ticks, bar = beats_of(grid)
    beats = found.seconds(np.round(ticks).astype(int))
    first = np.flatnonzero(np.diff(bar, prepend=-1))
    if len(grid) and grid.lead_steps[0]:
        first = first[bar[first] > 0]
    start, end = played.beats_s[0] - 0.1, played.beats_s[-1] + 0.1
    downbeats = beats[first]
    beats, downbeats = (x[(x >= start) & (x <= end)] for x in (beats, downbeats))
    continuity = (0.0, 0.0, 0.0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(beats) > 2 and len(played.beats_s) > 2:
            continuity = mir_eval.beat.continuity(played.beats_s, beats)
        beat_f1 = mir_eval.beat.f_measure(played.beats_s, beats)
        downbeat_f1 = mir_eval.beat.f_measure(played.downbeats_s, downbeats)
    quarters = _positions(played, found)
    place = np.searchsorted(grid.start_ticks, np.round(quarters * grid.ticks_per_quarter), "right")
    place = np.clip(place - 1, 0, None)
    lead = grid.lead_steps / grid.steps_per_quarter
    inside = quarters - grid.start_ticks[place] / grid.ticks_per_quarter + lead[place]
    full = grid.steps / grid.steps_per_quarter
    off = np.abs(inside / full[place] - played.position / played.bar_quarters) % 1
    return {
        "beats": beat_f1,
        "CMLt": continuity[1],
        "AMLt": continuity[3],
        "downbeats": downbeat_f1,
        "positions": float(np.mean(np.minimum(off, 1 - off) * played.bar_quarters < 0.1)),
        "intervals": _interval_share(played, quarters),
        "return ms": 1000 * _return_error(played, found),
    }


def _positions(played: Performance, found: BarlineEstimate) -> Floats:
    """Return the quarter in song time of each note of the score, on sixteenths or sextuplets."""
    tpq, tempo = found.original.ticks_per_quarter, found.original.tempo
    ticks = played.onset_s / (float(tempo.us_per_quarter[0]) / 1e6 / tpq)
    quarters = found.grid_estimate.warp.forward(ticks) / tpq
    twelfths = np.round(quarters * 12)
    return np.where(np.abs(quarters * 12 - twelfths) < 1, twelfths, quarters * 12) / 12


def _interval_share(played: Performance, quarters: Floats) -> float:
    """Return the share of intervals between onsets that are right, up to a constant factor."""
    order = np.argsort(played.quarters, kind="stable")
    score, first = np.unique(played.quarters[order], return_index=True)
    edges = np.append(first, len(order))
    found = np.array([np.median(quarters[order[a:b]]) for a, b in pairwise(edges)])
    true, mine = np.diff(score), np.diff(found)
    return max(float(np.mean(np.abs(mine - true * level) < 0.09)) for level in _LEVELS)


def _return_error(played: Performance, found: BarlineEstimate) -> float:
    """Return how far notes come back from where they were played, 95%, in seconds."""
    steps = found.grid_estimate.steps_per_quarter
    part, original = found.original.parts[0], found.original
    tpq = original.ticks_per_quarter
    bars = Bars.from_song(found.song).at(steps)
    on_grid = replace(bars, notes=replace(bars.notes, timing=bars.notes.timing * 0)).to_song()
    back = found.undo(on_grid).parts[0]
    errors = []
    for pitch in np.unique(part.pitch):
        there = original.tempo.seconds(back.onset_ticks[back.pitch == pitch], tpq)
        here = original.tempo.seconds(part.onset_ticks[part.pitch == pitch], tpq)
        if len(there):
            errors.append(np.abs(here[:, None] - there[None]).min(1))
    return float(np.percentile(np.concatenate(errors), 95))


@dataclass(frozen=True)
class Result:
    """The measures of one song."""

    system: str
    corpus: str
    work: str
    values: dict[str, float]


def main() -> None:
    """Evaluate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="valid", choices=("valid", "test"))
    parser.add_argument("--songs", type=int, default=10, help="of each collection")
    parser.add_argument("--system", nargs="*", default=["file", "librosa", *ABLATIONS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", action="store_true", help="print every song")
    args = parser.parse_args()
    results = []
    for corpus in CORPORA:
        for score in scores(corpus, args.split, args.songs):
            played = perform(score, args.seed)
            for system in args.system:
                values = measure(played, track(system, played.song))
                results.append(Result(system, corpus, score.work, values))
                if args.each:
                    rounded = {name: round(float(value), 3) for name, value in values.items()}
                    print(system, corpus, score.work, rounded, flush=True)
    print_table(results)


def print_table(results: list[Result]) -> None:
    """Print means over songs, by system and collection."""
    table = defaultdict(list)
    for result in results:
        for corpus in (result.corpus, "all"):
            table[result.system, corpus].append(result.values)
    print(markdown_head(["system", "music", "songs", *MEASURES]))
    for (system, corpus), values in sorted(table.items()):
        means = [np.mean([v[name] for v in values]) for name in MEASURES]
        cells = [f"{mean:.0f}" if mean > 1.5 else f"{mean:.3f}" for mean in means]
        print(markdown_row([system, corpus, str(len(values)), *cells]))


if __name__ == "__main__":
    main()
