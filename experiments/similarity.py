"""Whether songs find what is like them: their other half, and themselves in another key.

    python experiments/similarity.py melody-2bar data/folk
    python experiments/similarity.py chorale-4bar data/chorales --limit 100

Held-out songs of at least four windows are cut in halves. The first half of each looks for its
second half among the second halves of all; `first` is the share that find it before any other,
`ten` among ten, `rank` the median place. Beside it the same by histograms of pitch classes in the
common key, and by chance. Then each song, cut a bar later, and each file, a third higher, looks for
itself among all songs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicvae.checkpoints import find
from musicvae.data import Batch, Windows
from musicvae.io import read
from musicvae.latent.directions import Floats
from musicvae.model import MusicVAE
from musicvae.song import Ints, Song
from musicvae.tools.embed import EncodedSongs, encoded_ways
from musicvae.tools.explore import similarities

_SHORTEST = 4


def encoded(model: MusicVAE, windows: Windows) -> EncodedSongs:
    """The songs of a split, a window at every bar, pitch classes for values."""
    mus, values = [], []
    for begin in range(0, len(windows), 256):
        batch = windows.batch(np.arange(begin, min(begin + 256, len(windows))))
        mus.append(model.means(batch))
        values.append(_classes(batch))
    return EncodedSongs(
        names=tuple(source.path for source in windows.sources),
        groups=("",) * len(windows.sources),
        mu=np.concatenate(mus),
        song=windows.source,
        values=np.concatenate(values),
    )


def _classes(batch: Batch) -> Floats:
    """Pitch classes of each window, drums told as pitches. `(B, 12)`"""
    notes, count = batch.notes.numpy(), batch.n_notes.numpy()
    real = np.arange(notes.shape[1]) < count[:, None]
    window = np.nonzero(real)[0]
    place = window * 12 + notes[real][:, 3] % 12
    return np.bincount(place, minlength=len(notes) * 12).reshape(-1, 12).astype(float)


def places(scores: Floats, right: Ints) -> Ints:
    """How many are scored higher than the right one, in each row of `(n, n)`. `(n,)`"""
    own = scores[np.arange(len(scores)), right]
    return np.asarray((scores > own[:, None]).sum(1))


def scored(many: Sequence[Sequence[EncodedSongs]], others: EncodedSongs) -> Floats:
    """How like each of n songs, in the best of its ways, the others are. `(n, m)`"""
    return np.stack([np.max([similarities(w, others)[0] for w in ways], 0) for ways in many])


def told(name: str, place: Ints, n: int) -> str:
    """A line of the table."""
    first, ten = float((place == 0).mean()), float((place < 10).mean())
    return f"| {name} | {first:.3f} | {ten:.3f} | {1 + float(np.median(place)):g} of {n} |"


def main() -> None:
    """Read the options, look, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", help="its name, folder or file")
    parser.add_argument("folder", help="the songs it was trained on; those held out are looked at")
    parser.add_argument("--split", default="test", choices=("test", "valid", "all"))
    parser.add_argument("--limit", type=int, default=500, help="songs")
    parser.add_argument("--files", type=int, default=50, help="files to transpose")
    args = parser.parse_args()
    model = MusicVAE.load(find(args.checkpoint))
    preset, size = model.preset, model.preset.grid.bars
    seed = preset.training.seed
    windows = Windows(args.folder, preset, split=args.split, hop=1, seed=seed)
    every = encoded(model, windows)
    on_window = windows.first % size == 0
    count = np.bincount(every.song[on_window], minlength=len(every))
    songs = np.flatnonzero(count >= _SHORTEST)[: args.limit]
    n = len(songs)
    halves: list[list[EncodedSongs]] = [[], []]
    late: list[list[EncodedSongs]] = []
    for song in songs.tolist():
        mine = np.flatnonzero(every.song == song)
        middle = int(np.median(windows.first[mine])) // size * size
        aligned = mine[windows.first[mine] % size == 0]
        for side in (0, 1):
            there = (windows.first[aligned] >= middle) == bool(side)
            inside = windows.first[aligned] <= middle - size if not side else there
            halves[side].append(_only(every, aligned[there & inside]))
        after = mine[windows.first[mine] > 0]
        phases = [after[windows.first[after] % size == later] for later in range(size)]
        late.append([_only(every, phase) for phase in phases if len(phase)])
    second, whole = (
        EncodedSongs.concatenate(many)
        for many in (
            halves[1],
            [_only(every, np.flatnonzero((every.song == s) & on_window)) for s in songs.tolist()],
        )
    )
    right = np.arange(n)
    print(f"| {n} songs | first | ten | median place |\n|---|---|---|---|")
    paths = scored([[half] for half in halves[0]], second)
    print(told("other half, by latents", places(paths, right), n))
    flat = [_histograms(EncodedSongs.concatenate(side)) for side in halves]
    print(told("other half, by pitch classes", places(flat[0] @ flat[1].T, right), n))
    print(f"| other half, by chance | {1 / n:.3f} | {10 / n:.3f} | {(n + 1) / 2:g} of {n} |")
    print(told("itself, cut a bar later", places(scored(late, whole), right), n))
    files = [Path(args.folder) / every.names[song] for song in songs.tolist()]
    there = np.array([nth for nth, file in enumerate(files) if file.is_file()][: args.files])
    if len(there):
        copies = [encoded_ways(model, _higher(files[i]), "") for i in there.tolist()]
        place = places(scored(copies, whole), there)
        print(told(f"itself, a third higher ({len(there)} files)", place, n))


def _higher(path: Path) -> Song:
    """The song of a file with its pitched parts four semitones higher."""
    song = read(path)
    parts = [
        part
        if part.is_drum
        else part.with_notes(
            part.onset_ticks, part.duration_ticks, np.minimum(part.pitch + 4, 127), part.velocity
        )
        for part in song.parts
    ]
    return replace(song, parts=tuple(parts))


def _only(songs: EncodedSongs, which: Ints) -> EncodedSongs:
    """These windows as one song."""
    return replace(
        songs,
        names=("",),
        groups=("",),
        mu=songs.mu[which],
        song=np.zeros(len(which), np.int64),
        values=songs.values[which],
    )


def _histograms(songs: EncodedSongs) -> Floats:
    """Pitch classes of each song, of length 1 from their mean on. `(n, 12)`"""
    means = songs.means(songs.values)
    means = means / np.maximum(means.sum(1, keepdims=True), 1e-9)
    off = means - means.mean(0)
    return off / np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-9)


if __name__ == "__main__":
    main()
