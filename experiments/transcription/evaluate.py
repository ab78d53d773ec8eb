"""Accuracy of the transcription of sung melodies: the table of docs/transcribe.md.

    python -m experiments.transcription.evaluate [--split test] [--songs 60] [--workers 2]

Held-out tunes of `folk` (the split of the downbeat network), each sung in one of three timbres by
`singing`, clean and with noise at 20 dB, and transcribed. Prints for each timbre:

- notes: F1 of `mir_eval`, onsets within 50 ms, pitches within 50 cents; next to it a baseline:
  pYIN, runs of frames of one rounded pitch after a median filter, runs under 80 ms dropped.
- bars right: share of tunes whose bar lines have an F1 of at least 0.9 with the true ones, matched
  one to one within 70 ms. True are those of the score, with bars split by a repeat joined.
- or of two: the same, accepting two bars for one and one for two.
- seconds of processor time for 30 s of sound.
"""

from __future__ import annotations

import argparse
import os
import time
import zlib
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mir_eval
import numpy as np
import soxr
from scipy.signal import medfilt

from experiments.downbeats.known_bars import Known, bar_lines, known
from experiments.transcription.singing import (
    RATE as SUNG_RATE,
)
from experiments.transcription.singing import (
    TIMBRES,
    Performance,
    add_noise,
    barline_f1,
    perform,
    synthesize_voice,
)
from musicvae.errors import ReadError
from musicvae.io.transcription import TranscribeOptions, transcribe
from musicvae.io.transcription.pitch import SAMPLE_RATE_HZ
from musicvae.representation.grid import grid_from_song
from musicvae.song import Song

MAX_LENGTH_S, NOISE_DB, RIGHT = 25.0, 20.0, 0.9
Row = tuple[str, str, dict[str, float]]


