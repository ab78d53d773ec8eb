"""Floor 8: beats played as a drummer would, and beats made for a rhythm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset
from musicvae.data.corruption import NEUTRAL_VELOCITY, TAP_PITCH
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.latent.codec import Codec
from musicvae.latent.note_posterior import require_cell_decoder, unmasked_cells, corruption_vector
from musicvae.latent.song_input import read
from musicvae.representation.bars import TIMING_PER_QUARTER, Bars, Notes, cell_index, resolve_note_overlaps
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, cells_to_ticks
from musicvae.representation.slots import ModelPass
from musicvae.representation.windows import window_bounds
from musicvae.song import Part, Song
from musicvae.tools.note_edits import onset_cells

_CHUNK = 64
_SPREAD = (16.0, 20.0)  # of velocity and timing around what is usual, in real beats
_NEW = "Drums"
_HEARD = 0.5  # of a beat, in the rhythm of another part


def humanize(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    amount: float = 1.0,
    variation: float = 0.5,
    seed: int = 0,
) -> Song:
    """`MusicVAE.humanise`."""
    if not 0 <= amount <= 1:
        raise ConfigError(f"amount {amount:g}: choose 0 (nothing is changed) to 1")
    model = codec.preset.model
    if not (model.velocity and model.microtiming):
        raise ConfigError(f"{codec.preset.name}: knows nothing of how notes are played")
    reading = read(codec, song)
    aligned, grid = reading.aligned, reading.bars.grid
    rng = np.random.default_rng(seed)
    parts = list(aligned.song.parts)
    for source in reading.sources:
        played = _played(codec, source)
        noise = rng.standard_normal(played.shape) * np.array(_SPREAD) * variation
        played = played + noise * np.isfinite(played)
        for slot in np.flatnonzero(source.group.owner >= 0).tolist():
            nth = int(source.group.owner[slot])
            part = parts[nth]
            if not len(part):
                continue
            cell = onset_cells(part.onset_ticks, grid, aligned.song)
            pitch = canonical_pitch(part.pitch) if part.is_drum else part.pitch - source.key
            row = np.clip(pitch - codec.vae.layout.lowest, 0, played.shape[2] - 1)
            velocity, late = played[np.minimum(cell, len(played) - 1), slot, row].T
            parts[nth] = _with_touch(
                part, velocity, late, cells_to_ticks(grid, cell), amount, aligned.song
            )
    return aligned.undo(replace(aligned.song, parts=tuple(parts)))


def _played(codec: Codec, source: ModelInput) -> NDArray[np.float64]:
    """Velocity and timing of each note of a source `(cells, R, P, 2)`; elsewhere not a number."""
    preset, lay, grid = codec.preset, codec.vae.layout, source.bars.grid
    notes, size = source.group.notes, preset.grid.bars
    flat = replace(
        notes, velocity=np.full(len(notes), NEUTRAL_VELOCITY), timing=np.zeros(len(notes), np.int64)
    )
    source = replace(source, group=replace(source.group, notes=flat))
    cutter = WindowBatcher([source], preset, corruption_vector(preset, {"flat": 1.0}))
    first, stop = window_bounds(len(grid), size, max(1, size // 2))
    first = first[fits_preset(grid, first, stop, preset)]
    found = np.full((int(grid.cell_offsets[-1]), len(preset.parts), lay.pitches, 2), np.nan)
    best = np.zeros(len(found))
    trust = np.minimum(np.arange(size) + 1, size - np.arange(size)).astype(float)
    decoder = require_cell_decoder(codec.vae)
    for i in range(0, len(first), _CHUNK):
        at = first[i : i + _CHUNK]
        batch = codec.to_device(cutter.batch(np.zeros(len(at), np.int64), at))
        with torch.no_grad():
            slices = codec.vae.latent_slices(codec.vae.encode(batch).mu)
        touch = decoder.decode_expression(slices, batch).cpu().numpy()
        rows, count = batch.notes.cpu().numpy(), batch.n_notes.cpu().numpy()
        window, cell, bar, column = unmasked_cells(batch, at, lay.max_steps, grid.cell_offsets)
        for w in range(len(at)):
            mine = window == w
            place = np.zeros(size * lay.max_steps, np.int64)
            place[column[mine]] = cell[mine]
            sure = np.zeros_like(place, float)
            sure[column[mine]] = trust[bar[mine]]
            note = rows[w, : count[w]]
            real = note[:, 1] > 0
            where = note[:, 0] * lay.max_steps + note[:, 1] - 1
            real &= sure[where] >= best[place[where]]
            to = (place[where], note[:, 2], np.clip(note[:, 3] - lay.lowest, 0, lay.pitches - 1))
            found[tuple(axis[real] for axis in to)] = touch[w, : count[w]][real]
            best[cell[mine]] = np.maximum(best[cell[mine]], trust[bar[mine]])
    return found


def _with_touch(
    part: Part,
    velocity: NDArray[np.float64],
    late: NDArray[np.float64],
    on_time: NDArray[np.int64],
    amount: float,
    song: Song,
) -> Part:
    """A part played as told, as far as it is told; nothing changes where that is not a number."""
    known = np.isfinite(velocity)
    loud = np.where(known, velocity, part.velocity)
    loud = np.clip(np.round(part.velocity + amount * (loud - part.velocity)), 1, 127)
    shift = np.where(known, late, 0) * song.ticks_per_quarter / TIMING_PER_QUARTER
    target = np.where(known, on_time + shift, part.onset_ticks)
    onset = np.round(part.onset_ticks + amount * (target - part.onset_ticks)).astype(np.int64)
    onset = np.clip(onset, 0, max(song.end_ticks - 1, 0))
    length = np.minimum(part.duration_ticks, np.maximum(song.end_ticks - onset, 1))
    return part.with_notes(onset, length, part.pitch, loud.astype(np.int64))


def drumify(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    part: str | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> Song:
    """`MusicVAE.drumify`."""
    aligned, bars = quantize_song(codec, song)
    rhythm = _rhythm_parts(aligned.song, part)
    drums = next((i for i, p in enumerate(codec.preset.parts) if p.kind == "drums"), None)
    if drums is None:
        raise ConfigError(f"{codec.preset.name}: has no drums; choose another --checkpoint")
    mine = bars.notes.select(np.isin(bars.notes.part, rhythm))
    if not len(mine):
        raise DataError("there is no rhythm in it to make a beat for")
    taps = _tap_notes(bars, mine, drums)
    part_of_more = not all(aligned.song.parts[i].is_drum for i in rhythm)
    R, N = len(codec.preset.parts), len(bars)
    active = np.zeros((N, R), bool)
    active[taps.bar.min() : taps.bar.max() + 1, drums] = True
    owner = np.where(np.arange(R) == drums, 0, -1)
    silent = replace(bars, notes=Notes.concatenate([]))
    source = ModelInput(bars=silent, group=ModelPass(notes=taps, owner=owner), key=0, active=active)
    preset = codec.preset
    cutter = WindowBatcher(
        [source], preset, corruption_vector(preset, {"tapped": _HEARD if part_of_more else 1.0})
    )
    first, stop = window_bounds(N, preset.grid.bars, preset.grid.bars)
    fits = fits_preset(bars.grid, first, stop, preset)
    mu = np.zeros((1, len(first), codec.vae.Z), np.float32)
    mu[0, fits], _ = codec.posterior(cutter, 0, first[fits])
    made = codec.decode_notes(cutter, bars, mu, temperature, seed)
    made = resolve_note_overlaps(bars.grid, replace(made, part=np.zeros(len(made), np.int64)))
    beat = Part.empty(_NEW, 0, is_drum=True)
    frame = replace(bars.header, parts=(beat,))
    whole = replace(bars, frame=frame, notes=made).at(STORED_STEPS_PER_QUARTER).to_song()
    kept = tuple(each for each in aligned.song.parts if not each.is_drum)
    original = replace(
        aligned.original,
        parts=(*(each for each in aligned.original.parts if not each.is_drum), beat),
    )
    return aligned.grid_estimate.warp.undo(replace(aligned.song, parts=(*kept, *whole.parts)), original)


def quantize_song(codec: Codec, song: Song | BarlineEstimate) -> tuple[BarlineEstimate, Bars]:
    """A song with all of its notes on the model's grid."""
    aligned = song if isinstance(song, BarlineEstimate) else estimate_barlines(song)
    return aligned, Bars.from_song(aligned.song).at(codec.preset.grid.steps_per_quarter)


def _rhythm_parts(song: Song, name: str | None) -> list[int]:
    """Which parts are played to: the one of this name; else the highest; else the drums."""
    if name is not None:
        named = [i for i, each in enumerate(song.parts) if each.name.casefold() == name.casefold()]
        if not named:
            there = ", ".join(each.name or f"part {i + 1}" for i, each in enumerate(song.parts))
            raise DataError(f"no part named {name!r}; there are: {there}")
        return named
    melodic = [i for i, each in enumerate(song.parts) if len(each) and not each.is_drum]
    if melodic:
        return [max(melodic, key=lambda i: float(song.parts[i].pitch.mean()))]
    return [i for i, each in enumerate(song.parts) if len(each)]


def _tap_notes(bars: Bars, notes: Notes, slot: int) -> Notes:
    """One short tap wherever something begins, as loud as the loudest of it."""
    place = cell_index(bars.grid, notes)
    order = np.lexsort((-notes.velocity, place))
    first = order[np.append(True, np.diff(place[order]) > 0)]
    n = np.ones(len(first), np.int64)
    taps = notes.select(first)
    return replace(taps, part=n * slot, pitch=n * TAP_PITCH, duration=n, timing=n * 0)
