"""Text of MIDI files, which do not say how it is encoded.

The standard has ASCII; files have UTF-8, or the code page of the computer they were made on. What
is valid UTF-8 is UTF-8. The other texts of a file are in one encoding: of Shift-JIS, GBK, CP1251
(Cyrillic) and CP1252 (which holds Latin-1) the one that reads all of them with the most usual
characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

_MAX_BYTES = 4096  # of all texts, for the choice of an encoding
_IMPOSSIBLE = 1e9
# Half-width katakana that a voicing mark may follow, and the marks.
_VOICED_KANA = re.compile(r"[\uff73\uff76-\uff84\uff8a-\uff8e]\uff9e|[\uff8a-\uff8e]\uff9f")
_VOICING_MARKS = "\uff9e\uff9f"
_SINGLE_KANA = re.compile(r"(?<![\uff61-\uff9f])[\uff61-\uff9f](?![\uff61-\uff9f])")
_LONG_VOWEL = re.compile(r"(?<=[\uff66-\uff9f])\uff70")
_PUNCTUATION = frozenset(
    "\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u2122\u20ac"
    "\xa0\xa1\xa3\xa7\xa9\xaa\xab\xae\xb0\xb7\xba\xbb\xbf"
)
_RUSSIAN = frozenset(map(chr, (*range(0x410, 0x450), 0x401, 0x451)))
_VOWELS = "\u0430\u0435\u0451\u0438\u043e\u0443\u044b\u044d\u044e\u044f"
_RUSSIAN_VOWELS = frozenset(_VOWELS + _VOWELS.upper())
_NEVER_FIRST = frozenset("\u042a\u042b\u042c\u044a\u044b\u044c")  # signs, and the vowel y


def decode_texts(texts: Iterable[bytes]) -> Callable[[bytes], str]:
    """Return the function that decodes texts of one file, chosen by `texts`.

    What it returns has no control characters.
    """
    foreign, size = [], 0
    for text in texts:
        if not _is_utf8(text) and size < _MAX_BYTES:
            foreign.append(text)
            size += len(text)
    encoding = _choose_encoding(foreign) if foreign else "utf-8"

    def decode(text: bytes) -> str:
        """Decode as UTF-8 if that is possible, else in the encoding of the file."""
        return clean_text(decode_text(text, encoding))

    return decode


def clean_text(text: str) -> str:
    """Return a text without control characters, a byte order mark, and what follows a NUL."""
    if text.isprintable():
        return text
    text = re.sub(r"[\t\r\n]+", " ", text.partition("\0")[0]).lstrip("\ufeff")
    return "".join(c for c in text if unicodedata.category(c) != "Cc")


def decode_text(text: bytes, encoding: str = "cp1252") -> str:
    """Decode a text as UTF-8 if possible, else in `encoding`, else what CP1252 has of it."""
    for name in ("utf-8", encoding):
        try:
            return text.decode(name)
        except UnicodeDecodeError:
            continue
    return text.decode("cp1252", "ignore")


def _is_utf8(text: bytes) -> bool:
    """Return whether a text is valid UTF-8."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _choose_encoding(texts: list[bytes]) -> str:
    """Return the encoding that reads these texts with the least unusual characters."""
    costs = {encoding: sum(_cost(text, encoding) for text in texts) for encoding in _COSTS}
    return min(costs, key=lambda encoding: costs[encoding])


def _cost(text: bytes, encoding: str) -> float:
    """Return how unusual a text is in one of the encodings."""
    try:
        decoded = text.decode(encoding)
    except UnicodeDecodeError:
        return _IMPOSSIBLE
    return _COSTS[encoding](decoded)


def _foreign(decoded: str) -> Iterator[tuple[str, str, str]]:
    """Yield the characters beyond ASCII, each with the one before and the one after it."""
    padded = f" {decoded} "
    triples = zip(padded, padded[1:], padded[2:], strict=False)
    return (triple for triple in triples if triple[1] >= "\x80")


def _western_cost(decoded: str) -> float:
    """Return how unusual a text is as CP1252: accented letters stand among plain ones."""
    cost = 0.0
    for before, character, after in _foreign(decoded):
        if character.isalpha() and character not in "\xaa\xba\u0192":
            neighbors = before + after
            if any(c.isascii() and c.isalpha() for c in neighbors):
                cost += 0.5
            elif neighbors.isspace():
                cost += 1
            else:
                cost += 2
            if character.isupper() and before.islower():
                cost += 1.5
        elif character == "\u2019" and before.isalpha() and after.isalpha():
            cost += 0.5
        else:
            cost += 1.2 if character in _PUNCTUATION else 3
    return cost


def _cyrillic_cost(decoded: str) -> float:
    """Return how unusual a text is as CP1251: in Russian, vowels and consonants alternate."""
    cost = 0.0
    for before, character, after in _foreign(decoded):
        if not character.isalpha():
            cost += 1.2 if character in _PUNCTUATION | {"\u2116"} else 3
            continue
        cost += 0.6 if character in _RUSSIAN else 1.5
        if after in _RUSSIAN and (character in _RUSSIAN_VOWELS) != (after in _RUSSIAN_VOWELS):
            cost -= 0.15
        is_next_to_latin = any(c.isascii() and c.isalpha() for c in before + after)
        if is_next_to_latin or (before not in _RUSSIAN and after not in _RUSSIAN):
            cost += 2
        if character.isupper() and before.islower():
            cost += 2
        if character in _NEVER_FIRST and not before.isalpha():
            cost += 3
    return cost


def _japanese_cost(decoded: str) -> float:
    """Return how unusual a text is as Shift-JIS: kana, and kanji of the first level, are usual."""
    n_marked = len(_VOICED_KANA.findall(decoded))
    n_wrong = sum(decoded.count(mark) for mark in _VOICING_MARKS) - n_marked
    is_kana = n_wrong == 0 and (n_marked > 0 or _LONG_VOWEL.search(decoded) is not None)
    n_single = len(_SINGLE_KANA.findall(decoded))
    cost = 3.0 * (n_wrong + n_single)
    for _, character, _ in _foreign(decoded):
        code = character.encode("cp932", "replace")
        if len(code) == 1:
            cost += 0.4 if is_kana else 1.2
        elif code[0] in (0x82, 0x83):
            cost += 0.3  # kana, and wide letters and digits
        elif code[0] == 0x81:
            cost += 0.7  # punctuation
        elif 0x88 <= code[0] <= 0x98:
            cost += 1
        elif 0x99 <= code[0] <= 0xEA or code[0] == 0x84:
            cost += 2.5
        elif code[0] == 0x87 or 0xED <= code[0] <= 0xFC:
            cost += _IMPOSSIBLE if 0xF0 <= code[0] <= 0xF9 else 3
        else:
            cost += 3
    return cost


def _chinese_cost(decoded: str) -> float:
    """Return how unusual a text is as GBK: hanzi of the first level of GB 2312 are usual."""
    cost = 0.0
    for _, character, _ in _foreign(decoded):
        code = character.encode("gbk", "replace")
        if len(code) < 2 or code[1] < 0xA1:
            cost += 3.5
        elif 0xB0 <= code[0] <= 0xD7:
            cost += 1
        elif 0xA1 <= code[0] <= 0xA3:
            cost += 0.8
        elif 0xD8 <= code[0] <= 0xF7:
            cost += 2
        else:
            cost += 3.5
    return cost


_COSTS: dict[str, Callable[[str], float]] = {
    "cp1252": _western_cost,
    "cp1251": _cyrillic_cost,
    "cp932": _japanese_cost,
    "gbk": _chinese_cost,
}
