"""Floor 8: the façade. A trained model, and what one can do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from musicvae import checkpoints
from musicvae.alignment import Alignment
from musicvae.model import own, sampling, steering, ways
from musicvae.model.coder import Coder
from musicvae.model.own import OwnDirection
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

    # -- knobs --------------------------------------------------------------------------------

    def attributes(self, song: Song | Alignment) -> dict[str, float]:
        """The attributes of a song that the model hears, by name, in units of `ATTRIBUTES`: the
        mean over its windows. Those that the model cannot have are not there.

        Raises `DataError` for a song with nothing that the model can represent.
        """
        return steering.attributes_of(self, song)

    def steer(
        self,
        song: Song | Alignment,
        asked: Mapping[str, float] | None = None,
        *,
        directions: Sequence[tuple[OwnDirection, float]] = (),
    ) -> Song:
        """`song` with its attributes moved, the others left where they are as far as can be.

        Args:
            song: any song; what the model cannot represent passes unchanged.
            asked: by how many standard deviations of the training songs' windows each attribute
                should move, such as `{"density": 2, "register": -1}`.
            directions: directions of one's own and how many steps to go along each; attributes may
                move with them.

        With nothing asked the reconstruction. Raises `ConfigError` for an attribute that the model
        cannot have or has no direction for, `DataError` for a song that it cannot represent.
        """
        return steering.steer(self, song, asked or {}, directions=directions).song

    def direction_from(
        self, songs: Sequence[Song | Alignment], values: own.Values, *, name: str = "own"
    ) -> OwnDirection:
        """The direction in which `values` of songs rise, for `steer`.

        Args:
            songs: two at least; some tens tell more.
            values: a number or a word for each song (two words at most, the later in the alphabet
                is where the direction leads), or a function that gives a number for a song.
            name: of the direction.

        Raises `ConfigError` for values that cannot be used, `DataError` where all are equal.
        """
        return own.direction_from(self, songs, values, name=name)
