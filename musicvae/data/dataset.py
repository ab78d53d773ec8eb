"""Windows of a prepared folder as a torch `Dataset`, and whole batches at once.

`WindowDataset` does not depend on the trainer: use it with any `torch.utils.data.DataLoader`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from musicvae.arrays import Bools, Ints
from musicvae.config.preset import Preset, load_preset
from musicvae.data.batch import Batch, ModelInput, WindowBatcher, model_inputs
from musicvae.data.shards import Shards
from musicvae.data.split import SPLITS, split_shards
from musicvae.data.stored_song import StoredSong
from musicvae.errors import ConfigError, DataError
from musicvae.representation.bars import Notes


class WindowDataset(Dataset[Batch]):
    """Windows of the songs of a folder, as a torch dataset.

    Args:
        folder: music files, or shards made by `musicvae prepare`.
        preset: a `Preset` or the name of one.
        split: `train`, `valid`, `test`, or `all` songs.
        hop_bars: bars from one window to the next.
        seed: seed of the split by song.

    Attributes:
        songs: paths of the songs of this split.
        inputs: the model inputs of these songs; their notes are in `batcher` alone.
        batcher: the slicer of windows.
        input_index, first_bar: input and first bar of each window, `(W,)`.
        skipped_windows: number of windows left out, by reason.
        n_passthrough: number of notes that the preset cannot represent.
        n_bars: number of bars of all songs.

    An item is a `Batch` without its first axis, padded to the longest window, so the default
    collate function stacks items; `batch` makes a whole batch at once, much faster.
    Raises `DataError` if no window fits the preset, `ConfigError` for an unknown split.
    """

    def __init__(
        self,
        folder: str | Path | Shards,
        preset: Preset | str = "chorale-2bar",
        *,
        split: str = "train",
        hop_bars: int = 1,
        seed: int = 0,
    ) -> None:
        shards = folder if isinstance(folder, Shards) else _prepared_shards(folder)
        self.preset = load_preset(preset) if isinstance(preset, str) else preset
        self.split = split
        if split not in (*SPLITS, "all"):
            raise ConfigError(f"split {split!r}: use one of {', '.join(SPLITS)} or all")
        assigned = split_shards(shards, seed)
        self.songs: list[str] = []
        self.inputs: list[ModelInput] = []
        self.n_passthrough = 0
        chosen = (s for s, name in zip(shards, assigned, strict=True) if split in (name, "all"))
        self.batcher = WindowBatcher(self._model_inputs(chosen), self.preset)
        if not self.inputs:
            raise DataError(
                f"{shards.origin}: no song of the {split} split fits preset {self.preset.name}: it "
                "cannot represent "
                f"any of {self.n_passthrough:,} notes (drums, or out of its range)"
            )
        self.input_index, self.first_bar, self.skipped_windows = self.batcher.window_starts(
            hop_bars
        )
        if not len(self.first_bar):
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.skipped_windows.items() if n)
            raise DataError(
                f"{shards.origin}: no window of the {split} split fits preset {self.preset.name} "
                f"({reasons}); choose another preset"
            )
        self.n_bars = int(sum({each.path: len(each.bars) for each in self.inputs}.values()))

    def _model_inputs(self, songs: Iterable[StoredSong]) -> Iterator[ModelInput]:
        """Yield the inputs of songs, and collect them without their notes."""
        no_notes = Notes.concatenate([])
        for song in songs:
            self.songs.append(song.path)
            inputs, passthrough = model_inputs(song.bars, self.preset, song.path, song.chords)
            self.n_passthrough += len(passthrough)
            for each in inputs:
                self.inputs.append(
                    replace(each, model_pass=replace(each.model_pass, notes=no_notes))
                )
                yield each

    def __len__(self) -> int:
        return len(self.first_bar)

    def __getitem__(self, index: int) -> Batch:
        one = self.batch(np.array([range(len(self))[index]]))
        notes = torch.nn.functional.pad(one.notes, (0, 0, 0, self.max_notes - one.notes.shape[1]))
        return Batch(notes[0], *(tensor[0] for tensor in one[1:]))

    @property
    def max_notes(self) -> int:
        """The largest number of notes of any window."""
        if not hasattr(self, "_max_notes"):
            pieces = np.array_split(np.arange(len(self)), max(1, len(self) // 4096))
            self._max_notes = max(self.batch(p).notes.shape[1] for p in pieces)
        return self._max_notes

    def batch(
        self,
        index: Ints | Sequence[int],
        shift: Ints | None = None,
        dropped: Bools | None = None,
    ) -> Batch:
        """Return the windows at `index` as one batch; see `WindowBatcher.batch`."""
        at = np.asarray(index)
        return self.batcher.batch(self.input_index[at], self.first_bar[at], shift, dropped)

    def meter_ids(self, index: Ints) -> Ints:
        """Return the index of the meter of each window's first bar, `(B,)`."""
        offset = self.batcher.offsets_bars[self.input_index[index]]
        return self.batcher.meter[offset + self.first_bar[index]]

    def counts(self) -> Counter[str]:
        """Return the number of songs, bars, windows and notes of this split."""
        counted = {"songs": len(self.songs), "bars": self.n_bars, "windows": len(self)}
        return Counter(counted | {"notes": self.batcher.n_notes})


def _prepared_shards(folder: str | Path) -> Shards:
    from musicvae.data.prepare import prepare_cached  # stored songs load without the readers

    return Shards(prepare_cached(folder))
