"""Mutations of safetensors files, WAV files and SoundFonts."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from support.fuzz.trees import HOSTILE_NUMBERS, mutate_tree, to_json

_FLOATS = (float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 1e-40, 0.0, 1e6)
_FIELDS = (0, 1, 2, 3, 4, 7, 8, 16, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**64 - 1)


def mutate_bytes(content: bytes, rng: np.random.Generator, begin: int = 0) -> bytes:
    """Return bytes with a few of them changed, deleted, repeated or cut off, from `begin` on."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(min(begin, len(data)), len(data) + 1))
        action = int(rng.integers(5))
        if action == 0 and at < len(data):
            data[at] ^= 1 << int(rng.integers(8))
        elif action == 1:
            del data[at : at + int(rng.integers(1, 30))]
        elif action == 2:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif action == 3:
            data[at : at + 4] = rng.bytes(4)
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)


# -- safetensors ----------------------------------------------------------------------------------


def mutate_safetensors(
    content: bytes, rng: np.random.Generator, key: str, packed: str = ""
) -> bytes:
    """Return a mutated safetensors file.

    `key` is the entry of its metadata that holds JSON, `packed` the tensor that holds compressed
    JSON, if there is one.
    """
    (size,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    for _ in range(int(rng.integers(1, 3))):
        action = rng.random()
        if action < 0.45:
            _mutate_metadata(header, rng, key)
        elif packed and action < 0.75:
            header, body = _mutate_packed(header, body, rng, packed)
        elif action < 0.6:
            header = mutate_tree(header, rng)
        elif action < 0.7:
            _mutate_entry(header, rng)
        elif action < 0.9:
            _fill_tensor(header, body, rng)
        else:
            return mutate_bytes(_joined(header, body, rng), rng)
        if not isinstance(header, dict):
            break
    return _joined(header, body, rng)


def _joined(header: Any, body: bytes | bytearray, rng: np.random.Generator) -> bytes:
    """Return the file of a header and a body."""
    text = to_json(header, rng).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(body)


def _mutate_metadata(header: dict[str, Any], rng: np.random.Generator, key: str) -> None:
    """Mutate the JSON inside the metadata, in place."""
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(key), str):
        return
    try:
        tree = json.loads(metadata[key])
    except (ValueError, RecursionError):
        return
    for _ in range(int(rng.integers(1, 4))):
        tree = mutate_tree(tree, rng)
    metadata[key] = to_json(tree, rng)


def _mutate_packed(
    header: dict[str, Any], body: bytearray, rng: np.random.Generator, packed: str
) -> tuple[dict[str, Any], bytearray]:
    """Mutate the compressed JSON of a tensor; the tensor moves to the end of the file."""
    entry = header.get(packed)
    try:
        begin, end = entry["data_offsets"]  # type: ignore[index]
        tree = json.loads(zlib.decompress(bytes(body[begin:end])))
    except (KeyError, TypeError, ValueError, RecursionError, zlib.error):
        return header, body
    for _ in range(int(rng.integers(1, 4))):
        tree = mutate_tree(tree, rng)
    text = zlib.compress(to_json(tree, rng).encode())
    length = end - begin
    body = body[:begin] + body[end:] + text
    for name, other in header.items():
        offsets = other.get("data_offsets") if isinstance(other, dict) else None
        if name != packed and isinstance(offsets, list) and offsets and offsets[0] >= end:
            other["data_offsets"] = [at - length for at in offsets]
    entry["data_offsets"], entry["shape"] = [len(body) - len(text), len(body)], [len(text)]
    return header, body


