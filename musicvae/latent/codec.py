"""Encode songs into latents and decode them again: the base of `MusicVAE` and of all tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from musicvae import checkpoints
from musicvae.arrays import Bools, Floats, Ints
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset, input_key
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import CheckpointError
from musicvae.latent.directions import Directions
from musicvae.latent.encoding import Encoding
from musicvae.latent.interpolation import Latents
from musicvae.latent.song_input import SongInput
from musicvae.networks.devices import pick_device
from musicvae.networks.priors import load_prior
from musicvae.networks.priors.conditioning import KnownLatents, PathConditioning
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.vae import with_notes, without_notes
from musicvae.networks.weights import load_vae
from musicvae.representation.bars import Bars, Notes, resolve_note_overlaps
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER
from musicvae.representation.slots import (
    ModelPass,
    make_monophonic,
    merge_passthrough,
    restore_parts,
)
from musicvae.representation.velocity import bar_velocities, metrical_velocities
from musicvae.representation.windows import WindowNotes, join_windows, window_bounds
from musicvae.song import Song

BATCH_SIZE = 256  # windows
MIN_REFINE_F1 = 0.5  # reconstruction F1 below which sampled latents are not refined


class Codec:
    """A trained model as encoder and decoder of songs, with the prior over its latents.

    All methods are deterministic: the same arguments and seed give the same notes. G passes of a
    song through the model, W windows a pass, Z latent dimensions, N bars.
    """

    def __init__(self, checkpoint: checkpoints.Checkpoint, device: str = "auto") -> None:
        self.preset: Preset = checkpoint.preset
        self.provenance = checkpoint.provenance
        self.path = checkpoint.path
        try:
            self.vae = load_vae(self.preset, checkpoint.tensors_under("model"))
        except RuntimeError as error:
            reason = f"its weights do not match its preset ({error})"
            raise self._damaged(checkpoint, reason) from None
        self.device = torch.device(pick_device(device))
        self.vae.to(self.device)
        try:
            self.prior = load_prior(checkpoint.tensors_under("prior"), self.device)
        except (TypeError, RuntimeError):
            raise self._damaged(checkpoint, "its prior is of another kind") from None
        fits = getattr(self.prior, "fits", None)  # priors of plug-ins need not have it
        if fits is not None and not fits(self.preset):
            raise self._damaged(checkpoint, "its prior is of another model")
        try:
            tensors = checkpoint.tensors_under("directions")
            self.directions = Directions.from_tensors(
                {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
            )
            if self.directions is not None and len(self.directions.center) != self.vae.Z:
                raise ValueError("of another size")
        except (KeyError, ValueError):
            reason, hint = "its attribute directions are of another kind", "fit them again: "
            hint += "musicvae refit CHECKPOINT FOLDER --directions"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, hint) from None
        self.hash = checkpoints.file_hash(checkpoint.path) if checkpoint.path else "unsaved"

    @staticmethod
    def _damaged(checkpoint: checkpoints.Checkpoint, reason: str) -> CheckpointError:
        return CheckpointError(checkpoint.path or "checkpoint", reason, "train the model again")

    def encode(self, song: Song | BarlineEstimate, *, key: int | None = None) -> Encoding:
        """Encode every window of a song.

        Args:
            song: a song, or its bar lines as `estimate_barlines` returns them.
            key: semitones to subtract from all melodic pitches; by default those from C to the
                major scale that contains most of the notes.

        Returns the posteriors and all that `decode` needs to restore the song.
        """
        source = SongInput.from_song(self.preset, song)
        inputs, fits = source.inputs, source.fits
        if key is not None:
            inputs = [replace(each, key=input_key(key, each.traits)) for each in inputs]
        shape = (len(inputs), len(source.first), self.vae.Z)
        mu, sigma = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        if inputs:
            batcher = WindowBatcher(inputs, self.preset)
            for g in range(len(inputs)):
                mu[g, fits], sigma[g, fits] = self.encode_windows(batcher, g, source.first[fits])
        bars, n_parts = source.bars, len(source.barlines.song.parts)
        return Encoding(
            bars=replace(bars, notes=Notes.concatenate([])),
            source_parts=tuple(each.model_pass.source_part for each in inputs),
            active=tuple(each.active for each in inputs),
            chords=inputs[0].chords if inputs and self.preset.conditions.chords else None,
            traits=_traits_of(inputs),
            key=inputs[0].key if inputs else 0,
            mu=mu,
            sigma=sigma,
            passthrough=source.passthrough,
            bar_velocities=np.round(bar_velocities(len(bars), n_parts, bars.notes)),
            time_map=source.barlines.time_map(source.passthrough),
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
        """Decode an encoding into a song.

        Args:
            encoding: provides length, tempo, meter, parts and programs, and the latents.
            z: latents `(G, W, Z)` to decode instead of the posterior means.
            temperature: 0 takes the most probable notes, above 0 they are sampled.
            seed: of the sampling.
        """
        path, notes = encoding.mu if z is None else z, Notes.concatenate([])
        if encoding.source_parts:
            context = self.decoder_context(encoding)
            notes = self.decode_notes(context, encoding.bars, path, temperature, seed)
        return self.to_song(encoding, notes)

    def decode_batch(self, encodings: Sequence[Encoding]) -> list[Song]:
        """Decode the posterior means of many encodings in common batches.

        The songs equal those of `decode`, except where a note is as likely as not, since floating
        point rounds differently in larger batches.
        """
        inputs = [empty_inputs(encoding) for encoding in encodings]
        if not any(inputs):
            return [self.decode(encoding) for encoding in encodings]
        batcher = WindowBatcher((each for some in inputs for each in some), self.preset)
        size, offset = self.preset.grid.bars, np.cumsum([0, *(len(some) for some in inputs)])
        windows = [
            decodable_windows(encoding.bars, self.preset, len(some))
            for encoding, some in zip(encodings, inputs, strict=True)
        ]
        source = np.concatenate([one + at for (one, _), at in zip(windows, offset, strict=False)])
        first = np.concatenate([nth for _, nth in windows]) * size
        z = np.concatenate(
            [encoding.mu[index] for encoding, index in zip(encodings, windows, strict=True)]
        )
        rows = self.decode_windows(batcher, source, first, z)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        begin = np.cumsum([0, *(len(nth) for _, nth in windows)])
        edges = np.searchsorted(rows[:, 0], begin)
        songs = []
        for i, (encoding, (of_source, nth)) in enumerate(zip(encodings, windows, strict=True)):
            notes = Notes.concatenate([])
            if len(inputs[i]):
                own = rows[edges[i] : edges[i + 1]] - np.eye(1, 8, dtype=np.int64) * begin[i]
                key = np.array([each.key for each in inputs[i]])
                notes = self.join_windows(own, encoding.bars, of_source, nth, key)
            songs.append(self.to_song(encoding, notes))
        return songs

    def is_compatible(self, encoding: Encoding) -> bool:
        """Return whether an encoding of another model has the shape of this model's encodings."""
        preset, (_, W, Z) = self.preset, encoding.mu.shape
        return (
            Z == self.vae.Z
            and -(-len(encoding.bars) // preset.grid.bars) == W
            and encoding.bars.grid.steps_per_quarter == preset.grid.steps_per_quarter
            and all(len(owner) == len(preset.parts) for owner in encoding.source_parts)
            and (encoding.chords is None or encoding.chords.shape[1] == preset.grid.quarters)
        )

    def to_song(self, encoding: Encoding, notes: Notes) -> Song:
        """Return the song of an encoding from its decoded notes.

        `notes.part` counts the slots of all passes. Notes are assigned to the song's parts and get
        velocities; the notes that bypassed the model are merged in.
        """
        bars, none = encoding.bars, Notes.concatenate([])
        source_part = np.concatenate([np.zeros(0, np.int64), *encoding.source_parts])
        if len(notes):
            parts = restore_parts((ModelPass(notes=notes, source_part=source_part),), none)
            notes = resolve_note_overlaps(bars.grid, parts)
        notes = self.add_velocities(bars, notes, encoding.bar_velocities)
        song = replace(bars, notes=notes).at(STORED_STEPS_PER_QUARTER).to_song()
        song = merge_passthrough(song, encoding.passthrough)
        return song if encoding.time_map is None else encoding.time_map.undo(song)

    @property
    def refine_steps(self) -> int:
        """Default number of decode-encode steps for sampled latents; see `sample`."""
        if self.provenance.get("held_out", {}).get("f1", 0.0) < MIN_REFINE_F1:
            return 0
        if isinstance(self.prior, FlowPrior):  # one step makes melodies leap less
            return int(len(self.preset.parts) > 1 or self.preset.grid.bars > 2)
        return 2

    def sample_latents(
        self,
        batcher: WindowBatcher,
        sources: Ints,
        temperature: float,
        rng: np.random.Generator,
        *,
        known: KnownLatents | None = None,
        bar_labels: Ints | None = None,
        amount: float = 1.0,
    ) -> Latents:
        """Sample paths of latents `(n, W, Z)` from the prior.

        Args:
            batcher: provides bars, keys and active parts; its notes are ignored.
            sources: `(n,)` inputs of the batcher, all equally long.
            temperature: scale of the sampled noise.
            rng: source of randomness.
            known: latents to condition on.
            bar_labels: `(n, W, N)` labels; bars of one label become alike.
            amount: how far from `known` to go; see `FlowPrior.sample`.

        Without a prior, every window that is not known is sampled independently from N(0, 1).
        """
        lengths, size = batcher.lengths_bars[sources], self.preset.grid.bars
        first, _ = window_bounds(int(lengths.max(initial=0)), size, size)
        n, W = len(sources), len(first)
        begin = np.tile(first, n)
        batch = batcher.batch(np.repeat(sources, W), begin)
        conditioning = PathConditioning.from_batch(batch, begin, np.repeat(lengths, W)).reshape(
            n, W
        )
        prior = self.prior or LinearGaussianPrior.standard_normal(
            self.vae.Z, len(self.preset.meters) + 1
        )
        return prior.sample(
            conditioning,
            temperature=temperature,
            rng=rng,
            known=known,
            bar_labels=bar_labels,
            amount=amount,
        )

    def decoder_context(self, encoding: Encoding) -> WindowBatcher:
        """Return what the decoder is conditioned on: the bars of an encoding, without notes."""
        return WindowBatcher(empty_inputs(encoding), self.preset)

    # -- windows ------------------------------------------------------------------------------

    @torch.no_grad()
    def encode_windows(
        self, batcher: WindowBatcher, source: int, first: Ints
    ) -> tuple[Latents, Latents]:
        """Encode windows that begin at bars `first` `(W,)` of one input of a batcher.

        Returns means and standard deviations, `(W, Z)` each.
        """
        none = np.zeros((0, self.vae.Z), np.float32)
        mus, sigmas = [none], [none]
        for i in range(0, len(first), BATCH_SIZE):
            chunk = first[i : i + BATCH_SIZE]
            batch = batcher.batch(np.full(len(chunk), source), chunk)
            posterior = self.vae.encode(self.to_device(batch))
            mus.append(posterior.mu.float().cpu().numpy())
            sigmas.append(posterior.sigma.float().cpu().numpy())
        return np.concatenate(mus), np.concatenate(sigmas)

    @torch.no_grad()
    def posterior_means(self, batch: Batch) -> Latents:
        """Return the mean latent of each window of a batch. `(B, Z)`"""
        return self.vae.encode(self.to_device(batch)).mu.float().cpu().numpy()

    def decode_notes(
        self,
        batcher: WindowBatcher,
        bars: Bars,
        z: Latents,
        temperature: float = 0.0,
        seed: int = 0,
        refine_steps: int = 0,
        which: Bools | None = None,
    ) -> Notes:
        """Decode paths of latents `z` `(S, W, Z)`, one for each of the S inputs of a batcher.

        All inputs share `bars`; each has its own key. `which` `(W,)` selects windows. The `part` of
        a note counts the slots of all inputs.
        """
        source, nth = decodable_windows(bars, self.preset, len(batcher.lengths_bars), which)
        first = nth * self.preset.grid.bars
        latents = z[source, nth]
        rows = self.decode_windows(batcher, source, first, latents, temperature, seed, refine_steps)
        return self.join_windows(rows, bars, source, nth, batcher.key)

    def join_windows(self, rows: Ints, bars: Bars, source: Ints, nth: Ints, key: Ints) -> Notes:
        """Join decoded windows into notes over `bars`.

        Args:
            rows: `(M, 8)` note rows, in the order of `NoteTable`.
            bars: the bars that all inputs share.
            source: `(W,)` the input of each window.
            nth: `(W,)` index of each window within its input.
            key: `(S,)` semitones to add to the melodic pitches of each input.
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
        batcher: WindowBatcher,
        source: Ints,
        first: Ints,
        z: Latents,
        temperature: float = 0.0,
        seed: int = 0,
        refine_steps: int = 0,
    ) -> Ints:
        """Decode windows of inputs `source` `(W,)` that begin at bars `first` `(W,)`.

        `z` is `(W, Z)`; `refine_steps` times it is first decoded and encoded again. Returns note
        rows `(M, 8)`, in the order of `NoteTable`.
        """
        pieces = [np.zeros((0, 8), np.int64)]
        for i in range(0, len(source), BATCH_SIZE):
            chunk = slice(i, i + BATCH_SIZE)
            context = without_notes(self.to_device(batcher.batch(source[chunk], first[chunk])))
            latents = torch.from_numpy(z[chunk]).to(self.device)
            for _ in range(refine_steps):
                decoded = with_notes(context, self.vae.decode(latents, context))
                latents = self.vae.encode(decoded).mu
            rows = self.vae.decode(latents, context, temperature, seed).numpy()
            rows = _in_drum_classes(rows, batcher.has_drums(source[chunk]))
            pieces.append(rows + np.eye(1, 8, dtype=np.int64) * i)
        return np.concatenate(pieces)

    def add_velocities(
        self, bars: Bars, notes: Notes, mean_velocity: Floats, song: Ints | None = None
    ) -> Notes:
        """Return notes with velocities: the model's own if it has them, else by rule.

        `mean_velocity` is that of each bar and part `(N, parts)`; `song` `(M,)` is the song of each
        note where there are several.
        """
        if self.preset.model.velocity:
            return notes
        return replace(notes, velocity=metrical_velocities(bars.grid, notes, mean_velocity, song))

    def to_device(self, batch: Batch) -> Batch:
        """Return a batch on the model's device."""
        return Batch(*(tensor.to(self.device) for tensor in batch))


def empty_inputs(encoding: Encoding) -> list[ModelInput]:
    """Return the model inputs of an encoding, one for each pass, without notes."""
    none = Notes.concatenate([])
    traits = encoding.traits or (None,) * len(encoding.source_parts)
    return [
        ModelInput(
            bars=encoding.bars,
            model_pass=ModelPass(notes=none, source_part=owner),
            key=input_key(encoding.key, its_traits),
            active=active,
            chords=encoding.chords,
            traits=its_traits,
        )
        for owner, active, its_traits in zip(
            encoding.source_parts, encoding.active, traits, strict=True
        )
    ]


def _in_drum_classes(rows: Ints, is_drums: Bools) -> Ints:
    """Return decoded rows `(M, 8)` without pitches of no drum class in windows of drums `(B,)`."""
    pitch = rows[:, 4]
    return rows[~is_drums[rows[:, 0]] | (canonical_pitch(pitch.clip(0, 127)) == pitch)]


def _traits_of(inputs: Sequence[ModelInput]) -> tuple[Ints, ...] | None:
    """Return the traits of all inputs, None where they are not known."""
    found = [each.traits for each in inputs if each.traits is not None]
    return tuple(found) if found and len(found) == len(inputs) else None


def decodable_windows(
    bars: Bars, preset: Preset, n_sources: int, which: Bools | None = None
) -> tuple[Ints, Ints]:
    """Return the windows over `bars` in which no bar is too long for a preset.

    Returns the input of each window, out of `n_sources`, and its index within it, `(W,)` each;
    `which` selects windows by index.
    """
    first, stop = window_bounds(len(bars), preset.grid.bars, preset.grid.bars)
    usable = fits_preset(bars.grid, first, stop, preset)
    fits = np.flatnonzero(usable if which is None else usable & which)
    return np.repeat(np.arange(n_sources), len(fits)), np.tile(fits, n_sources)
