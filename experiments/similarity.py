"""Retrieval of the other half of a song, and of transposed copies: the tables of docs/map.md.

    python -m experiments.similarity melody-2bar data/folk
    python -m experiments.similarity chorale-4bar data/chorales --limit 100

Held-out songs of at least four windows are split in halves. The first half of each is the query for
its second half among the second halves of all; `first` is the share ranked first, `ten` the share
among the first ten, then the median rank. Baselines are histograms of pitch classes in the common
key, and chance. Then each song with windows one bar later, and each file a third higher, is the
query for itself among all songs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.common import markdown_head, markdown_row, model_parser
from musicvae.arrays import Floats, Ints
from musicvae.checkpoints import find
from musicvae.data import Batch, WindowDataset
from musicvae.io import read
from musicvae.model import MusicVAE
from musicvae.song import Song
from musicvae.tools.embed import SongEmbeddings, embed_all_phases
from musicvae.tools.explore import song_similarities

_MIN_WINDOWS = 4


def encoded(model: MusicVAE, windows: WindowDataset) -> SongEmbeddings:
    """Return embeddings of the songs of a split, a window at every bar, with pitch classes."""
    mus, values = [], []
    for begin in range(0, len(windows), 256):
        batch = windows.batch(np.arange(begin, min(begin + 256, len(windows))))
        mus.append(model.posterior_means(batch))
        values.append(_classes(batch))
    return SongEmbeddings(
        names=tuple(source.path for source in windows.inputs),
        folders=("",) * len(windows.inputs),
        mu=np.concatenate(mus),
        song_index=windows.input_index,
        attributes=np.concatenate(values),
    )


def _classes(batch: Batch) -> Floats:
    """Return the pitch class counts of each window, drums included. `(B, 12)`"""
    notes, count = batch.notes.numpy(), batch.n_notes.numpy()
    real = np.arange(notes.shape[1]) < count[:, None]
    window = np.nonzero(real)[0]
    place = window * 12 + notes[real][:, 3] % 12
    return np.bincount(place, minlength=len(notes) * 12).reshape(-1, 12).astype(float)


def ranks(scores: Floats, target: Ints) -> Ints:
    """Return the 0-based rank of the target in each row of `scores` `(n, m)`. `(n,)`"""
    own = scores[np.arange(len(scores)), target]
    return np.asarray((scores > own[:, None]).sum(1))


def score_queries(many: Sequence[Sequence[SongEmbeddings]], others: SongEmbeddings) -> Floats:
    """Return the similarity of n songs to m others, for the best phase of each. `(n, m)`"""
    return np.stack(
        [np.max([song_similarities(w, others)[0] for w in phases], 0) for phases in many]
    )


def table_row(name: str, rank: Ints, n: int) -> str:
    """Return a line of the table."""
    first, ten = float((rank == 0).mean()), float((rank < 10).mean())
    median = f"{1 + float(np.median(rank)):g} of {n}"
    return markdown_row([name, f"{first:.3f}", f"{ten:.3f}", median])


def main() -> None:
    """Run the queries and print a table."""
    parser = model_parser(__doc__, limit=500)
    parser.add_argument("--files", type=int, default=50, help="files to transpose")
    args = parser.parse_args()
    model = MusicVAE.load(find(args.checkpoint))
    preset, size = model.preset, model.preset.grid.bars
    seed = preset.training.seed
    windows = WindowDataset(args.folder, preset, split=args.split, hop_bars=1, seed=seed)
    every = encoded(model, windows)
    on_window = windows.first_bar % size == 0
    count = np.bincount(every.song_index[on_window], minlength=len(every))
    songs = np.flatnonzero(count >= _MIN_WINDOWS)[: args.limit]
    n = len(songs)
    halves: list[list[SongEmbeddings]] = [[], []]
    late: list[list[SongEmbeddings]] = []
    for song in songs.tolist():
        mine = np.flatnonzero(every.song_index == song)
        middle = int(np.median(windows.first_bar[mine])) // size * size
        aligned = mine[windows.first_bar[mine] % size == 0]
        for side in (0, 1):
            there = (windows.first_bar[aligned] >= middle) == bool(side)
            inside = windows.first_bar[aligned] <= middle - size if not side else there
            halves[side].append(_only(every, aligned[there & inside]))
        after = mine[windows.first_bar[mine] > 0]
        phases = [after[windows.first_bar[after] % size == later] for later in range(size)]
        late.append([_only(every, phase) for phase in phases if len(phase)])
    second, whole = (
        SongEmbeddings.concatenate(many)
        for many in (
            halves[1],
            [
                _only(every, np.flatnonzero((every.song_index == s) & on_window))
                for s in songs.tolist()
            ],
        )
    )
    right = np.arange(n)
    print(markdown_head([f"{n} songs", "first", "ten", "median rank"]))
    paths = score_queries([[half] for half in halves[0]], second)
    print(table_row("other half, by latents", ranks(paths, right), n))
    flat = [_histograms(SongEmbeddings.concatenate(side)) for side in halves]
    print(table_row("other half, by pitch classes", ranks(flat[0] @ flat[1].T, right), n))
    print(f"| other half, by chance | {1 / n:.3f} | {10 / n:.3f} | {(n + 1) / 2:g} of {n} |")
    print(table_row("itself, cut a bar later", ranks(score_queries(late, whole), right), n))
    files = [Path(args.folder) / every.names[song] for song in songs.tolist()]
    there = np.array([nth for nth, file in enumerate(files) if file.is_file()][: args.files])
    if len(there):
        copies = [embed_all_phases(model, _higher(files[i]), "") for i in there.tolist()]
        place = ranks(score_queries(copies, whole), there)
        print(table_row(f"itself, a third higher ({len(there)} files)", place, n))


def _higher(path: Path) -> Song:
    """Return the song of a file with its pitched parts four semitones higher."""
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


def _only(songs: SongEmbeddings, which: Ints) -> SongEmbeddings:
    """Return these windows as one song."""
    return replace(
        songs,
        names=("",),
        folders=("",),
        mu=songs.mu[which],
        song_index=np.zeros(len(which), np.int64),
        attributes=songs.attributes[which],
    )


def _histograms(songs: SongEmbeddings) -> Floats:
    """Return centered, normalized pitch class histograms of songs. `(n, 12)`"""
    means = songs.means(songs.attributes)
    means = means / np.maximum(means.sum(1, keepdims=True), 1e-9)
    off = means - means.mean(0)
    return off / np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-9)


if __name__ == "__main__":
    main()
