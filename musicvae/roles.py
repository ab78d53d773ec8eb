"""Floor 2: what each part of a song is there for: melody, bass, chords, drums or other.

Judged by the music first: who is highest and who is lowest at each onset, how many notes a part
plays at a time, where it lies, how much of the song it plays; then by General MIDI program and by
the part's name. The judgement stands without names; see `docs/parts.md` for how well.

- `melody`: the line one would sing. At most one, unless another doubles it in octaves or unison.
- `bass`: a lowest line.
- `chords`: several notes at a time, with or without a melody among them (a piano alone).
- `drums`: a kit.
- `other`: inner voices, second melodies, effects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Part, Song

RoleName = Literal["melody", "bass", "chords", "drums", "other"]

_MOST_TIMES = 2048  # onsets of a song that are looked at, evenly chosen
_MOST_CELLS = 1 << 21  # of the tables below, for songs of very many parts or notes


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a part is there for. `reason` is one line with the figures that decided.

    `confidence` is 0.5 where another role would do as well, and 1 where none would.
    """

    name: RoleName
    reason: str
    confidence: float


class Figures(NamedTuple):
    """Measures of one part among the pitched parts of its song; shares are 0..1."""

    highest: float  # share of the onsets at which it sounds where no other part is higher
    lowest: float  # the same, lower
    sounding: float  # share of all onsets at which it sounds
    alone: float  # share of its notes that begin while it is silent
    voices: float  # notes at a time while it sounds
    spread: float  # semitones from its lowest to its highest note at one time, on average
    pitch: float  # mean MIDI number
    pitches: int  # how many different ones
    notes: int


_FAMILIES = (
    "piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "reed", "pipe", "synth lead", "synth pad", "synth effect", "folk", "percussive", "sound effect",
)  # fmt: skip
# How much each family of eight programs speaks for a melody, and single programs that differ.
_SINGING = (0.0, 0.0, 0.0, 0.0, -2.0, 0.2, 0.0, 0.2, 0.3, 0.4, 0.3, -0.4, -0.2, 0.2, -1.0, -2.0)
_SINGING_ALONE = {
    44: -0.3,
    45: -0.3,
    47: -1.0,
    48: -0.1,
    49: -0.1,
    53: 0.3,
    54: 0.1,
    55: -0.5,
    31: -0.3,
}

_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (role, re.compile(r"(?<![^\W\d_])(?:" + words + r")(?![^\W\d_])", re.IGNORECASE))
    for role, words in (
        (
            "drums",
            r"drums|drum ?(?:kit|set)|drm[sz]?|drumz|percussions?|percu|schlagzeug|schlagwerk|batterie"
            r"|bater[ií]a|batteria|trommeln|trumm?or|kit|ドラム|鼓",
        ),
        (
            "bass",
            r"(?!bass(?: |-)(?:lead|drum|clarinet|flute|trombone|clef))(?:bass(?:es|line)?|basso?|bajo"
            r"|baixo|basse|bas|basu|kontraba(?:ss|ß)|contraba(?:ss|jo|ixo|sso|s)|contrebasse|ベース)",
        ),
        (
            "chords",
            r"chords?|akkorde?|accords?|acordes?|accordi|pads?|rhythm|rhythmus|ryt[mh]i[ck]a|comping"
            r"|accomp\w*|begleitung|acompa\w*|harmony|harmonies|strum\w*|コード",
        ),
        (
            "melody",
            r"melod(?:y|ie|ia|ía|i|ía)|mélodie|lead|led|vocals?|vox|voice|voix|voz|voce|singer|sing"
            r"|\w*stimme|gesang|chant|canto|cantus|zang|sång|solo|soliste?|tune|theme|thema|tema"
            r"|sopran[oi]?|descant|diskant|discantus|superius|メロディー?|ボーカル|主旋律",
        ),
    )
)


