"""Plain tunes: short melodies of simple rhythms, whose meter and tempo a listener would agree on.

    python -m experiments.transcription.plain_tunes [--songs 40] [--sounds]

Quarters and halves, eighths, dotted rhythms, waltzes and jigs, half of them with a pickup, at 60 to
160 quarters a minute (jigs at 50 to 105 dotted quarters). Bars come in phrases of four that are
repeated with changes; strong beats have notes of a chord. Prints, for each kind, the share of tunes
with the right bar lines, meter and tempo. With given notes, none exactly in time; with `--sounds`
sung by `singing` and transcribed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from experiments.transcription.singing import (
    RATE,
    TIMBRES,
    Performance,
    barline_f1,
    perform,
    synthesize_voice,
)
from musicvae.downbeats.network import METERS
from musicvae.errors import ReadError
from musicvae.io.transcription.bars import BarHypothesis, NoteSequence, estimate_bars
from musicvae.io.transcription.beats import track_pulses
from musicvae.io.transcription.notes import segment_notes
from musicvae.io.transcription.pitch import SAMPLE_RATE_HZ, track_pitch
from musicvae.song import Part, Song

RIGHT, TEMPO_WITHIN = 0.9, 0.06
SPLITS = {"valid": 1, "test": 2}
_TICKS_PER_QUARTER = 480
_LONGEST_S = 25.0
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MINOR = (0, 2, 3, 5, 7, 8, 10)
_CHORDS = ((0, 2, 4), (3, 5, 7), (4, 6, 8), (0, 2, 4))  # scale degrees: I, IV, V
_PHRASE_CHORDS = ((0, 1, 2, 0), (0, 0, 2, 0), (0, 2, 0, 2), (0, 1, 0, 2), (0, 0, 1, 2))


@dataclass(frozen=True)
class Kind:
    """A kind of tune: rhythms of its bars in quarters, and of the last bar of a phrase."""

    meter: tuple[int, int]
    bars: tuple[tuple[float, ...], ...]
    ends: tuple[tuple[float, ...], ...]
    pickups: tuple[tuple[float, ...], ...]
    bpm: tuple[float, float]
    """Range of the tempo in quarters a minute, in compound meters in dotted quarters."""


_PLAIN_4_BARS = ((1.0, 1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.0, 1.0, 2.0), (2.0, 2.0))
_PLAIN_3_BARS = ((2.0, 1.0), (1.0, 1.0, 1.0))
_JIG = (0.5, 0.5, 0.5)
KINDS = {
    "quarters and halves": Kind(
        (4, 4), _PLAIN_4_BARS, ((1, 1, 2), (2, 2), (4,)), ((1.0,),), (75, 160)
    ),
    "eighths": Kind(
        (4, 4),
        ((1, 1, 0.5, 0.5, 1), (0.5, 0.5, 1, 1, 1), (1, 0.5, 0.5, 1, 1), (0.5, 0.5, 0.5, 0.5, 1, 1)),
        ((1, 1, 2), (0.5, 0.5, 1, 2), (2, 2)),
        ((0.5, 0.5), (1.0,)),
        (60, 140),
    ),
    "dotted": Kind(
        (4, 4),
        ((1.5, 0.5, 1, 1), (1.5, 0.5, 2), (1, 1, 1.5, 0.5), (1.5, 0.5, 1.5, 0.5), (1, 1, 1, 1)),
        ((1, 1, 2), (1.5, 0.5, 2), (3, 1)),
        ((0.5,), (1.0,)),
        (60, 140),
    ),
    "waltz": Kind((3, 4), _PLAIN_3_BARS, ((3,), (2, 1)), ((1.0,),), (80, 160)),
    "waltz with eighths": Kind(
        (3, 4),
        ((2, 1), (1, 1, 1), (1, 0.5, 0.5, 1), (1.5, 0.5, 1), (1, 1, 0.5, 0.5)),
        ((3,), (2, 1)),
        ((1.0,), (0.5, 0.5)),
        (70, 150),
    ),
    "jig": Kind(
        (6, 8),
        ((*_JIG, *_JIG), (1, 0.5, *_JIG), (*_JIG, 1, 0.5)),
        ((1.5, 1, 0.5), (1, 0.5, 1.5), (*_JIG, 1.5)),
        ((0.5,),),
        (60, 105),
    ),
    "slow jig": Kind(
        (6, 8),
        ((1, 0.5, 1, 0.5), (1, 0.5, *_JIG), (1.5, 1, 0.5), (1, 0.5, 1.5)),
        ((1, 0.5, 1.5), (3,)),
        ((0.5,),),
        (50, 90),
    ),
}


@dataclass(frozen=True)
class PlainTune:
    """A tune with its bar lines in ticks and its tempo."""

    kind: str
    song: Song
    lines_ticks: np.ndarray
    qpm: float
    bpm: float


def plain_tunes(split: str, n: int) -> Iterator[PlainTune]:
    """Yield `n` tunes of a split, the kinds in turn, always the same ones."""
    for i in range(n):
        rng = np.random.default_rng((SPLITS[split], i))
        yield compose(list(KINDS)[i % len(KINDS)], rng)


def compose(name: str, rng: np.random.Generator) -> PlainTune:
    """Return a tune of a kind: phrases of four bars, AABA or ABAC."""
    kind = KINDS[name]
    bar = 4 * kind.meter[0] / kind.meter[1]
    phrases = [_phrase(kind, rng) for _ in range(3)]
    rhythm, chords = [], []
    for which in ((0, 0, 1, 0), (0, 1, 0, 2), (0, 1, 0, 1))[rng.integers(3)]:
        rhythm += phrases[which][0]
        chords += phrases[which][1]
    pickup = kind.pickups[rng.integers(len(kind.pickups))] if rng.uniform() < 0.5 else ()
    lasts = np.array([*pickup, *(last for one in rhythm for last in one)], float)
    onset = np.concatenate([[0], np.cumsum(lasts)[:-1]])
    first = float(sum(pickup))
    degrees, at = [], int(rng.choice([0, 2, 4]))
    for place in onset - first:
        chord = _CHORDS[chords[int(place // bar)] if place >= 0 else 2]
        at += int(rng.choice([-2, -1, -1, 0, 1, 1, 2]))
        at = min(max(at, -3), 9)
        half = 1.5 if kind.meter[1] == 8 else 2 if bar == 4 else bar
        on_half = place >= 0 and place % half == 0
        if on_half and (place % bar == 0 or rng.uniform() < 0.5):
            tones = [tone + 7 * octave for tone in chord for octave in (-1, 0, 1)]
            at = min(tones, key=lambda tone: abs(tone - at))
        degrees.append(at)
    degrees[-1] = 0 if degrees[-1] < 4 else 7
    scale = _MAJOR if rng.uniform() < 0.7 else _MINOR
    pitch = np.array([60 + scale[d % 7] + 12 * (d // 7) for d in degrees])
    ticks = np.round(np.append(onset, onset[-1] + lasts[-1]) * _TICKS_PER_QUARTER).astype(int)
    part = Part(
        program=52,
        onset_ticks=ticks[:-1],
        duration_ticks=np.diff(ticks),
        pitch=pitch,
        velocity=np.full(len(pitch), 80),
    )
    bpm = float(rng.uniform(*kind.bpm))
    qpm = bpm * (1.5 if kind.meter[1] == 8 else 1)
    n_bars = len(rhythm)
    lines = np.round((first + bar * np.arange(n_bars)) * _TICKS_PER_QUARTER).astype(int)
    return PlainTune(name, Song.new([part], qpm=qpm, meter=kind.meter), lines, qpm, bpm)


def _phrase(kind: Kind, rng: np.random.Generator) -> tuple[list[tuple[float, ...]], list[int]]:
    """Return the rhythms and chords of four bars, the first two of which often recur."""
    first, second, third = (kind.bars[rng.integers(len(kind.bars))] for _ in range(3))
    third = first if rng.uniform() < 0.6 else third
    end = kind.ends[rng.integers(len(kind.ends))]
    return [first, second, third, end], list(_PHRASE_CHORDS[rng.integers(len(_PHRASE_CHORDS))])


def sing(tune: PlainTune, timbre: str, rng: np.random.Generator) -> Performance:
    """Return a performance of a tune at its own tempo."""
    return perform(tune.song, tune.lines_ticks, rng, timbre, _LONGEST_S, bpm=tune.bpm)


def detected_notes(
    sung: Performance, rng: np.random.Generator, missed: float, jitter_s: float
) -> NoteSequence:
    """Return the notes of a performance as if detected: some missed, none exactly in time."""
    found = rng.uniform(size=len(sung.onset)) >= missed
    onset = np.maximum.accumulate(sung.onset + rng.normal(0, jitter_s, len(sung.onset)))[found]
    return NoteSequence(
        onset_s=onset + np.arange(len(onset)) * 1e-6,
        end_s=sung.stop[found],
        pitch=sung.pitch[found],
        velocity=np.full(len(onset), 80),
    )


def transcribed_notes(sung: Performance, timbre: str, rng: np.random.Generator) -> NoteSequence:
    """Return the notes found in the sound of a performance."""
    samples = soxr.resample(synthesize_voice(sung, timbre, rng), RATE, SAMPLE_RATE_HZ)
    notes = segment_notes(track_pitch(np.asarray(samples, np.float32)))
    velocity = np.full(len(notes), 80)
    return NoteSequence(
        onset_s=notes.onset_s, end_s=notes.end_s, pitch=notes.pitch, velocity=velocity
    )


def meter_name(bars: BarHypothesis) -> str:
    """Return the most common meter of bars."""
    return METERS[int(np.bincount(np.maximum(bars.path.meters, 0)).argmax())]


def bars_right(bars: BarHypothesis, tune: PlainTune, sung: Performance) -> dict[str, bool]:
    """Return whether bar lines, meter and tempo are right."""
    at = bars.cells_to_seconds(bars.path.lines)
    numerator, denominator = KINDS[tune.kind].meter
    return {
        "bars": bool(barline_f1(at[at <= sung.stop[-1] + 0.05], sung.lines) >= RIGHT),
        "meter": meter_name(bars) == f"{numerator}/{denominator}",
        "tempo": bool(abs(np.log(15 / bars.cell_s / tune.qpm)) < TEMPO_WITHIN),
    }


def main() -> None:
    """Estimate the bars of plain tunes, print what is right by kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", default="test", choices=list(SPLITS))
    parser.add_argument("--songs", type=int, default=40)
    parser.add_argument("--sounds", action="store_true", help="sing and transcribe the tunes")
    parser.add_argument("--verbose", action="store_true", help="one line for each wrong tune")
    chosen = parser.parse_args()
    rows: dict[str, list[dict[str, bool]]] = defaultdict(list)
    for i, tune in enumerate(plain_tunes(chosen.split, chosen.songs)):
        rng = np.random.default_rng((SPLITS[chosen.split], i, 1))
        timbre = TIMBRES[i % len(TIMBRES)]
        sung = sing(tune, timbre, rng)
        if chosen.sounds:
            notes = transcribed_notes(sung, timbre, rng)
        else:
            notes = detected_notes(sung, rng, 0.0, 0.01)
        try:
            bars = estimate_bars(notes, track_pulses(notes.onset_s))
            right = bars_right(bars, tune, sung)
        except (ValueError, ReadError):
            right = dict.fromkeys(("bars", "meter", "tempo"), False)
        right["all"] = all(right.values())
        for kind in (tune.kind, "all"):
            rows[kind].append(right)
        if chosen.verbose and not right["all"]:
            print(
                f"{i} {tune.kind} at {tune.qpm:.0f}: {meter_name(bars)} at {15 / bars.cell_s:.0f}"
                f", first line {bars.path.lines[0]}; {right}"
            )
    print(f"{'':22}{'tunes':>6}" + "".join(f"{name:>8}" for name in rows["all"][0]))
    for kind, each in rows.items():
        if kind != "all":
            _print_row(kind, each)
    _print_row("all", rows["all"])


def _print_row(kind: str, rows: list[dict[str, bool]]) -> None:
    """Print the shares of one kind."""
    shares = "".join(f"{np.mean([row[name] for row in rows]):8.2f}" for name in rows[0])
    print(f"{kind:22}{len(rows):6}{shares}")


if __name__ == "__main__":
    main()
