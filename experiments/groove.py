"""Humanize and drumify against real drummers: the tables of docs/denoise.md.

    python -m experiments.groove groove-repair data/groove

`humanize`: takes are quantized with constant velocity, then humanized. Velocities and microtiming
are compared with those of the drummer: mean absolute error, correlation and standard deviation,
next to the baselines without a model: constant velocity, and velocities by rule. `drumify`: only
the rhythm of all hits of a take is kept; F1 of (step, class) of the generated beat, next to the
most frequent drum at every step of the bar.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np

from experiments.common import markdown_head, markdown_row, model_parser, split_bars
from musicvae.arrays import Floats
from musicvae.data.corruption import NEUTRAL_VELOCITY, TAP_PITCH
from musicvae.model import MusicVAE
from musicvae.representation.bars import TIMING_PER_QUARTER, Bars, Notes
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.velocity import metrical_velocities


def on_kit(bars: Bars) -> Bars:
    """Return a take with drum classes for pitches, each hit one cell long."""
    notes = bars.notes
    pitch = canonical_pitch(notes.pitch)
    notes = replace(notes, pitch=pitch, duration=np.ones(len(notes), np.int64)).select(pitch >= 0)
    key = np.stack([notes.bar, notes.step, notes.part, notes.pitch], 1)
    first = np.unique(key, axis=0, return_index=True)[1] if len(notes) else np.zeros(0, np.int64)
    return replace(bars, notes=notes.select(np.sort(first)))


def hits(notes: Notes) -> dict[tuple[int, int, int], tuple[int, int]]:
    """Return velocity and timing by bar, step and class."""
    keys = zip(notes.bar.tolist(), notes.step.tolist(), notes.pitch.tolist(), strict=True)
    values = zip(notes.velocity.tolist(), notes.timing.tolist(), strict=True)
    return dict(zip(keys, values, strict=True))


def row(name: str, true: Floats, made: Floats) -> str:
    """Return a table row: error, correlation and deviation of velocity and timing."""
    cells = []
    for column in range(2):
        a, b = true[:, column], made[:, column]
        apart = float(np.abs(a - b).mean())
        same = float(np.corrcoef(a, b)[0, 1]) if b.std() > 1e-6 and a.std() > 1e-6 else 0.0
        cells += [f"{apart:.1f}", f"{same:.2f}", f"{b.std():.1f}"]
    return markdown_row([name, *cells])


def main() -> None:
    """Humanize and drumify takes, print tables."""
    args = model_parser(__doc__, limit=60).parse_args()
    model, began = MusicVAE.load(args.checkpoint), time.monotonic()
    songs = split_bars(args.folder, args.split)[: args.limit]
    takes = [on_kit(song.at(4)) for song in songs]
    true: list[tuple[int, int]] = []
    found: dict[str, list[tuple[float, float]]] = {
        name: [] for name in ("flat", "by rule", "humanise, variation 0", "humanise, variation 0.5")
    }
    places: Counter[tuple[int, int]] = Counter()
    tally = np.zeros(3)
    base = np.zeros(3)
    for take in takes:
        count = Counter(zip(take.notes.step.tolist(), take.notes.pitch.tolist(), strict=True))
        places.update(count)
    usual: dict[int, int] = {}
    for (step, pitch), _ in reversed(places.most_common()):
        usual[step] = pitch
    for take in takes:
        n = len(take.notes)
        if not n:
            continue
        level, still = np.full(n, NEUTRAL_VELOCITY), np.zeros(n, np.int64)
        flat = replace(take, notes=replace(take.notes, velocity=level, timing=still))
        song = flat.at(24).to_song()
        drummer = hits(take.notes)
        rule = metrical_velocities(
            take.grid, take.notes, np.full((len(take), len(take.header.parts)), NEUTRAL_VELOCITY)
        )
        ruled = replace(flat.notes, velocity=rule)
        versions = {"flat": hits(flat.notes), "by rule": hits(ruled)}
        for name, share in (("humanise, variation 0", 0.0), ("humanise, variation 0.5", 0.5)):
            human = model.humanize(song, variation=share)
            versions[name] = hits(on_kit(Bars.from_song(human).at(4)).notes)
        both = set(drummer).intersection(*versions.values())
        true += [drummer[key] for key in sorted(both)]
        for name, version in versions.items():
            found[name] += [version[key] for key in sorted(both)]
        taps = take.notes.select(
            np.unique(take.notes.bar * 4096 + take.notes.step, return_index=True)[1]
        )
        one = np.ones(len(taps), np.int64)
        tapped = replace(
            take, notes=replace(taps, pitch=one * TAP_PITCH, part=one * int(taps.part[0]))
        )
        beat = model.drumify(tapped.at(24).to_song())
        made = set(hits(on_kit(Bars.from_song(beat).at(4)).notes))
        easy = {(*key[:2], usual[key[1]]) for key in hits(tapped.notes)}
        for count, mine in ((tally, made), (base, easy)):
            count += (len(mine & set(drummer)), len(mine), len(drummer))
    per_ms = TIMING_PER_QUARTER * 120 / 60_000
    truth = np.array(true) / [1, per_ms]
    print(f"{len(takes)} takes of {args.folder} ({args.split}), {len(truth):,} hits\n")
    error = ("correlation", "deviation")
    print(markdown_head(["", "velocity error", *error, "ms error at 120", *error]))
    print(row("drummer", truth, truth))
    for name, values in found.items():
        print(row(name, truth, np.array(values) / [1, per_ms]))
    print("\n" + markdown_head(["beat", "F1 (step, class)"]))
    for name, count in (("drumify", tally), ("most frequent drum of the step", base)):
        print(f"| {name} | {2 * count[0] / max(count[1] + count[2], 1):.3f} |")
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
