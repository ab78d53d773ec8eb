"""Teach a model your own songs, in two minutes, and hear what it makes of them.

    python examples/train_on_your_folder.py [FOLDER] [STEPS] [PRESET]

FOLDER holds MIDI or scores; without it 24 chorales by Bach are used. You will see how well songs
that were held out come back, at first and in the end; in examples-out/train/ lie the checkpoint,
four new songs with sound, and a picture of the first. With few songs it goes on from a model that
knows some music already, with many (500 windows) it begins from nothing.
"""

import sys
from pathlib import Path

from musicvae import MusicVAE, train
from musicvae.config.preset import load_preset
from musicvae.data import Shards, corpora, prepare_cached
from musicvae.io import write
from musicvae.io.audio.render import write_audio
from musicvae.plots import plot_song
from musicvae.training.finetune import start_for

OUT = Path("examples-out/train")


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
folder = folder or corpora.export("chorales", OUT / "songs", limit=24).folder
steps = int(sys.argv[2]) if len(sys.argv) > 2 else None
shards = prepare_cached(folder)
asked = load_preset(sys.argv[3]) if len(sys.argv) > 3 else None
start = start_for(Shards(shards), asked, scratch=False)
print(*start.told, sep="\n")
first: list[dict[str, float]] = []
result = train(
    shards,
    start.preset,
    OUT / f"run-{len(list(OUT.glob('run-*'))) + 1}",
    weights=start.weights,
    minutes=None if steps else 2,
    steps=steps,
    on_check=first.append,
)
before, after = first[0]["valid_f1"], result.metrics["valid_f1"]
print(f"of the notes of held-out songs {before:.0%} came back at first, {after:.0%} do now")

model = MusicVAE.load(result.model)
for nth, song in enumerate(model.sample(4, bars=8, seed=1), start=1):
    path = write(song, result.folder / f"new-{nth}.mid")
    write_audio(song, path.with_suffix(".wav"))
    print(f"{path}: {song.n_notes} notes, {song.duration_s:.0f} s, and its sound beside it")
    if nth == 1:
        print(plot_song(song, path.with_suffix(".png"), "Learned from your songs"))
