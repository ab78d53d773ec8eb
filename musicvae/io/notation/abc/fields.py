"""Values of information fields: key, meter, unit note length, tempo, parts, voice properties."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from html import unescape

from musicvae.chords.spelling import parse_name
from musicvae.io.notation.dynamics import parse_tempo_text
from musicvae.io.notation.score import (
    MAX_DENOMINATOR,
    MAX_NUMERATOR,
    TimeSignature,
    check_quarters,
    parse_digits,
)
from musicvae.representation import key as keys

STEPS = {name: i for i, name in enumerate("CDEFGAB")}
MAX_SECTIONS = 1000  # of a P: field, once it is written out

_FIFTHS_ORDER = [STEPS[name] for name in "FCGDAEB"]
_TONIC = re.compile(r"([A-G])([#b]?)|([a-g])([#b]?)(?=(?:m|min|maj|mix|dor|phr|lyd|loc|aeo)?\b)")
_MODE = re.compile(r"\s*([A-Za-z]+)(?!\w*=)")
_KEY_ACCIDENTAL = re.compile(r"(\^\^?|__?|=)\s*([A-Ga-g])")
_NAMED_PROPERTY = re.compile(r'(?<![\^_=\w])(?:[A-Za-z][\w-]+|[mt])=(?:"[^"]*"|\S*)\s*')
_METER_TERM = re.compile(r"\(?\s*(\d++(?:\s*\+\s*\d++)*)\s*\)?\s*/\s*(\d++)")
_PLUS = re.compile(r"\s*\+\s*")
_LENGTH = re.compile(r"(\d++)(?:\s*/\s*(\d++))?(?!/)")
_FRACTION = re.compile(r"(\d{1,4})\s*/\s*(\d{1,4})")
_UNITS = re.compile(r"[A-Ga-g]\s*(\d{1,3})?\s*(?:/\s*(\d{1,3}))?\s*$")
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,6})?")
_PROPERTY = re.compile(r'([A-Za-z][\w-]*)\s*=\s*("(?:[^"\\]++|\\.)*+"|[^\s"]+)|(\S+)')
_CLEF = re.compile(
    r"(treble|alto|tenor|bass|perc|none|mezzosoprano|soprano|baritone|auto|[GCFP])"
    r"\d?(?:([-+])(8|15)|[\^_]\d+)?(?:va|vb)?$"
)
_CLEF_MIDDLES = {"treble": "B", "alto": "C", "tenor": "A,", "bass": "D,", "F": "D,", "G": "B"}


# -- key ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """Accidentals of the steps from C to B, and the key signature nearest to them."""

    accidentals: tuple[int, ...]
    fifths: int = 0
    minor: bool = False


NO_KEY = Key((0,) * 7)


def parse_key(text: str) -> tuple[Key | None, str, bool]:
    """Return the key of a K: field, its properties, and whether it is understood.

    The key is None if the field has a clef alone.

    >>> parse_key("Gm ^f clef=bass")[1]
    'clef=bass'
    """
    text = text.strip().replace("♯", "#").replace("♭", "b")
    if not text or text.lower().startswith("none"):
        return NO_KEY, text[4:], True
    if text[:2] in ("HP", "Hp"):
        return Key(_signature(2), 2), text[2:], True
    tonic = _TONIC.match(text)
    if not tonic:
        accidentals, rest = _take_accidentals(text)
        if not accidentals:
            return None, text, "=" in text or _CLEF.match(text.split()[0]) is not None
        return _with_accidentals(NO_KEY, None, accidentals), rest, True
    letter, sign = tonic[1] or tonic[3].upper(), tonic[2] or tonic[4] or ""
    rest, mode_name, is_explicit, is_sure = text[tonic.end() :], "major", False, True
    mode = _MODE.match(rest)
    if mode and not _CLEF.match(mode[1]):
        found = "minor" if mode[1] in ("m", "M") else keys.find_mode(mode[1])
        is_explicit = mode[1][:3].lower() == "exp"
        is_sure = is_explicit or found is not None
        mode_name, rest = found or mode_name, rest[mode.end() :]
    tonic_fifths = parse_name(letter + sign) or 0
    named = keys.Key(tonic_fifths, mode_name)
    accidentals, rest = _take_accidentals(rest)
    key = Key(_signature(named.fifths), _clip(named.fifths, 7), named.is_minor)
    if is_explicit:
        return _with_accidentals(NO_KEY, tonic_fifths, accidentals), rest, True
    if accidentals:
        return _with_accidentals(key, None, accidentals), rest, is_sure
    return key, rest, is_sure


def _signature(fifths: int) -> tuple[int, ...]:
    """Return the accidentals of the steps from C to B for a number of sharps; of flats below 0."""
    values = [0] * 7
    for place, step in enumerate(_FIFTHS_ORDER):
        values[step] = (fifths + 6 - place) // 7
    return tuple(values)


def _take_accidentals(text: str) -> tuple[dict[int, int], str]:
    """Return the accidentals in the text of a key by step, and the text without them."""
    named = "".join(match[0] for match in _NAMED_PROPERTY.finditer(text))
    plain = _NAMED_PROPERTY.sub(" ", text)
    found = {STEPS[m[2].upper()]: parse_accidental(m[1]) for m in _KEY_ACCIDENTAL.finditer(plain)}
    return found, _KEY_ACCIDENTAL.sub(" ", plain) + named


def _with_accidentals(key: Key, tonic_fifths: int | None, changed: dict[int, int]) -> Key:
    """Return a key with changed accidentals; with a tonic, its signature is the nearest to them."""
    values = list(key.accidentals)
    for step, value in changed.items():
        values[step] = value
    if tonic_fifths is None:
        return Key(tuple(values), key.fifths, key.minor)

    def n_differences(fifths: int) -> int:
        return sum(a != b for a, b in zip(_signature(fifths), values, strict=True))

    minor = n_differences(tonic_fifths - 3) < n_differences(tonic_fifths)
    return Key(tuple(values), _clip(tonic_fifths - 3 * minor, 7), minor)


def parse_accidental(text: str) -> int:
    """Return the semitones of an accidental: ``"^"``, ``"__"``, ``"="``."""
    return text.count("^") - text.count("_")


# -- meter, length, tempo -------------------------------------------------------------------------


def parse_meter(text: str) -> TimeSignature | None:
    """Return the time signature of an M: field, (0, 1) if it is free, None if it is not valid.

    Raises `UnsupportedScoreError` for a meter that no bar can have.
    """
    text = text.strip()
    if text[:1] == "C":
        return (2, 2) if text[1:2] == "|" else (4, 4)
    if not text or text.lower().startswith("none"):
        return (0, 1)
    terms, end = [], 0
    while match := _METER_TERM.match(text, end):
        numerator = sum(parse_digits(number.strip()) for number in match[1].split("+"))
        denominator = parse_digits(match[2])
        if not numerator or not denominator:
            return None
        check_quarters(Fraction(4 * numerator, denominator), "a meter")
        if denominator & (denominator - 1):
            return None
        terms.append((numerator, denominator))
        end = match.end()
        if not (plus := _PLUS.match(text, end)):
            break
        end = plus.end()
    if not terms:
        return None
    denominator = max(d for _, d in terms)
    numerator = sum(n * denominator // d for n, d in terms)
    return (numerator, denominator) if _is_valid_meter(numerator, denominator) else None


def _is_valid_meter(numerator: int, denominator: int) -> bool:
    """Whether MIDI can represent a meter."""
    return 0 < numerator <= MAX_NUMERATOR and denominator <= MAX_DENOMINATOR


def default_unit(meter: TimeSignature | None) -> Fraction:
    """Return the unit note length of a meter, in whole notes: an eighth, from 3/4 on."""
    if meter and 0 < Fraction(*meter) < Fraction(3, 4):
        return Fraction(1, 16)
    return Fraction(1, 8)


def parse_unit(text: str) -> Fraction | None:
    """Return the unit note length of an L: field in whole notes, None if it is not valid.

    Raises `UnsupportedScoreError` for a unit that is longer than any note may be.
    """
    match = _LENGTH.match(text.strip())
    if not match:
        return None
    numerator, denominator = parse_digits(match[1]), parse_digits(match[2] or "1")
    if not numerator or not denominator:
        return None
    unit = Fraction(numerator, denominator)
    check_quarters(4 * unit, "a unit note length")
    return unit if Fraction(1, 1024) <= unit <= 4 else None


def parse_tempo(text: str, unit: Fraction) -> tuple[float, bool] | None:
    """Return the QPM of a Q: field and whether it comes from words; None if it has no tempo.

    `unit` is the unit note length in whole notes: `Q:120` and `Q:C=120` count these.
    """
    words = re.findall(r'"([^"]*)"', text)
    plain = re.sub(r'"[^"]*"?', " ", text)
    beats, equals, count = plain.rpartition("=")
    number = _NUMBER.search(count)
    if number and "/" not in count:
        beat = unit
        if equals:
            fractions = [] if _UNITS.match(beats.strip()) else _FRACTION.findall(beats)
            if any(denominator.strip("0") == "" for _, denominator in fractions):
                return None
            beat = sum((Fraction(int(n), int(d)) for n, d in fractions), Fraction(0))
            if not fractions:
                multiple = _UNITS.match(beats.strip())
                if not multiple or (multiple[2] or "1").strip("0") == "":
                    return None
                beat = unit * Fraction(int(multiple[1] or 1), int(multiple[2] or 1))
        return float(number[0]) * float(beat) * 4, False
    qpm = next((qpm for word in words if (qpm := parse_tempo_text(word))), None)
    return None if qpm is None else (qpm, True)


# -- parts ----------------------------------------------------------------------------------------


def parse_part_order(text: str) -> tuple[str, ...] | None:
    """Return the sections of a P: field of the header in playing order, at most `MAX_SECTIONS`.

    ``"(AB)3C2"`` is written out. None if the text is not an order, or is longer.
    """
    text = re.sub(r"[\s.,*-]", "", text)
    if not re.fullmatch(r"[A-Z()0-9]+", text):
        return None
    stack: list[list[str]] = [[]]
    last: list[str] = []
    for match in re.finditer(r"[A-Z()]|\d+", text):
        token = match[0]
        if token == "(":
            stack.append([])
            last = []
            continue
        if token == ")":
            if len(stack) == 1:
                return None
            last = stack.pop()
        elif token.isalpha():
            last = [token]
        else:
            count = int(token[:6]) - 1
            if count < 0 or len(last) * count > MAX_SECTIONS:
                return None
            last = last * count
        stack[-1].extend(last)
        if len(stack[-1]) > MAX_SECTIONS:
            return None
    return tuple(stack[0]) if len(stack) == 1 else None


# -- voice properties and text --------------------------------------------------------------------


@dataclass
class Properties:
    """Properties of a V: or K: field; None where the field does not say."""

    name: str | None = None
    clef_octave: int | None = None
    is_percussion: bool | None = None
    octave: int | None = None
    transpose: int | None = None


def parse_properties(text: str) -> Properties:
    """Return the properties in a V: field (after its name) or K: field (after its key)."""
    found, middle, clef = Properties(), "", ""
    for match in _PROPERTY.finditer(text):
        name, value, word = (match[1] or "").lower(), _unquote(match[2] or ""), match[3] or ""
        if name in ("name", "nm"):
            found.name = decode_escapes(value.replace("\\n", " "))
        elif name == "octave":
            found.octave = _parse_int(value, 10)
        elif name in ("transpose", "t"):
            found.transpose = _parse_int(value, 127)
        elif name in ("middle", "m"):
            middle = value
        elif (name == "clef" or word) and (shift := _CLEF.match(value or word)):
            clef = shift[1]
            found.is_percussion = clef in ("perc", "P")
            octaves = {"8": 1, "15": 2}.get(shift[3] or "", 0)
            found.clef_octave = -octaves if shift[2] == "-" else octaves
    if middle and (octaves := _middle_octaves(clef or "treble", middle)):
        found.clef_octave = (found.clef_octave or 0) + octaves
    return found


def _unquote(text: str) -> str:
    """Return a text without the quotes around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _middle_octaves(clef: str, middle: str) -> int:
    """Return the octaves between the note of the middle line of a clef and the one written for it.

    A bass clef with ``middle=d`` is written two octaves above its sound. Other letters move the
    clef to another line, and change nothing.
    """
    normal = _CLEF_MIDDLES.get(clef, "")
    if not normal or normal[0] != middle[:1].upper() or not re.fullmatch(r"[A-Ga-g][,']*", middle):
        return 0
    return _written_octave(normal) - _written_octave(middle)


