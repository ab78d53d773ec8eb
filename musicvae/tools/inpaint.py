"""Floor 8: bars of a song written anew, all else as it was: what `continue_` and `infill` share.

The bars to be written are silent when the model hears the song; what it hears of the windows around
them is given to the prior, which draws the others to suit. Of what is decoded only notes that begin
in these bars are used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset, model_inputs
from musicvae.errors import DataError
from musicvae.latent.codec import Codec, tick_spans
from musicvae.networks.priors.conditioning import KnownLatents
from musicvae.representation.bars import Bars, Notes, cell_index, resolve_note_overlaps
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid
from musicvae.representation.slots import ModelPass, make_monophonic, restore_parts, split_passthrough
from musicvae.representation.velocity import bar_velocities
from musicvae.representation.windows import window_bounds
from musicvae.song import Part, Song

Mask = NDArray[np.bool_]
_AROUND = 4  # bars on each side of a hole that say which parts play in it, and how loud


def inpaint(codec: Codec, song: Song, hole: Mask, *, temperature: float, seed: int) -> Song:
    """`song` with other notes in the bars of `hole` `(N,)`; every note that begins elsewhere, or
    that the model cannot represent, stays exactly as it is.
    """
    preset = codec.preset
    kept, asked, passthrough = _parted(codec, song, hole)
    sources, _ = model_inputs(asked, preset)
    if not sources:
        raise DataError(
            f"nothing that preset {preset.name} can represent stands around these bars; make new "
            "songs with musicvae sample, or choose another --checkpoint"
        )
    silent = [replace(s, active=s.active & ~hole[:, None]) for s in sources]
    heard = WindowBatcher(silent, preset)
    asked_for = WindowBatcher([replace(s, active=_playing(s, hole)) for s in sources], preset)
    size = preset.grid.bars
    given = _given(codec, heard, asked.grid, ~_by_window(hole, size, filler=True))
    rng = np.random.default_rng(seed)
    z = codec.sample_latents(asked_for, np.arange(len(sources)), temperature, rng, given=given)
    which = np.asarray(_by_window(hole, size, filler=False).any(1))
    made = codec.decode_notes(asked_for, asked, z, refine_steps=codec.refine_steps, which=which)
    made = _beside(asked.grid, made.select(hole[made.bar]), sources, hole, codec)
    owner = np.concatenate([s.group.owner for s in sources])
    none = Notes.concatenate([])
    notes = resolve_note_overlaps(asked.grid, restore_parts((ModelPass(notes=made, owner=owner),), none))
    notes = codec.add_velocities(asked, notes, _levels(asked, hole))
    new = replace(asked, notes=notes).at(STORED_STEPS_PER_QUARTER).to_song()
    parts = [
        _together(part, one, other)
        for part, one, other in zip(new.parts, kept, passthrough, strict=True)
    ]
    return replace(song, parts=tuple(parts))


def _parted(
    codec: Codec, song: Song, hole: Mask
) -> tuple[tuple[Part, ...], Bars, tuple[Part, ...]]:
    """What the model is to hear of a song, as parts and as bars, and what stays untouched."""
    preset = codec.preset
    grid = Bars.from_song(replace(song, parts=())).at(preset.grid.steps_per_quarter)
    first, stop = window_bounds(len(grid), preset.grid.bars, preset.grid.bars)
    fits = fits_preset(grid.grid, first, stop, preset)
    wanted = np.repeat(~fits, preset.grid.bars)[: len(hole)] & hole
    if wanted.any():
        raise DataError(
            f"bars longer than preset {preset.name} knows stand there; choose another --checkpoint"
        )
    away = tick_spans(grid.grid, first[~fits], stop[~fits])
    able, passthrough = split_passthrough(song, preset.parts, away)
    kept = tuple(part.select(~hole[onset_bars(grid.grid, part.onset_ticks)]) for part in able.parts)
    asked = Bars.from_song(replace(able, parts=kept)).at(preset.grid.steps_per_quarter)
    return kept, asked, passthrough


def onset_bars(grid: Grid, onset_ticks: Ints) -> Ints:
    """The bar in which each note begins; one played less than a sixteenth of a quarter early is in
    the bar that it leads into. `(M,)`
    """
    late = onset_ticks + (grid.ticks_per_quarter - 1) // 16
    return np.maximum(np.searchsorted(grid.start_ticks, late, side="right") - 1, 0)


def _by_window(bars: Mask, size: int, *, filler: bool) -> Mask:
    """Marks of bars `(N,)` by windows `(W, size)`, past the end `filler`."""
    missing = -len(bars) % size
    return np.append(bars, np.full(missing, filler)).reshape(-1, size)


def _given(codec: Codec, heard: WindowBatcher, grid: Grid, bars: Mask) -> KnownLatents:
    """What is known of each group's windows, of which these bars `(W, N)` are heard."""
    size = codec.preset.grid.bars
    first, stop = window_bounds(len(grid), size, size)
    able = bars.any(1) & fits_preset(grid, first, stop, codec.preset)
    G = len(heard.lengths)
    z = np.zeros((G, len(first), codec.vae.Z), np.float32)
    for g in range(G):
        z[g, able] = codec.posterior(heard, g, first[able])[0]
    # A window that the model cannot take is no hole either: zeros stand there, as in an encoding.
    long = ~fits_preset(grid, first, stop, codec.preset)
    return KnownLatents(z=z, bars=np.repeat((bars | long[:, None])[None], G, axis=0))


