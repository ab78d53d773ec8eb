"""A lesson: train an autoencoder, a denoising and a variational one on the same tunes.

    python examples/from_ae_to_vae.py [FOLDER] [STEPS]

Three small models are trained for some seconds each on 150 folk tunes (or on FOLDER). You will see
how many notes each reconstructs, how many if three in ten are delayed, and how many intervals are
thirds or smaller, as in singing, when random latents are decoded: the latent space of an
autoencoder has holes. Hear random-ae.mid and random-vae.mid in examples-out/lesson/.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicvae import Bars, MusicVAE, Song, estimate_barlines, read, train, write
from musicvae.config.preset import load_preset
from musicvae.data import corpora

OUT = Path("examples-out/lesson")
SIZES = ("model.width=96", "model.blocks=1", "model.latent=48")


def onset_f1(reconstruction: Song, song: Song) -> float:
    """Return the F1 of notes at the same sixteenth and pitch."""
    notes = [Bars.from_song(each).at(4).notes for each in (reconstruction, song)]
    a, b = ({*zip(n.bar.tolist(), n.step.tolist(), n.pitch.tolist(), strict=True)} for n in notes)
    return 2 * len(a & b) / max(len(a) + len(b), 1)


def delay_notes(song: Song, rng: np.random.Generator) -> Song:
    """Delay three in ten notes by a sixteenth."""
    part, sixteenth = song.parts[0], song.ticks_per_quarter // 4
    onset = part.onset_ticks + sixteenth * (rng.random(len(part)) < 0.3)
    return replace(song, parts=(replace(part, onset_ticks=onset), *song.parts[1:]))


def small_intervals(song: Song) -> float:
    """Return the share of intervals of a third at most."""
    return float((np.abs(np.diff(song.parts[0].pitch)) <= 4).mean())


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
folder = folder or corpora.export("folk", OUT / "songs", limit=150).folder
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 150
tunes = [estimate_barlines(read(path)).song for path in sorted(folder.rglob("*.mid"))[:20]]
share = np.mean([small_intervals(tune) for tune in tunes])
print(f"original tunes: {share:.0%} of the intervals are thirds or smaller")
runs = OUT / f"run-{len([*OUT.glob('run-*')]) + 1}"
for kind in ("ae", "dae", "vae"):
    preset = load_preset("melody-2bar").with_settings([*SIZES, f"training.objective={kind}"])
    model = MusicVAE.load(train(folder, preset, runs / kind, steps=steps).model)
    rng, encoding = np.random.default_rng(0), model.encode(tunes[0])
    f1 = np.mean([onset_f1(model.reconstruct(tune), tune) for tune in tunes])
    f1_delayed = np.mean([onset_f1(model.reconstruct(delay_notes(t, rng)), t) for t in tunes])
    samples = [
        model.decode(replace(encoding, mu=rng.standard_normal(encoding.mu.shape, np.float32)))
        for _ in range(8)
    ]
    write(samples[0], OUT / f"random-{kind}.mid")
    share = np.mean([small_intervals(song) for song in samples])
    print(f"{kind:>3}: {f1:.0%} of the notes reconstructed, {f1_delayed:.0%} if some are delayed;")
    print(f"     random latents: {share:.0%} of the intervals are thirds or smaller")
