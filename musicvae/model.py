"""Floor 8: the façade. A trained model, and what one can do with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae import checkpoints
from musicvae.alignment import Alignment, align
from musicvae.bars import Bars, Notes, settled
from musicvae.config import Preset
from musicvae.dataset import Batch
from musicvae.dataset.windows import Source, WindowCutter, fitting, sources_of
from musicvae.dynamics import bar_levels, played
from musicvae.errors import CheckpointError, ConfigError, DataError
from musicvae.frames import blank_bars, chosen_key, chosen_meter, chosen_tempo
from musicvae.grid import STORED_STEPS_PER_QUARTER
from musicvae.latent import Encoding, Latents, between
from musicvae.models import VAE, PathPrior, pick_device
from musicvae.models.vae import with_notes
from musicvae.parts import Group, one_at_a_time, out_of_slots, put_back, set_aside
from musicvae.song import Ints, Song
from musicvae.windows import WindowNotes, join, window_bounds

_BATCH = 256
_SAMPLED_LEVEL = 74.0  # mean velocity of sampled songs


class MusicVAE:
    """A trained model. `MusicVAE.load()` gives one; everything else is a method of it.

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
        fitted = {n: t.float().numpy() for n, t in checkpoint.under("prior").items()}
        try:
            self.prior = PathPrior(**fitted) if fitted else None
        except TypeError:
            reason = "its prior is of another kind"
            raise CheckpointError(checkpoint.path or "checkpoint", reason, "train anew") from None
        self.hash = checkpoints.hash_of(checkpoint.path) if checkpoint.path else "unsaved"

    @classmethod
    def load(cls, name: str | Path | None = None, *, device: str = "auto") -> MusicVAE:
        """The model of a checkpoint's name or path; the newest of `./checkpoints` if not given.

        Raises `CheckpointError` when there is none, or it cannot be read.
        """
        return cls(checkpoints.load(checkpoints.find(name)), device)

    # -- there and back -----------------------------------------------------------------------

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
                mu[g, fits], sigma[g, fits] = self._posterior(cutter, g, first[fits])
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
        found = self._notes(sources, path, temperature, seed)
        groups = [
            replace(source.group, notes=notes) for source, notes in zip(sources, found, strict=True)
        ]
        made = settled(bars.grid, out_of_slots(tuple(groups), none))
        made = self._played(bars, made, encoding.levels)
        song = replace(bars, notes=made).at(STORED_STEPS_PER_QUARTER).to_song()
        song = put_back(song, encoding.untouched)
        return song if encoding.alignment is None else encoding.alignment.undo(song)

    def reconstruct(self, song: Song | Alignment) -> Song:
        """`song` through the bottleneck and back, by the posterior mean."""
        return self.decode(self.encode(song))

    # -- new songs ----------------------------------------------------------------------------

    def sample(
        self,
        n: int = 8,
        *,
        bars: int = 16,
        temperature: float = 1.0,
        qpm: float | None = None,
        key: int | None = None,
        meter: str | None = None,
        settle: int | None = None,
        seed: int = 0,
    ) -> list[Song]:
        """`n` new songs from the prior over paths of latents.

        Args:
            n: how many.
            bars: bars of each.
            temperature: spread of the paths; below 1 nearer to the usual, above 1 bolder.
            qpm: tempo in quarters a minute; one usual in the training songs if not given.
            key: semitones above C of the major scale used, -6..5; drawn if not given.
            meter: such as `3/4`; the training songs' most frequent one if not given.
            settle: how often drawn latents are decoded and encoded again before they are used,
                a few steps of the walk of Bengio et al. (2013) from the prior towards the data. Two
                if not given; none where the model gives back less than half of a song's notes,
                since such a model walks towards one and the same song.
            seed: the same seed gives the same songs.
        """
        if n < 1 or bars < 1:
            raise ConfigError("sample needs at least one song of at least one bar")
        rng, preset = np.random.default_rng(seed), self.preset
        chosen = chosen_meter(preset, self.provenance, meter)
        every_slot = np.arange(len(preset.parts))
        everywhere = np.ones((bars, len(preset.parts)), bool)
        sources = []
        for _ in range(n):
            tonic = chosen_key(self.provenance, key, rng)
            pace = chosen_tempo(preset, self.provenance, qpm, rng)
            frame = blank_bars(preset, bars, chosen, pace, tonic)
            group = Group(notes=Notes.concatenate([]), owner=every_slot)
            sources.append(Source(bars=frame, group=group, key=tonic, active=everywhere))
        n_windows = -(-bars // preset.grid.bars)
        keys = np.array([source.key for source in sources])
        z = self._paths(keys, n_windows, preset.meter_id(*chosen), temperature, rng)
        if settle is None:
            settle = 2 if self.provenance.get("held_out", {}).get("f1", 0.0) >= 0.5 else 0
        songs = []
        levels = np.full((bars, len(preset.parts)), _SAMPLED_LEVEL)
        for source, notes in zip(sources, self._notes(sources, z, settle=settle), strict=True):
            loud = self._played(source.bars, notes, levels)
            songs.append(replace(source.bars, notes=loud).at(STORED_STEPS_PER_QUARTER).to_song())
        return songs

    def interpolate(self, *songs: Song | Alignment, steps: int = 7) -> list[Song]:
        """`steps` songs on the way from the first song to the last, through those between.

        Songs may differ in length, tempo, meter, key and instruments. The first and the last are
        the reconstructions of the ends.
        """
        if len(songs) < 2 or steps < 2:
            raise ConfigError("interpolate needs at least two songs and two steps")
        encodings = [self.encode(song) for song in songs]
        for nth, encoding in enumerate(encodings, start=1):
            if not encoding.owners or not len(encoding.bars):
                raise DataError(
                    f"song {nth} of {len(songs)} has nothing that preset {self.preset.name} can "
                    "represent; choose another --checkpoint"
                )
        result = []
        for at in np.linspace(0, len(songs) - 1, steps):
            leg = min(int(at), len(songs) - 2)
            mixed = between(
                encodings[leg], encodings[leg + 1], float(at - leg), self.preset.grid.bars
            )
            result.append(self.decode(mixed))
        return result

    # -- inside -------------------------------------------------------------------------------

    @torch.no_grad()
    def _posterior(self, cutter: WindowCutter, group: int, first: Ints) -> tuple[Latents, Latents]:
        mus, sigmas = (
            [np.zeros((0, self.vae.Z), np.float32)],
            [np.zeros((0, self.vae.Z), np.float32)],
        )
        for i in range(0, len(first), _BATCH):
            chunk = first[i : i + _BATCH]
            batch = cutter.batch(np.full(len(chunk), group), chunk)
            posterior = self.vae.encode(self._on_device(batch))
            mus.append(posterior.mu.float().cpu().numpy())
            sigmas.append(posterior.sigma.float().cpu().numpy())
        return np.concatenate(mus), np.concatenate(sigmas)

    @torch.no_grad()
    def _notes(
        self,
        sources: Sequence[Source],
        z: Latents,
        temperature: float = 0.0,
        seed: int = 0,
        settle: int = 0,
    ) -> list[Notes]:
        """Notes of each source, by slot, from its path: `z` is `(sources, W, Z)`."""
        if not sources:
            return []
        preset, bars = self.preset, [source.bars for source in sources]
        bounds = [window_bounds(len(b), preset.grid.bars, preset.grid.bars) for b in bars]
        fits = [fitting(b.grid, *bound, preset) for b, bound in zip(bars, bounds, strict=True)]
        cutter = WindowCutter(sources, preset)
        which = np.repeat(np.arange(len(sources)), [int(f.sum()) for f in fits])
        nth = np.concatenate([np.flatnonzero(f) for f in fits])
        first = nth * preset.grid.bars
        pieces = [np.zeros((0, 8), np.int64)]
        for i in range(0, len(which), _BATCH):
            chunk = slice(i, i + _BATCH)
            frame = self._on_device(cutter.batch(which[chunk], first[chunk]))
            latents = torch.from_numpy(z[which[chunk], nth[chunk]]).to(self.device)
            for _ in range(settle):
                heard = with_notes(frame, self.vae.decode(latents, frame))
                latents = self.vae.encode(heard).mu
            rows = self.vae.decode(latents, frame, temperature, seed).numpy()
            pieces.append(rows + np.eye(1, 8, dtype=np.int64) * i)
        rows = np.concatenate(pieces)
        return [
            self._joined(source, rows[which[rows[:, 0]] == s], nth, *bounds[s])
            for s, source in enumerate(sources)
        ]

    def _joined(self, source: Source, rows: Ints, nth: Ints, first: Ints, stop: Ints) -> Notes:
        """One source's decoded rows as notes over its whole length, in its own key."""
        drums = np.array([part.kind == "drums" for part in self.preset.parts])
        window, bar, position, slot, pitch, duration, velocity, timing = rows.T
        found = WindowNotes.sorted(
            window=nth[window],
            bar=bar,
            position=position,
            part=slot,
            pitch=np.clip(pitch + np.where(drums[slot], 0, source.key), 0, 127),
            duration=duration,
            velocity=velocity,
            timing=timing,
        )
        low, high = (np.array([getattr(p, b) for p in self.preset.parts]) for b in ("low", "high"))
        found = found.take((found.pitch >= low[found.part]) & (found.pitch <= high[found.part]))
        notes, _ = join(found, source.bars.grid, first, stop)
        return one_at_a_time(source.bars.grid, notes, self.preset.parts)

    def _played(self, bars: Bars, notes: Notes, levels: NDArray[np.float64]) -> Notes:
        """Notes with velocities: the model's own, or by rule around levels `(N, parts)`."""
        if self.preset.model.velocity:
            return notes
        return replace(notes, velocity=played(bars.grid, notes, levels))

    def _on_device(self, batch: Batch) -> Batch:
        return Batch(*(tensor.to(self.device) for tensor in batch))

    def _paths(
        self, keys: Ints, W: int, meter_id: int, temperature: float, rng: np.random.Generator
    ) -> Latents:
        if self.prior is None:
            drawn = rng.standard_normal((len(keys), W, self.vae.Z)).astype(np.float32)
            return drawn * np.float32(temperature)
        meters = np.full(W, meter_id)
        return self.prior.sample(len(keys), meters, keys=keys, temperature=temperature, rng=rng)


def _spans(bars: Bars, first: Ints, stop: Ints) -> Ints:
    """Ticks that may be quantised into windows, from their first bar to their last. `(W, 2)`"""
    start, tpq = bars.grid.start_ticks, bars.grid.ticks_per_quarter
    early = tpq // (2 * bars.grid.steps_per_quarter) + tpq // (2 * STORED_STEPS_PER_QUARTER) + 1
    end = start[stop - 1] + bars.grid.length_ticks[stop - 1]
    return np.stack([start[first] - early, end], axis=1)
