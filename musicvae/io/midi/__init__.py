"""Floor 3: standard MIDI files <-> Song.

What is read and written: part names, programs, drum channel, notes, tempo map, meter map, key
signatures, and the length of the piece (kept as a marker, which survives every reader, as well
as in the end-of-track events). Overlapping notes follow `song.resolve_overlaps`.

Two readers give the same song: symusic, which is fast, for bytes that it is sure to read as they
are meant, and our own (`events`, `pairs`), which says what is odd, for all others. Written by mido.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicvae.io.midi.assembly import assemble
from musicvae.io.midi.event_reader import by_events
from musicvae.io.midi.header import chunks_of
from musicvae.io.midi.symusic_reader import by_symusic
from musicvae.io.options import ReadOptions
from musicvae.io.result import Reading
from musicvae.song import Part, Song, resolve_overlaps
from musicvae.storage import write_bytes

if TYPE_CHECKING:
    import pretty_midi

DRUM_CHANNEL = 9
_AS_USUAL = ReadOptions()
_MELODIC = [c for c in range(16) if c != DRUM_CHANNEL]


def examine(
    content: bytes, path: str | Path = "<bytes>", options: ReadOptions = _AS_USUAL
) -> Reading:
    """What the bytes of a MIDI file hold, of any format, RMID wrapped or not.

    `path` is for error messages. Raises `ReadError` with the reason if it cannot be read.
    """
    chunks = chunks_of(content, path)
    found = None if options.pedal else by_symusic(chunks, path)
    if found is None:
        found = by_events(chunks, path, pedal=options.pedal)
    song = assemble(found, chunks.warnings, path)
    kind = "MIDI in RIFF" if content[:4] == b"RIFF" else "MIDI"
    return Reading(song=song, kind=kind, warnings=tuple(chunks.warnings))


def from_bytes(content: bytes, path: str | Path = "<bytes>") -> Song:
    """The song in the bytes of a MIDI file. Raises `ReadError`; see `examine`."""
    return examine(content, path).song


def write(song: Song, path: str | Path, *, note: str = "") -> Path:
    """Write `song` as a format 1 file; `note` becomes a text event. Raises `WriteError`."""
    return write_bytes(path, to_bytes(song, note=note))


def to_bytes(song: Song, *, note: str = "") -> bytes:
    """The bytes of a format 1 MIDI file: a conductor track, then one track a part."""
    import mido

    song = without_overlaps(song)
    midi = mido.MidiFile(type=1, ticks_per_beat=song.ticks_per_quarter, charset="utf-8")
    midi.tracks.append(_conductor_track(song, note))
    for part, channel in zip(song.parts, _channels(song.parts), strict=True):
        midi.tracks.append(_part_track(part, channel, song.end_ticks))
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def without_overlaps(song: Song) -> Song:
    """The song as MIDI can tell it: no note of a part begins while another of its pitch sounds.

    Readers would pair beginnings and ends each in their own way; the rule is `resolve_overlaps`.
    """
    parts = []
    for part in song.parts:
        onset, pitch, velocity = part.onset_ticks, part.pitch, part.velocity
        keep, duration, changed = resolve_overlaps(onset, part.duration_ticks, pitch)
        if changed:
            part = part.with_notes(onset[keep], duration[keep], pitch[keep], velocity[keep])
        parts.append(part)
    return replace(song, parts=tuple(parts))


def to_pretty_midi(song: Song) -> pretty_midi.PrettyMIDI:
    """The song as a `pretty_midi.PrettyMIDI`."""
    import pretty_midi

    return pretty_midi.PrettyMIDI(io.BytesIO(to_bytes(song)))


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Song:
    """A `Song` from a `pretty_midi.PrettyMIDI`."""
    buffer = io.BytesIO()
    midi.write(buffer)
    return from_bytes(buffer.getvalue(), "<PrettyMIDI>")


# -- writing ------------------------------------------------------------------------------------


def _channels(parts: tuple[Part, ...]) -> list[int]:
    """A channel for each part: 9 for drums; past fifteen others, parts of one program share."""
    channels: list[int] = []
    of_program: dict[int, int] = {}
    melodic = 0
    for part in parts:
        if part.is_drum:
            channels.append(DRUM_CHANNEL)
            continue
        if melodic < len(_MELODIC):
            channel = _MELODIC[melodic]
        else:
            channel = of_program.get(part.program, _MELODIC[melodic % len(_MELODIC)])
        of_program.setdefault(part.program, channel)
        channels.append(channel)
        melodic += 1
    return channels


def _track(events: list[tuple[int, int, Any]], end_ticks: int) -> Any:
    """A mido track from (tick, rank, message); rank orders messages of one tick."""
    import mido

    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(end_ticks - now, 0)))
    return track


def _conductor_track(song: Song, note: str) -> Any:
    from mido import MetaMessage

    events: list[tuple[int, int, Any]] = [(song.end_ticks, 9, MetaMessage("marker", text="end"))]
    if note:
        events.append((0, 0, MetaMessage("text", text=note)))
    meter, tempo, key = song.meter, song.tempo, song.key
    for tick, numerator, denominator in zip(
        meter.ticks, meter.numerator, meter.denominator, strict=True
    ):
        values = {"numerator": min(int(numerator), 255), "denominator": int(denominator)}
        events.append((int(tick), 1, MetaMessage("time_signature", **values)))
    for tick, us in zip(tempo.ticks, tempo.us_per_quarter, strict=True):
        pace = int(np.clip(us, 1, 0xFFFFFF))
        events.append((int(tick), 2, MetaMessage("set_tempo", tempo=pace)))
    for tick, fifths, minor in zip(key.ticks, key.fifths, key.minor, strict=True):
        name = key_name(int(fifths), bool(minor))
        events.append((int(tick), 3, MetaMessage("key_signature", key=name)))
    return _track(events, song.end_ticks)


def _part_track(part: Part, channel: int, end_ticks: int) -> Any:
    from mido import Message, MetaMessage

    events: list[tuple[int, int, Any]] = [
        (0, 0, MetaMessage("track_name", name=part.name)),
        (0, 1, Message("program_change", program=part.program, channel=channel)),
    ]
    columns = (part.onset_ticks, part.duration_ticks, part.pitch, part.velocity)
    for onset, duration, pitch, velocity in zip(*(c.tolist() for c in columns), strict=True):
        sound = {"note": pitch, "channel": channel}
        events.append((onset, 3, Message("note_on", velocity=velocity, **sound)))
        # Ends come before beginnings, so that a repeated note is heard again.
        events.append((onset + duration, 2, Message("note_off", velocity=64, **sound)))
    return _track(events, end_ticks)


def key_name(fifths: int, minor: bool) -> str:
    """The key signature's name as MIDI tools write it: ``key_name(-3, True) == "Cm"``."""
    names = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
    minors = ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
    at = int(np.clip(fifths, -7, 7)) + 7
    return minors[at] + "m" if minor else names[at]
