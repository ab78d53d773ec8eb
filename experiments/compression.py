#!/usr/bin/env python3
"""What songs take as latents in files, and what comes back: the table of docs/compression.md.

    python experiments/compression.py melody-2bar data/folk --limit 100
    python experiments/compression.py chorale-4bar data/chorales

The folder is what the model learned from, divided as it was in training.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from pathlib import Path

import numpy as np
import torch

from musicvae import MusicVAE, Song
from musicvae.data import Shards, prepare_cached
from musicvae.data.batch import sources_of
from musicvae.data.split import split as split_songs
from musicvae.io import midi
from musicvae.latent import Coding, load, save
from musicvae.latent.codec import decode_all
from musicvae.representation.bars import Bars

CODINGS = {
    "float32": None,
    **{f"step {step:g}": Coding(step=step) for step in (0.5, 1, 1.5, 2, 3)},
    **{f"bits {bits}": Coding(bits=bits) for bits in (6, 4, 3, 2)},
}


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--split", default="test")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = MusicVAE.load(args.checkpoint)
    songs = held_out(model, args.folder, args.split, args.limit)
    encodings = [model.encode(song) for song in songs]
    N = sum(len(encoding.bars) for encoding in encodings)
    midis = [midi.to_bytes(song) for song in songs]
    print(f"{args.checkpoint}: {len(songs)} songs, {N} bars, ", end="")
    print(f"KL {sum(e.kl_bits for e in encodings) / N:.1f} bits a bar\n")
    print("| | F1 | latents | sigma | frame | file | file, bytes |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "song.z"
        for name, coding in CODINGS.items():
            sizes, loaded = [], []
            for encoding in encodings:
                sizes.append(save(encoding, place, checkpoint=args.checkpoint, coding=coding))
                loaded.append(load(place).encoding)
            f1 = agreement(songs, decode_all(model, loaded), model)
            bits = [sum(getattr(size, what) for size in sizes) * 8 / N
                    for what in ("latents", "sigma", "frame", "file")]  # fmt: skip
            cells = " | ".join(f"{each:.0f}" for each in bits)
            mean = np.mean([size.file for size in sizes])
            print(f"| {name} | {f1:.4f} | {cells} | {mean:.0f} |")
    for name, each in (("MIDI", midis), ("MIDI, gzip -9", [gzip.compress(m, 9) for m in midis])):
        total = sum(len(content) for content in each)
        print(f"| {name} | 1 | | | | {8 * total / N:.0f} | {total / len(each):.0f} |")


def held_out(model: MusicVAE, folder: Path, split: str, limit: int) -> list[Song]:
    """Songs of a split that the model has something to say of, evenly chosen."""
    shards = Shards(prepare_cached(folder))
    place = split_songs(shards.clusters(), model.preset.training.seed)
    bars = [song.bars for song, where in zip(shards, place, strict=True) if where == split]
    found = [each.to_song() for each in bars if sources_of(each, model.preset)[0]]
    which = np.linspace(0, len(found) - 1, min(limit, len(found))).astype(int)
    return [found[i] for i in which]


def agreement(songs: list[Song], made: list[Song], model: MusicVAE) -> float:
    """F1 of onset, pitch and part over all songs, on the preset's grid."""
    hits = total = 0
    for one, other in zip(songs, made, strict=True):
        there = []
        for song in (one, other):
            notes = Bars.from_song(song).at(model.preset.grid.steps_per_quarter).notes
            columns = (notes.bar, notes.step, notes.part, notes.pitch)
            there.append(set(zip(*(column.tolist() for column in columns), strict=True)))
        hits += len(there[0] & there[1])
        total += len(there[0]) + len(there[1])
    return 2 * hits / max(total, 1)


if __name__ == "__main__":
    main()
