"""Pickups of songs and of samples: the figures of docs/form.md.

    python -m experiments.pickups make pop/ data/leadsheets --limit 300
    python -m experiments.pickups songs pop/
    python -m experiments.pickups samples melody-2bar data/folk

`make` writes songs as files of pop often are: a melody with a piano accompaniment, the grid late or
early by a constant and jittered, the meter stated as 1/4 or 4/4.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from experiments.common import split_bars
from musicvae import MusicVAE, Song, io
from musicvae.arrays import Floats
from musicvae.errors import MusicVAEError
from musicvae.representation.bars import Bars
from musicvae.representation.grid import grid_from_song
from musicvae.song import MeterMap, Part, TempoMap

TRIADS = [(r, (r + third) % 12, (r + 7) % 12) for r in range(12) for third in (4, 3)]
LATE_QUARTERS = (-0.12, 0.3)  # of the grid, constant in a song
JITTER_QUARTERS = 0.012  # standard deviation
SILENT_LEADS = (0.0, 0.0, 0.0, 1.0, 2.0, 4.0)  # quarters before the music, one is drawn


def make(folder: Path, songs: Path, limit: int, seed: int) -> None:
    """Write up to `limit` songs of a folder as pop files."""
    rng, written = np.random.default_rng(seed), 0
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(songs.rglob("*.mxl")):
        try:
            song = io.read(path)
        except MusicVAEError:
            continue
        melody = max(song.parts, key=len, default=Part.empty())
        if len(melody) < 32 or written == limit:
            continue
        tpq = song.ticks_per_quarter
        lead = float(rng.choice(SILENT_LEADS)) + float(rng.uniform(*LATE_QUARTERS))
        parts = [
            played_late(part, tpq, lead + rng.normal(0, JITTER_QUARTERS, len(part)))
            for part in (melody, accompaniment(song, melody))
        ]
        end = max(part.end_ticks for part in parts)
        meter = MeterMap.constant(*((1, 4) if rng.random() < 0.5 else (4, 4)))
        tempo = TempoMap.constant(float(rng.uniform(70, 140)))
        io.write(
            replace(song, parts=tuple(parts), meter=meter, tempo=tempo, end_ticks=end),
            folder / f"{path.stem}.mid",
        )
        written += 1


def played_late(part: Part, tpq: int, delay_quarters: Floats) -> Part:
    """Return a part with its onsets delayed, none before the file begins."""
    onset = np.maximum(np.round(part.onset_ticks + delay_quarters * tpq), 0).astype(np.int64)
    return part.with_notes(onset, part.duration_ticks, part.pitch, part.velocity)


def accompaniment(song: Song, melody: Part) -> Part:
    """Return a piano part: a bass note and a chord on each beat, by the melody of the bar."""
    grid, notes = grid_from_song(song, 24), []
    tpq = song.ticks_per_quarter
    for i in range(int(grid.lead_steps[0] > 0), len(grid)):
        start, stop = int(grid.start_ticks[i]), int(grid.start_ticks[i] + grid.length_ticks[i])
        inside = (melody.onset_ticks >= start) & (melody.onset_ticks < stop)
        weight = np.bincount(melody.pitch[inside] % 12, minlength=12)
        triad = max(TRIADS, key=lambda chord: int(weight[list(chord)].sum()))
        for nth, at in enumerate(range(start, stop, tpq)):
            length = min(tpq, stop - at)
            if nth % 2 == 0:
                notes.append((at, min(2 * tpq, stop - at), 36 + triad[0]))
            if nth:
                notes += [(at, length, 60 + pitch) for pitch in triad]
    onset, duration, pitch = np.array(notes, np.int64).reshape(-1, 3).T
    return Part.empty("piano").with_notes(onset, duration, pitch, np.full(len(notes), 70))


def show_songs(songs: list[Bars]) -> float:
    """Print pickups and first bars of songs; return the share with a pickup."""
    found, silent, last = Counter[str](), 0, Counter[str]()
    for bars in songs:
        grid, notes = bars.grid, bars.notes
        silent += not (notes.bar == 0).any()
        length = Fraction(int(grid.length_ticks[0]), 4 * grid.ticks_per_quarter)
        found[str(length) if grid.lead_steps[0] else "none"] += 1
        last[str(Fraction(int(grid.length_ticks[-1]), 4 * grid.ticks_per_quarter))] += 1
    share = 1 - found["none"] / max(len(songs), 1)
    print(f"{len(songs)} songs; silent first bars: {silent}; with a pickup: {share:.2f}")
    print("  pickups, in whole notes: ", dict(found.most_common(8)))
    print("  last bars, in whole notes: ", dict(last.most_common(8)))
    return share


def samples(model: MusicVAE, n: int, bars: int, seed: int) -> list[Bars]:
    """Return sampled songs on the stored grid."""
    return [Bars.from_song(song) for song in model.sample(n, bars=bars, seed=seed)]


def main() -> None:
    """Run one of the three commands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("make", "songs", "samples"))
    parser.add_argument("first", help="folder, of `samples` a checkpoint")
    parser.add_argument("folder", nargs="?", help="songs")
    parser.add_argument("--limit", type=int, default=200, help="songs made or sampled")
    parser.add_argument("--bars", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.command == "make":
        make(Path(args.first), Path(args.folder), args.limit, args.seed)
    elif args.command == "songs":
        show_songs(split_bars(args.first, "train,valid,test"))
    else:
        if args.folder:
            show_songs(split_bars(args.folder, "train"))
        show_songs(samples(MusicVAE.load(args.first), args.limit, args.bars, args.seed))


if __name__ == "__main__":
    main()
