"""Grids of performances without a click: tracked beats as a time warp, with the bars found so far.

Onset clusters that have a position become points of the warp, so that notes lie on the grid and
come back where they were played. What is between two points (grace notes, the spread of a chord,
the ends of notes) is interpolated. No note moves in seconds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.downbeats.beat_tracking import BeatTrack, track_beats
from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.downbeats.onset_clusters import OnsetClusters, cluster_onsets
from musicvae.downbeats.quantization import GridEstimate, TrackedBars
from musicvae.downbeats.rhythm_model import STEPS_PER_QUARTER
from musicvae.downbeats.time_warp import TimeWarp
from musicvae.song import TempoMap

_LEAD_CLUSTERS = 8  # over which the tempo of the silence before the music is taken
_MAX_QUARTER_S = 4.0  # longer ones are rests
_STEPS_PER_CELL = STEPS_PER_QUARTER // CELLS_PER_QUARTER


def track_performance(
    estimate: GridEstimate,
    onset_ticks: Ints,
    duration_ticks: Ints,
    pitch: Ints,
    velocity: Ints,
    *,
    tempo: TempoMap,
    ticks_per_quarter: int,
) -> list[GridEstimate]:
    """Return the tracked grids of notes `(M,)`, the likeliest first, one for each kind of meter.

    Args:
        estimate: the constant grid that does not fit.
        onset_ticks: in the file, ascending; M >= 1.
        duration_ticks: in the file.
        pitch: MIDI numbers.
        velocity: 1 to 127.
        tempo: of the file.
        ticks_per_quarter: of the file.
    """
    onset_s = tempo.seconds(onset_ticks, ticks_per_quarter)
    stop_s = tempo.seconds(onset_ticks + duration_ticks, ticks_per_quarter)
    clusters = cluster_onsets(onset_s, stop_s - onset_s, pitch, velocity)
    count = np.bincount(clusters.index)
    file_ticks = np.bincount(clusters.index, weights=onset_ticks) / count
    return [
        _tracked_grid(estimate, track, clusters, file_ticks, ticks_per_quarter)
        for track in track_beats(clusters)
    ]


def _tracked_grid(
    estimate: GridEstimate, track: BeatTrack, clusters: OnsetClusters, file_ticks: Floats, tpq: int
) -> GridEstimate:
    own = ~track.is_grace
    steps = _with_long_rests(track.position[own], clusters.time_s[own], track.meter.bar_steps)
    ticks = np.round(file_ticks[own])
    lead = _lead_steps(steps, ticks, tpq)
    song_ticks = np.round((steps - steps[0] + lead) * (tpq / STEPS_PER_QUARTER))
    if lead and ticks[0] > 0:
        ticks, song_ticks = np.append(0.0, ticks), np.append(0.0, song_ticks)
    rising = np.append(True, (np.diff(ticks) > 0) & (np.diff(song_ticks) > 0))
    ticks, song_ticks = ticks[rising], song_ticks[rising]
    if len(ticks) > 1:  # the last tempo goes on
        pace = (song_ticks[-1] - song_ticks[-2]) / (ticks[-1] - ticks[-2])
        further = 4.0 * tpq
        ticks = np.append(ticks, ticks[-1] + max(round(further / pace), 1))
        song_ticks = np.append(song_ticks, song_ticks[-1] + further)
    first_line = lead - int(steps[0])
    numerator, denominator = (int(n) for n in track.meter.name.split("/"))
    thirds = np.count_nonzero(steps % _STEPS_PER_CELL)
    sixteenths = np.count_nonzero(steps % (2 * _STEPS_PER_CELL) == _STEPS_PER_CELL)
    return replace(
        estimate,
        steps_per_quarter=STEPS_PER_QUARTER if thirds > sixteenths else CELLS_PER_QUARTER,
        drifts=True,
        is_metrical=True,
        warp=TimeWarp(file_ticks=ticks, song_ticks=song_ticks),
        tracked=TrackedBars(
            first_cell=first_line // _STEPS_PER_CELL,
            numerator=numerator,
            denominator=denominator,
            log_likelihood=track.log_likelihood,
        ),
    )


def _with_long_rests(steps: Ints, time_s: Floats, bar_steps: int) -> Ints:
    """Return positions with whole bars of rest where the music stops for long.

    Otherwise a quarter would last longer than a MIDI file can say.
    """
    if len(steps) < 2:
        return steps
    span, period = np.diff(steps), np.diff(time_s) / np.diff(steps)  # in seconds a step
    usual = float(np.median(period))
    bars = np.diff(time_s) / usual / bar_steps
    rests = np.where(period * STEPS_PER_QUARTER > _MAX_QUARTER_S, bars - span / bar_steps, 0.0)
    return steps + np.append(0, np.cumsum(np.maximum(rests, 0).astype(np.int64))) * bar_steps


def _lead_steps(steps: Ints, ticks: Floats, tpq: int) -> int:
    """Return the length of the silence before the music, in steps: whole sixteenths.

    At the tempo in which the music begins; 0 if it is shorter than half a sixteenth. The first
    onset lies on the grid of cells.
    """
    until = min(_LEAD_CLUSTERS, len(steps) - 1)
    within_cell = int(steps[0]) % _STEPS_PER_CELL
    if not until or steps[until] == steps[0]:
        pace = STEPS_PER_QUARTER / tpq
    else:
        pace = float(steps[until] - steps[0]) / max(float(ticks[until] - ticks[0]), 1.0)
    length = float(ticks[0]) * pace
    cells = max(round((length - within_cell) / _STEPS_PER_CELL), 0)
    return cells * _STEPS_PER_CELL + within_cell
