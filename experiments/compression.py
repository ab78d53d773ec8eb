"""Size of songs as quantized latents and F1 after decoding: the table of docs/compression.md.

    python -m experiments.compression melody-2bar data/folk --limit 100
    python -m experiments.compression chorale-4bar data/chorales

The folder is the training data of the model, split as in training.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import torch

from experiments.common import (
    evenly_spaced,
    markdown_head,
    markdown_row,
    model_parser,
    representable_songs,
)
from musicvae import MusicVAE, Song
from musicvae.io import midi
from musicvae.latent import Quantization, load, save
from musicvae.representation.bars import Bars

CODINGS = {
    "float32": None,
    **{f"step {step:g}": Quantization(step=step) for step in (0.5, 1, 1.5, 2, 3)},
    **{f"bits {bits}": Quantization(bits=bits) for bits in (6, 4, 3, 2)},
}


def main() -> None:
    """Encode, save, load, decode; print a table."""
    args = model_parser(__doc__, limit=100).parse_args()
    torch.set_num_threads(1)
    model = MusicVAE.load(args.checkpoint)
    songs = evenly_spaced(representable_songs(model, args.folder, args.split), args.limit)
    encodings = [model.encode(song) for song in songs]
    N = sum(len(encoding.bars) for encoding in encodings)
    midis = [midi.to_bytes(song) for song in songs]
    print(f"{args.checkpoint}: {len(songs)} songs, {N} bars, ", end="")
    print(f"KL {sum(e.kl_bits for e in encodings) / N:.1f} bits a bar\n")
    print(markdown_head(["", "F1", "latents", "sigma", "metadata", "file", "file, bytes"]))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "song.z"
        for name, coding in CODINGS.items():
            sizes, loaded = [], []
            for encoding in encodings:
                sizes.append(save(encoding, place, checkpoint=args.checkpoint, quantization=coding))
                loaded.append(load(place).encoding)
            f1 = note_f1(songs, model.decode_batch(loaded), model)
            bits = [sum(getattr(size, what) for size in sizes) * 8 / N
                    for what in ("latents", "sigma", "metadata", "file")]  # fmt: skip
            mean = np.mean([size.file for size in sizes])
            print(markdown_row([name, f"{f1:.4f}", *(f"{n:.0f}" for n in (*bits, mean))]))
    for name, each in (("MIDI", midis), ("MIDI, gzip -9", [gzip.compress(m, 9) for m in midis])):
        total = sum(len(content) for content in each)
        sizes = (f"{8 * total / N:.0f}", f"{total / len(each):.0f}")
        print(markdown_row([name, 1, "", "", "", *sizes]))


def note_f1(songs: list[Song], made: list[Song], model: MusicVAE) -> float:
    """Return the F1 of onset, pitch and part over all songs, on the grid of the preset."""
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
