"""Floor 8: a song as a model hears it, note by note."""

from __future__ import annotations

from dataclasses import dataclass, replace

from musicvae.data.batch import Source, fitting, sources_of
from musicvae.downbeats import Alignment, align
from musicvae.errors import DataError
from musicvae.latent.codec import Coder, spans_of
from musicvae.representation.bars import Bars
from musicvae.representation.slots import set_aside
from musicvae.representation.windows import window_bounds
from musicvae.song import Part, Song


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A song as a model hears it."""

    aligned: Alignment
    bars: Bars
    """What goes through the model, on its grid."""
    sources: list[Source]
    untouched: tuple[Part, ...]
    """Of each part the notes that do not."""

    @property
    def n_untouched(self) -> int:
        """Notes that do not go through the model."""
        return sum(len(part) for part in self.untouched)


def read(coder: Coder, song: Song | Alignment) -> Reading:
    """A song on the model's grid, its parts in the model's slots.

    Raises `DataError` if there is nothing that the model can hear.
    """
    aligned = song if isinstance(song, Alignment) else align(song)
    preset = coder.preset
    blank = Bars.from_song(replace(aligned.song, parts=()))
    grid = blank.at(preset.grid.steps_per_quarter).grid
    first, stop = window_bounds(len(grid), preset.grid.bars, preset.grid.bars)
    fits = fitting(grid, first, stop, preset)
    spans = spans_of(grid, first[~fits], stop[~fits])
    kept, untouched = set_aside(aligned.song, preset.parts, spans)
    bars = Bars.from_song(kept).at(preset.grid.steps_per_quarter)
    sources, _ = sources_of(bars, preset)
    if not any(len(source.group.notes) for source in sources):
        raise DataError(f"nothing in it that preset {preset.name} can hear; choose --checkpoint")
    return Reading(aligned=aligned, bars=bars, sources=sources, untouched=untouched)