def _written_octave(note: str) -> int:
    """Return the octave of a note name: 0 for ``C``, 1 for ``c``, -1 for ``C,``."""
    return note[0].islower() + note.count("'") - note.count(",")


def _parse_int(text: str, limit: int) -> int | None:
    """Return a whole number of at most `limit` either way, None for other text."""
    match = re.match(r"[-+]?\d{1,4}(?!\d)", text)
    return _clip(int(match[0]), limit) if match else None


def _clip(value: int, limit: int) -> int:
    """Return a number no farther from 0 than `limit`."""
    return max(-limit, min(limit, value))


_COMBINING = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308"}
_COMBINING |= {"=": "\u0304", "u": "\u0306", "v": "\u030c", "c": "\u0327", ";": "\u0328"}
_COMBINING |= {"H": "\u030b", ".": "\u0307"}
_LETTERS = {"ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "/o": "ø", "/O": "Ø"}
_LETTERS |= {"/l": "ł", "/L": "Ł", "/d": "đ", "/D": "Đ", "aa": "å", "AA": "Å", "oa": "å", "oA": "Å"}
_LETTERS |= {"DH": "Ð", "dh": "ð", "TH": "Þ", "th": "þ"}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([%&\\])|(.)([A-Za-z]))")


def decode_escapes(text: str) -> str:
    """Return a text with its escapes (``\\"o``, ``\\u00f6``, ``&ouml;``) as letters."""

    def letter(match: re.Match[str]) -> str:
        if match[1]:
            code = chr(int(match[1], 16))
            return code if code.isprintable() else ""
        if match[2]:
            return match[2]
        if special := _LETTERS.get(match[3] + match[4]):
            return special
        if match[3] in _COMBINING:
            return unicodedata.normalize("NFC", match[4] + _COMBINING[match[3]])
        return match[0]

    if "\\" in text:
        text = _ESCAPE.sub(letter, text)
    return unescape(text) if "&" in text else text
