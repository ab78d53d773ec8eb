"""Mutations of texts: numbers, tokens, lines and blocks, and single characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

HOSTILE_NUMBERS = (
    *("0", "-1", "1", "2", "3", "255", "256", "1024", "65536", "99999", "99999999", "999999999"),
    *("2147483648", "9223372036854775808", "99999999999999999999", "1" * 400, "9" * 5000),
    *("0.1", "-0.5", "0.000000001", "1e300", "1e-300", "NaN", "nan", "inf", "-inf", "1/0", ""),
    *("1/3", "7/999", "999999/1", "0x10", "\u0663", "1_0", "+5", "1."),
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def mutate_text(
    text: str, rng: np.random.Generator, token: re.Pattern[str], fragments: Sequence[str]
) -> bytes:
    """Return a text with one to six mutations; `fragments` are hostile pieces of its language."""
    for _ in range(int(rng.integers(1, 7))):
        text = _mutate_once(text, rng, token, fragments)
        if len(text) > 1 << 20:
            break
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.1 and content:
        at = int(rng.integers(len(content)))
        content = content[:at] + rng.bytes(int(rng.integers(1, 9))) + content[at:]
    return content


def _mutate_once(
    text: str, rng: np.random.Generator, token: re.Pattern[str], fragments: Sequence[str]
) -> str:
    action = rng.random()
    if action < 0.35:
        return _replace(text, _NUMBER, rng, HOSTILE_NUMBERS)
    if action < 0.55:
        at = int(rng.integers(len(text) + 1))
        if rng.random() < 0.5:  # where a line begins
            at = text.rfind("\n", 0, at) + 1
        return text[:at] + fragments[int(rng.integers(len(fragments)))] + text[at:]
    if action < 0.85:
        spans = [match.span() for match in token.finditer(text)]
        if not spans:
            return text
        begin, end = spans[int(rng.integers(len(spans)))]
        other, stop = spans[int(rng.integers(len(spans)))]
        piece = text[begin:end]
        if action < 0.62:
            return text[:begin] + text[end:]
        if action < 0.69:
            return text[:end] + piece * (1, 1, 2, 30, 3000)[int(rng.integers(5))] + text[end:]
        if action < 0.77:
            return text[:other] + piece + text[stop:]
        begin, end = min(begin, other), max(end, stop)  # a block of tokens
        if action < 0.81:
            return text[:begin] + text[end:]
        return text[:end] + text[begin:end] * int(rng.integers(1, 4)) + text[end:]
    if action < 0.9:
        return text[: int(rng.integers(len(text) + 1))]
    if not text:
        return "x"
    at = int(rng.integers(len(text)))
    changed = chr(int(rng.integers(32, 127))) if rng.random() < 0.8 else "\0"
    return text[:at] + changed + text[at + 1 :]


def _replace(
    text: str, pattern: re.Pattern[str], rng: np.random.Generator, values: Sequence[str]
) -> str:
    """Replace one match of a pattern."""
    spans = [match.span() for match in pattern.finditer(text)]
    if not spans:
        return text
    begin, end = spans[int(rng.integers(len(spans)))]
    return text[:begin] + values[int(rng.integers(len(values)))] + text[end:]
