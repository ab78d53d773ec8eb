"""Floor 3: standard MIDI files <-> Song. Read by symusic, written by mido.

What is read and written: part names, programs, drum channel, notes, tempo map, meter map, key
signatures, and the length of the piece (kept as a marker, which survives every reader, as well
as in the end-of-track events). Overlapping notes follow `song.resolve_overlaps`.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicvae.errors import ReadError
from musicvae.files import write_bytes
from musicvae.song import Key, Meter, Part, Song, Tempo, resolve_overlaps

if TYPE_CHECKING:
    import pretty_midi

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
DRUM_CHANNEL = 9
_MELODIC = [c for c in range(16) if c != DRUM_CHANNEL]


def read(path: str | Path) -> Song:
    """Read a MIDI file whatever its name. Raises `ReadError` with the reason."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ReadError(path, reason, "check the path") from None
    return from_bytes(content, path)


def from_bytes(content: bytes, path: str | Path = "<bytes>") -> Song:
    """Parse the bytes of a MIDI file (RMID wrapped or not); `path` is for error messages."""
    from symusic import Score

    content = _unwrap(content)
    _check_chunks(content, path)
    try:
        score = Score.from_midi(content)
    except Exception as error:  # symusic raises bare RuntimeError for every kind of damage
        raise ReadError(path, f"damaged MIDI ({error})", "export it again") from None
    if score.ticks_per_quarter < 1:
        raise ReadError(path, "no ticks per quarter (SMPTE or zero)", "export it again")
    return Song(
        ticks_per_quarter=int(score.ticks_per_quarter),
        parts=tuple(_part(track) for track in score.tracks if len(track.notes)),
        tempo=Tempo(
            ticks=_times(score.tempos), us_per_quarter=np.maximum(_each(score.tempos, "mspq"), 1)
        ),
        meter=_meter(score.time_signatures),
        key=Key(
            ticks=_times(score.key_signatures),
            fifths=_each(score.key_signatures, "key"),
            minor=_each(score.key_signatures, "tonality"),
        ),
        end_ticks=int(score.end()),
    )


def write(song: Song, path: str | Path, *, note: str = "") -> Path:
    """Write `song` as a format 1 file; `note` becomes a text event. Raises `WriteError`."""
    return write_bytes(path, to_bytes(song, note=note))


def to_bytes(song: Song, *, note: str = "") -> bytes:
    """The bytes of a format 1 MIDI file: a conductor track, then one track a part."""
    import mido

    midi = mido.MidiFile(type=1, ticks_per_beat=song.ticks_per_quarter, charset="utf-8")
    midi.tracks.append(_conductor_track(song, note))
    for part, channel in zip(song.parts, _channels(song.parts), strict=True):
        midi.tracks.append(_part_track(part, channel, song.end_ticks))
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def to_pretty_midi(song: Song) -> pretty_midi.PrettyMIDI:
    """The song as a `pretty_midi.PrettyMIDI`."""
    import pretty_midi

    return pretty_midi.PrettyMIDI(io.BytesIO(to_bytes(song)))


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Song:
    """A `Song` from a `pretty_midi.PrettyMIDI`."""
    buffer = io.BytesIO()
    midi.write(buffer)
    return from_bytes(buffer.getvalue(), "<PrettyMIDI>")


# -- reading ------------------------------------------------------------------------------------


def _unwrap(content: bytes) -> bytes:
    """The MIDI file inside a RIFF/RMID container, or the content itself."""
    if content[:4] == b"RIFF" and content[8:12] == b"RMID":
        start = content.find(b"MThd")
        return content[start:] if start > 0 else content
    return content


def _check_chunks(content: bytes, path: str | Path) -> None:
    """Refuse what symusic would read in part without a word: no MIDI at all, or cut short."""
    if content[:4] != b"MThd":
        score = Path(path).suffix.lower() in (".mxl", ".musicxml", ".xml", ".abc", ".krn")
        kind = (
            "a score; this version reads MIDI alone"
            if score
            else "not a MIDI file (no MThd header)"
        )
        what = kind if content else "empty file"
        raise ReadError(path, what, "give a .mid exported by a sequencer or notation program")
    if len(content) < 14:
        raise ReadError(path, "truncated in its header", "copy or export it again")
    n_tracks = struct.unpack(">H", content[10:12])[0]
    at, found = 8 + struct.unpack(">I", content[4:8])[0], 0
    while at + 8 <= len(content) and found < n_tracks:
        kind, size = struct.unpack(">4sI", content[at : at + 8])
        at += 8 + size
        found += kind == b"MTrk"
        if at > len(content):
            raise ReadError(path, f"truncated in track {found}", "copy or export it again")
    if found < n_tracks:
        reason = f"truncated: {found} of {n_tracks} tracks are there"
        raise ReadError(path, reason, "copy or export it again")


def _part(track: Any) -> Part:
    notes = track.notes.numpy()
    onset = np.maximum(notes["time"].astype(np.int64), 0)
    duration = np.maximum(notes["duration"].astype(np.int64), 1)
    pitch = np.clip(notes["pitch"].astype(np.int64), 0, 127)
    keep, duration, _ = resolve_overlaps(onset, duration, pitch)
    return Part(
        name=track.name,
        program=int(track.program),
        is_drum=bool(track.is_drum),
        onset_ticks=onset[keep],
        duration_ticks=duration[keep],
        pitch=pitch[keep],
        velocity=notes["velocity"].astype(np.int64)[keep],
    )


def _times(entries: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.maximum(_each(entries, "time"), 0)


def _each(entries: Any, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([getattr(entry, name) for entry in entries], dtype=np.int64)


def _meter(entries: Any) -> Meter:
    ticks, numerator = _times(entries), _each(entries, "numerator")
    denominator = _each(entries, "denominator")
    sane = (numerator > 0) & (denominator > 0) & (denominator <= 64)
    return Meter(ticks=ticks[sane], numerator=numerator[sane], denominator=denominator[sane])


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
