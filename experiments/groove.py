"""How near a model of drums comes to drummers: flat beats played, rhythms made beats.

    python experiments/groove.py groove-repair data/groove

`humanise`: takes of drummers are put on the grid with all hits equally loud, and played again.
Velocities and microtiming are compared with those of the drummer: mean distance, correlation, and
how much they differ among themselves. Beside them what is there without a model: nothing, and
velocities by rule. `drumify`: of each take only the rhythm of all hits is kept; F1 of (step, class)
of the beat that is made of it, beside the best that one drum for every place of the bar could do.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from repair import songs_of

from musicvae.data.corruption import LEVEL, TAP
from musicvae.model import MusicVAE
from musicvae.representation.bars import TIMING_PER_QUARTER, Bars, Notes
from musicvae.representation.drums import canonical
from musicvae.representation.velocity import played

Floats = NDArray[np.float64]


def on_kit(bars: Bars) -> Bars:
    """A take with its drums in classes, each hit one cell long."""
    notes = bars.notes
    pitch = canonical(notes.pitch)
    notes = replace(notes, pitch=pitch, duration=np.ones(len(notes), np.int64)).take(pitch >= 0)
    key = np.stack([notes.bar, notes.step, notes.part, notes.pitch], 1)
    first = np.unique(key, axis=0, return_index=True)[1] if len(notes) else np.zeros(0, np.int64)
    return replace(bars, notes=notes.take(np.sort(first)))


def hits(notes: Notes) -> dict[tuple[int, int, int], tuple[int, int]]:
    """Velocity and timing by bar, step and class."""
    keys = zip(notes.bar.tolist(), notes.step.tolist(), notes.pitch.tolist(), strict=True)
    values = zip(notes.velocity.tolist(), notes.timing.tolist(), strict=True)
    return dict(zip(keys, values, strict=True))


def row(name: str, true: Floats, made: Floats) -> str:
    """A line of the table: distance, correlation and spread of velocity and timing."""
    cells = []
    for column in range(2):
        a, b = true[:, column], made[:, column]
        apart = float(np.abs(a - b).mean())
        same = float(np.corrcoef(a, b)[0, 1]) if b.std() > 1e-6 and a.std() > 1e-6 else 0.0
        cells += [f"{apart:.1f}", f"{same:.2f}", f"{b.std():.1f}"]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("folder")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, default=60, help="takes at most")
    asked = parser.parse_args()
    model, began = MusicVAE.load(asked.checkpoint), time.monotonic()
    songs = songs_of(asked.folder, asked.split, asked.limit)
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
        level, still = np.full(n, LEVEL), np.zeros(n, np.int64)
        flat = replace(take, notes=replace(take.notes, velocity=level, timing=still))
        song = flat.at(24).to_song()
        drummer = hits(take.notes)
        rule = played(take.grid, take.notes, np.full((len(take), len(take.frame.parts)), LEVEL))
        ruled = replace(flat.notes, velocity=rule)
        versions = {"flat": hits(flat.notes), "by rule": hits(ruled)}
        for name, share in (("humanise, variation 0", 0.0), ("humanise, variation 0.5", 0.5)):
            human = model.humanise(song, variation=share)
            versions[name] = hits(on_kit(Bars.from_song(human).at(4)).notes)
        both = set(drummer).intersection(*versions.values())
        true += [drummer[key] for key in sorted(both)]
        for name, version in versions.items():
            found[name] += [version[key] for key in sorted(both)]
        taps = take.notes.take(
            np.unique(take.notes.bar * 4096 + take.notes.step, return_index=True)[1]
        )
        one = np.ones(len(taps), np.int64)
        tapped = replace(take, notes=replace(taps, pitch=one * TAP, part=one * int(taps.part[0])))
        beat = model.drumify(tapped.at(24).to_song())
        made = set(hits(on_kit(Bars.from_song(beat).at(4)).notes))
        easy = {(*key[:2], usual[key[1]]) for key in hits(tapped.notes)}
        for count, mine in ((tally, made), (base, easy)):
            count += (len(mine & set(drummer)), len(mine), len(drummer))
    per_ms = TIMING_PER_QUARTER * 120 / 60_000
    truth = np.array(true) / [1, per_ms]
    print(f"{len(takes)} takes of {asked.folder} ({asked.split}), {len(truth):,} hits\n")
    print("| played | velocity off | correlation | spread | ms off at 120 | correlation | spread |")
    print("|---|---|---|---|---|---|---|")
    print(row("by the drummer", truth, truth))
    for name, values in found.items():
        print(row(name, truth, np.array(values) / [1, per_ms]))
    print("\n| beat of a rhythm | F1 (step, class) |\n|---|---|")
    for name, count in (("drumify", tally), ("one drum for every place", base)):
        print(f"| {name} | {2 * count[0] / max(count[1] + count[2], 1):.3f} |")
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
