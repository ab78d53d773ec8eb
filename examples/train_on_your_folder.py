"""Train a model on your own songs, in two minutes, and sample new ones.

    python examples/train_on_your_folder.py [FOLDER] [STEPS] [PRESET]

FOLDER holds MIDI or scores; without it, 24 chorales by Bach are used. You will see how well
held-out songs are reconstructed, at first and in the end. The checkpoint, four songs with sound,
and a plot of the first are written to examples-out/train/. With few songs a trained model is
fine-tuned, with many (500 windows) a new one is trained.
"""

import sys
from pathlib import Path

from musicvae import MusicVAE, train, write
from musicvae.config.preset import load_preset
from musicvae.data import Shards, corpora, prepare_cached
from musicvae.io.audio.render import write_audio
from musicvae.plots import plot_song
from musicvae.training.finetune import choose_start

OUT = Path("examples-out/train")


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
folder = folder or corpora.export("chorales", OUT / "songs", limit=24).folder
steps = int(sys.argv[2]) if len(sys.argv) > 2 else None
shards = prepare_cached(folder)
preset = load_preset(sys.argv[3]) if len(sys.argv) > 3 else None
start = choose_start(Shards(shards), preset, scratch=False)
print(*start.messages, sep="\n")
validations: list[dict[str, float]] = []
result = train(
    shards,
    start.preset,
    OUT / f"run-{len(list(OUT.glob('run-*'))) + 1}",
    weights=start.weights,
    minutes=None if steps else 2,
    steps=steps,
    on_validation=validations.append,
)
before, after = validations[0]["valid_f1"], result.metrics["valid_f1"]
print(f"F1 of held-out songs: {before:.0%} at first, {after:.0%} now")

model = MusicVAE.load(result.model)
for nth, song in enumerate(model.sample(4, bars=8, seed=1), start=1):
    path = write(song, result.folder / f"new-{nth}.mid")
    write_audio(song, path.with_suffix(".wav"))
    print(f"{path}: {song.n_notes} notes, {song.duration_s:.0f} s, with its sound beside it")
    if nth == 1:
        print(plot_song(song, path.with_suffix(".png"), "Trained on your songs"))
