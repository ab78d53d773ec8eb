"""Reconstruction of whole songs, part by part, by any models: F1 against bits, by collection.

    python -m experiments.general SHARDS --model general --model song-4bar [--songs 20]

SHARDS were made by `musicvae prepare` from a folder of collections. Test songs go through each
model from the mean of their latents, in as many passes as it takes; notes that it cannot represent
pass unchanged and count as missed. A note is right with its pitch (drums: its class) and its onset
within 50 ms in its part, as `mir_eval.transcription` has it; with its duration if the end is within
a fifth of it, too.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import mir_eval
import numpy as np

from musicvae import MusicVAE, Song
from musicvae.data import Shards
from musicvae.data.split import split_shards
from musicvae.representation.drums import canonical_pitch
from musicvae.song import Part

ONSET_TOLERANCE_S = 0.05


def timed_notes(song: Song, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Return intervals in seconds `(M, 2)` and pitches in Hz `(M,)` of a part."""
    begin = song.tempo.seconds(part.onset_ticks, song.ticks_per_quarter)
    end = song.tempo.seconds(part.onset_ticks + part.duration_ticks, song.ticks_per_quarter)
    pitch = canonical_pitch(part.pitch) if part.is_drum else part.pitch
    return np.stack([begin, np.maximum(end, begin + 1e-3)], 1), 440 * 2.0 ** ((pitch - 69) / 12)


def count_matches(song: Song, made: Song, passed: tuple[Part, ...]) -> dict[str, np.ndarray]:
    """Return for `pitched` parts and `drums` the counts of true, made and right notes.

    The fourth count is of those that are right with their duration. `passed` are the notes of each
    part that bypassed the model.
    """
    counts = {"pitched": np.zeros(4), "drums": np.zeros(4)}
    for part, own, rest in zip(song.parts, made.parts, passed, strict=True):
        is_rest = np.isin(_ids(own), _ids(rest))
        true, found = timed_notes(song, part), timed_notes(made, own.select(~is_rest))
        kwargs = {"onset_tolerance": ONSET_TOLERANCE_S, "pitch_tolerance": 1.0}
        right = [
            len(mir_eval.transcription.match_notes(*true, *found, offset_ratio=ratio, **kwargs))
            if len(true[1]) and len(found[1])
            else 0
            for ratio in (None, 0.2)
        ]
        counts["drums" if part.is_drum else "pitched"] += [len(true[1]), len(found[1]), *right]
    return counts


def _ids(part: Part) -> np.ndarray:
    return part.onset_ticks * 128 + part.pitch


def f1(true: float, found: float, right: float) -> float:
    return 2 * right / (true + found) if true + found else float("nan")


def main() -> None:
    """Print a row for each model and collection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards")
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--songs", type=int, default=20, help="of each collection")
    parser.add_argument("--split", default="test")
    parser.add_argument("--max-notes", type=int, default=20_000)
    parser.add_argument("--json", help="write the figures of the last model, as `release.py` reads")
    args = parser.parse_args()
    shards, rng = Shards(args.shards), np.random.default_rng(0)
    chosen = defaultdict(list)
    for song, split in zip(shards, split_shards(shards, 0), strict=True):
        if split == args.split and len(song.bars.notes) <= args.max_notes:
            chosen[song.path.partition("/")[0]].append(song.bars)
    names = ("pitched F1", "with duration", "drums F1", "passed", "bits a part and bar")
    print(f"{'collection':14}{'songs':>6}  {'model':14}" + "".join(f"{n:>20}" for n in names))
    figures_of = dict[str, dict[str, float]]()
    for collection, songs in sorted(chosen.items()):
        picked = [songs[i] for i in rng.permutation(len(songs))[: args.songs]]
        for name in args.model:
            model, counts, bits, cells, passed, notes = MusicVAE.load(name), {}, 0.0, 0, 0, 0
            for bars in picked:
                song = replace(bars.to_song(), has_notated_bars=True)
                encoding = model.encode(song)
                made = model.decode(encoding)
                for kind, count in count_matches(song, made, encoding.passthrough).items():
                    counts[kind] = counts.get(kind, 0) + count
                bits += encoding.kl_bits if encoding.n_windows else 0.0
                cells += sum(int(active.sum()) for active in encoding.active)
                passed, notes = passed + encoding.n_passthrough, notes + song.n_notes
            pitched, drums = counts["pitched"], counts["drums"]
            row = (f1(*pitched[:3]), f1(*pitched[[0, 1, 3]]), f1(*drums[:3]))
            per_bar = bits / max(cells, 1)
            figures = [f"{x:.3f}" for x in row] + [f"{passed / notes:.1%}", f"{per_bar:.1f}"]
            line = "".join(f"{x:>20}" for x in figures)
            print(f"{collection:14}{len(picked):6}  {name:14}{line}", flush=True)
            known = zip(("f1", "f1_duration", "drums_f1"), row, strict=True)
            figures_of[collection] = {n: x for n, x in known if x == x} | {"bits": per_bar}
    if args.json:
        Path(args.json).write_text(json.dumps({"reconstruction": figures_of}), "utf-8")


if __name__ == "__main__":
    main()
