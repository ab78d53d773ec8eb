"""Embeddings of songs, folders and files: the mean latent and the attributes of each window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae import io
from musicvae.arrays import Bools, Floats, Ints, group_mean
from musicvae.attributes import ATTRIBUTES, window_attributes
from musicvae.data import WindowDataset
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import DataError
from musicvae.latent import Latents
from musicvae.latent.codec import Codec
from musicvae.latent.song_input import conditioning_chords, unrepresentable, with_barlines
from musicvae.networks.vae import to_note_table
from musicvae.representation.bars import Bars
from musicvae.song import Song
from musicvae.storage import is_folder, write_bytes

BATCH_SIZE = 256  # windows
SongReader = Callable[[Path], Song | BarlineEstimate]
ProgressCallback = Callable[[int, int], None]
"""Called with the number of windows done, and of all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowPlaces:
    """Where each of M windows lies in its song. All `(M,)`"""

    first_bar: Ints
    pass_index: Ints
    """The pass of the song through the model, each with some of its parts."""
    key: Ints
    """Semitones that were subtracted from melodic pitches."""
    meter: NDArray[np.str_]
    """Of the first bar, such as `3/4`."""

    def select(self, index: Ints | Bools) -> WindowPlaces:
        """Return the places of a selection of windows, by index or mask."""
        return WindowPlaces(**{name: values[index] for name, values in vars(self).items()})

    @staticmethod
    def concatenate(many: Sequence[WindowPlaces]) -> WindowPlaces:
        """Return the places of all, one after the other."""
        names = [field.name for field in fields(WindowPlaces)]
        return WindowPlaces(
            **{name: np.concatenate([getattr(each, name) for each in many]) for name in names}
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SongEmbeddings:
    """Embeddings of the M windows of n songs, one song after the other."""

    names: tuple[str, ...]
    """The file of each song."""
    folders: tuple[str, ...]
    """The folder of each song."""
    mu: Latents  # (M, Z) mean latents
    song_index: Ints  # (M,) song of each window, ascending
    attributes: Floats  # (M, A) of `ATTRIBUTES`, nan where a window has none
    places: WindowPlaces | None = None
    checkpoint: str = ""
    """Hash of the model."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as named arrays, without Python objects, as in an `.npz` file.

        `names` `(n,)`; for each window `z` `(M, Z)`, `song_index`, `attributes` `(M, A)` and what
        `WindowPlaces` holds; `attribute_names` `(A,)` and `checkpoint`.
        """
        places = {} if self.places is None else vars(self.places)
        return {
            "names": np.array(self.names, np.str_),
            "z": self.mu,
            "song_index": self.song_index,
            **places,
            "attributes": self.attributes,
            "attribute_names": np.array(list(ATTRIBUTES), np.str_),
            "checkpoint": np.array(self.checkpoint, np.str_),
        }

    def save(self, path: str | Path) -> Path:
        """Write the arrays of `to_arrays` to an `.npz` file. Raises `WriteError`."""
        buffer = BytesIO()
        arrays: dict[str, Any] = self.to_arrays()
        np.savez_compressed(buffer, **arrays)
        return write_bytes(path, buffer.getvalue())

    def __len__(self) -> int:
        return len(self.names)

    @property
    def first_windows(self) -> Ints:
        """The first window of each song. `(n,)`"""
        return np.searchsorted(self.song_index, np.arange(len(self)))

    def means(self, values: Latents | Floats) -> Floats:
        """Return the mean of values of windows `(M, K)` over each song, without nan. `(n, K)`"""
        return group_mean(values, self.song_index, len(self))

    def attribute(self, name: str) -> Floats:
        """Return the mean of an attribute over each song. `(n,)`"""
        return self.means(self.attributes[:, [list(ATTRIBUTES).index(name)]])[:, 0]

    def select(self, index: Sequence[int]) -> SongEmbeddings:
        """Return the songs at `index`, which is ascending."""
        new_index = np.full(len(self), -1, np.int64)
        new_index[list(index)] = np.arange(len(index))
        selected = new_index[self.song_index] >= 0
        return SongEmbeddings(
            names=tuple(self.names[i] for i in index),
            folders=tuple(self.folders[i] for i in index),
            mu=self.mu[selected],
            song_index=new_index[self.song_index[selected]],
            attributes=self.attributes[selected],
            places=None if self.places is None else self.places.select(selected),
            checkpoint=self.checkpoint,
        )

    @staticmethod
    def concatenate(many: Sequence[SongEmbeddings]) -> SongEmbeddings:
        """Return the songs of all, one after the other."""
        offsets = np.cumsum([0, *(len(each) for each in many)])[:-1]
        index = [each.song_index + offset for each, offset in zip(many, offsets, strict=True)]
        places = [each.places for each in many if each.places is not None]
        return SongEmbeddings(
            names=tuple(name for each in many for name in each.names),
            folders=tuple(folder for each in many for folder in each.folders),
            mu=np.concatenate([each.mu for each in many]),
            song_index=np.concatenate(index),
            attributes=np.concatenate([each.attributes for each in many]),
            places=WindowPlaces.concatenate(places) if len(places) == len(many) else None,
            checkpoint=many[0].checkpoint,
        )


SongSource = str | Path | Song | BarlineEstimate
"""A folder, a file, or a song in memory."""


def embed(
    codec: Codec,
    songs: SongSource | Sequence[SongSource],
    *,
    read: SongReader | None = None,
    progress: ProgressCallback | None = None,
) -> SongEmbeddings:
    """Embed songs: the mean latent and the attributes of each of their windows.

    Args:
        songs: folders, files and songs, or one of these. Folders are prepared as for training;
            songs in memory are called `song 1`, `song 2`, and so on, by their place in the list.
        read: how to read a file; by default `musicvae.read` with estimated bar lines.
        progress: called with the number of windows done, and of all, for each folder.

    Raises `ReadError` for a file that cannot be read, `DataError` for an empty list, and if the
    model can represent no note of a song.
    """
    sources = [songs] if isinstance(songs, str | Path | Song | BarlineEstimate) else list(songs)
    if not sources:
        raise DataError("no songs to embed; give files, folders or songs")
    found = []
    for nth, source in enumerate(sources, start=1):
        if isinstance(source, Song | BarlineEstimate):
            found.append(embed_song(codec, source, f"song {nth}"))
        elif is_folder(path := Path(source)):
            found.append(embed_folder(codec, path, progress))
        else:
            found.append(embed_song(codec, (read or read_song)(path), str(path)))
    return SongEmbeddings.concatenate(found)


def read_song(path: str | Path) -> BarlineEstimate:
    """Read a song and estimate its bar lines, or keep those of a score.

    Raises `ReadError` if it cannot be read or is a performance without a grid.
    """
    return estimate_barlines(io.read(path)).require_grid(path)


def embed_folder(
    codec: Codec, folder: str | Path, progress: ProgressCallback | None = None
) -> SongEmbeddings:
    """Embed the songs of a folder, prepared as for training; raise `DataError` if there is none."""
    size = codec.preset.grid.bars
    windows = WindowDataset(folder, codec.preset, split="all", hop_bars=size)
    mu, attributes = _embed_windows(
        codec, windows.batcher, windows.input_index, windows.first_bar, progress=progress
    )
    paths = [each.path for each in windows.inputs]
    songs = list(dict.fromkeys(paths[i] for i in windows.input_index.tolist()))
    index = {path: nth for nth, path in enumerate(songs)}
    song_index = np.array([index[paths[i]] for i in windows.input_index.tolist()], np.int64)
    order = np.argsort(song_index, kind="stable")
    root = Path(folder)
    return SongEmbeddings(
        names=tuple(str(root / path) for path in songs),
        folders=tuple(str(root / Path(path).parent) for path in songs),
        mu=mu[order],
        song_index=song_index[order],
        attributes=attributes[order],
        places=_places(windows.batcher, windows.input_index, windows.first_bar, paths).select(
            order
        ),
        checkpoint=codec.hash,
    )


def embed_song(codec: Codec, song: Song | BarlineEstimate, name: str = "") -> SongEmbeddings:
    """Embed one song; raise `DataError` if the model can represent no note of it."""
    batcher, source, first = _windows_of_song(codec, song, name, codec.preset.grid.bars)
    return _embed_one(codec, batcher, source, first, name)


def embed_all_phases(
    codec: Codec, song: Song | BarlineEstimate, name: str = ""
) -> list[SongEmbeddings]:
    """Embed one song with all window phases and octaves, the song as it is first.

    Another copy of the song may begin its windows at another bar, and may be normalized to the
    common key from above or from below, an octave apart. Raises `DataError` if the model can
    represent no note of it.
    """
    size = codec.preset.grid.bars
    batcher, source, first = _windows_of_song(codec, song, name, 1)
    pitched = any(part.kind != "drums" for part in codec.preset.parts)
    found = []
    for octave in (0, 1, -1) if pitched else (0,):
        for phase in range(size):
            which = np.flatnonzero(first % size == phase)
            if len(which):
                shift = np.full(len(which), -12 * octave)
                found.append(_embed_one(codec, batcher, source[which], first[which], name, shift))
    return found


def _windows_of_song(
    codec: Codec, song: Song | BarlineEstimate, name: str, hop_bars: int
) -> tuple[WindowBatcher, Ints, Ints]:
    """Return a batcher, and input and first bar of each window of a song. `(W,)`"""
    barlines = with_barlines(song)
    chords = conditioning_chords(codec.preset, barlines.song)
    inputs, _ = model_inputs(Bars.from_song(barlines.song), codec.preset, chords=chords)
    batcher = WindowBatcher(inputs, codec.preset)
    none = np.zeros(0, np.int64)
    source, first = batcher.window_starts(hop_bars)[:2] if inputs else (none, none)
    if not len(first):
        raise unrepresentable(codec.preset, barlines.song, name)
    return batcher, source, first


def _embed_one(
    codec: Codec,
    batcher: WindowBatcher,
    source: Ints,
    first: Ints,
    name: str,
    shift: Ints | None = None,
) -> SongEmbeddings:
    mu, attributes = _embed_windows(codec, batcher, source, first, shift)
    return SongEmbeddings(
        names=(name,),
        folders=(str(Path(name).parent),),
        mu=mu,
        song_index=np.zeros(len(mu), np.int64),
        attributes=attributes,
        places=_places(batcher, source, first, [name] * len(batcher.key)),
        checkpoint=codec.hash,
    )


def _places(
    batcher: WindowBatcher, source: Ints, first: Ints, song_of_input: Sequence[str]
) -> WindowPlaces:
    """Return the places of windows of inputs `source` at bars `first`, `(M,)` both."""
    passes: dict[str, int] = {}
    pass_of_input = []
    for name in song_of_input:
        passes[name] = passes.get(name, -1) + 1
        pass_of_input.append(passes[name])
    return WindowPlaces(
        first_bar=first,
        pass_index=np.array(pass_of_input, np.int64)[source],
        key=batcher.key[source],
        meter=batcher.meter_names(source, first),
    )


def _embed_windows(
    codec: Codec,
    batcher: WindowBatcher,
    source: Ints,
    first: Ints,
    shift: Ints | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[Latents, Floats]:
    """Return mean latents `(M, Z)` and attributes `(M, A)` of windows.

    `shift` `(M,)` are semitones to transpose the windows down by.
    """
    means, attributes = [], []
    for begin in range(0, len(first), BATCH_SIZE):
        chunk = slice(begin, begin + BATCH_SIZE)
        by = None if shift is None else shift[chunk]
        batch = batcher.batch(source[chunk], first[chunk], by)
        means.append(codec.posterior_means(batch))
        table = to_note_table(batch, codec.preset)
        attributes.append(window_attributes(table, codec.preset.meters))
        if progress is not None:
            progress(begin + len(means[-1]), len(first))
    return np.concatenate(means), np.concatenate(attributes)