def roles_of(song: Song) -> tuple[Role, ...]:
    """The role of each part of `song`, in their order."""
    parts = song.parts
    roles: list[Role | None] = [None] * len(parts)
    pitched: list[int] = []
    for i, part in enumerate(parts):
        if part.is_drum:
            roles[i] = _ON_DRUM_CHANNEL
        elif not len(part):
            roles[i] = _SILENT
        elif _named(part.name) == "drums":
            roles[i] = Role(name="drums", reason=f"named {part.name!r}", confidence=0.8)
        else:
            pitched.append(i)
    if pitched:
        lines = [parts[i] for i in pitched]
        judged = _judged(lines, figures(lines), len(pitched) == len(parts))
        for i, role in zip(pitched, judged, strict=True):
            roles[i] = role
    return tuple(role for role in roles if role is not None)


_ON_DRUM_CHANNEL = Role(name="drums", reason="on the drum channel", confidence=1.0)
_SILENT = Role(name="other", reason="no notes", confidence=1.0)
_A_HAND = 11  # semitones that one hand, or one line, does not span on average
_MELODY_AT_LEAST = 1.2


def _judged(parts: list[Part], found: list[Figures], unaccompanied: bool) -> list[Role]:
    names = [_named(part.name) for part in parts]
    if len(parts) == 1 and unaccompanied and found[0].voices < 1.2:
        return [_role("melody", parts[0], found[0], names[0], 1.0, "the only part")]
    scores = [_singing(p, f, name) for p, f, name in zip(parts, found, names, strict=True)]
    ranks = sorted(range(len(parts)), key=lambda i: -scores[i])
    best = ranks[0]
    second = scores[ranks[1]] if len(ranks) > 1 else _MELODY_AT_LEAST - 0.5
    melodies = [best] if scores[best] >= _MELODY_AT_LEAST else []
    melodies += [i for i in ranks[1:] if melodies and _doubles(parts[i], parts[best])]
    others = [i for i in ranks if i not in melodies]
    if len(melodies) > 1:
        second = scores[others[0]] if others else 0.0
    roles = []
    for i, (part, figure, name) in enumerate(zip(parts, found, names, strict=True)):
        if i in melodies:
            sure = min(scores[best] - second, scores[best] - _MELODY_AT_LEAST + 0.3)
            roles.append(_role("melody", part, figure, name, sure))
            continue
        low = _grounding(part, figure, name)
        if low >= 0.5:
            roles.append(_role("bass", part, figure, name, 2 * (low - 0.5)))
            continue
        full = figure.voices - 1.4 + (0.4 if name == "chords" else 0.0)
        role: RoleName = "chords" if full >= 0 else "other"
        roles.append(_role(role, part, figure, name, 2 * min(abs(full), abs(low - 0.5) + 0.1)))
    return roles


def _singing(part: Part, f: Figures, name: str) -> float:
    """How well a part would do as the melody."""
    score = f.highest * (0.5 + 0.5 * f.sounding) + 1.3 / f.voices - 0.7 * f.lowest * (1 - f.highest)
    score += 0.4 * min(1.0, 2.5 * f.sounding) + 0.3 * min(1.0, f.pitches / 8)
    score += _SINGING_ALONE.get(part.program, _SINGING[part.program >> 3])
    if f.spread > _A_HAND and f.voices > 1.8:
        score -= 1.5
    if f.pitch < 50:
        score -= 0.05 * (50 - f.pitch)
    return score + (1.0 if name == "melody" else -1.0 if name else 0.0)


def _grounding(part: Part, f: Figures, name: str) -> float:
    """How well a part would do as the bass, from 0.5 on it is."""
    score = 0.9 * f.lowest * min(1.0, 1.2 / f.voices) - 0.04 * (f.pitch - 52)
    score -= 0.3 * f.highest
    if 32 <= part.program < 40:
        score += 0.7
    return score + (0.5 if name == "bass" else -0.5 if name else 0.0)


def _doubles(one: Part, other: Part) -> bool:
    """Whether two parts play the same line in unison or octaves."""
    if len(one) != len(other) or not np.array_equal(one.onset_ticks, other.onset_ticks):
        return False
    apart = one.pitch - other.pitch
    return bool(apart[0] % 12 == 0 and (apart == apart[0]).all())


@lru_cache(maxsize=4096)
def _named(name: str) -> str:
    """The role that a part's name speaks of, "" if none."""
    return next((role for role, words in _NAMES if words.search(name)), "")


