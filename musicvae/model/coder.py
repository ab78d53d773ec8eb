"""Floor 8: songs to latents, and back: the part of the façade that all others stand on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae import checkpoints
from musicvae.alignment import Alignment, align
from musicvae.bars import Bars, Notes, settled
from musicvae.config import Preset
from musicvae.dataset import Batch
from musicvae.dataset.windows import Source, WindowCutter, fitting, sources_of
from musicvae.directions import Directions
from musicvae.dynamics import bar_levels, played
from musicvae.errors import CheckpointError
from musicvae.grid import STORED_STEPS_PER_QUARTER
from musicvae.latent import Encoding, Latents
from musicvae.models import VAE, FlowPrior, PathFrame, pick_device, prior_of
from musicvae.models.vae import frame_of, with_notes
from musicvae.parts import Group, one_at_a_time, out_of_slots, put_back, set_aside
from musicvae.song import Ints, Song
from musicvae.windows import WindowNotes, join, window_bounds

_BATCH = 256


class Coder:
    """A trained model as encoder and decoder of songs, with the prior over its latents.

    All methods are deterministic: the same arguments and seed give the same notes.
    """

    def __init__(self, checkpoint: checkpoints.Checkpoint, device: str = "auto") -> None:
        self.preset: Preset = checkpoint.preset
        self.provenance = checkpoint.provenance
        self.path = checkpoint.path
        self.vae = VAE(self.preset)
        try:
            self.vae.load_state_dict(checkpoint.under("model"))
        except RuntimeError:
            reason = "its weights do not fit its preset"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, "train anew") from None
        self.device = torch.device(pick_device(device))
        self.vae.to(self.device).eval()
        try:
            self.prior = prior_of(checkpoint.under("prior"), self.device)
        except (TypeError, RuntimeError):
            reason = "its prior is of another kind"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, "train anew") from None
        try:
            named = checkpoint.under("directions")
            self.directions = Directions.of({n: t.cpu().numpy() for n, t in named.items()})
        except (KeyError, ValueError):
            reason = "its directions are of another kind"
            hint = "fit them anew with scripts/fit_directions.py"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, hint) from None
        self.hash = checkpoints.hash_of(checkpoint.path) if checkpoint.path else "unsaved"

    def encode(self, song: Song | Alignment) -> Encoding:
        """The posterior of every window of `song`, with what is needed to decode it again.

        Windows follow the bar lines that `align` finds; give what it found to say what it should
        believe, such as `align(song, measured=True)` of a score.
        """
        preset, aligned = self.preset, song if isinstance(song, Alignment) else align(song)
        song = aligned.song
        grid = Bars.from_song(replace(song, parts=())).at(preset.grid.steps_per_quarter)
        first, stop = window_bounds(len(grid), preset.grid.bars, preset.grid.bars)
        fits = fitting(grid.grid, first, stop, preset)
        fitting_song, untouched = set_aside(
            song, preset.parts, _spans(grid, first[~fits], stop[~fits])
        )
        bars = Bars.from_song(fitting_song).at(preset.grid.steps_per_quarter)
        sources, _ = sources_of(bars, preset)
        shape = (len(sources), len(first), self.vae.Z)
        mu, sigma = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        if sources:
            cutter = WindowCutter(sources, preset)
            for g in range(len(sources)):
                mu[g, fits], sigma[g, fits] = self.posterior(cutter, g, first[fits])
        return Encoding(
            bars=replace(bars, notes=Notes.concatenate([])),
            owners=tuple(source.group.owner for source in sources),
            active=tuple(source.active for source in sources),
            key=sources[0].key if sources else 0,
            mu=mu,
            sigma=sigma,
            untouched=untouched,
            levels=bar_levels(len(bars), len(song.parts), bars.notes),
            alignment=aligned,
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
        bars, path = encoding.bars, encoding.mu if z is None else z
        none = Notes.concatenate([])
        sources = [
            Source(bars=bars, group=Group(notes=none, owner=owner), key=encoding.key, active=active)
            for owner, active in zip(encoding.owners, encoding.active, strict=True)
        ]
        if sources:
            cutter = WindowCutter(sources, self.preset)
            found = self.notes(cutter, bars, path, temperature, seed)
            whole = Group(notes=found, owner=np.concatenate(encoding.owners))
            made = settled(bars.grid, out_of_slots((whole,), none))
        else:
            made = none
        made = self.played(bars, made, encoding.levels)
        song = replace(bars, notes=made).at(STORED_STEPS_PER_QUARTER).to_song()
        song = put_back(song, encoding.untouched)
        return song if encoding.alignment is None else encoding.alignment.undo(song)

    @property
    def settle(self) -> int:
        """How often drawn latents are decoded and encoded again; see `sample`."""
        if self.provenance.get("held_out", {}).get("f1", 0.0) < 0.5:
            return 0
        if isinstance(self.prior, FlowPrior):  # melodies leap less after one step of the walk
            return int(len(self.preset.parts) > 1 or self.preset.grid.bars > 2)
        return 2

    def paths(
        self, cutter: WindowCutter, sources: Ints, temperature: float, rng: np.random.Generator
    ) -> Latents:
        """Latents of new songs `(n, W, Z)` with the bars, keys and parts of these sources `(n,)`
        of the cutter, which are equally long. Their notes are not looked at.
        """
        lengths, size = cutter.lengths[sources], self.preset.grid.bars
        first, _ = window_bounds(int(lengths.max(initial=0)), size, size)
        n, W = len(sources), len(first)
        if self.prior is None:
            drawn = rng.standard_normal((n, W, self.vae.Z), dtype=np.float32)
            return drawn * np.float32(temperature)
        begin = np.tile(first, n)
        batch = cutter.batch(np.repeat(sources, W), begin)
        frame = PathFrame.of(batch, begin, np.repeat(lengths, W)).reshape(n, W)
        return self.prior.sample(frame, temperature=temperature, rng=rng)

    # -- inside -------------------------------------------------------------------------------

    @torch.no_grad()
    def posterior(self, cutter: WindowCutter, group: int, first: Ints) -> tuple[Latents, Latents]:
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
            posterior = self.vae.encode(self.on_device(batch))
            mus.append(posterior.mu.float().cpu().numpy())
            sigmas.append(posterior.sigma.float().cpu().numpy())
        return np.concatenate(mus), np.concatenate(sigmas)

    @torch.no_grad()
    def means(self, batch: Batch) -> Latents:
        """Mean of the latent of each window of a batch. `(B, Z)`"""
        return self.vae.encode(self.on_device(batch)).mu.float().cpu().numpy()

    def notes(
        self,
        cutter: WindowCutter,
        bars: Bars,
        z: Latents,
        temperature: float = 0.0,
        seed: int = 0,
        settle: int = 0,
    ) -> Notes:
        """Notes of the cutter's sources, all over these bars and each in its own key, from paths
        `(sources, W, Z)`.

        `part` counts the slots of the first source, then those of the second, and so on.
        """
        preset, S = self.preset, len(cutter.lengths)
        first, stop = window_bounds(len(bars), preset.grid.bars, preset.grid.bars)
        fits = np.flatnonzero(fitting(bars.grid, first, stop, preset))
        source, nth = np.repeat(np.arange(S), len(fits)), np.tile(fits, S)
        rows = self.decoded(cutter, source, first[nth], z[source, nth], temperature, seed, settle)
        drums = np.array([part.kind == "drums" for part in preset.parts])
        low, high = (np.array([getattr(p, b) for p in preset.parts]) for b in ("low", "high"))
        window, bar, position, slot, pitch, duration, velocity, timing = rows.T
        pitch = np.clip(pitch + np.where(drums[slot], 0, cutter.key[source[window]]), 0, 127)
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
        found = found.take((pitch >= low[slot]) & (pitch <= high[slot]))
        notes, _ = join(found, bars.grid, first, stop)
        return one_at_a_time(bars.grid, notes, preset.parts * S)

    @torch.no_grad()
    def decoded(
        self,
        cutter: WindowCutter,
        source: Ints,
        first: Ints,
        z: Latents,
        temperature: float = 0.0,
        seed: int = 0,
        settle: int = 0,
    ) -> Ints:
        """Rows of notes of windows `(W,)` of the cutter's sources from latents `(W, Z)`."""
        pieces = [np.zeros((0, 8), np.int64)]
        for i in range(0, len(source), _BATCH):
            chunk = slice(i, i + _BATCH)
            frame = frame_of(self.on_device(cutter.batch(source[chunk], first[chunk])))
            latents = torch.from_numpy(z[chunk]).to(self.device)
            for _ in range(settle):
                heard = with_notes(frame, self.vae.decode(latents, frame))
                latents = self.vae.encode(heard).mu
            rows = self.vae.decode(latents, frame, temperature, seed).numpy()
            pieces.append(rows + np.eye(1, 8, dtype=np.int64) * i)
        return np.concatenate(pieces)

    def played(
        self, bars: Bars, notes: Notes, levels: NDArray[np.float64], song: Ints | None = None
    ) -> Notes:
        """Notes with velocities: the model's own, or by rule around levels `(N, parts)`."""
        if self.preset.model.velocity:
            return notes
        return replace(notes, velocity=played(bars.grid, notes, levels, song))

    def on_device(self, batch: Batch) -> Batch:
        """The same batch where the model is."""
        return Batch(*(tensor.to(self.device) for tensor in batch))


def _spans(bars: Bars, first: Ints, stop: Ints) -> Ints:
    """Ticks that may be quantised into windows, from their first bar to their last. `(W, 2)`"""
    start, tpq = bars.grid.start_ticks, bars.grid.ticks_per_quarter
    early = tpq // (2 * bars.grid.steps_per_quarter) + tpq // (2 * STORED_STEPS_PER_QUARTER) + 1
    end = start[stop - 1] + bars.grid.length_ticks[stop - 1]
    return np.stack([start[first] - early, end], axis=1)
