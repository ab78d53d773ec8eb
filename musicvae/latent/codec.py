"""Floor 8: songs to latents, and back: the part of the façade that all others stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae import checkpoints
from musicvae.arrays import Ints
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset, model_inputs
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import CheckpointError
from musicvae.latent import Encoding, Latents
from musicvae.latent.directions import Directions
from musicvae.networks.devices import pick_device
from musicvae.networks.priors import load_prior
from musicvae.networks.priors.conditioning import KnownLatents, PathConditioning
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.vae import VAE, with_notes, without_notes
from musicvae.representation.bars import Bars, Notes, resolve_note_overlaps
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid
from musicvae.representation.slots import (
    ModelPass,
    make_monophonic,
    merge_passthrough,
    restore_parts,
    split_passthrough,
)
from musicvae.representation.velocity import bar_velocities, metrical_velocities
from musicvae.representation.windows import WindowNotes, join_windows, window_bounds
from musicvae.song import Song

_BATCH = 256


class Codec:
    """A trained model as encoder and decoder of songs, with the prior over its latents.

    All methods are deterministic: the same arguments and seed give the same notes.
    """

    def __init__(self, checkpoint: checkpoints.Checkpoint, device: str = "auto") -> None:
        self.preset: Preset = checkpoint.preset
        self.provenance = checkpoint.provenance
        self.path = checkpoint.path
        self.vae = VAE(self.preset)
        try:
            self.vae.load_state_dict(checkpoint.tensors_under("model"))
        except RuntimeError:
            reason = "its weights do not fit its preset"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, "train anew") from None
        self.device = torch.device(pick_device(device))
        self.vae.to(self.device).eval()
        try:
            self.prior = load_prior(checkpoint.tensors_under("prior"), self.device)
        except (TypeError, RuntimeError):
            reason = "its prior is of another kind"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, "train anew") from None
        try:
            named = checkpoint.tensors_under("directions")
            self.directions = Directions.of({n: t.cpu().numpy() for n, t in named.items()})
        except (KeyError, ValueError):
            reason = "its directions are of another kind"
            hint = "fit them anew with musicvae/cli/commands/refit.py"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, hint) from None
        self.hash = checkpoints.file_hash(checkpoint.path) if checkpoint.path else "unsaved"

    def encode(self, song: Song | BarlineEstimate, *, key: int | None = None) -> Encoding:
        """The posterior of every window of `song`, with what is needed to decode it again.

        Windows follow the bar lines that `align` finds; give what it found to say what it should
        believe, such as `align(song, measured=True)` of a score. `key`: semitones to take off
        every melodic pitch; if not given, those from C to the major scale of most of its notes.
        """
        preset, aligned = (
            self.preset,
            song if isinstance(song, BarlineEstimate) else estimate_barlines(song),
        )
        song = aligned.song
        grid = Bars.from_song(replace(song, parts=())).at(preset.grid.steps_per_quarter)
        first, stop = window_bounds(len(grid), preset.grid.bars, preset.grid.bars)
        fits = fits_preset(grid.grid, first, stop, preset)
        fitting_song, passthrough = split_passthrough(
            song, preset.parts, tick_spans(grid.grid, first[~fits], stop[~fits])
        )
        bars = Bars.from_song(fitting_song).at(preset.grid.steps_per_quarter)
        sources, _ = model_inputs(bars, preset)
        if key is not None:
            sources = [replace(source, key=key) for source in sources]
        shape = (len(sources), len(first), self.vae.Z)
        mu, sigma = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        if sources:
            cutter = WindowBatcher(sources, preset)
            for g in range(len(sources)):
                mu[g, fits], sigma[g, fits] = self.posterior(cutter, g, first[fits])
        return Encoding(
            bars=replace(bars, notes=Notes.concatenate([])),
            owners=tuple(source.group.owner for source in sources),
            active=tuple(source.active for source in sources),
            key=sources[0].key if sources else 0,
            mu=mu,
            sigma=sigma,
            passthrough=passthrough,
            bar_velocities=np.round(bar_velocities(len(bars), len(song.parts), bars.notes)),
            alignment=aligned.time_map(passthrough),
            checkpoint=self.hash,
        )

    def decode(
        self,
        encoding: Encoding,
        *,
        z: Latents | None = None,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Song:
        """A song from an encoding, from its means unless another path `z` `(G, W, Z)` is given.

        Length, tempo, meter, parts and programs are those of the encoding. `temperature` above 0
        draws notes instead of taking the likeliest.
        """
        path, found = encoding.mu if z is None else z, Notes.concatenate([])
        if encoding.owners:
            found = self.decode_notes(self.decoder_context(encoding), encoding.bars, path, temperature, seed)
        return self.to_song(encoding, found)

    def is_compatible(self, encoding: Encoding) -> bool:
        """Whether an encoding, wherever it comes from, has what this model's latents have."""
        preset, (_, W, Z) = self.preset, encoding.mu.shape
        return (
            Z == self.vae.Z
            and -(-len(encoding.bars) // preset.grid.bars) == W
            and encoding.bars.grid.steps_per_quarter == preset.grid.steps_per_quarter
            and all(len(owner) == len(preset.parts) for owner in encoding.owners)
        )

    def to_song(self, encoding: Encoding, notes: Notes) -> Song:
        """The song of an encoding from its decoded notes, whose `part` counts slots of its groups.

        They go to the song's parts, get velocities, and what was untouched is put back.
        """
        bars, none = encoding.bars, Notes.concatenate([])
        owner = np.concatenate([np.zeros(0, np.int64), *encoding.owners])
        whole = ModelPass(notes=notes, owner=owner)
        made = resolve_note_overlaps(bars.grid, restore_parts((whole,), none)) if len(notes) else none
        made = self.add_velocities(bars, made, encoding.bar_velocities)
        song = replace(bars, notes=made).at(STORED_STEPS_PER_QUARTER).to_song()
        song = merge_passthrough(song, encoding.passthrough)
        return song if encoding.alignment is None else encoding.alignment.undo(song)

    @property
    def refine_steps(self) -> int:
        """How often drawn latents are decoded and encoded again; see `sample`."""
        if self.provenance.get("held_out", {}).get("f1", 0.0) < 0.5:
            return 0
        if isinstance(self.prior, FlowPrior):  # melodies leap less after one step of the walk
            return int(len(self.preset.parts) > 1 or self.preset.grid.bars > 2)
        return 2

    def sample_latents(
        self,
        cutter: WindowBatcher,
        sources: Ints,
        temperature: float,
        rng: np.random.Generator,
        *,
        given: KnownLatents | None = None,
        tied: Ints | None = None,
        amount: float = 1.0,
    ) -> Latents:
        """Latents of new songs `(n, W, Z)` with the bars, keys and parts of these sources `(n,)`
        of the cutter, which are equally long. Their notes are not looked at.

        What is `given` of them, which bars are `tied`, and how far from what is given they are to
        go: see `FlowPrior.sample`. Without a prior every window that is not given is drawn alone.
        """
        lengths, size = cutter.lengths[sources], self.preset.grid.bars
        first, _ = window_bounds(int(lengths.max(initial=0)), size, size)
        n, W = len(sources), len(first)
        begin = np.tile(first, n)
        batch = cutter.batch(np.repeat(sources, W), begin)
        frame = PathConditioning.of(batch, begin, np.repeat(lengths, W)).reshape(n, W)
        prior = self.prior or LinearGaussianPrior.standard(self.vae.Z, len(self.preset.meters) + 1)
        return prior.sample(
            frame, temperature=temperature, rng=rng, given=given, tied=tied, amount=amount
        )

    def decoder_context(self, encoding: Encoding) -> WindowBatcher:
        """The bars of an encoding, a source without notes for each of its groups."""
        return WindowBatcher(empty_inputs(encoding), self.preset)

    # -- inside -------------------------------------------------------------------------------

    @torch.no_grad()
    def posterior(self, cutter: WindowBatcher, group: int, first: Ints) -> tuple[Latents, Latents]:
        """Mean and spread of the latents of windows `(W,)` of one of the cutter's sources, each
        `(W, Z)`.
        """
        mus, sigmas = (
            [np.zeros((0, self.vae.Z), np.float32)],
            [np.zeros((0, self.vae.Z), np.float32)],
        )
        for i in range(0, len(first), _BATCH):
            chunk = first[i : i + _BATCH]
            batch = cutter.batch(np.full(len(chunk), group), chunk)
            posterior = self.vae.encode(self.to_device(batch))
            mus.append(posterior.mu.float().cpu().numpy())
            sigmas.append(posterior.sigma.float().cpu().numpy())
        return np.concatenate(mus), np.concatenate(sigmas)

    @torch.no_grad()
    def posterior_means(self, batch: Batch) -> Latents:
        """Mean of the latent of each window of a batch. `(B, Z)`"""
        return self.vae.encode(self.to_device(batch)).mu.float().cpu().numpy()

    def decode_notes(
        self,
        cutter: WindowBatcher,
        bars: Bars,
        z: Latents,
        temperature: float = 0.0,
        seed: int = 0,
        refine_steps: int = 0,
        which: NDArray[np.bool_] | None = None,
    ) -> Notes:
        """Notes of the cutter's sources, all over these bars and each in its own key, from paths
        `(sources, W, Z)`; of some windows only if `which` `(W,)` says so.

        `part` counts the slots of the first source, then those of the second, and so on.
        """
        source, nth = decodable_windows(bars, self.preset, len(cutter.lengths), which)
        first = nth * self.preset.grid.bars
        rows = self.decode_windows(cutter, source, first, z[source, nth], temperature, seed, refine_steps)
        return self.join_windows(rows, bars, source, nth, cutter.key)

    def join_windows(self, rows: Ints, bars: Bars, source: Ints, nth: Ints, key: Ints) -> Notes:
        """Notes over these bars from rows of their windows, which are `nth` `(W,)` of each of some
        sources, `source` `(W,)`, in keys of their own.
        """
        preset = self.preset
        first, stop = window_bounds(len(bars), preset.grid.bars, preset.grid.bars)
        drums = np.array([part.kind == "drums" for part in preset.parts])
        low, high = (np.array([getattr(p, b) for p in preset.parts]) for b in ("low", "high"))
        window, bar, position, slot, pitch, duration, velocity, timing = rows.T
        pitch = np.clip(pitch + np.where(drums[slot], 0, key[source[window]]), 0, 127)
        found = WindowNotes(
            window=nth[window],
            bar=bar,
            position=position,
            part=source[window] * len(preset.parts) + slot,
            pitch=pitch,
            duration=duration,
            velocity=velocity,
            timing=timing,
        )
        found = found.select((pitch >= low[slot]) & (pitch <= high[slot]))
        notes, _ = join_windows(found, bars.grid, first, stop)
        return make_monophonic(bars.grid, notes, preset.parts * len(key))

    @torch.no_grad()
    def decode_windows(
        self,
        cutter: WindowBatcher,
        source: Ints,
        first: Ints,
        z: Latents,
        temperature: float = 0.0,
        seed: int = 0,
        refine_steps: int = 0,
    ) -> Ints:
        """Rows of notes of windows `(W,)` of the cutter's sources from latents `(W, Z)`."""
        pieces = [np.zeros((0, 8), np.int64)]
        for i in range(0, len(source), _BATCH):
            chunk = slice(i, i + _BATCH)
            frame = without_notes(self.to_device(cutter.batch(source[chunk], first[chunk])))
            latents = torch.from_numpy(z[chunk]).to(self.device)
            for _ in range(refine_steps):
                heard = with_notes(frame, self.vae.decode(latents, frame))
                latents = self.vae.encode(heard).mu
            rows = self.vae.decode(latents, frame, temperature, seed).numpy()
            pieces.append(rows + np.eye(1, 8, dtype=np.int64) * i)
        return np.concatenate(pieces)

    def add_velocities(
        self, bars: Bars, notes: Notes, bar_velocities: NDArray[np.float64], song: Ints | None = None
    ) -> Notes:
        """Notes with velocities: the model's own, or by rule around levels `(N, parts)`."""
        if self.preset.model.velocity:
            return notes
        return replace(notes, velocity=metrical_velocities(bars.grid, notes, bar_velocities, song))

    def to_device(self, batch: Batch) -> Batch:
        """The same batch where the model is."""
        return Batch(*(tensor.to(self.device) for tensor in batch))


def empty_inputs(encoding: Encoding) -> list[ModelInput]:
    """The sources of an encoding's groups, without their notes."""
    none = Notes.concatenate([])
    return [
        ModelInput(
            bars=encoding.bars,
            group=ModelPass(notes=none, owner=owner),
            key=encoding.key,
            active=active,
        )
        for owner, active in zip(encoding.owners, encoding.active, strict=True)
    ]


def decodable_windows(
    bars: Bars, preset: Preset, n_sources: int, which: NDArray[np.bool_] | None = None
) -> tuple[Ints, Ints]:
    """The windows of as many sources over these bars, but for those with a bar that is too long:
    which source, and which window of it, `(W,)` each. Of all windows, or of some, `which` `(W,)`.
    """
    first, stop = window_bounds(len(bars), preset.grid.bars, preset.grid.bars)
    able = fits_preset(bars.grid, first, stop, preset)
    fits = np.flatnonzero(able if which is None else able & which)
    return np.repeat(np.arange(n_sources), len(fits)), np.tile(fits, n_sources)


def tick_spans(grid: Grid, first: Ints, stop: Ints) -> Ints:
    """Ticks that may be quantised into windows, from their first bar to their last. `(W, 2)`"""
    start, tpq = grid.start_ticks, grid.ticks_per_quarter
    early = tpq // (2 * grid.steps_per_quarter) + tpq // (2 * STORED_STEPS_PER_QUARTER) + 1
    end = start[stop - 1] + grid.length_ticks[stop - 1]
    return np.stack([start[first] - early, end], axis=1)


def decode_batch(codec: Codec, encodings: Sequence[Encoding]) -> list[Song]:
    """`Coder.decode` of each, from its means: the same songs, but where a note is as likely as not,
    since numbers are rounded otherwise in larger batches.
    """
    sources = [empty_inputs(encoding) for encoding in encodings]
    if not any(sources):
        return [codec.decode(encoding) for encoding in encodings]
    cutter = WindowBatcher((each for some in sources for each in some), codec.preset)
    size, offset = codec.preset.grid.bars, np.cumsum([0, *(len(some) for some in sources)])
    places = [
        decodable_windows(encoding.bars, codec.preset, len(some))
        for encoding, some in zip(encodings, sources, strict=True)
    ]
    source = np.concatenate([one + at for (one, _), at in zip(places, offset, strict=False)])
    first = np.concatenate([nth for _, nth in places]) * size
    z = np.concatenate(
        [encoding.mu[place] for encoding, place in zip(encodings, places, strict=True)]
    )
    rows = codec.decode_windows(cutter, source, first, z)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    begin = np.cumsum([0, *(len(nth) for _, nth in places)])
    edges = np.searchsorted(rows[:, 0], begin)
    made = []
    for i, (encoding, (of_source, nth)) in enumerate(zip(encodings, places, strict=True)):
        notes = Notes.concatenate([])
        if len(sources[i]):
            mine = rows[edges[i] : edges[i + 1]] - np.eye(1, 8, dtype=np.int64) * begin[i]
            key = np.full(len(sources[i]), encoding.key)
            notes = codec.join_windows(mine, encoding.bars, of_source, nth, key)
        made.append(codec.to_song(encoding, notes))
    return made
