"""A lesson: an autoencoder, a denoising one and a variational one, on the same tunes.

    python examples/from_ae_to_vae.py [FOLDER] [STEPS]

Three small models learn for some seconds each from 150 folk tunes (or from FOLDER). You will see
how many notes each gives back, how many if three of ten come late, and how many moves are by a
third at most, as one sings, when latents are picked at random: between the songs of an autoencoder
are holes. Hear random-ae.mid and random-vae.mid in examples-out/lesson/.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicvae import Bars, MusicVAE, Song, align, train
from musicvae.config.preset import load_preset
from musicvae.data import corpora
from musicvae.io import read, write

OUT = Path("examples-out/lesson")
SIZES = ("model.width=96", "model.blocks=1", "model.latent=48")


def f1(made: Song, song: Song) -> float:
    notes = [Bars.from_song(each).at(4).notes for each in (made, song)]
    a, b = ({*zip(n.bar.tolist(), n.step.tolist(), n.pitch.tolist(), strict=True)} for n in notes)
    return 2 * len(a & b) / max(len(a) + len(b), 1)


def late(song: Song, rng: np.random.Generator) -> Song:
    part, sixteenth = song.parts[0], song.ticks_per_quarter // 4
    onset = part.onset_ticks + sixteenth * (rng.random(len(part)) < 0.3)
    return replace(song, parts=(replace(part, onset_ticks=onset), *song.parts[1:]))


def smooth(song: Song) -> float:
    """The share of moves by a third at most: what a voice can sing."""
    return float((np.abs(np.diff(song.parts[0].pitch)) <= 4).mean())


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
folder = folder or corpora.export("folk", OUT / "songs", limit=150).folder
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 150
tunes = [align(read(path)).song for path in sorted(folder.rglob("*.mid"))[:20]]
print(f"tunes as they are: {np.mean([smooth(t) for t in tunes]):.0%} of moves by a third at most")
runs = OUT / f"run-{len([*OUT.glob('run-*')]) + 1}"
for kind in ("ae", "dae", "vae"):
    preset = load_preset("melody-2bar").with_settings([*SIZES, f"training.objective={kind}"])
    model = MusicVAE.load(train(folder, preset, runs / kind, steps=steps).model)
    rng, code = np.random.default_rng(0), model.encode(tunes[0])
    back = np.mean([f1(model.reconstruct(t), t) for t in tunes])
    mended = np.mean([f1(model.reconstruct(late(t, rng)), t) for t in tunes])
    made = [
        model.decode(replace(code, mu=rng.standard_normal(code.mu.shape, np.float32)))
        for _ in range(8)
    ]
    write(made[0], OUT / f"random-{kind}.mid")
    moves = np.mean([smooth(song) for song in made])
    print(f"{kind:>3}: {back:.0%} of notes come back, {mended:.0%} if some came late;", end=" ")
    print(f"of random points {moves:.0%} of moves by a third at most")
