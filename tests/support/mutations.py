"""Random mutations of MIDI files, for tests and fuzzing.

`mutate(content, rng)` applies a few mutations of one kind, deterministically for the generator's
state. They target chunk lengths, delta times, meta events and the header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

Mutation = Callable[[bytearray, np.random.Generator], bytearray]

_SPECIAL_BYTES = (
    *(0x00, 0x01, 0x40, 0x7F, 0x80, 0x81, 0x90, 0xB0, 0xC0),
    *(0xF0, 0xF1, 0xF4, 0xF7, 0xF8, 0xFF),
)
_EVENTS = (
    b"\xff\xff\xff\x7f",  # the longest delta time
    b"\xff\xff\xff\xff\xff",  # a delta time that never ends
    b"\x00\xff\x58\x04\x00\x00\x18\x08",  # 0/1
    b"\x00\xff\x58\x04\xff\xff\x18\x08",  # 255/2^255
    b"\x00\xff\x58\x00",  # a meter without data
    b"\x00\xff\x51\x03\x00\x00\x00",  # a tempo of zero
    b"\x00\xff\x51\x01\x00",
    b"\x00\xff\x59\x02\x7f\x7f",  # 127 sharps
    b"\x00\xff\x2f\x00",  # an early end of track
    b"\x00\xff\x01\xff\xff\xff\x7f",  # a text longer than any file
    b"\x00\xf0\xff\xff\xff\x7f",
    b"\x00\xf7\x02\x00\x90",
    b"\x00\x90\x3c\x40\x00\x90\x3c\x40",  # a repeated note-on
    b"\x00\xb0\x40\x7f",  # a pedal that is never released
    b"\x8f\xff\xff\x7f\x90\x3c\x40",  # a very late note
    b"\x00\x90\xff\xff",
    b"MTrk\x00\x00\x00\x00",
)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return `content` with one to eight mutations of one kind."""
    kind = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        data = kind(data, rng)
    return bytes(fix_track_lengths(data) if rng.random() < 0.5 else data)


def fix_track_lengths(data: bytearray) -> bytearray:
    """Correct the lengths of track chunks, so that readers reach the mutated events."""
    places = [i for i in range(len(data) - 7) if data[i : i + 4] == b"MTrk"]
    for place, after in pairwise([*places, len(data)]):
        data[place + 4 : place + 8] = max(after - place - 8, 0).to_bytes(4, "big")
    if len(data) >= 14 and places:
        data[10:12] = (len(places) % 0x10000).to_bytes(2, "big")
    return data


def _at(data: Sequence[int], rng: np.random.Generator) -> int:
    """Return a random position, every fourth time near the header."""
    end = min(len(data), 40) if rng.random() < 0.25 else len(data)
    return int(rng.integers(0, max(end, 1)))


def flip_bits(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Flip one bit."""
    if data:
        data[_at(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def replace_byte(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Replace a byte by one with a meaning in MIDI."""
    if data:
        data[_at(data, rng)] = _SPECIAL_BYTES[int(rng.integers(len(_SPECIAL_BYTES)))]
    return data


def truncate(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Cut off the end."""
    return data[: int(rng.integers(0, len(data) + 1))]


def delete_bytes(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Delete a few bytes."""
    at = _at(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 20)) :]


def repeat_bytes(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Insert a copy of some bytes elsewhere."""
    begin, at = _at(data, rng), _at(data, rng)
    return data[:at] + data[begin : begin + int(rng.integers(1, 200))] + data[at:]


def insert_bytes(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Insert random bytes."""
    at = _at(data, rng)
    return data[:at] + bytearray(rng.bytes(int(rng.integers(1, 9)))) + data[at:]


def insert_events(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Insert events that are well-formed but absurd, or nearly well-formed."""
    at = _at(data, rng)
    return data[:at] + _EVENTS[int(rng.integers(len(_EVENTS)))] + data[at:]


def corrupt_chunk_length(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Change the length of a chunk, or swap the lengths of two."""
    places = [i for i in range(len(data) - 7) if data[i : i + 4] in (b"MTrk", b"MThd")]
    if places:
        at = places[int(rng.integers(len(places)))] + 4
        other = places[int(rng.integers(len(places)))] + 4
        if rng.random() < 0.5:
            data[at : at + 4], data[other : other + 4] = (
                data[other : other + 4],
                data[at : at + 4],
            )
        else:
            data[at + int(rng.integers(4))] = _SPECIAL_BYTES[int(rng.integers(len(_SPECIAL_BYTES)))]
    return data


def corrupt_header(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Change format, number of tracks or division."""
    if len(data) >= 14:
        data[int(rng.integers(8, 14))] = int(rng.integers(256))
    return data


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    replace_byte,
    truncate,
    delete_bytes,
    repeat_bytes,
    insert_bytes,
    insert_events,
    corrupt_chunk_length,
    corrupt_header,
)
