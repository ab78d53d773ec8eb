"""Floor 8: bars of a song written anew, all else as it was: what `continue_` and `infill` share.

The bars to be written are silent when the model hears the song; what it hears of the windows around
them is given to the prior, which draws the others to suit. Of what is decoded only notes that begin
in these bars are used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musicvae.data.batch import Source, WindowCutter, fitting, sources_of
from musicvae.errors import DataError
from musicvae.latent.codec import Coder, spans_of
from musicvae.networks.priors.conditioning import Given
from musicvae.representation.bars import Bars, Notes, cells, settled
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid
from musicvae.representation.slots import Group, one_at_a_time, out_of_slots, set_aside
from musicvae.representation.velocity import bar_levels
from musicvae.representation.windows import window_bounds
from musicvae.song import Ints, Part, Song

Mask = NDArray[np.bool_]
_AROUND = 4  # bars on each side of a hole that say which parts play in it, and how loud


def rewritten(coder: Coder, song: Song, hole: Mask, *, temperature: float, seed: int) -> Song:
    """`song` with other notes in the bars of `hole` `(N,)`; every note that begins elsewhere, or
    that the model cannot represent, stays exactly as it is.
    """
    preset = coder.preset
    kept, asked, untouched = _parted(coder, song, hole)
    sources, _ = sources_of(asked, preset)
    if not sources:
        raise DataError(
            f"nothing that preset {preset.name} can represent stands around these bars; make new "
            "songs with musicvae sample, or choose another --checkpoint"
        )
    silent = [replace(s, active=s.active & ~hole[:, None]) for s in sources]
    heard = WindowCutter(silent, preset)
    asked_for = WindowCutter([replace(s, active=_playing(s, hole)) for s in sources], preset)
    size = preset.grid.bars
    given = _given(coder, heard, asked.grid, ~_by_window(hole, size, filler=True))
    rng = np.random.default_rng(seed)
    z = coder.paths(asked_for, np.arange(len(sources)), temperature, rng, given=given)
    which = np.asarray(_by_window(hole, size, filler=False).any(1))
    made = coder.notes(asked_for, asked, z, settle=coder.settle, which=which)
    made = _beside(asked.grid, made.take(hole[made.bar]), sources, hole, coder)
    owner = np.concatenate([s.group.owner for s in sources])
    none = Notes.concatenate([])
    notes = settled(asked.grid, out_of_slots((Group(notes=made, owner=owner),), none))
    notes = coder.played(asked, notes, _levels(asked, hole))
    new = replace(asked, notes=notes).at(STORED_STEPS_PER_QUARTER).to_song()
    parts = [
        _together(part, one, other)
        for part, one, other in zip(new.parts, kept, untouched, strict=True)
    ]
    return replace(song, parts=tuple(parts))


def _parted(
    coder: Coder, song: Song, hole: Mask
) -> tuple[tuple[Part, ...], Bars, tuple[Part, ...]]:
    """What the model is to hear of a song, as parts and as bars, and what stays untouched."""
    preset = coder.preset
    grid = Bars.from_song(replace(song, parts=())).at(preset.grid.steps_per_quarter)
    first, stop = window_bounds(len(grid), preset.grid.bars, preset.grid.bars)
    fits = fitting(grid.grid, first, stop, preset)
    wanted = np.repeat(~fits, preset.grid.bars)[: len(hole)] & hole
    if wanted.any():
        raise DataError(
            f"bars longer than preset {preset.name} knows stand there; choose another --checkpoint"
        )
    away = spans_of(grid.grid, first[~fits], stop[~fits])
    able, untouched = set_aside(song, preset.parts, away)
    kept = tuple(part.take(~hole[bar_of(grid.grid, part.onset_ticks)]) for part in able.parts)
    asked = Bars.from_song(replace(able, parts=kept)).at(preset.grid.steps_per_quarter)
    return kept, asked, untouched


def bar_of(grid: Grid, onset_ticks: Ints) -> Ints:
    """The bar in which each note begins; one played less than a sixteenth of a quarter early is in
    the bar that it leads into. `(M,)`
    """
    late = onset_ticks + (grid.ticks_per_quarter - 1) // 16
    return np.maximum(np.searchsorted(grid.start_ticks, late, side="right") - 1, 0)


def _by_window(bars: Mask, size: int, *, filler: bool) -> Mask:
    """Marks of bars `(N,)` by windows `(W, size)`, past the end `filler`."""
    missing = -len(bars) % size
    return np.append(bars, np.full(missing, filler)).reshape(-1, size)


def _given(coder: Coder, heard: WindowCutter, grid: Grid, bars: Mask) -> Given:
    """What is known of each group's windows, of which these bars `(W, N)` are heard."""
    size = coder.preset.grid.bars
    first, stop = window_bounds(len(grid), size, size)
    able = bars.any(1) & fitting(grid, first, stop, coder.preset)
    G = len(heard.lengths)
    z = np.zeros((G, len(first), coder.vae.Z), np.float32)
    for g in range(G):
        z[g, able] = coder.posterior(heard, g, first[able])[0]
    # A window that the model cannot take is no hole either: zeros stand there, as in an encoding.
    long = ~fitting(grid, first, stop, coder.preset)
    return Given(z=z, bars=np.repeat((bars | long[:, None])[None], G, axis=0))


