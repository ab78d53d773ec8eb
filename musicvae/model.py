"""Floor 8: the façade. A trained model, and what one can do with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from musicvae import checkpoints
from musicvae.bars import Bars, Notes
from musicvae.config import Preset
from musicvae.dataset import Batch
from musicvae.dataset.windows import Source, WindowCutter, sources_of
from musicvae.dynamics import bar_levels, played
from musicvae.errors import CheckpointError, ConfigError, DataError
from musicvae.latent import Encoding, Latents, between
from musicvae.models import VAE, PathPrior
from musicvae.parts import Group, one_at_a_time, out_of_slots
from musicvae.song import Ints, Part, Song
from musicvae.windows import WindowNotes, join, window_bounds

_BATCH = 256
_SAMPLED_LEVEL = 74.0  # mean velocity of sampled songs
_TICKS_PER_QUARTER = 480


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
        self.device = torch.device(_pick(device))
        self.vae.to(self.device).eval()
        fitted = {n: t.float().numpy() for n, t in checkpoint.under("prior").items()}
        self.prior = PathPrior(**fitted) if fitted else None
        content = checkpoint.path.read_bytes() if checkpoint.path else b""
        self.hash = hashlib.blake2b(content, digest_size=6).hexdigest()

    @classmethod
    def load(cls, name: str | Path | None = None, *, device: str = "auto") -> MusicVAE:
        """The model of a checkpoint's name or path; the newest of `./checkpoints` if not given.

        Raises `CheckpointError` when there is none, or it cannot be read.
        """
        return cls(checkpoints.load(checkpoints.find(name)), device)

    # -- there and back -----------------------------------------------------------------------

    def encode(self, song: Song) -> Encoding:
        """The posterior of every window of `song`, with what is needed to decode it again."""
        bars = Bars.from_song(song).at(self.preset.grid.steps_per_quarter)
        sources, untouched = sources_of(bars, self.preset)
        first, stop = window_bounds(len(bars), self.preset.grid.bars, self.preset.grid.bars)
        fits = _fitting(bars, first, stop, self.preset)
        shape = (len(sources), len(first), self.vae.Z)
        mu, sigma = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        left: list[Notes] = [untouched]
        if sources:
            cutter = WindowCutter(sources, self.preset)
            for g, source in enumerate(sources):
                mu[g, fits], sigma[g, fits] = self._posterior(cutter, g, first[fits])
                window = source.group.notes.bar // self.preset.grid.bars
                kept = source.group.notes.take(~fits[window])
                left.append(replace(kept, part=source.group.owner[kept.part]))
        return Encoding(
            bars=replace(bars, notes=Notes.concatenate([])),
            owners=tuple(source.group.owner for source in sources),
            key=sources[0].key if sources else 0,
            mu=mu,
            sigma=sigma,
            untouched=Notes.sorted(**vars(Notes.concatenate(left))),
            levels=bar_levels(len(bars), len(song.parts), bars.notes),
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
        bars, preset = encoding.bars, self.preset
        path = encoding.mu if z is None else z
        first, stop = window_bounds(len(bars), preset.grid.bars, preset.grid.bars)
        fits = _fitting(bars, first, stop, preset)
        drums = np.array([part.kind == "drums" for part in preset.parts])
        groups = []
        for g, owner in enumerate(encoding.owners):
            frame = Group(notes=Notes.concatenate([]), owner=owner)
            cutter = WindowCutter([Source(bars=bars, group=frame, key=encoding.key)], preset)
            rows = self._decoded(cutter, first[fits], path[g, fits], temperature, seed + g)
            window, bar, position, slot, pitch, duration, velocity = rows.T
            pitch = np.clip(pitch + np.where(drums[slot], 0, encoding.key), 0, 127)
            found = WindowNotes.sorted(
                window=np.flatnonzero(fits)[window],
                bar=bar,
                position=position,
                part=slot,
                pitch=pitch,
                duration=duration,
                velocity=velocity,
            )
            notes, _ = join(found, bars.grid, first, stop)
            groups.append(Group(notes=one_at_a_time(bars.grid, notes, preset.parts), owner=owner))
        none = Notes.concatenate([])
        made = out_of_slots(tuple(groups), none)
        made = replace(made, velocity=played(bars.grid, made, encoding.levels))
        every = Notes.sorted(**vars(Notes.concatenate([made, encoding.untouched])))
        return replace(bars, notes=every).at(24).to_song()

    def reconstruct(self, song: Song) -> Song:
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
            seed: the same seed gives the same songs.
        """
        if n < 1 or bars < 1:
            raise ConfigError("sample needs at least one song of at least one bar")
        rng = np.random.default_rng(seed)
        numerator, denominator = self._meter(meter)
        songs = []
        for i in range(n):
            shift = self._key(rng) if key is None else key
            pace = self._tempo(rng) if qpm is None else qpm
            frame = self._blank(bars, numerator, denominator, pace)
            W = -(-bars // self.preset.grid.bars)
            z = self._path(W, self.preset.meter_id(numerator, denominator), temperature, rng)
            encoding = Encoding(
                bars=frame,
                owners=(np.arange(len(self.preset.parts)),),
                key=shift,
                mu=z,
                sigma=np.zeros_like(z),
                untouched=Notes.concatenate([]),
                levels=np.full((bars, len(self.preset.parts)), _SAMPLED_LEVEL),
                checkpoint=self.hash,
            )
            songs.append(self.decode(encoding, seed=seed + i))
        return songs

    def interpolate(self, *songs: Song, steps: int = 7) -> list[Song]:
        """`steps` songs on the way from the first song to the last, through those between.

        Songs may differ in length, tempo, meter, key and instruments. The first and the last are
        the reconstructions of the ends.
        """
        if len(songs) < 2 or steps < 2:
            raise ConfigError("interpolate needs at least two songs and two steps")
        encodings = [self.encode(song) for song in songs]
        for song, encoding in zip(songs, encodings, strict=True):
            if not encoding.owners or not len(encoding.bars):
                raise DataError(
                    f"a song of {song.n_notes} notes has nothing that preset "
                    f"{self.preset.name} can represent; choose another --checkpoint"
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
        for chunk in _chunks(first):
            batch = cutter.batch(np.full(len(chunk), group), chunk)
            posterior = self.vae.encode(self._on_device(batch))
            mus.append(posterior.mu.float().cpu().numpy())
            sigmas.append(posterior.sigma.float().cpu().numpy())
        return np.concatenate(mus), np.concatenate(sigmas)

    @torch.no_grad()
    def _decoded(
        self, cutter: WindowCutter, first: Ints, z: Latents, temperature: float, seed: int
    ) -> Ints:
        rows = [np.zeros((0, 7), np.int64)]
        for nth, chunk in enumerate(_chunks(first)):
            frame = self._on_device(cutter.batch(np.zeros(len(chunk), np.int64), chunk))
            path = torch.from_numpy(z[nth * _BATCH : nth * _BATCH + len(chunk)]).to(self.device)
            found = self.vae.decode(path, frame, temperature, seed).numpy()
            rows.append(found + np.array([nth * _BATCH, 0, 0, 0, 0, 0, 0]))
        return np.concatenate(rows)

    def _on_device(self, batch: Batch) -> Batch:
        return Batch(*(tensor.to(self.device) for tensor in batch))

    def _path(self, W: int, meter_id: int, temperature: float, rng: np.random.Generator) -> Latents:
        if self.prior is None:
            drawn = rng.standard_normal((1, W, self.vae.Z)).astype(np.float32)
            return drawn * np.float32(temperature)
        meters = np.full(W, meter_id)
        return self.prior.sample(1, meters, temperature=temperature, rng=rng)

    def _blank(self, bars: int, numerator: int, denominator: int, qpm: float) -> Bars:
        parts = tuple(
            Part.empty(part.name, part.program, part.kind == "drums") for part in self.preset.parts
        )
        length = 4 * _TICKS_PER_QUARTER * numerator // denominator
        return Bars.blank(
            parts,
            numerator=np.full(bars, numerator),
            denominator=np.full(bars, denominator),
            length_ticks=np.full(bars, length),
            qpm=np.full(bars, qpm),
            ticks_per_quarter=_TICKS_PER_QUARTER,
            steps_per_quarter=self.preset.grid.steps_per_quarter,
        )

    def _meter(self, meter: str | None) -> tuple[int, int]:
        usual: dict[str, int] = self.provenance.get("meters", {})
        name = meter or max(usual, key=lambda m: usual[m], default=self.preset.meters[0])
        numerator, _, denominator = name.partition("/")
        if not (numerator.isdigit() and denominator in ("1", "2", "4", "8", "16")):
            raise ConfigError(f"meter {name!r}: write it as 4/4, 3/4, 6/8, ...")
        limit, quarter = self.preset.grid.max_steps, self.preset.grid.steps_per_quarter
        if int(numerator) < 1 or 4 * quarter * int(numerator) > limit * int(denominator):
            raise ConfigError(
                f"meter {name}: preset {self.preset.name} has at most {limit} cells a bar"
            )
        return int(numerator), int(denominator)

    def _key(self, rng: np.random.Generator) -> int:
        usual: dict[str, int] = self.provenance.get("keys", {"0": 1})
        keys, counts = [int(k) for k in usual], np.array(list(usual.values()), float)
        return int(rng.choice(keys, p=counts / counts.sum()))

    def _tempo(self, rng: np.random.Generator) -> float:
        low, _, high = self.provenance.get("qpm", [self.preset.default_qpm] * 3)
        return float(round(rng.uniform(low, high)))


def _fitting(bars: Bars, first: Ints, stop: Ints, preset: Preset) -> np.ndarray:
    """Which windows have no bar longer than the preset's longest. `(W,)` bool"""
    long = np.concatenate([[0], np.cumsum(bars.grid.steps > preset.grid.max_steps)])
    return np.asarray(long[stop] == long[first])


def _chunks(first: Ints) -> Sequence[Ints]:
    return [first[i : i + _BATCH] for i in range(0, len(first), _BATCH)]


def _pick(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
