"""Floor 8: many songs in the latent space at once: those of folders, in few large batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.attributes import ATTRIBUTES, window_attributes
from musicvae.data import WindowDataset
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import DataError
from musicvae.latent import Latents
from musicvae.latent.codec import Codec
from musicvae.networks.vae import to_note_table
from musicvae.representation.bars import Bars
from musicvae.song import Song
from musicvae.storage import is_folder

_AT_ONCE = 256
Reader = Callable[[Path], Song | BarlineEstimate]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class SongEmbeddings:
    """Means of the windows of many songs, one song after the other. n songs, M windows."""

    names: tuple[str, ...]
    """Where each song lies: its file."""
    groups: tuple[str, ...]
    """What each song belongs to: the folder that it is in."""
    mu: Latents  # (M, Z)
    song: Ints  # (M,) which song each window is of; sorted
    values: Floats  # (M, A) the attributes of each window, nan where it has none

    def __len__(self) -> int:
        return len(self.names)

    @property
    def starts(self) -> Ints:
        """The first window of each song. `(n,)`"""
        return np.searchsorted(self.song, np.arange(len(self)))

    def means(self, values: Latents | Floats) -> Floats:
        """The mean over each song's windows of what is known of each, nan aside. `(n, ...)`"""
        there = np.isfinite(values)
        total, count = np.zeros((2, len(self), values.shape[1]))
        np.add.at(total, self.song, np.where(there, values, 0))
        np.add.at(count, self.song, there)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def attribute(self, name: str) -> Floats:
        """The mean of an attribute of each song. `(n,)`"""
        return self.means(self.values[:, [list(ATTRIBUTES).index(name)]])[:, 0]

    def take(self, index: Sequence[int]) -> SongEmbeddings:
        """The songs at `index`, which rises."""
        place = np.full(len(self), -1, np.int64)
        place[list(index)] = np.arange(len(index))
        mine = place[self.song] >= 0
        return SongEmbeddings(
            names=tuple(self.names[i] for i in index),
            groups=tuple(self.groups[i] for i in index),
            mu=self.mu[mine],
            song=place[self.song[mine]],
            values=self.values[mine],
        )

    @staticmethod
    def concatenate(many: Sequence[SongEmbeddings]) -> SongEmbeddings:
        """The songs of all, one after the other."""
        offsets = np.cumsum([0, *(len(each) for each in many)])
        return SongEmbeddings(
            names=tuple(name for each in many for name in each.names),
            groups=tuple(group for each in many for group in each.groups),
            mu=np.concatenate([each.mu for each in many]),
            song=np.concatenate([e.song + o for e, o in zip(many, offsets[:-1], strict=True)]),
            values=np.concatenate([each.values for each in many]),
        )


def embed_folder(
    codec: Codec, folder: str | Path, progress: Progress | None = None
) -> SongEmbeddings:
    """The songs of a folder that the model can represent, prepared as for training.

    `progress` is told how many windows are done, and of how many. Raises `DataError` if
    there is none.
    """
    size = codec.preset.grid.bars
    windows = WindowDataset(folder, codec.preset, split="all", hop=size)
    mu, values = _windows(codec, windows.cutter, windows.source, windows.first, progress=progress)
    paths = [source.path for source in windows.sources]
    songs = list(dict.fromkeys(paths[s] for s in windows.source.tolist()))
    place = {path: nth for nth, path in enumerate(songs)}
    song = np.array([place[paths[s]] for s in windows.source.tolist()], np.int64)
    order = np.argsort(song, kind="stable")
    top = Path(folder)
    return SongEmbeddings(
        names=tuple(str(top / path) for path in songs),
        groups=tuple(str(top / Path(path).parent) for path in songs),
        mu=mu[order],
        song=song[order],
        values=values[order],
    )


def embed_song(codec: Codec, song: Song | BarlineEstimate, name: str) -> SongEmbeddings:
    """One song. Raises `DataError` if it has nothing that the model can represent."""
    cutter, source, first = _cut(codec, song, name, codec.preset.grid.bars)
    return _one(codec, cutter, source, first, name)


def embed_all_phases(codec: Codec, song: Song | BarlineEstimate, name: str) -> list[SongEmbeddings]:
    """One song in every way in which another copy of it may have been encoded: its windows begin a
    bar later, or two, ...; and it lies an octave higher or lower, since a song in another key may
    come to the common one from above or from below. The first is the song as it is.

    Raises `DataError` if it has nothing that the model can represent.
    """
    size = codec.preset.grid.bars
    cutter, source, first = _cut(codec, song, name, 1)
    pitched = any(part.kind != "drums" for part in codec.preset.parts)
    found = []
    for octave in (0, 1, -1) if pitched else (0,):
        for later in range(size):
            mine = np.flatnonzero(first % size == later)
            if len(mine):
                shift = np.full(len(mine), -12 * octave)
                found.append(_one(codec, cutter, source[mine], first[mine], name, shift))
    return found


def _cut(
    codec: Codec, song: Song | BarlineEstimate, name: str, hop: int
) -> tuple[WindowBatcher, Ints, Ints]:
    aligned = song if isinstance(song, BarlineEstimate) else estimate_barlines(song)
    sources, _ = model_inputs(Bars.from_song(aligned.song), codec.preset)
    cutter = WindowBatcher(sources, codec.preset)
    none = np.zeros(0, np.int64)
    source, first = cutter.windows(hop)[:2] if sources else (none, none)
    if not len(first):
        raise DataError(
            f"{name}: nothing in it that preset {codec.preset.name} can represent; choose another "
            "--checkpoint"
        )
    return cutter, source, first


def _one(
    codec: Codec,
    cutter: WindowBatcher,
    source: Ints,
    first: Ints,
    name: str,
    shift: Ints | None = None,
) -> SongEmbeddings:
    mu, values = _windows(codec, cutter, source, first, shift)
    return SongEmbeddings(
        names=(name,),
        groups=(str(Path(name).parent),),
        mu=mu,
        song=np.zeros(len(mu), np.int64),
        values=values,
    )


def embed_paths(
    codec: Codec, paths: Sequence[Path], read: Reader, progress: Progress | None = None
) -> SongEmbeddings:
    """The songs of folders and files; `read` reads a file, `progress` is told of each folder."""
    found = [
        embed_folder(codec, path, progress)
        if is_folder(path)
        else embed_song(codec, read(path), str(path))
        for path in paths
    ]
    return SongEmbeddings.concatenate(found)


def _windows(
    codec: Codec,
    cutter: WindowBatcher,
    source: Ints,
    first: Ints,
    shift: Ints | None = None,
    progress: Progress | None = None,
) -> tuple[Latents, Floats]:
    """Means `(M, Z)` and attributes `(M, A)` of windows of a cutter, in batches across songs, taken
    down by `shift` semitones.
    """
    mus, values = [], []
    for begin in range(0, len(first), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        by = None if shift is None else shift[part]
        batch = cutter.batch(source[part], first[part], by)
        mus.append(codec.posterior_means(batch))
        values.append(window_attributes(to_note_table(batch, codec.preset), codec.preset.meters))
        if progress is not None:
            progress(begin + len(mus[-1]), len(first))
    return np.concatenate(mus), np.concatenate(values)
