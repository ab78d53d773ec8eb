"""Floor 8: the façade. A trained model, and what one can do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from musicvae import checkpoints
from musicvae.downbeats import Alignment
from musicvae.latent.codec import Coder
from musicvae.song import Song
from musicvae.tools import (
    anomaly,
    attribute_vector,
    denoise,
    extend,
    groove,
    interpolate,
    sample,
    steer,
    vary,
)
from musicvae.tools.anomaly import Scores
from musicvae.tools.attribute_vector import OwnDirection
from musicvae.tools.denoise import Repaired


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
        bars: int | None = None,
        form: str | None = None,
        temperature: float = 1.0,
        qpm: float | None = None,
        key: int | None = None,
        meter: str | None = None,
        pickup: str | None = None,
        settle: int | None = None,
        seed: int = 0,
    ) -> list[Song]:
        """`n` new songs from the prior over paths of latents.

        Args:
            n: how many.
            bars: bars of each; 16 if not given, or 8 for each letter of `form`.
            form: sections of equal length by letters, such as `AABA`: those of one letter are
                alike but for small variations and the end. If not given, what comes back and where
                is as in one of the songs that the model learned from, if its prior keeps that.
            temperature: spread of the paths; below 1 nearer to the usual, above 1 bolder.
            qpm: tempo in quarters a minute; one usual in the training songs if not given.
            key: semitones above C of the major scale used, -6..5; drawn if not given.
            meter: such as `3/4`; the training songs' most frequent one if not given.
            pickup: what sounds before the first bar, such as `1/8`, by which the last one is
                shorter; `0` for none. From 8 bars on as in most training songs if not given.
            settle: how often drawn latents are decoded and encoded again before they are used,
                a few steps of the walk of Bengio et al. (2013) from the prior towards the data. If
                not given, two with a linear prior; with a learnt one none for short windows of a
                single part, else one; none where the model gives back less than half of a song's
                notes, since such a model walks towards one and the same song.
            seed: the same seed gives the same songs.
        """
        return sample.sample(
            self,
            n,
            bars=8 * len(form or "AA") if bars is None else bars,
            form=form,
            temperature=temperature,
            qpm=qpm,
            key=key,
            meter=meter,
            pickup=pickup,
            settle=self.settle if settle is None else settle,
            seed=seed,
        )

    # -- ways between songs -------------------------------------------------------------------

    def interpolate(
        self,
        *songs: Song | Alignment,
        steps: int = 7,
        how: str = "slerp",
        align: bool = False,
        like: str | None = None,
        parts: Mapping[str, str | float] | None = None,
    ) -> list[Song]:
        """`steps` songs on the way from the first song to the last, through those between.

        Songs may differ in length, tempo, meter, key and instruments. The first and the last are
        the reconstructions of the ends.

        Args:
            songs: two or more.
            steps: songs to make, ends included.
            how: `slerp` along great circles, `lerp` straight.
            align: pair windows that are alike (dynamic time warping of latents); else those that
                stand in the same place.
            like: `A` or `B`, whose meter, key, parts and programs the songs between have. If not
                given, those of the nearer end, and keys on the way. For two songs.
            parts: parts that do not go along, by name, role or slot: `{"drums": "A"}` stays with
                A's, at a number, 0 to 1, it stays a share of the way. For two songs.

        Raises `ConfigError` for what makes no sense, `DataError` for a song that the model has
        nothing to say of.
        """
        return interpolate.interpolate(
            self, songs, steps=steps, how=how, align=align, like=like, parts=parts
        )

    def morph(
        self,
        a: Song | Alignment,
        b: Song | Alignment,
        *,
        bars: int | None = None,
        how: str = "slerp",
        align: bool = False,
        like: str | None = None,
        parts: Mapping[str, str | float] | None = None,
    ) -> Song:
        """One song that begins as `a` does, turns into `b` while it plays, and ends as `b` does.

        Up to the middle the parts of `a` play in its key and meter, from there on those of `b` in
        its own; with `like` those of one throughout. `bars`: about how many, in whole windows; the
        mean of both songs if not given. Others and errors as in `interpolate`.
        """
        return interpolate.morph(
            self, a, b, bars=bars, how=how, align=align, like=like, parts=parts
        )

    def grid(
        self,
        a: Song | Alignment,
        b: Song | Alignment,
        c: Song | Alignment,
        d: Song | Alignment,
        steps: int | tuple[int, int] = 5,
        *,
        how: str = "slerp",
    ) -> list[list[Song]]:
        """Rows of songs between four corners: `a` and `b` above, `c` and `d` below.

        `steps`: how many rows and columns, or of each. The corners are the reconstructions. Errors
        as in `interpolate`.
        """
        rows, columns = (steps, steps) if isinstance(steps, int) else steps
        return interpolate.grid(self, (a, b, c, d), rows=rows, columns=columns, how=how)

    # -- neighbours of a song -----------------------------------------------------------------

    def vary(
        self,
        song: Song | Alignment,
        *,
        amount: float = 0.5,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Song:
        """A variation of `song`: same length, meters, tempo, parts and programs, other notes.

        Args:
            song: of any length; what the model cannot represent passes unchanged.
            amount: 0 is the reconstruction, 1 another song of the same bars from the prior. Between
                them the same seed goes one way: more is further from the song.
            temperature: spread of what is drawn; below 1 nearer to the usual.
            seed: the same seed gives the same notes, another one another variation.

        Raises `DataError` if there is nothing in it that the model can represent.
        """
        return vary.vary(self, song, amount=amount, temperature=temperature, seed=seed)

    def continue_(
        self,
        song: Song | Alignment,
        *,
        bars: int = 8,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Song:
        """`song`, every note as it was, and `bars` more bars that follow from it and end it.

        They begin at the first bar line after its last note, in the meter, tempo and key that hold
        there, for the parts that play there. Raises `DataError` if the model can represent none of
        its notes.
        """
        return extend.continue_(self, song, bars=bars, temperature=temperature, seed=seed)

    def infill(
        self,
        song: Song | Alignment,
        first: int,
        last: int,
        *,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Song:
        """`song` with other notes in bars `first` to `last`, between what stands around them.

        Bars are counted from 1; a pickup is bar 0. A note belongs to the bar in which it begins.
        All other notes, and those that the model cannot represent, stay exactly as they are. Raises
        `ConfigError` if there are no such bars, `DataError` if nothing stands around them.
        """
        return extend.infill(self, song, first, last, temperature=temperature, seed=seed)

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
            strength: 0 to 1. At 0 nothing is changed; the more, the less improbable need notes be.
            damage: which kinds are to be expected, and in which share of the notes, such as
                `{"jitter": 0.2}`; names are those of `training.corruption`. If not given the song
                is heard twice: once expecting a little of everything, then what was found.

        Raises `ConfigError` if the model does not know that damage, `DataError` if it can hear
        nothing in the song.
        """
        return denoise.denoise(self, song, strength=strength, damage=damage)

    def score(self, song: Song | Alignment) -> Scores:
        """How unusual each bar of each part of `song` is, and why, the oddest first.

        Numbers are deviations from what is usual in songs like those that the model learned from
        (or, if it does not know, in this song). Needs a model that learned to mend. Raises
        `ConfigError` if it did not, `DataError` if it can hear nothing in the song.
        """
        return anomaly.score(self, song)

    # -- beats --------------------------------------------------------------------------------

    def humanise(
        self,
        song: Song | Alignment,
        *,
        amount: float = 1.0,
        variation: float = 0.5,
        seed: int = 0,
    ) -> Song:
        """`song` with its drums played as a drummer would: other velocities, on or off the beat.

        What is struck when, and all other parts, stay. Needs a model of drums with velocity and
        microtiming that learned to undo `flat`.

        Args:
            song: whose drums to play; how they are played so far is not looked at.
            amount: how far to go from there, 0 to 1.
            variation: how much hits differ by chance, 1 being as much as in real beats.
            seed: the same seed plays the same.
        """
        return groove.humanise(self, song, amount=amount, variation=variation, seed=seed)

    def drumify(
        self,
        song: Song | Alignment,
        *,
        part: str | None = None,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Song:
        """`song` with a beat for its rhythm: a part for drums is added, in place of those it has.

        Needs a model of drums that learned to undo `tapped`.

        Args:
            song: a song, or a rhythm tapped on whatever drum.
            part: the name of the part that the beat is for; the highest one if not given, or the
                drums if there is no other.
            temperature: above 0 the beat is drawn instead of the likeliest.
            seed: of the draw.

        Raises `DataError` if there is no such part, or no rhythm.
        """
        return groove.drumify(self, song, part=part, temperature=temperature, seed=seed)

    # -- knobs --------------------------------------------------------------------------------

    def attributes(self, song: Song | Alignment) -> dict[str, float]:
        """The attributes of a song that the model hears, by name, in units of `ATTRIBUTES`: the
        mean over its windows. Those that the model cannot have are not there.

        Raises `DataError` for a song with nothing that the model can represent.
        """
        return steer.attributes_of(self, song)

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
        return steer.steer(self, song, asked or {}, directions=directions).song

    def direction_from(
        self,
        songs: Sequence[Song | Alignment],
        values: attribute_vector.Values,
        *,
        name: str = "own",
    ) -> OwnDirection:
        """The direction in which `values` of songs rise, for `steer`.

        Args:
            songs: two at least; some tens tell more.
            values: a number or a word for each song (two words at most, the later in the alphabet
                is where the direction leads), or a function that gives a number for a song.
            name: of the direction.

        Raises `ConfigError` for values that cannot be used, `DataError` where all are equal.
        """
        return attribute_vector.direction_from(self, songs, values, name=name)
