"""Drum expression (`humanize`) and beats for a rhythm (`drumify`), the tasks of GrooVAE.

Source: Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations".
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from musicvae.arrays import Floats, Ints
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset
from musicvae.data.corruption import NEUTRAL_VELOCITY, TAP_PITCH
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError, DataError
from musicvae.latent.codec import Codec
from musicvae.latent.note_posterior import (
    corruption_vector,
    require_cell_decoder,
    unmasked_cells,
)
from musicvae.latent.song_input import SongInput, with_barlines
from musicvae.representation.bars import (
    TIMING_PER_QUARTER,
    Bars,
    Notes,
    bar_and_step,
    cell_index,
    resolve_note_overlaps,
)
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid, beat_length, cells_to_ticks
from musicvae.representation.slots import ModelPass
from musicvae.representation.windows import window_bounds
from musicvae.song import Part, Song
from musicvae.tools.note_edits import onset_cells

BATCH_SIZE = 64  # windows
VARIATION_STD = (16.0, 20.0)  # of velocity and timing around the prediction, in real beats
DRUM_PART_NAME = "Drums"
MELODIC_TAP_SHARE = 0.5  # share of a beat's onsets that the rhythm of a melodic part stands for


def humanize(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    amount: float = 1.0,
    variation: float = 0.5,
    seed: int = 0,
) -> Song:
    """Replace the velocities and microtiming of a song's drums by predicted ones.

    Which drums play on which step stays, as do all other parts. Needs a drum model with velocity
    and microtiming that was trained on the corruption `humanize`.

    Args:
        song: the song; the expression that its drums have is ignored.
        amount: share of the change to apply, 0 to 1.
        variation: random variation of single hits; 1 is as much as in real beats.
        seed: of the variation.

    Raises `ConfigError` for other models, `DataError` if the model can represent no note.
    """
    if not 0 <= amount <= 1:
        raise ConfigError(f"amount {amount:g}: choose 0 (nothing is changed) to 1")
    model = codec.preset.model
    if not (model.velocity and model.microtiming):
        raise ConfigError(
            f"{codec.preset.name}: has neither velocity nor microtiming; choose another "
            "--checkpoint"
        )
    require_drums(with_barlines(song).song)
    source = SongInput.from_song(codec.preset, song).require_notes()
    barlines, grid = source.barlines, source.bars.grid
    rng = np.random.default_rng(seed)
    parts = list(barlines.song.parts)
    for model_input in source.inputs:
        expression = _predict_expression(codec, model_input)
        noise = rng.standard_normal(expression.shape) * np.array(VARIATION_STD) * variation
        expression = expression + noise * np.isfinite(expression)
        for slot in np.flatnonzero(model_input.model_pass.source_part >= 0).tolist():
            nth = int(model_input.model_pass.source_part[slot])
            part = parts[nth]
            if not len(part):
                continue
            cell = onset_cells(part.onset_ticks, grid, barlines.song)
            pitch = canonical_pitch(part.pitch) if part.is_drum else part.pitch - model_input.key
            column = pitch - codec.vae.layout.lowest_pitch
            column = np.clip(column, 0, expression.shape[2] - 1)
            velocity, timing = expression[np.minimum(cell, len(expression) - 1), slot, column].T
            on_grid = cells_to_ticks(grid, cell)
            parts[nth] = _apply_expression(part, velocity, timing, on_grid, amount, barlines.song)
    return barlines.undo(replace(barlines.song, parts=tuple(parts)))


def require_drums(song: Song) -> None:
    """Raise `DataError` if a song has no drums."""
    if not any(part.is_drum and len(part) for part in song.parts):
        raise DataError("has no drums to play; add some with musicvae drumify")


def _predict_expression(codec: Codec, source: ModelInput) -> Floats:
    """Return velocity and timing of each note of an input, nan elsewhere. `(cells, R, P, 2)`"""
    preset, layout, grid = codec.preset, codec.vae.layout, source.bars.grid
    notes, size = source.model_pass.notes, preset.grid.bars
    flat = replace(
        notes,
        velocity=np.full(len(notes), NEUTRAL_VELOCITY),
        timing=np.zeros(len(notes), np.int64),
    )
    source = replace(source, model_pass=replace(source.model_pass, notes=flat))
    batcher = WindowBatcher([source], preset, corruption_vector(preset, {"humanize": 1.0}))
    first, stop = window_bounds(len(grid), size, max(1, size // 2))
    first = first[fits_preset(grid, first, stop, preset)]
    offsets, width = grid.cell_offsets, layout.max_bar_steps
    found = np.full((int(offsets[-1]), len(preset.parts), layout.n_pitches, 2), np.nan)
    best = np.zeros(len(found))
    bar_weight = np.minimum(np.arange(size) + 1, size - np.arange(size)).astype(float)
    decoder = require_cell_decoder(codec.vae)
    for i in range(0, len(first), BATCH_SIZE):
        at = first[i : i + BATCH_SIZE]
        batch = codec.to_device(batcher.batch(np.zeros(len(at), np.int64), at))
        with torch.no_grad():
            slices = codec.vae.latent_slices(codec.vae.encode(batch).mu)
        expression = decoder.decode_expression(slices, batch).cpu().numpy()
        rows, count = batch.notes.cpu().numpy(), batch.n_notes.cpu().numpy()
        window, cell, bar, column = unmasked_cells(batch, at, width, offsets)
        for w in range(len(at)):  # of overlapping windows the one counts that has it in its middle
            own = window == w
            cell_of = np.zeros(size * width, np.int64)
            cell_of[column[own]] = cell[own]
            weight = np.zeros_like(cell_of, float)
            weight[column[own]] = bar_weight[bar[own]]
            note = rows[w, : count[w]]
            real = note[:, 1] > 0
            where = note[:, 0] * width + note[:, 1] - 1
            real &= weight[where] >= best[cell_of[where]]
            pitch = np.clip(note[:, 3] - layout.lowest_pitch, 0, layout.n_pitches - 1)
            index = (cell_of[where], note[:, 2], pitch)
            found[tuple(axis[real] for axis in index)] = expression[w, : count[w]][real]
            best[cell[own]] = np.maximum(best[cell[own]], bar_weight[bar[own]])
    return found


def _apply_expression(
    part: Part, velocity: Floats, timing: Floats, on_grid: Ints, amount: float, song: Song
) -> Part:
    """Return a part with predicted velocity and timing `(M,)`; nan leaves a note unchanged.

    `on_grid` `(M,)` are the onsets without microtiming, in ticks.
    """
    known = np.isfinite(velocity)
    target_velocity = np.where(known, velocity, part.velocity)
    new_velocity = np.round(part.velocity + amount * (target_velocity - part.velocity))
    new_velocity = np.clip(new_velocity, 1, 127)
    shift = np.where(known, timing, 0) * song.ticks_per_quarter / TIMING_PER_QUARTER
    target = np.where(known, on_grid + shift, part.onset_ticks)
    onset = np.round(part.onset_ticks + amount * (target - part.onset_ticks)).astype(np.int64)
    onset = np.clip(onset, 0, max(song.end_ticks - 1, 0))
    duration = np.minimum(part.duration_ticks, np.maximum(song.end_ticks - onset, 1))
    return part.with_notes(onset, duration, part.pitch, new_velocity.astype(np.int64))


def drumify(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    part: str | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> Song:
    """Add a drum part that fits a song's rhythm, in place of existing drums.

    Where the rhythm rests or holds a note for a bar or longer while the song goes on, the beat
    continues with the rhythm before.

    Needs a drum model that was trained on the corruption `tapify`.

    Args:
        song: a song, or a rhythm tapped on any drum.
        part: name of the part that gives the rhythm; by default the highest melodic part, or the
            drums if there is none.
        temperature: 0 takes the most probable beat, above 0 it is sampled.
        seed: of the sampling.

    Raises `ConfigError` for other models, `DataError` if there is no such part or no rhythm.
    """
    preset, barlines = codec.preset, with_barlines(song)
    bars = Bars.from_song(barlines.song).at(preset.grid.steps_per_quarter)
    rhythm = _rhythm_parts(barlines.song, part)
    drums = next((i for i, p in enumerate(preset.parts) if p.kind == "drums"), None)
    if drums is None:
        raise ConfigError(f"{preset.name}: has no drums; choose another --checkpoint")
    notes = bars.notes.select(np.isin(bars.notes.part, rhythm))
    if not len(notes):
        raise DataError("no rhythm to make a beat for; choose another part")
    is_drum = np.array([each.is_drum for each in barlines.song.parts])
    sounding = bars.notes.bar[~is_drum[bars.notes.part] | np.isin(bars.notes.part, rhythm)]
    taps = fill_rests(bars.grid, _tap_notes(bars, notes, drums), sounding.min(), sounding.max() + 1)
    is_melodic = not all(barlines.song.parts[i].is_drum for i in rhythm)
    R, N = len(preset.parts), len(bars)
    active = np.zeros((N, R), bool)
    active[sounding.min() : sounding.max() + 1, drums] = True
    source_part = np.where(np.arange(R) == drums, 0, -1)
    empty = replace(bars, notes=Notes.concatenate([]))
    source = ModelInput(
        bars=empty, model_pass=ModelPass(notes=taps, source_part=source_part), key=0, active=active
    )
    share = MELODIC_TAP_SHARE if is_melodic else 1.0
    batcher = WindowBatcher([source], preset, corruption_vector(preset, {"tapify": share}))
    first, stop = window_bounds(N, preset.grid.bars, preset.grid.bars)
    fits = fits_preset(bars.grid, first, stop, preset)
    mu = np.zeros((1, len(first), codec.vae.Z), np.float32)
    mu[0, fits], _ = codec.encode_windows(batcher, 0, first[fits])
    beat = codec.decode_notes(batcher, bars, mu, temperature, seed)
    beat = resolve_note_overlaps(bars.grid, replace(beat, part=np.zeros(len(beat), np.int64)))
    new = Part.empty(DRUM_PART_NAME, 0, is_drum=True)
    header = replace(bars.header, parts=(new,))
    drum_song = replace(bars, header=header, notes=beat).at(STORED_STEPS_PER_QUARTER).to_song()
    kept = tuple(each for each in barlines.song.parts if not each.is_drum)
    original = replace(
        barlines.original,
        parts=(*(each for each in barlines.original.parts if not each.is_drum), new),
    )
    combined = replace(barlines.song, parts=(*kept, *drum_song.parts))
    return barlines.grid_estimate.warp.undo(combined, original)


def _rhythm_parts(song: Song, name: str | None) -> list[int]:
    """Return the parts of a name, by default the highest melodic part, else the drums."""
    if name is not None:
        named = [i for i, each in enumerate(song.parts) if each.name.casefold() == name.casefold()]
        if not named:
            known = ", ".join(each.name or f"part {i + 1}" for i, each in enumerate(song.parts))
            raise DataError(f"no part named {name!r}; there are: {known}")
        return named
    melodic = [i for i, each in enumerate(song.parts) if len(each) and not each.is_drum]
    if melodic:
        return [max(melodic, key=lambda i: float(song.parts[i].pitch.mean()))]
    return [i for i, each in enumerate(song.parts) if len(each)]


def _tap_notes(bars: Bars, notes: Notes, slot: int) -> Notes:
    """Return one short tap wherever notes begin, with the velocity of the loudest."""
    cell = cell_index(bars.grid, notes)
    order = np.lexsort((-notes.velocity, cell))
    first = order[np.append(True, np.diff(cell[order]) > 0)]
    n = np.ones(len(first), np.int64)
    taps = notes.select(first)
    return replace(taps, part=n * slot, pitch=n * TAP_PITCH, duration=n, timing=n * 0)


def fill_rests(grid: Grid, taps: Notes, first_bar: int, stop_bar: int) -> Notes:
    """Return taps with the rhythm continued where none begins for a bar or longer.

    Between bars `first_bar` and `stop_bar`, gaps take the rhythm of the last bar of their length
    before them, else of the next one after them, with a tap on at least every other beat; without
    such a bar, the beats of the meter.
    """
    cell, offsets = cell_index(grid, taps), grid.cell_offsets
    count = np.bincount(taps.bar, minlength=len(grid))
    beat = np.maximum(beat_length(grid.numerator, grid.denominator) * grid.steps_per_quarter, 1)
    regular = np.flatnonzero((2 * count >= grid.unmasked_steps / beat) & (grid.lead_steps == 0))
    edges = [int(offsets[first_bar]) - 1, *cell.tolist(), int(offsets[stop_bar])]
    filled = [taps]
    for begin, stop in pairwise(edges):
        bar = int(bar_and_step(grid, np.array([max(begin, edges[0] + 1)]))[0][0])
        if stop - begin < grid.unmasked_steps[bar]:
            continue
        last_bar = int(bar_and_step(grid, np.array([stop - 1]))[0][0])
        for nth in range(bar, last_bar + 1):
            pattern = _bar_rhythm(grid, taps, regular, nth, before=bar)
            at = cell_index(grid, pattern)
            after = begin + (beat[nth] if begin > edges[0] else 1)  # not at once after a tap
            filled.append(pattern.select((at >= after) & (at < stop)))
    return Notes.sorted(**vars(Notes.concatenate(filled)))


def _bar_rhythm(grid: Grid, taps: Notes, regular: Ints, bar: int, *, before: int) -> Notes:
    """Return taps in bar `bar`: the rhythm of one of the bars `regular`, else its beats."""
    alike = regular[grid.steps[regular] == grid.steps[bar]]
    earlier, later = alike[alike <= before], alike[alike > before]
    if len(alike):
        source = int(earlier[-1] if len(earlier) else later[0])
        pattern = taps.select(taps.bar == source)
    else:
        length = beat_length(int(grid.numerator[bar]), int(grid.denominator[bar]))
        step = np.arange(0, grid.steps[bar], max(round(length * grid.steps_per_quarter), 1))
        pattern = replace(
            taps.select(np.zeros(len(step), np.int64)),
            step=step,
            velocity=np.full(len(step), round(float(taps.velocity.mean()))),
        )
    pattern = pattern.select(pattern.step >= grid.lead_steps[bar])
    return replace(pattern, bar=np.full(len(pattern), bar))
