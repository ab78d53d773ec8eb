"""A score of the voices of a tune."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from musicvae.io.notation.abc.barlines import align_bar_lines
from musicvae.io.notation.abc.measures import (
    START_TIE,
    STOP_TIE,
    TICKS_PER_QUARTER,
    TICKS_PER_WHOLE,
    Position,
    Ticks,
)
from musicvae.io.notation.abc.tune import TuneReader
from musicvae.io.notation.abc.voice import Voice
from musicvae.io.notation.score import (
    RepeatSigns,
    Score,
    ScoreNote,
    ScorePart,
    ScorePosition,
)
from musicvae.io.notation.swing_marks import swing_from_words

_TIES = {0: "", START_TIE: "start", STOP_TIE: "stop", START_TIE | STOP_TIE: "continue"}


def build_score(tune: TuneReader) -> Score:
    """Return the score of a tune that has been read."""
    voices = _ordered_voices(tune)
    n_aligned = align_bar_lines(voices)
    score = Score(kind="ABC", n_grace_notes=tune.counts.grace_notes)
    channels = _channels(tune)
    for voice in voices:
        program = tune.directives.channel_programs.get(channels[voice.id])
        program = tune.directives.voice_programs.get(voice.id, program)
        score.parts.append(_build_part(voice, program, is_single=len(voices) == 1))
    for voice, part in zip(voices, score.parts, strict=True):
        part.group = _brace_group(tune, voice, voices, score.parts)
    score.swing = swing_from_words(tune.tempo_text)
    if tune.tempo and score.parts:
        qpm, from_words = tune.tempo
        # Last, for a tempo at the start of the body precedes that of the header.
        score.parts[-1].tempo_marks.append(((0, Fraction(0)), from_words, qpm))
    silent = _silent_voices(tune, voices)
    for voice in silent:
        marks = [(_position(mark[0]), *mark[1:]) for mark in voice.tempo_marks]
        score.parts[0].tempo_marks += marks
        score.parts[0].chords += [(_position(at), chord) for at, chord in voice.chords]
    score.signs = _build_signs([*voices, *silent])
    score.section_order = tune.part_order
    if n_aligned:
        tune.counts.dropped["voices with missing bar lines, set as in the others"] = n_aligned
    score.warnings = _warnings(tune, voices)
    return score


def _ordered_voices(tune: TuneReader) -> list[Voice]:
    """Return the voices that have notes, in the order of staves."""
    voices = tune.voices
    order = [name for name in tune.directives.voice_order if name in voices]
    named = set(order)
    order += [name for name in voices if name not in named]
    return [voices[name] for name in order if any(m.notes for m in voices[name].measures)]


def _silent_voices(tune: TuneReader, voices: Sequence[Voice]) -> list[Voice]:
    """Return the voices of rests alone that have the measures of the others: their signs count."""
    count = max((len(voice.measures) for voice in voices), default=0)
    sounding = {voice.id for voice in voices}
    return [
        voice
        for voice in tune.voices.values()
        if voice.id not in sounding and len(voice.measures) == count
    ]


def _channels(tune: TuneReader) -> dict[str, int]:
    """Return the MIDI channels of voices from 1: their own, else in order, without channel 10."""
    channels, channel = {}, 0
    for name, voice in tune.voices.items():
        channel += 2 if channel == 9 else 1
        channels[name] = voice.settings.channel or channel
    return channels


def _warnings(tune: TuneReader, voices: Sequence[Voice]) -> list[str]:
    """Return one line for each kind of what was left out or guessed."""
    warnings = [f"{kind}: {count}" for kind, count in tune.counts.dropped.items()]
    counts = {len(voice.measures) for voice in voices}
    if len(counts) > 1:
        listed = ", ".join(f"{v.id[:12]} {len(v.measures)}" for v in voices[:8])
        warnings.append(f"voices with different numbers of measures: {listed}")
    return warnings


def _brace_group(
    tune: TuneReader, voice: Voice, voices: Sequence[Voice], parts: Sequence[ScorePart]
) -> str:
    """Return the group of a voice in a brace, of voices with one program: the staves of a piano."""
    brace = tune.directives.braces.get(voice.id)
    if not brace:
        return ""
    inside = [
        part
        for other, part in zip(voices, parts, strict=True)
        if tune.directives.braces.get(other.id) == brace
    ]
    is_one = len({(part.program, part.is_drum) for part in inside}) == 1
    return f"brace {brace}" if is_one else ""


# -- parts ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _quarters(ticks: Ticks) -> Fraction:
    """Return a time in quarters."""
    return Fraction(ticks) / TICKS_PER_QUARTER


def _position(position: Position) -> ScorePosition:
    """Return a position in quarters."""
    return position[0], _quarters(position[1])


def _build_part(voice: Voice, channel_program: int | None, *, is_single: bool) -> ScorePart:
    """Return the part of a voice; `channel_program` is that of its MIDI channel, if given."""
    settings, program = voice.settings, voice.program_of_notes
    if program in (None, -1):
        program = channel_program
    named = settings.properties.name
    part = ScorePart(
        name=named or ("" if is_single else f"Voice {voice.id[:80]}"),
        program=program,
        is_drum=voice.is_drum,
    )
    meter = voice.measures[0].time_signature
    first = voice.measures[0].length
    has_pickup = (
        meter is not None
        and len(voice.measures) > 1
        and first * meter[1] < TICKS_PER_WHOLE * meter[0]
    )
    for i, measure in enumerate(voice.measures):
        part.add_measure(str(i if has_pickup else i + 1), measure.time_signature)
        part.measure_lengths[-1] = _quarters(measure.length)
        part.notes[-1] = [
            ScoreNote(_quarters(note.onset), _quarters(note.duration), note.pitch, _TIES[note.tie])
            for note in measure.notes
        ]
    part.tempo_marks = [(_position(mark[0]), *mark[1:]) for mark in voice.tempo_marks]
    part.dynamics = [(_position(position), name) for position, name in voice.dynamics]
    part.chords = [(_position(position), chord) for position, chord in voice.chords]
    if not voice.is_drum:
        part.keys = [(_position(position), key) for position, key in voice.keys]
    return part


# -- signs ----------------------------------------------------------------------------------------


def _build_signs(voices: Sequence[Voice]) -> list[RepeatSigns]:
    """Return the signs of all voices together, measure by measure."""
    count = max((len(voice.measures) for voice in voices), default=0)
    signs = [RepeatSigns() for _ in range(count)]
    jumps: set[tuple[int, str]] = set()
    codas: set[Position] = set()
    for voice in voices:
        for index, own in voice.signs.by_measure.items():
            if index < count:
                _add_signs(signs[index], own)
        jumps.update(voice.signs.jumps)
        codas.update(voice.signs.codas)
    names = {name for _, name in jumps}
    _place_codas(signs, sorted(codas), has_to_coda="to coda" in names)
    for index, name in sorted(jumps):
        if name == "fine":
            signs[index].fine = True
        elif name == "to coda":
            signs[index].to_coda = True
        else:
            jump, _, until = name.partition(" al ")
            if not until and "fine" in names:
                until = "fine"
            elif not until and any(sign.to_coda for sign in signs):
                until = "coda"
            signs[index].jump, signs[index].until = jump, until
    return signs


def _place_codas(signs: list[RepeatSigns], codas: list[Position], *, has_to_coda: bool) -> None:
    """Place coda signs: the last one begins the coda; earlier ones lead to it.

    With a written "to coda", all begin a coda.
    """
    for number, (index, time) in enumerate(codas, start=1):
        if has_to_coda or number == len(codas):
            signs[min(index, len(signs) - 1)].coda = True
        else:
            signs[index if time else max(index - 1, 0)].to_coda = True


def _add_signs(target: RepeatSigns, own: RepeatSigns) -> None:
    """Add the signs of one voice to those of a measure."""
    target.starts_repeat |= own.starts_repeat
    target.times = max(target.times, own.times)
    target.ending |= own.ending
    target.segno |= own.segno
    target.section = target.section or own.section
