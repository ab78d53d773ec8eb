"""Floor 8: songs that others lie between: their encodings, and their parts by name or role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musicvae.alignment import Alignment, align
from musicvae.errors import ConfigError, DataError
from musicvae.latent import Encoding
from musicvae.model.coder import Coder
from musicvae.roles import roles_of
from musicvae.song import Song

Rates = Mapping[str, str | float]


@dataclass(frozen=True, kw_only=True, eq=False)
class End:
    """A song, and its encoding, whose decoding is its reconstruction."""

    aligned: Alignment
    exact: Encoding

    def near(self, coder: Coder, key: int) -> Encoding:
        """The encoding in the same key, told in the octave nearest to another key.

        Pitches without their key are then as near as they can be to those of the other song, and
        on the way no voice leaps when the key changes.
        """
        mine = self.exact.key
        moved = mine + 12 * round((key - mine) / 12)
        return self.exact if moved == mine else coder.encode(self.aligned, key=moved)

    def called(self, coder: Coder, word: str) -> set[int]:
        """The parts that a word means: by their name; if there is none, by their role; else those
        that sit in the preset's slots of that name.
        """
        word, parts = word.casefold().strip(), self.aligned.song.parts
        named = {i for i, part in enumerate(parts) if part.name.casefold().strip() == word}
        roles = enumerate(roles_of(self.aligned.song))
        slots = [i for i, slot in enumerate(coder.preset.parts) if slot.name.casefold() == word]
        owned = {int(owner[slot]) for owner in self.exact.owners for slot in slots} - {-1}
        return named or {i for i, role in roles if role.name == word} or owned

    @property
    def words(self) -> list[str]:
        """What its parts may be called."""
        roles = (role.name for role in roles_of(self.aligned.song))
        return [*(part.name for part in self.aligned.song.parts if part.name), *roles]


def ends_of(coder: Coder, songs: Sequence[Song | Alignment]) -> list[End]:
    """Encode songs. Raises `DataError` for one that has nothing in it for the model."""
    found = []
    for nth, song in enumerate(songs, start=1):
        aligned = song if isinstance(song, Alignment) else align(song)
        exact = coder.encode(aligned)
        if exact.is_empty:
            raise DataError(
                f"song {nth} of {len(songs)} has nothing that preset {coder.preset.name} can "
                "represent; choose another --checkpoint"
            )
        found.append(End(aligned=aligned, exact=exact))
    return found


@dataclass(frozen=True, kw_only=True)
class Held:
    """Parts of A and of B (their numbers) that stay where they are on the way, at `at`."""

    at: float
    parts: tuple[set[int], set[int]]


def held(coder: Coder, ends: Sequence[End], rates: Rates | None) -> list[Held]:
    """What `rates` says, name by name. Raises `ConfigError` for a name that no part has."""
    found = []
    for word, rate in (rates or {}).items():
        at = {"A": 0.0, "B": 1.0}.get(rate) if isinstance(rate, str) else float(rate)
        if at is None or not 0 <= at <= 1:
            raise ConfigError(f"part {word}={rate}: a part stays at A, at B, or between, 0 to 1")
        parts = (ends[0].called(coder, word), ends[1].called(coder, word))
        if not any(parts):
            known = dict.fromkeys(word for end in ends for word in end.words)
            raise ConfigError(f"no part is called {word!r}; there are {', '.join(known)}")
        found.append(Held(at=at, parts=parts))
    return found
