"""Songs on the grid and in the slots of a preset: the input of the encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from musicvae.arrays import Bools, Ints
from musicvae.chords import ChordMap
from musicvae.config.preset import Preset
from musicvae.config.size_limits import MAX_BARS
from musicvae.data.batch import ModelInput, fits_preset, model_inputs
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import DataError
from musicvae.harmony import with_chords
from musicvae.representation.bars import Bars
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid, header_of
from musicvae.representation.slots import split_passthrough
from musicvae.representation.windows import window_bounds
from musicvae.song import Part, Song


def with_barlines(song: Song | BarlineEstimate) -> BarlineEstimate:
    """Return the bar lines of a song, estimated unless they are given."""
    return song if isinstance(song, BarlineEstimate) else estimate_barlines(song)


def check_bars(n_bars: int) -> None:
    """Raise `DataError` for a song too long for tools that relate all its bars to each other."""
    if n_bars > MAX_BARS:
        raise DataError(f"{n_bars:,} bars, over the limit of {MAX_BARS:,} here; cut it into pieces")


def conditioning_chords(preset: Preset, song: Song) -> ChordMap:
    """Return the chords on which a model is conditioned: stated, else found unless they are weak.

    None are found for a preset that is not conditioned on chords.
    """
    return with_chords(song).chords if preset.conditions.chords else song.chords


def unrepresentable(preset: Preset, song: Song, name: str = "") -> DataError:
    """Return the error for a song, called `name`, in which a preset can represent no note.

    Another checkpoint is advised only if one for any parts could represent some.
    """
    prefix = f"{name}: " if name else ""
    if not song.n_notes:
        return DataError(f"{prefix}has no notes; give another song")
    pitched = any(len(part) for part in song.parts if not part.is_drum)
    if not pitched and all((canonical_pitch(part.pitch) < 0).all() for part in song.parts):
        reason = "only drums without a drum class, which no model can represent"
        return DataError(f"{prefix}{reason}; give another song")
    reason = f"no notes that preset {preset.name} can represent"
    if not pitched and all(part.kind != "drums" for part in preset.parts):
        reason += ", only drums"
    elif all(part.kind == "drums" for part in preset.parts):
        reason += ", which is for drums"
    return DataError(f"{prefix}{reason}; choose another --checkpoint")


def tick_spans(grid: Grid, first: Ints, stop: Ints) -> Ints:
    """Return the ticks whose onsets may be quantized into windows of bars `first` to `stop`.

    `first` and `stop` are `(W,)`; the result, first tick and end, is `(W, 2)`.
    """
    start, tpq = grid.start_ticks, grid.ticks_per_quarter
    early = tpq // (2 * grid.steps_per_quarter) + tpq // (2 * STORED_STEPS_PER_QUARTER) + 1
    end = start[stop - 1] + grid.length_ticks[stop - 1]
    return np.stack([start[first] - early, end], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class SongInput:
    """A song split into the notes that go through a model and those that bypass it."""

    preset: Preset
    barlines: BarlineEstimate
    song: Song
    """The notes that the preset can represent, in the time of `barlines.song`."""
    bars: Bars
    """The same notes on the preset's grid."""
    passthrough: tuple[Part, ...]
    """For each part the notes that bypass the model."""
    first: Ints
    """First bar of each window. `(W,)`"""
    fits: Bools
    """Windows without a bar that is longer than the preset's longest. `(W,)`"""

    @classmethod
    def from_song(cls, preset: Preset, song: Song | BarlineEstimate) -> SongInput:
        """Quantize a song to the grid of a preset and set the other notes aside.

        Bar lines are estimated unless they are given.
        """
        barlines, size = with_barlines(song), preset.grid.bars
        frame = header_of(barlines.song)
        song = replace(barlines.song, end_ticks=frame.end_ticks)  # the same bars for any notes
        grid = Bars.from_song(frame).at(preset.grid.steps_per_quarter).grid
        first, stop = window_bounds(len(grid), size, size)
        fits = fits_preset(grid, first, stop, preset)
        spans = tick_spans(grid, first[~fits], stop[~fits])
        fitting, passthrough = split_passthrough(song, preset.parts, spans)
        return cls(
            preset=preset,
            barlines=barlines,
            song=fitting,
            bars=Bars.from_song(fitting).at(preset.grid.steps_per_quarter),
            passthrough=passthrough,
            first=first,
            fits=fits,
        )

    @cached_property
    def inputs(self) -> list[ModelInput]:
        """The passes of the song through the model."""
        chords = conditioning_chords(self.preset, self.barlines.song)
        return model_inputs(self.bars, self.preset, chords=chords)[0]

    @property
    def n_passthrough(self) -> int:
        """Number of notes that bypass the model."""
        return sum(len(part) for part in self.passthrough)

    def require_notes(self) -> SongInput:
        """Return the input itself; raise `DataError` if no note goes through the model."""
        if not any(len(source.model_pass.notes) for source in self.inputs):
            raise unrepresentable(self.preset, self.barlines.song)
        return self
