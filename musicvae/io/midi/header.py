"""Floor 3: the chunks of a standard MIDI file: header and tracks, before any event is looked at.

Standard MIDI Files 1.0 (MMA RP-001): `MThd` with format, number of tracks and division, then
chunks of a kind, a length and so many bytes; those of kind `MTrk` hold events.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from musicvae.errors import ReadError
from musicvae.io.detect import midi_start
from musicvae.io.limits import MAX_MIDI_BYTES, check_bytes
from musicvae.io.result import many

END_OF_TRACK = b"\xff\x2f\x00"
_AGAIN = "copy or export it again"
_FRAMES = {24: (24, 1.0), 25: (25, 1.0), 29: (30, 1.001), 30: (30, 1.0)}  # a second, its stretch
_SMPTE_QPM = 120
_HEADER = struct.Struct(">4sIHHH")
_CHUNK = struct.Struct(">4sI")


@dataclass(frozen=True, kw_only=True)
class Chunks:
    """A MIDI file in pieces: `tracks` are begin and end of each track's events in `content`.

    `cut` says that the last track lacks up to four bytes. `us_per_quarter` is 0, or how long a
    quarter is in a file that counts frames (SMPTE) and has no tempo of its own.
    """

    content: bytes
    format: int
    ticks_per_quarter: int
    tracks: list[tuple[int, int]]
    warnings: list[str]
    stretch: int = 1
    us_per_quarter: int = 0
    cut: bool = False


def chunks_of(content: bytes, path: str | Path) -> Chunks:
    """Header and tracks of a MIDI file. Raises `ReadError` for none, a cut or a damaged one."""
    content, warnings = _unwrapped(content, path)
    check_bytes(len(content), path, MAX_MIDI_BYTES)
    if len(content) < _HEADER.size:
        raise ReadError(path, "truncated in its header", _AGAIN)
    _, length, form, n_tracks, division = _HEADER.unpack_from(content)
    tracks, cut = _tracks(content, 8 + length, n_tracks, warnings, path)
    ticks, stretch, us_per_quarter = _division(division, warnings, path)
    if form > 2 or (form == 0 and len(tracks) > 1):
        warnings.append(f"format {form} with {many(len(tracks), 'track')}, read as parallel tracks")
    return Chunks(
        content=content,
        format=form,
        ticks_per_quarter=ticks,
        tracks=tracks,
        warnings=warnings,
        stretch=stretch,
        us_per_quarter=us_per_quarter,
        cut=cut,
    )


def _unwrapped(content: bytes, path: str | Path) -> tuple[bytes, list[str]]:
    """The MIDI inside a RIFF (RMID) container or after other bytes."""
    if content[:4] == b"MThd":
        return content, []
    if content[:4] == b"RIFF":
        start = content.find(b"MThd")
        if start > 0:
            size = int.from_bytes(content[start - 4 : start], "little")
            return content[start : start + size if size >= _HEADER.size else None], []
    elif (start := midi_start(content)) > 0:
        return content[start:], [f"{many(start, 'byte')} before the MIDI header ignored"]
    what = "not a MIDI file (no MThd header)" if content else "empty file"
    raise ReadError(path, what, "give a .mid exported by a sequencer or notation program")


def _tracks(
    content: bytes, at: int, n_tracks: int, warnings: list[str], path: str | Path
) -> tuple[list[tuple[int, int]], bool]:
    tracks: list[tuple[int, int]] = []
    end, others = len(content), set()
    while at + 8 <= end:
        kind, size = _CHUNK.unpack_from(content, at)
        if kind != b"MTrk":
            if len(tracks) >= n_tracks:
                break
            others.add(kind)
        begin, at = at + 8, at + 8 + size
        if kind != b"MTrk" and at > end:
            reason = f"truncated or damaged after {len(tracks)} of {n_tracks} tracks"
            raise ReadError(path, reason, _AGAIN)
        if at > end + 4:
            raise ReadError(path, f"truncated in track {len(tracks) + 1}", _AGAIN)
        if kind == b"MTrk":
            tracks.append((begin, min(at, end)))
    if len(tracks) < n_tracks:
        reason = f"truncated: {len(tracks)} of {n_tracks} tracks are there"
        raise ReadError(path, reason, _AGAIN)
    if others:
        names = ", ".join(sorted(k.decode("latin-1") for k in others)[:4])
        warnings.append(f"chunks that hold no track ignored ({names!a})")
    if at < end:
        warnings.append(f"{many(end - at, 'byte')} after the last track ignored")
    if len(tracks) > n_tracks:
        warnings.append(f"{many(len(tracks), 'track')} read where the header says {n_tracks}")
    return tracks, at > end


def _division(division: int, warnings: list[str], path: str | Path) -> tuple[int, int, int]:
    """Ticks a quarter, how many of them a tick of the file is, and the pace of frames or 0."""
    if not division:
        raise ReadError(path, "no ticks per quarter (a division of zero)", "export it again")
    if division < 0x8000:
        return division, 1, 0
    frames, per_frame = 0x100 - (division >> 8), division & 0xFF
    if frames not in _FRAMES or not per_frame:
        reason = f"no ticks per quarter (a division of {division - 0x10000}, no SMPTE frames)"
        raise ReadError(path, reason, "export it again")
    in_second, longer = _FRAMES[frames]
    told = f"time in SMPTE frames ({frames} a second), read as {_SMPTE_QPM} quarters a minute"
    warnings.append(told)
    pace = round(60e6 / _SMPTE_QPM * longer)
    # A quarter of an odd number of half ticks: two ticks for each of the file.
    ticks, odd = divmod(in_second * per_frame * 60, _SMPTE_QPM)
    return (2 * ticks + 1, 2, pace) if odd else (ticks, 1, pace)
