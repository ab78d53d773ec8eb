"""Swing of songs and of what a model gives back: the figures of docs/downbeats.md.

    python -m experiments.swing songs data/groove          # files in which swing is found
    python -m experiments.swing returned melody-2bar data/folk --limit 60

`returned` swings straight songs in simple meters by known ratios, with and without jitter, and
reconstructs them. Ratios of the result are compared with those measured in the swung file.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.common import evenly_spaced, markdown_head, markdown_row
from musicvae import MusicVAE, Song, estimate_barlines, io
from musicvae.arrays import Floats
from musicvae.downbeats.swing_ratio import estimate_swing
from musicvae.errors import MusicVAEError
from musicvae.representation.performance import performed
from musicvae.swing import EIGHTHS, SIXTEENTHS, Swing

SWINGS = [Swing(ratio, unit) for unit in (EIGHTHS, SIXTEENTHS) for ratio in (1.5, 2.0, 3.0)]
JITTERS = (0.0, 0.01)  # standard deviation in quarters
MIN_MOVED = 16  # notes that swing moves


def songs_under(folder: Path) -> Iterator[tuple[Path, Song]]:
    """Yield the MIDI files of a folder that can be read."""
    for path in sorted(folder.rglob("*.mid")):
        try:
            yield path, io.read(path)
        except MusicVAEError:
            continue


def onset_quarters(song: Song) -> Floats:
    """Return the onsets of all parts in quarters, in ascending order."""
    onset = np.concatenate([np.zeros(0), *(part.onset_ticks for part in song.parts)])
    return np.asarray(np.sort(onset) / song.ticks_per_quarter, np.float64)


def jittered(song: Song, jitter: float, rng: np.random.Generator) -> Song:
    """Return a song with onsets moved at random, by `jitter` quarters as standard deviation."""
    parts = []
    for part in song.parts:
        delay = np.round(rng.normal(0, jitter, len(part)) * song.ticks_per_quarter).astype(int)
        onset = np.maximum(part.onset_ticks + delay, 0)
        parts.append(part.with_notes(onset, part.duration_ticks, part.pitch, part.velocity))
    return replace(song, parts=tuple(parts))


def returned(model: MusicVAE, songs: list[Song], seed: int) -> None:
    """Print how many swung songs are found, and by how much ratios differ once they are back."""
    rng = np.random.default_rng(seed)
    print(markdown_head(["swing", "jitter", "songs", "found", "difference: mean", "largest"]))
    for swing in SWINGS:
        for jitter in JITTERS:
            n, differences = 0, []
            for song in songs:
                swung = performed(replace(song, swing=swing))
                pairs = zip(song.parts, swung.parts, strict=True)
                if sum((a.onset_ticks != b.onset_ticks).sum() for a, b in pairs) < MIN_MOVED:
                    continue
                n += 1
                swung = jittered(swung, jitter, rng)
                before = estimate_barlines(swung).song.swing
                after = estimate_swing(onset_quarters(model.reconstruct(swung)))
                if before is None or after is None:
                    continue
                if before.unit == after.swing.unit == swing.unit:
                    differences.append(abs(after.swing.ratio - before.ratio))
            found = np.array(differences or [np.nan])
            cells = [swing, f"{jitter:g}", n, len(differences)]
            print(markdown_row([*cells, f"{found.mean():.3f}", f"{found.max():.3f}"]))


def main() -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("songs", "returned"))
    parser.add_argument("first", help="folder of MIDI files, of `returned` a checkpoint")
    parser.add_argument("folder", nargs="?", help="folder of MIDI files")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.command == "songs":
        found = {
            p.name: estimate_swing(onset_quarters(s)) for p, s in songs_under(Path(args.first))
        }
        swings = {name: each.swing for name, each in found.items() if each is not None}
        print(f"{len(swings)} of {len(found)} songs swing")
        print(Counter(str(replace(each, ratio=round(each.ratio, 1))) for each in swings.values()))
        return
    songs = [song for _, song in songs_under(Path(args.folder))]
    simple = [song for song in songs if (song.meter.denominator <= 4).all()]
    returned(MusicVAE.load(args.first), evenly_spaced(simple, args.limit), args.seed)


if __name__ == "__main__":
    main()