def _playing(source: ModelInput, hole: Mask) -> Mask:
    """In which bars each slot sounds `(N, R)`: in those to be written it does if it does so in at
    least half of the bars around, and some slot always does.
    """
    active, outside = source.active.copy(), np.flatnonzero(~hole)
    for begin, stop in _runs(hole):
        at = np.searchsorted(outside, begin)
        near = outside[max(at - _AROUND, 0) : at + _AROUND]
        often = active[near].mean(0) if len(near) else np.zeros(active.shape[1])
        active[begin:stop] = often >= 0.5
    return np.where((hole & ~active.any(1))[:, None], source.group.slot_active, active)


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """Where runs of marked bars begin and stop."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edge.reshape(-1, 2)]


def _levels(bars: Bars, hole: Mask) -> NDArray[np.float64]:
    """Mean velocity of each part in each bar `(N, parts)`, in a hole on the way between those of
    the bars around it.
    """
    n_parts = len(bars.header.parts)
    levels = bar_velocities(len(bars), n_parts, bars.notes)
    outside = np.flatnonzero(~hole)
    if not len(outside):
        return levels
    ones = np.ones(_AROUND)
    count = np.convolve(np.ones(len(outside)), ones, "same")[: len(outside)]
    for part in range(n_parts):
        smooth = np.convolve(levels[outside, part], ones, "same")[: len(outside)] / count
        levels[hole, part] = np.interp(np.flatnonzero(hole), outside, smooth)
    return levels


def _beside(grid: Grid, made: Notes, sources: list[ModelInput], hole: Mask, codec: Codec) -> Notes:
    """New notes of voices that neither begin while a kept note of theirs is held nor go on when one
    begins. `part` counts the slots of all sources.
    """
    slots, R = codec.preset.parts * len(sources), len(codec.preset.parts)
    groups = [
        replace(s.group.notes, part=s.group.notes.part + g * R) for g, s in enumerate(sources)
    ]
    kept = Notes.concatenate(groups)
    kept = kept.select(~hole[kept.bar])  # a grace note before the first bar is no note held into it
    voice = np.array([slot.kind == "voice" for slot in slots])
    start, stop = cell_index(grid, kept), cell_index(grid, kept) + kept.duration
    at, free = cell_index(grid, made), np.ones(len(made), bool)
    for slot in np.flatnonzero(voice).tolist():
        mine, theirs = made.part == slot, kept.part == slot
        order = np.argsort(start[theirs], kind="stable")
        until = np.maximum.accumulate(np.append(0, stop[theirs][order]))
        before = np.searchsorted(start[theirs][order], at[mine], side="right")
        free[mine] = until[before] <= at[mine]
    made = made.select(free)
    both = Notes.concatenate([made, kept])
    return make_monophonic(grid, both, slots).select(np.arange(len(made)))


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
