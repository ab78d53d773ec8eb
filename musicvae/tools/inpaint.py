"""Inpainting: new notes in some bars of a song, everything else unchanged.

The masked bars are silent in what the encoder gets. The latents of the windows around them are
given to the prior, which samples the others to fit. Of the decoded notes only those that begin in
masked bars are used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset, model_inputs
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError, DataError
from musicvae.latent.codec import Codec
from musicvae.latent.song_input import (
    SongInput,
    check_bars,
    conditioning_chords,
    with_barlines,
)
from musicvae.networks.priors.conditioning import KnownLatents
from musicvae.representation.bars import Bars, Notes, cell_index, resolve_note_overlaps
from musicvae.representation.chord_grid import UNKNOWN
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid, header_of
from musicvae.representation.slots import ModelPass, make_monophonic, restore_parts
from musicvae.representation.velocity import bar_velocities
from musicvae.representation.windows import window_bounds
from musicvae.song import Part, Song

N_CONTEXT_BARS = 4  # on each side of masked bars, for their active parts and velocities
EARLY_SHARE = 16  # an onset may precede its bar by 1 / EARLY_SHARE of a quarter


def infill(
    codec: Codec,
    song: Song | BarlineEstimate,
    first: int,
    last: int,
    *,
    temperature: float = 1.0,
    seed: int = 0,
) -> Song:
    """Return a song with new notes in bars `first` to `last` that fit the bars around them.

    All other notes, and those that the model cannot represent, stay exactly as they are. A note
    belongs to the bar in which it begins.

    Args:
        song: the song.
        first: first bar to fill; bars count from 1, a pickup is bar 0.
        last: last bar to fill.
        temperature: scale of the sampled noise; below 1 nearer to the typical.
        seed: the same seed gives the same notes.

    Raises `ConfigError` if there are no such bars, `DataError` if no notes surround them.
    """
    barlines = with_barlines(song)
    grid, _ = occupied_bars(barlines.song)
    has_pickup = bool(grid.lead_steps[0])
    lowest, highest = 0 if has_pickup else 1, len(grid) - has_pickup
    if not lowest <= first <= last <= highest:
        raise ConfigError(f"bars {first}-{last}: the song has bars {lowest}-{highest}")
    mask = np.zeros(len(grid), bool)
    mask[first - lowest : last - lowest + 1] = True
    filled = inpaint(codec, barlines, mask, temperature=temperature, seed=seed)
    return barlines.undo(filled)


def occupied_bars(song: Song) -> tuple[Grid, int]:
    """Return the bars of a song, and the number of bars up to the last that has sound.

    Raises `DataError` for a song without notes.
    """
    grid = Bars.from_song(header_of(song)).grid
    sounding = [part for part in song.parts if len(part)]
    if not sounding or not len(grid):
        raise DataError("the song has no notes; make new ones with musicvae sample")
    end = max(part.end_ticks for part in sounding)
    last_onset = max(int(onset_bars(grid, part.onset_ticks).max()) for part in sounding)
    last_sound = int(np.searchsorted(grid.start_ticks, end, side="left")) - 1
    return grid, min(max(last_onset, last_sound) + 1, len(grid))


def inpaint(
    codec: Codec, barlines: BarlineEstimate, mask: Bools, *, temperature: float, seed: int
) -> Song:
    """Return `barlines.song` with new notes in the bars of `mask` `(N,)`.

    Notes that begin elsewhere, or that the model cannot represent, stay exactly as they are.
    """
    check_bars(len(mask))
    preset, size = codec.preset, codec.preset.grid.bars
    kept, bars, passthrough = _split_input(codec, barlines, mask)
    stated, kept_song = barlines.song.chords, replace(barlines.song, parts=kept)
    chords = stated if len(stated) else conditioning_chords(preset, kept_song)
    inputs, _ = model_inputs(bars, preset, chords=chords)
    if not len(stated):  # what was found in silence says nothing about the bars to come
        inputs = [_without_chords(each, mask) for each in inputs]
    if not inputs:
        raise DataError(
            f"no notes that preset {preset.name} can represent surround these bars; make new "
            "songs with musicvae sample, or choose another --checkpoint"
        )
    silent = [replace(s, active=s.active & ~mask[:, None]) for s in inputs]
    observed = WindowBatcher(silent, preset)
    target = WindowBatcher([replace(s, active=_active_slots(s, mask)) for s in inputs], preset)
    known = _encode_context(codec, observed, bars.grid, ~_window_mask(mask, size, padding=True))
    rng = np.random.default_rng(seed)
    z = codec.sample_latents(target, np.arange(len(inputs)), temperature, rng, known=known)
    which = np.asarray(_window_mask(mask, size, padding=False).any(1))
    new = codec.decode_notes(target, bars, z, refine_steps=codec.refine_steps, which=which)
    new = _avoid_overlaps(bars.grid, new.select(mask[new.bar]), inputs, mask, codec)
    source_part = np.concatenate([s.model_pass.source_part for s in inputs])
    group = ModelPass(notes=new, source_part=source_part)
    notes = resolve_note_overlaps(bars.grid, restore_parts((group,), Notes.concatenate([])))
    notes = codec.add_velocities(bars, notes, _interpolate_velocities(bars, mask))
    new_song = replace(bars, notes=notes).at(STORED_STEPS_PER_QUARTER).to_song()
    parts = [
        _merge_part(part, one, other)
        for part, one, other in zip(new_song.parts, kept, passthrough, strict=True)
    ]
    return replace(barlines.song, parts=tuple(parts))


def _without_chords(source: ModelInput, mask: Bools) -> ModelInput:
    """Return an input with unknown chords in the bars of `mask` `(N,)`."""
    if source.chords is None:
        return source
    return replace(source, chords=np.where(mask[:, None, None], UNKNOWN, source.chords))


def _split_input(
    codec: Codec, barlines: BarlineEstimate, mask: Bools
) -> tuple[tuple[Part, ...], Bars, tuple[Part, ...]]:
    """Return the notes outside of masked bars, as parts and as bars, and those passed through.

    Raises `DataError` if a masked bar is too long for the preset.
    """
    preset = codec.preset
    source = SongInput.from_song(preset, barlines)
    too_long = np.repeat(~source.fits, preset.grid.bars)[: len(mask)] & mask
    if too_long.any():
        raise DataError(
            f"some of these bars are longer than preset {preset.name} allows; choose another "
            "--checkpoint"
        )
    grid = source.bars.grid
    kept = tuple(
        part.select(~mask[onset_bars(grid, part.onset_ticks)]) for part in source.song.parts
    )
    bars = Bars.from_song(replace(source.song, parts=kept)).at(preset.grid.steps_per_quarter)
    return kept, bars, source.passthrough


def onset_bars(grid: Grid, onset_ticks: Ints) -> Ints:
    """Return the bar in which each note begins. `(M,)`

    A note played less than a sixteenth of a quarter early belongs to the following bar.
    """
    late = onset_ticks + (grid.ticks_per_quarter - 1) // EARLY_SHARE
    return np.maximum(np.searchsorted(grid.start_ticks, late, side="right") - 1, 0)


def _window_mask(bars: Bools, size: int, *, padding: bool) -> Bools:
    """Return a mask of bars `(N,)` by windows `(W, size)`, padded at the end."""
    missing = -len(bars) % size
    return np.append(bars, np.full(missing, padding)).reshape(-1, size)


def _encode_context(codec: Codec, observed: WindowBatcher, grid: Grid, bars: Bools) -> KnownLatents:
    """Encode the windows of each input that have observed `bars` `(W, N)`."""
    size = codec.preset.grid.bars
    first, stop = window_bounds(len(grid), size, size)
    fits = fits_preset(grid, first, stop, codec.preset)
    usable = bars.any(1) & fits
    n_inputs = len(observed.lengths_bars)
    z = np.zeros((n_inputs, len(first), codec.vae.Z), np.float32)
    for g in range(n_inputs):
        z[g, usable] = codec.encode_windows(observed, g, first[usable])[0]
    # Windows that the model cannot take are not to be sampled: they stay 0, as in an encoding.
    mask = np.repeat((bars | ~fits[:, None])[None], n_inputs, axis=0)
    return KnownLatents(z=z, bar_mask=mask)


def _active_slots(source: ModelInput, mask: Bools) -> Bools:
    """Return the bars in which each slot sounds. `(N, R)`

    In masked bars it does if it sounds in at least half of the bars around; some slot always does.
    """
    active, context = source.active.copy(), np.flatnonzero(~mask)
    for begin, stop in _mask_runs(mask):
        at = np.searchsorted(context, begin)
        near = context[max(at - N_CONTEXT_BARS, 0) : at + N_CONTEXT_BARS]
        share = active[near].mean(0) if len(near) else np.zeros(active.shape[1])
        active[begin:stop] = share >= 0.5
    return np.where((mask & ~active.any(1))[:, None], source.model_pass.slot_active, active)


def _mask_runs(mask: Bools) -> list[tuple[int, int]]:
    """Return the start and stop of each run of masked bars."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edge.reshape(-1, 2)]


