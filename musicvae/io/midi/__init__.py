"""Standard MIDI files <-> Song.

Part names, programs, drums, notes, tempo map, meter map, key signatures, chords (as markers in
Harte syntax, `A:min7`), and the length of the piece (stored as a marker, which survives every
reader, besides the end-of-track events).
Overlapping notes follow `song.resolve_overlaps`.

Two readers give the same song: symusic, which is fast, for files that it is certain to read
correctly, and `event_reader`, which reports irregularities, for all others. mido writes.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicvae.io.midi.assembly import assemble
from musicvae.io.midi.channels import assign_channels
from musicvae.io.midi.event_reader import read_events
from musicvae.io.midi.header import parse_chunks
from musicvae.io.midi.symusic_reader import read_with_symusic
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.representation.key import tonic_name
from musicvae.representation.performance import performed
from musicvae.song import Part, Song, resolve_overlaps
from musicvae.storage import write_bytes

if TYPE_CHECKING:
    import pretty_midi

_DEFAULT_OPTIONS = ReadOptions()


def read_bytes(
    content: bytes, path: str | Path = "<bytes>", options: ReadOptions = _DEFAULT_OPTIONS
) -> ReadResult:
    """Read the bytes of a MIDI file of any format, also in a RIFF (RMID) container.

    `path` is for error messages. Raises `ReadError` with the reason if it cannot be read.
    """
    chunks = parse_chunks(content, path)
    contents = None if options.pedal else read_with_symusic(chunks, path)
    if contents is None:
        contents = read_events(chunks, path, pedal=options.pedal)
    song = assemble(contents, chunks.warnings, path)
    kind = "MIDI in RIFF" if content[:4] == b"RIFF" else "MIDI"
    return ReadResult(song=song, kind=kind, warnings=tuple(chunks.warnings))


def from_bytes(content: bytes, path: str | Path = "<bytes>") -> Song:
    """Read the song in the bytes of a MIDI file. Raises `ReadError`; see `read_bytes`."""
    return read_bytes(content, path).song


def write(song: Song, path: str | Path, *, note: str = "") -> Path:
    """Write a format 1 file; `note` becomes a text event. Raises `WriteError`."""
    return write_bytes(path, to_bytes(song, note=note))


def to_bytes(song: Song, *, note: str = "") -> bytes:
    """Return the bytes of a format 1 MIDI file: a conductor track, then a track for each part.

    A song with swing is written as it is played. Parts beyond fifteen, and further drum kits, are
    on further ports (`channels.assign_channels`).
    """
    import mido

    song = remove_overlaps(performed(song))
    midi = mido.MidiFile(type=1, ticks_per_beat=song.ticks_per_quarter, charset="utf-8")
    midi.tracks.append(_conductor_track(song, note))
    for part, (port, channel) in zip(song.parts, assign_channels(song.parts), strict=True):
        midi.tracks.append(_part_track(part, port, channel, song.end_ticks))
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def remove_overlaps(song: Song) -> Song:
    """Return the song as MIDI can represent it: without overlaps on one pitch in a part.

    Readers would pair the events of overlapping notes differently; the rule is `resolve_overlaps`.
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
    """Convert a song to a `pretty_midi.PrettyMIDI`."""
    import pretty_midi

    return pretty_midi.PrettyMIDI(io.BytesIO(to_bytes(song)))


# -- writing ------------------------------------------------------------------------------------


def _build_track(events: list[tuple[int, int, Any]], end_ticks: int) -> Any:
    """Build a mido track from (tick, rank, message); rank orders the messages of a tick."""
    import mido

    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(end_ticks - now, 0)))
    return track


def _conductor_track(song: Song, note: str) -> Any:
    """Build the track of meter, tempo and key events and of chords."""
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
        us_per_quarter = int(np.clip(us, 1, 0xFFFFFF))
        events.append((int(tick), 2, MetaMessage("set_tempo", tempo=us_per_quarter)))
    for tick, label in zip(song.chords.ticks, song.chords.labels(), strict=True):
        events.append((int(tick), 4, MetaMessage("marker", text=label)))
    for tick, fifths, minor in zip(key.ticks, key.fifths, key.minor, strict=True):
        name = key_name(int(fifths), bool(minor))
        events.append((int(tick), 3, MetaMessage("key_signature", key=name)))
    return _build_track(events, song.end_ticks)


def _part_track(part: Part, port: int, channel: int, end_ticks: int) -> Any:
    """Build the track of a part: name, port, program and notes."""
    from mido import Message, MetaMessage

    events: list[tuple[int, int, Any]] = [
        (0, 0, MetaMessage("track_name", name=part.name)),
        (0, 1, Message("program_change", program=part.program, channel=channel)),
    ]
    if port:
        events.insert(1, (0, 0, MetaMessage("midi_port", port=port)))
    columns = (part.onset_ticks, part.duration_ticks, part.pitch, part.velocity)
    for onset, duration, pitch, velocity in zip(*(c.tolist() for c in columns), strict=True):
        note = {"note": pitch, "channel": channel}
        events.append((onset, 3, Message("note_on", velocity=velocity, **note)))
        # Note-offs precede note-ons of the same tick, so that repeated notes are struck again.
        events.append((onset + duration, 2, Message("note_off", velocity=64, **note)))
    return _build_track(events, end_ticks)


def key_name(fifths: int, minor: bool) -> str:
    """Return a key signature's name as MIDI tools write it: ``key_name(-3, True) == "Cm"``."""
    tonic = tonic_name(int(np.clip(fifths, -7, 7)), minor)
    return f"{tonic}m" if minor else tonic
