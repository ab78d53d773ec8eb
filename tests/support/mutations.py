"""Damaged files: one way of spoiling bytes for tests, benchmarks and long runs alike.

`mutate(content, rng)` gives the bytes with a few accidents of one kind, the same for the same
generator state. It knows just enough of MIDI to hit where it hurts: chunk lengths, delta times,
meta events, the header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

Mutation = Callable[[bytearray, np.random.Generator], bytearray]

_NASTY = (0x00, 0x01, 0x40, 0x7F, 0x80, 0x81, 0x90, 0xB0, 0xC0, 0xF0, 0xF1, 0xF4, 0xF7, 0xF8, 0xFF)
_EVENTS = (
    b"\xff\xff\xff\x7f",  # the longest delta time
    b"\xff\xff\xff\xff\xff",  # one without an end
    b"\x00\xff\x58\x04\x00\x00\x18\x08",  # 0/1
    b"\x00\xff\x58\x04\xff\xff\x18\x08",  # 255/2^255
    b"\x00\xff\x58\x00",  # a meter without data
    b"\x00\xff\x51\x03\x00\x00\x00",  # no time at all for a quarter
    b"\x00\xff\x51\x01\x00",
    b"\x00\xff\x59\x02\x7f\x7f",  # 127 sharps
    b"\x00\xff\x2f\x00",  # the end, early
    b"\x00\xff\x01\xff\xff\xff\x7f",  # a text longer than any file
    b"\x00\xf0\xff\xff\xff\x7f",
    b"\x00\xf7\x02\x00\x90",
    b"\x00\x90\x3c\x40\x00\x90\x3c\x40",  # a note begun twice
    b"\x00\xb0\x40\x7f",  # a pedal that stays down
    b"\x8f\xff\xff\x7f\x90\x3c\x40",  # a note late by ages
    b"\x00\x90\xff\xff",
    b"MTrk\x00\x00\x00\x00",
)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """`content` with one to eight accidents of one kind."""
    kind = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
    spoilt = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        spoilt = kind(spoilt, rng)
    return bytes(mended(spoilt) if rng.random() < 0.5 else spoilt)


def mended(spoilt: bytearray) -> bytearray:
    """The lengths of tracks made right, so that the damage is met among the events."""
    places = [i for i in range(len(spoilt) - 7) if spoilt[i : i + 4] == b"MTrk"]
    for place, after in pairwise([*places, len(spoilt)]):
        spoilt[place + 4 : place + 8] = max(after - place - 8, 0).to_bytes(4, "big")
    if len(spoilt) >= 14 and places:
        spoilt[10:12] = (len(places) % 0x10000).to_bytes(2, "big")
    return spoilt


def _at(spoilt: Sequence[int], rng: np.random.Generator) -> int:
    """A place in the bytes; every fourth time near the beginning, where the header is."""
    end = min(len(spoilt), 40) if rng.random() < 0.25 else len(spoilt)
    return int(rng.integers(0, max(end, 1)))


def flip_bits(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """One bit the other way round."""
    if spoilt:
        spoilt[_at(spoilt, rng)] ^= 1 << int(rng.integers(8))
    return spoilt


def nasty_bytes(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """A byte replaced by one that means something."""
    if spoilt:
        spoilt[_at(spoilt, rng)] = _NASTY[int(rng.integers(len(_NASTY)))]
    return spoilt


def cut(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """The rest is missing."""
    return spoilt[: int(rng.integers(0, len(spoilt) + 1))]


def leave_out(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """A stretch is missing."""
    at = _at(spoilt, rng)
    return spoilt[:at] + spoilt[at + int(rng.integers(1, 20)) :]


def repeat(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """A stretch comes again, somewhere else."""
    begin, at = _at(spoilt, rng), _at(spoilt, rng)
    return spoilt[:at] + spoilt[begin : begin + int(rng.integers(1, 200))] + spoilt[at:]


def insert_bytes(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """Noise put in."""
    at = _at(spoilt, rng)
    return spoilt[:at] + bytearray(rng.bytes(int(rng.integers(1, 9)))) + spoilt[at:]


def insert_events(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """Events that are legal in form and absurd in content, or nearly legal."""
    at = _at(spoilt, rng)
    return spoilt[:at] + _EVENTS[int(rng.integers(len(_EVENTS)))] + spoilt[at:]


def wrong_lengths(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """A chunk that says it is longer or shorter than it is, or as long as another one."""
    places = [i for i in range(len(spoilt) - 7) if spoilt[i : i + 4] in (b"MTrk", b"MThd")]
    if places:
        at = places[int(rng.integers(len(places)))] + 4
        other = places[int(rng.integers(len(places)))] + 4
        if rng.random() < 0.5:
            spoilt[at : at + 4], spoilt[other : other + 4] = (
                spoilt[other : other + 4],
                spoilt[at : at + 4],
            )
        else:
            spoilt[at + int(rng.integers(4))] = _NASTY[int(rng.integers(len(_NASTY)))]
    return spoilt


def spoil_header(spoilt: bytearray, rng: np.random.Generator) -> bytearray:
    """Another format, number of tracks or division."""
    if len(spoilt) >= 14:
        spoilt[int(rng.integers(8, 14))] = int(rng.integers(256))
    return spoilt


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    nasty_bytes,
    cut,
    leave_out,
    repeat,
    insert_bytes,
    insert_events,
    wrong_lengths,
    spoil_header,
)
