"""Floor 8: the façade. A trained model, and what one can do with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from musicvae import checkpoints
from musicvae.alignment import Alignment
from musicvae.model import repair, sampling, ways
from musicvae.model.coder import Coder
from musicvae.model.repair import Repaired
from musicvae.song import Song


class MusicVAE(Coder):
    """A trained model. `MusicVAE.load()` gives one; everything else is a method of it.

    All methods are deterministic: the same arguments and seed give the same notes.
    """

    @classmethod
    def load(cls, name: str | Path | None = None, *, device: str = "auto") -> MusicVAE:
        """The model of a checkpoint's name or path; the newest of `./checkpoints` if not given.

        Raises `CheckpointError` when there is none, or it cannot be read.
        """
        return cls(checkpoints.load(checkpoints.find(name)), device)

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
                a few steps of the walk of Bengio et al. (2013) from the prior towards the data. If
                not given, two with a linear prior; with a learnt one none for short windows of a
                single part, else one; none where the model gives back less than half of a song's
                notes, since such a model walks towards one and the same song.
            seed: the same seed gives the same songs.
        """
        return sampling.sample(
            self,
            n,
            bars=bars,
            temperature=temperature,
            qpm=qpm,
            key=key,
            meter=meter,
            settle=self.settle if settle is None else settle,
            seed=seed,
        )

    # -- ways between songs -------------------------------------------------------------------

    def interpolate(self, *songs: Song | Alignment, steps: int = 7) -> list[Song]:
        """`steps` songs on the way from the first song to the last, through those between.

        Songs may differ in length, tempo, meter, key and instruments. The first and the last are
        the reconstructions of the ends.
        """
        return ways.interpolate(self, songs, steps=steps)

    # -- songs put right ----------------------------------------------------------------------

    def denoise(
        self,
        song: Song | Alignment,
        *,
        strength: float = 0.5,
        damage: Mapping[str, float] | None = None,
    ) -> Repaired:
        """`song` with what is improbable in it put right, and a list of what was changed.

        Notes that are not changed come back exactly as they were. Needs a model that learned to
        mend (`training.objective = "dae"` with several kinds of corruption).

        Args:
            song: what to mend.
            strength: 0 to 1. At 0 nothing is changed, at 1 whatever is less probable than not.
            damage: which kinds are to be expected, and in which share of the notes, such as
                `{"jitter": 0.2}`; names are those of `training.corruption`. If not given the song
                is heard twice: once expecting a little of everything, then what was found.

        Raises `ConfigError` if the model does not know that damage, `DataError` if it can hear
        nothing in the song.
        """
        return repair.denoise(self, song, strength=strength, damage=damage)
