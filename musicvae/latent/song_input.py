"""Floor 8: a song as a model hears it, note by note."""

from __future__ import annotations

from dataclasses import dataclass, replace

from musicvae.data.batch import ModelInput, fits_preset, model_inputs
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import DataError
from musicvae.latent.codec import Codec, tick_spans
from musicvae.representation.bars import Bars
from musicvae.representation.slots import split_passthrough
from musicvae.representation.windows import window_bounds
from musicvae.song import Part, Song


@dataclass(frozen=True, kw_only=True, eq=False)
class SongInput:
    """A song as a model hears it."""

    aligned: BarlineEstimate
    bars: Bars
    """What goes through the model, on its grid."""
    sources: list[ModelInput]
    passthrough: tuple[Part, ...]
    """Of each part the notes that do not."""

    @property
    def n_passthrough(self) -> int:
        """Notes that do not go through the model."""
        return sum(len(part) for part in self.passthrough)


def read(codec: Codec, song: Song | BarlineEstimate) -> SongInput:
    """A song on the model's grid, its parts in the model's slots.

    Raises `DataError` if there is nothing that the model can hear.
    """
    aligned = song if isinstance(song, BarlineEstimate) else estimate_barlines(song)
    preset = codec.preset
    blank = Bars.from_song(replace(aligned.song, parts=()))
    grid = blank.at(preset.grid.steps_per_quarter).grid
    first, stop = window_bounds(len(grid), preset.grid.bars, preset.grid.bars)
    fits = fits_preset(grid, first, stop, preset)
    spans = tick_spans(grid, first[~fits], stop[~fits])
    kept, passthrough = split_passthrough(aligned.song, preset.parts, spans)
    bars = Bars.from_song(kept).at(preset.grid.steps_per_quarter)
    sources, _ = model_inputs(bars, preset)
    if not any(len(source.group.notes) for source in sources):
        raise DataError(f"nothing in it that preset {preset.name} can hear; choose --checkpoint")
    return SongInput(aligned=aligned, bars=bars, sources=sources, passthrough=passthrough)