def main() -> None:
    """Perform, transcribe, print metrics."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", default="test", choices=["valid", "test"])
    parser.add_argument("--songs", type=int, default=60, help="spread over the split")
    parser.add_argument("--limit", type=int, help="maximum number of these")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    songs = [one for one in known("folk") if one.split == chosen.split]
    songs = songs[:: max(1, len(songs) // chosen.songs)][: chosen.songs][: chosen.limit]
    jobs = [(one, TIMBRES[i % len(TIMBRES)]) for i, one in enumerate(songs)]
    total: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    with ProcessPoolExecutor(chosen.workers) as pool:
        for rows in pool.map(evaluate, jobs) if chosen.workers > 1 else map(evaluate, jobs):
            for sound, timbre, figures in rows:
                total[sound, timbre].append(figures)
                total[sound, "all"].append(figures)
    print_means(total)


def print_means(total: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    """Print means by sound and timbre."""
    names = (
        "notes F1",
        "precision",
        "recall",
        "baseline F1",
        "bars right",
        "or of two",
        "s for 30 s",
    )
    print(f"{'':14}{'tunes':>6}" + "".join(f"{name:>12}" for name in names))
    for sound in ("clean", "noise"):
        for timbre in (*TIMBRES, "all"):
            rows = total[sound, timbre]
            if not rows:
                continue
            means = [float(np.nanmean([row[name] for row in rows])) for name in names]
            print(f"{sound:6}{timbre:8}{len(rows):6}" + "".join(f"{m:12.3f}" for m in means))
    declined = sum(row["declined"] for row in total["clean", "all"] + total["noise", "all"])
    print(f"declined: {declined:.0f}")


def evaluate(job: tuple[Known, str]) -> list[Row]:
    """Return the metrics of one tune, clean and with noise."""
    one, timbre = job
    rng = np.random.default_rng(zlib.crc32(one.name.encode()))
    sung = perform(
        one.song, np.array([tick for tick, _ in bar_lines(one.song)]), rng, timbre, MAX_LENGTH_S
    )
    sound = synthesize_voice(sung, timbre, rng)
    rows = []
    for name, samples in (("clean", sound), ("noise", add_noise(sound, NOISE_DB, rng))):
        at_rate = np.asarray(soxr.resample(samples, SUNG_RATE, SAMPLE_RATE_HZ), np.float32)
        rows.append((name, timbre, transcription_metrics(at_rate, sung)))
    return rows


def transcription_metrics(samples: np.ndarray, sung: Performance) -> dict[str, float]:
    """Return the metrics of one recording."""
    began = time.process_time()
    try:
        song = transcribe(samples, "hum", TranscribeOptions()).song
    except ReadError:
        return dict.fromkeys(
            ("notes F1", "precision", "recall", "baseline F1", "bars right", "or of two"), 0.0
        ) | {"s for 30 s": np.nan, "declined": 1.0}
    spent = time.process_time() - began
    part, tpq = song.parts[0], song.ticks_per_quarter
    onset = song.tempo.seconds(part.onset_ticks, tpq)
    stop = song.tempo.seconds(part.onset_ticks + part.duration_ticks, tpq)
    precision, recall, f1 = note_scores(sung, onset, stop, part.pitch)
    lines = lines_of(song)
    lines = lines[lines <= sung.stop[-1] + 0.05]
    once = barline_f1(lines, sung.lines)
    twice = [barline_f1(lines[i::2], sung.lines) for i in (0, 1)]
    twice += [barline_f1(lines, sung.lines[i::2]) for i in (0, 1)]
    return {
        "notes F1": f1,
        "precision": precision,
        "recall": recall,
        "baseline F1": note_scores(sung, *pyin_baseline(samples))[2],
        "bars right": float(once >= RIGHT),
        "or of two": float(max(once, *twice) >= RIGHT),
        "s for 30 s": spent * 30 / (len(samples) / SAMPLE_RATE_HZ),
        "declined": 0.0,
    }


def lines_of(song: Song) -> np.ndarray:
    """Return the bar lines of a song in seconds, from its first note on."""
    grid = grid_from_song(song, 24)
    start = grid.start_ticks[int(grid.lead_steps[0] > 0) :]
    first = min(int(part.onset_ticks[0]) for part in song.parts if len(part))
    start = start[start >= first - song.ticks_per_quarter // 8]
    return song.tempo.seconds(start, song.ticks_per_quarter)


def note_scores(
    sung: Performance, onset: np.ndarray, stop: np.ndarray, pitch: np.ndarray
) -> tuple[float, float, float]:
    """Return precision, recall and F1 of notes by onset and pitch."""
    if not len(onset):
        return 0.0, 0.0, 0.0
    found = np.stack([onset, np.maximum(stop, onset + 0.01)], 1)
    true = np.stack([sung.onset, np.maximum(sung.stop, sung.onset + 0.01)], 1)
    hz = [440 * 2 ** ((np.asarray(p, float) - 69) / 12) for p in (sung.pitch, pitch)]
    scores = mir_eval.transcription.precision_recall_f1_overlap(
        true, hz[0], found, hz[1], onset_tolerance=0.05, pitch_tolerance=50.0, offset_ratio=None
    )
    return scores[0], scores[1], scores[2]


def pyin_baseline(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return onsets, ends and pitches by pYIN and a median filter."""
    import librosa

    hop, lowest = 320, 440 * 2 ** (-32 / 12)
    f0, voiced, _ = librosa.pyin(
        samples,
        fmin=lowest,
        fmax=2400,
        sr=SAMPLE_RATE_HZ,
        frame_length=1024,
        hop_length=hop,
        resolution=0.5,
    )
    pitch = np.where(voiced, np.round(librosa.hz_to_midi(np.nan_to_num(f0, nan=440.0))), 0)
    pitch = medfilt(pitch, 5)
    edge = np.flatnonzero(np.diff(pitch, prepend=-1, append=-1))
    runs = [(a, b) for a, b in pairwise(edge) if pitch[a] > 0]
    runs = [(a, b) for a, b in runs if (b - a) * hop / SAMPLE_RATE_HZ >= 0.08]
    begin, end = (np.array([run[i] for run in runs], np.int64) for i in (0, 1))
    return begin * hop / SAMPLE_RATE_HZ, end * hop / SAMPLE_RATE_HZ, pitch[begin]


if __name__ == "__main__":
    main()