def _mutate_entry(header: dict[str, Any], rng: np.random.Generator) -> None:
    """Mutate type, shape or place of a tensor, or rename, duplicate or drop it, in place."""
    names = [name for name in header if name != "__metadata__"]
    if not names:
        return
    name = names[int(rng.integers(len(names)))]
    entry = header[name]
    action = int(rng.integers(6))
    if not isinstance(entry, dict) or action == 0:
        del header[name]
    elif action == 1:
        header[name + (".bytes", ".lower", ".scale", "x")[int(rng.integers(4))]] = header.pop(name)
    elif action == 2:
        entry["dtype"] = ("F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E5M2", "X")[
            int(rng.integers(9))
        ]
    elif action == 3:
        shape = entry.get("shape")
        if isinstance(shape, list):
            shape.reverse() if rng.random() < 0.5 else shape.insert(0, 1)
    elif action == 4:
        numbers = [n for n in HOSTILE_NUMBERS if isinstance(n, int)]
        entry["shape"] = [numbers[int(rng.integers(len(numbers)))] for _ in range(2)]
    else:
        other = header[names[int(rng.integers(len(names)))]]
        if isinstance(other, dict):
            entry["data_offsets"] = other.get("data_offsets")


def _fill_tensor(header: dict[str, Any], body: bytearray, rng: np.random.Generator) -> None:
    """Overwrite numbers of a tensor by hostile ones, in place."""
    names = [name for name in header if name != "__metadata__"]
    try:
        begin, end = header[names[int(rng.integers(len(names)))]]["data_offsets"]
    except (KeyError, TypeError, ValueError):
        return
    if not isinstance(begin, int) or not isinstance(end, int) or not 0 <= begin < end <= len(body):
        return
    value = struct.pack("<f", _FLOATS[int(rng.integers(len(_FLOATS)))])
    count = (end - begin) // 4
    if rng.random() < 0.5 or not count:
        body[begin:end] = (value * (count + 1))[: end - begin]
    else:
        at = begin + 4 * int(rng.integers(count))
        body[at : at + 4] = value


# -- RIFF -----------------------------------------------------------------------------------------


def mutate_wav(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a mutated WAV file: fields of its header, its samples, or any bytes."""
    data, action = bytearray(content), rng.random()
    data_at = content.find(b"data") + 8
    if action < 0.5:
        for _ in range(int(rng.integers(1, 3))):
            at, width = ((4, 4), (16, 4), (20, 2), (22, 2), (24, 4), (28, 4), (32, 2), (34, 2))[
                int(rng.integers(8))
            ]
            _set_field(data, at, width, rng)
    elif action < 0.6:
        _set_field(data, data_at - 4, 4, rng)
    elif action < 0.85:
        value = struct.pack("<f", _FLOATS[int(rng.integers(len(_FLOATS)))])
        count = int(rng.integers(1, max((len(data) - data_at) // 4, 2)))
        at = data_at + 4 * int(rng.integers(0, max((len(data) - data_at) // 4 - count, 1)))
        data[at : at + 4 * count] = value * count
        if rng.random() < 0.7:
            data[20:22] = struct.pack("<H", 3)
    else:
        return mutate_bytes(content, rng)
    return bytes(data)


def mutate_soundfont(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a mutated SoundFont: mostly its tables of presets, instruments and samples."""
    data, tables = bytearray(content), content.rfind(b"pdta")
    for _ in range(int(rng.integers(1, 6))):
        action = rng.random()
        if action < 0.6:
            _set_field(data, int(rng.integers(tables, len(data) - 4)), 2, rng)
        elif action < 0.8:
            chunks = (b"phdr", b"pbag", b"pmod", b"pgen", b"inst", b"ibag", b"igen", b"shdr")
            at = data.rfind(chunks[int(rng.integers(len(chunks)))])
            _set_field(data, at + 4 + int(rng.integers(0, 60)), 4, rng)
        else:
            return mutate_bytes(bytes(data), rng, tables if rng.random() < 0.7 else 0)
    return bytes(data)


def _set_field(data: bytearray, at: int, width: int, rng: np.random.Generator) -> None:
    """Overwrite an integer of `width` bytes by a hostile one, in place."""
    value = _FIELDS[int(rng.integers(len(_FIELDS)))] & ((1 << 8 * width) - 1)
    data[at : at + width] = value.to_bytes(width, "little")


Mutation = Callable[[bytes, np.random.Generator], bytes]