def _role(
    role: RoleName, part: Part, f: Figures, name: str, margin: float, first: str = ""
) -> Role:
    """A role with its reason; `margin` is how far the next role is, 1 being far."""
    why = [first] if first else []
    if not first and role != "bass" and (role == "melody" or f.highest > f.lowest):
        why.append(f"highest line in {f.highest:.0%} of onsets")
    elif not first:
        why.append(f"lowest line in {f.lowest:.0%} of onsets")
    why.append("one note at a time" if f.voices < 1.05 else f"{f.voices:.1f} notes at a time")
    if 32 <= part.program < 40 and role == "bass":
        why.append(f"program {part.program} ({_FAMILIES[4]})")
    if name == role:
        why.append(f"named {part.name.strip()!r}")
    sure = 0.5 + 0.5 * min(max(margin, 0.0), 1.0)
    return Role(name=role, reason=", ".join(why), confidence=round(sure, 2))


def figures(parts: list[Part]) -> list[Figures]:
    """Measures of pitched parts heard together, none of them empty."""
    P = len(parts)
    onset = np.concatenate([part.onset_ticks for part in parts])
    duration = np.concatenate([part.duration_ticks for part in parts])
    pitch = np.concatenate([part.pitch for part in parts])
    count = np.array([len(part) for part in parts])
    first = np.cumsum(count) - count
    part = np.repeat(np.arange(P), count)
    stop = onset + duration
    # Parts laid end to end in time, so that one running maximum serves all of them.
    apart = part * (int(stop.max()) + 1)
    begin, end = onset + apart, stop + apart
    reached = np.maximum.accumulate(end)
    before = np.empty_like(reached)
    before[0], before[1:] = 0, reached[:-1]
    slack = duration >> 3  # legato: a note may run a little into the next
    held = reached - np.maximum(before, begin)
    alone = np.empty(len(begin), bool)
    alone[0], alone[1:] = True, begin[1:] >= before[1:] - slack[:-1]
    alone[:-1] &= begin[1:] != begin[:-1]
    highest, lowest = _outlines(onset, stop, pitch, part, P)
    heard = highest >= 0
    n_heard = np.maximum(heard.sum(0), 1)
    reach = (highest - lowest).sum(0, where=heard, dtype=np.int64)
    top = (highest == highest.max(1, keepdims=True)) & heard
    bottom = (lowest == lowest.min(1, keepdims=True)) & heard
    seen = np.zeros((P, 128), bool)
    seen[part, pitch] = True
    columns = (
        top.sum(0) / n_heard,
        bottom.sum(0) / n_heard,
        heard.sum(0) / len(heard),
        np.add.reduceat(alone, first, dtype=np.int64) / count,
        np.add.reduceat(duration, first) / np.maximum(np.add.reduceat(held, first), 1),
        reach / n_heard,
        np.add.reduceat(pitch, first) / count,
        seen.sum(1),
        count,
    )
    return [Figures(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _outlines(onset: Any, stop: Any, pitch: Any, part: Any, P: int) -> tuple[Any, Any]:
    """Highest and lowest pitch of each part at each onset; -1 and 128 where it is silent."""
    times = np.sort(onset)
    new = np.empty(len(times), bool)
    new[0], new[1:] = True, times[1:] != times[:-1]
    times = times[new]
    most = max(min(_MOST_TIMES, _MOST_CELLS // P), 1)
    if len(times) > most:
        times = times[:: -(-len(times) // most)]
    order = np.argsort(pitch.astype(np.uint8), kind="stable")
    while True:
        start = np.searchsorted(times, onset)
        length = np.searchsorted(times, stop) - start
        total = int(length.sum())
        if total <= _MOST_CELLS or len(times) == 1:
            break
        times = times[:: -(-total // _MOST_CELLS)]
    # Each note at each time it sounds, low notes first: of several the last one written stays.
    length = length[order]
    until = np.cumsum(length)
    which = np.repeat(order, length)
    step = np.arange(total) - np.repeat(until - length, length)
    cell = (start[which] + step) * P + part[which]
    value = pitch[which].astype(np.int16)
    highest = np.full(len(times) * P, -1, np.int16)
    lowest = np.full(len(times) * P, 128, np.int16)
    highest[cell] = value
    lowest[cell[::-1]] = value[::-1]
    return highest.reshape(-1, P), lowest.reshape(-1, P)
