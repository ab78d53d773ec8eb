"""Header and track chunks of a standard MIDI file, before events are parsed.

Standard MIDI Files 1.0 (MMA RP-001): `MThd` with format, number of tracks and division, then
chunks with a type, a length and as many bytes; those of type `MTrk` hold events.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from musicvae.errors import ReadError
from musicvae.io.detect import find_midi_header
from musicvae.io.limits import MAX_MIDI_BYTES, check_size
from musicvae.io.result import plural

END_OF_TRACK = b"\xff\x2f\x00"
_EXPORT_HINT = "copy or export it again"
_SMPTE_RATES = {24: (24, 1.0), 25: (25, 1.0), 29: (30, 1.001), 30: (30, 1.0)}  # frames/s, stretch
_SMPTE_QPM = 120
_HEADER = struct.Struct(">4sIHHH")
_CHUNK = struct.Struct(">4sI")


@dataclass(frozen=True, kw_only=True)
class MidiChunks:
    """A MIDI file cut into tracks: begin and end of the events of each track in `content`.

    `is_truncated`: the last track lacks up to four bytes. A file that counts SMPTE frames has
    `us_per_quarter`, the length of a quarter, else 0; `tick_scale` ticks for each of its own.
    """

    content: bytes
    format: int
    ticks_per_quarter: int
    tracks: list[tuple[int, int]]
    warnings: list[str]
    tick_scale: int = 1
    us_per_quarter: int = 0
    is_truncated: bool = False


def parse_chunks(content: bytes, path: str | Path) -> MidiChunks:
    """Find header and tracks. Raises `ReadError` for a missing, truncated or damaged header."""
    content, warnings = _unwrap(content, path)
    check_size(len(content), path, MAX_MIDI_BYTES)
    if len(content) < _HEADER.size:
        raise ReadError(path, "truncated in its header", _EXPORT_HINT)
    _, length, form, n_tracks, division = _HEADER.unpack_from(content)
    tracks, is_truncated = _find_tracks(content, 8 + length, n_tracks, warnings, path)
    ticks, tick_scale, us_per_quarter = _parse_division(division, warnings, path)
    if form > 2 or (form == 0 and len(tracks) > 1):
        count = plural(len(tracks), "track")
        warnings.append(f"format {form} with {count}, read as parallel tracks")
    return MidiChunks(
        content=content,
        format=form,
        ticks_per_quarter=ticks,
        tracks=tracks,
        warnings=warnings,
        tick_scale=tick_scale,
        us_per_quarter=us_per_quarter,
        is_truncated=is_truncated,
    )


def _unwrap(content: bytes, path: str | Path) -> tuple[bytes, list[str]]:
    """Return the MIDI inside a RIFF (RMID) container or after a prefix, and warnings."""
    if content[:4] == b"MThd":
        return content, []
    if content[:4] == b"RIFF":
        start = content.find(b"MThd")
        if start > 0:
            size = int.from_bytes(content[start - 4 : start], "little")
            return content[start : start + size if size >= _HEADER.size else None], []
    elif (start := find_midi_header(content)) > 0:
        return content[start:], [f"{plural(start, 'byte')} before the MIDI header ignored"]
    reason = "not a MIDI file (no MThd header)" if content else "empty file"
    raise ReadError(path, reason, "give a .mid exported by a sequencer or notation program")


def _find_tracks(
    content: bytes, at: int, n_tracks: int, warnings: list[str], path: str | Path
) -> tuple[list[tuple[int, int]], bool]:
    """Return begin and end of each track, and whether the last one is truncated."""
    tracks: list[tuple[int, int]] = []
    end, other_types = len(content), set()
    while at + 8 <= end:
        chunk_type, size = _CHUNK.unpack_from(content, at)
        if chunk_type != b"MTrk":
            if len(tracks) >= n_tracks:
                break
            other_types.add(chunk_type)
        begin, at = at + 8, at + 8 + size
        if chunk_type != b"MTrk" and at > end:
            reason = f"truncated or damaged after {len(tracks)} of {n_tracks} tracks"
            raise ReadError(path, reason, _EXPORT_HINT)
        if at > end + 4:
            raise ReadError(path, f"truncated in track {len(tracks) + 1}", _EXPORT_HINT)
        if chunk_type == b"MTrk":
            tracks.append((begin, min(at, end)))
    if len(tracks) < n_tracks:
        reason = f"truncated: {len(tracks)} of {n_tracks} tracks found"
        raise ReadError(path, reason, _EXPORT_HINT)
    if other_types:
        names = ", ".join(sorted(t.decode("latin-1") for t in other_types)[:4])
        warnings.append(f"chunks other than tracks ignored ({names!a})")
    if at < end:
        warnings.append(f"{plural(end - at, 'byte')} after the last track ignored")
    if len(tracks) > n_tracks:
        warnings.append(f"{plural(len(tracks), 'track')} read, but the header gives {n_tracks}")
    return tracks, at > end


def _parse_division(division: int, warnings: list[str], path: str | Path) -> tuple[int, int, int]:
    """Return ticks a quarter, ticks for each of the file, and microseconds a quarter or 0."""
    if not division:
        raise ReadError(path, "no ticks per quarter (a division of zero)", "export it again")
    if division < 0x8000:
        return division, 1, 0
    frames, ticks_per_frame = 0x100 - (division >> 8), division & 0xFF
    if frames not in _SMPTE_RATES or not ticks_per_frame:
        reason = f"no ticks per quarter (invalid SMPTE division {division - 0x10000})"
        raise ReadError(path, reason, "export it again")
    frame_rate, stretch = _SMPTE_RATES[frames]
    warnings.append(
        f"time in SMPTE frames ({frames} a second), read as {_SMPTE_QPM} quarters a minute"
    )
    us_per_quarter = round(60e6 / _SMPTE_QPM * stretch)
    # A quarter of an odd number of half ticks: two ticks for each of the file.
    ticks, is_odd = divmod(frame_rate * ticks_per_frame * 60, _SMPTE_QPM)
    return (2 * ticks + 1, 2, us_per_quarter) if is_odd else (ticks, 1, us_per_quarter)