def _interpolate_velocities(bars: Bars, mask: Bools) -> Floats:
    """Return the mean velocity of each part in each bar `(N, parts)`, interpolated where masked."""
    n_parts = len(bars.header.parts)
    levels = bar_velocities(len(bars), n_parts, bars.notes)
    context = np.flatnonzero(~mask)
    if not len(context):
        return levels
    ones = np.ones(N_CONTEXT_BARS)
    count = np.convolve(np.ones(len(context)), ones, "same")[: len(context)]
    for part in range(n_parts):
        smooth = np.convolve(levels[context, part], ones, "same")[: len(context)] / count
        levels[mask, part] = np.interp(np.flatnonzero(mask), context, smooth)
    return levels


def _avoid_overlaps(
    grid: Grid, new: Notes, inputs: list[ModelInput], mask: Bools, codec: Codec
) -> Notes:
    """Return the new notes of voices without those that overlap a kept note of their voice.

    `part` counts the slots of all inputs.
    """
    slots, R = codec.preset.parts * len(inputs), len(codec.preset.parts)
    notes = [each.model_pass.notes for each in inputs]
    kept = Notes.concatenate([replace(n, part=n.part + i * R) for i, n in enumerate(notes)])
    kept = kept.select(~mask[kept.bar])  # but not a grace note before the first bar
    voice = np.array([slot.kind == "voice" for slot in slots])
    start = cell_index(grid, kept)
    stop = start + kept.duration
    onset, free = cell_index(grid, new), np.ones(len(new), bool)
    for slot in np.flatnonzero(voice).tolist():
        of_new, of_kept = new.part == slot, kept.part == slot
        order = np.argsort(start[of_kept], kind="stable")
        until = np.maximum.accumulate(np.append(0, stop[of_kept][order]))
        before = np.searchsorted(start[of_kept][order], onset[of_new], side="right")
        free[of_new] = until[before] <= onset[of_new]
    new = new.select(free)
    both = Notes.concatenate([new, kept])
    return make_monophonic(grid, both, slots).select(np.arange(len(new)))


def _merge_part(new: Part, *kept: Part) -> Part:
    """Merge new notes with kept ones, which stay exact and win over new ones of their pitch."""
    names = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    old = [np.concatenate([getattr(part, name) for part in kept]) for name in names]
    onset, duration, pitch, velocity = (getattr(new, name).copy() for name in names)
    free = np.ones(len(onset), bool)
    for value in np.unique(pitch).tolist():
        of_new = np.flatnonzero(pitch == value)
        of_old = old[2] == value
        order = np.argsort(old[0][of_old], kind="stable")
        begin, until = old[0][of_old][order], (old[0] + old[1])[of_old][order]
        after = np.searchsorted(begin, onset[of_new], side="right")
        sounding_until = np.maximum.accumulate(np.append(-1, until))[after]
        free[of_new] = sounding_until <= onset[of_new]
        following = np.append(begin, np.iinfo(np.int64).max)[after]
        duration[of_new] = np.minimum(duration[of_new], following - onset[of_new])
    columns = [column[free] for column in (onset, duration, pitch, velocity)]
    return new.with_notes(*(np.concatenate(pair) for pair in zip(columns, old, strict=True)))