def _playing(source: Source, hole: Mask) -> Mask:
    """In which bars each slot sounds `(N, R)`: in those to be written it does if it does so in at
    least half of the bars around, and some slot always does.
    """
    active, outside = source.active.copy(), np.flatnonzero(~hole)
    for begin, stop in _runs(hole):
        at = np.searchsorted(outside, begin)
        near = outside[max(at - _AROUND, 0) : at + _AROUND]
        often = active[near].mean(0) if len(near) else np.zeros(active.shape[1])
        active[begin:stop] = often >= 0.5
    return np.where((hole & ~active.any(1))[:, None], source.group.present, active)


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """Where runs of marked bars begin and stop."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edge.reshape(-1, 2)]


def _levels(bars: Bars, hole: Mask) -> NDArray[np.float64]:
    """Mean velocity of each part in each bar `(N, parts)`, in a hole on the way between those of
    the bars around it.
    """
    n_parts = len(bars.frame.parts)
    levels = bar_levels(len(bars), n_parts, bars.notes)
    outside = np.flatnonzero(~hole)
    if not len(outside):
        return levels
    ones = np.ones(_AROUND)
    count = np.convolve(np.ones(len(outside)), ones, "same")[: len(outside)]
    for part in range(n_parts):
        smooth = np.convolve(levels[outside, part], ones, "same")[: len(outside)] / count
        levels[hole, part] = np.interp(np.flatnonzero(hole), outside, smooth)
    return levels


def _beside(grid: Grid, made: Notes, sources: list[Source], hole: Mask, coder: Coder) -> Notes:
    """New notes of voices that neither begin while a kept note of theirs is held nor go on when one
    begins. `part` counts the slots of all sources.
    """
    slots, R = coder.preset.parts * len(sources), len(coder.preset.parts)
    groups = [
        replace(s.group.notes, part=s.group.notes.part + g * R) for g, s in enumerate(sources)
    ]
    kept = Notes.concatenate(groups)
    kept = kept.take(~hole[kept.bar])  # a grace note before the first bar is no note held into it
    voice = np.array([slot.kind == "voice" for slot in slots])
    start, stop = cells(grid, kept), cells(grid, kept) + kept.duration
    at, free = cells(grid, made), np.ones(len(made), bool)
    for slot in np.flatnonzero(voice).tolist():
        mine, theirs = made.part == slot, kept.part == slot
        order = np.argsort(start[theirs], kind="stable")
        until = np.maximum.accumulate(np.append(0, stop[theirs][order]))
        before = np.searchsorted(start[theirs][order], at[mine], side="right")
        free[mine] = until[before] <= at[mine]
    made = made.take(free)
    both = Notes.concatenate([made, kept])
    return one_at_a_time(grid, both, slots).take(np.arange(len(made)))


def _together(new: Part, *kept: Part) -> Part:
    """A part of its new notes and those kept, which stay exactly as they are: a new note gives way
    to one of its pitch.
    """
    names = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    old = [np.concatenate([getattr(part, name) for part in kept]) for name in names]
    onset, duration, pitch, velocity = (getattr(new, name).copy() for name in names)
    free = np.ones(len(onset), bool)
    for value in np.unique(pitch).tolist():
        mine = np.flatnonzero(pitch == value)
        theirs = old[2] == value
        order = np.argsort(old[0][theirs], kind="stable")
        begin, until = old[0][theirs][order], (old[0] + old[1])[theirs][order]
        after = np.searchsorted(begin, onset[mine], side="right")
        held = np.maximum.accumulate(np.append(-1, until))[after]
        free[mine] = held <= onset[mine]
        following = np.append(begin, np.iinfo(np.int64).max)[after]
        duration[mine] = np.minimum(duration[mine], following - onset[mine])
    columns = [column[free] for column in (onset, duration, pitch, velocity)]
    return new.with_notes(*(np.concatenate(pair) for pair in zip(columns, old, strict=True)))
