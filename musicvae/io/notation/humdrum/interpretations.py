"""Tandem interpretations of `**kern`: meter, tempo, key, instruments and sections."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from musicvae.chords.spelling import parse_name
from musicvae.io.notation.dynamics import parse_tempo_text
from musicvae.io.notation.score import (
    MAX_DENOMINATOR,
    MAX_NUMERATOR,
    MAX_QPM,
    MIN_QPM,
    TimeSignature,
    check_quarters,
    parse_digits,
)
from musicvae.representation.key import Key, find_mode

_METER = re.compile(r"(\d++(?:\+\d++){0,8})/(\d++)(?:%(\d++))?")
_MAX_ZEROS = 32  # of a duration: "0" is a breve, "00" twice as long
_METRONOME = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)(?:-(\d{1,4}(?:\.\d{1,4})?))?")
_TEMPO_WORDS = re.compile(r"\[([^\[\]]{1,80})\]")
_BEAT = re.compile(r"\[(\w{1,12})(-dot|\.)?\] ?= ?(?:c(?:a|irca)?\. ?)?(\d{1,4}(?:\.\d{1,4})?)")
_BEAT_QUARTERS = {
    "breve": Fraction(8),
    "whole": Fraction(4),
    "half": Fraction(2),
    "quarter": Fraction(1),
    "eighth": Fraction(1, 2),
    "sixteenth": Fraction(1, 4),
}
_SIGNATURE = re.compile(r"([a-g])(#+|-+)", re.IGNORECASE)
_KEY = re.compile(r"\*([A-Ga-g])([#-]?):([a-z]{0,12})(?:-[a-z]{1,12})?")


class TempoMark(NamedTuple):
    """A tempo in quarters per minute, and whether it is a guess from words."""

    from_words: bool
    qpm: float


def parse_meter(text: str) -> TimeSignature | None:
    """Return the time signature of a text such as ``3/4``, ``2+3/8``, ``2/0`` or ``3/3%2``.

    None if MIDI cannot represent it. Denominators are durations: ``0`` is a breve. Raises
    `UnsupportedScoreError` for a meter that no bar can have.
    """
    found = _METER.fullmatch(text)
    if not found:
        return None
    numerator = sum(map(parse_digits, found[1].split("+")))
    denominator, factor = found[2], parse_digits(found[3] or "1")
    if denominator.strip("0"):
        unit = Fraction(factor, parse_digits(denominator))
    else:
        unit = Fraction(factor << min(len(denominator), _MAX_ZEROS))
    check_quarters(4 * numerator * unit, "a meter")
    n, d = numerator * unit.numerator, unit.denominator
    if d & (d - 1):
        n, d = (numerator * unit).as_integer_ratio()
    if not 0 < n <= MAX_NUMERATOR or d > MAX_DENOMINATOR or d & (d - 1):
        return None
    return n, d


def parse_tempo(text: str) -> TempoMark | None:
    """Return the tempo of what follows `*MM`: a number, a range (its middle), or words."""
    if found := _METRONOME.fullmatch(text):
        low = float(found[1])
        return _valid_tempo((low + float(found[2] or low)) / 2, from_words=False)
    words = _TEMPO_WORDS.fullmatch(text.strip())
    return parse_movement(words[1]) if words else None


def parse_movement(text: str) -> TempoMark | None:
    """Return the tempo of a movement's name, as ``Allegro`` or ``Lento [quarter] = 60``.

    It counts as words in both cases, since it is no interpretation.
    """
    text = " ".join(text[:200].split())
    found = _BEAT.search(text)
    if found and found[1] in _BEAT_QUARTERS:
        beat = _BEAT_QUARTERS[found[1]] * (Fraction(3, 2) if found[2] else 1)
        return _valid_tempo(float(found[3]) * float(beat), from_words=True)
    qpm = parse_tempo_text(text)
    return _valid_tempo(qpm, from_words=True) if qpm else None


def _valid_tempo(qpm: float, *, from_words: bool) -> TempoMark | None:
    """Return a tempo mark, None outside the range of tempos."""
    return TempoMark(from_words, qpm) if MIN_QPM <= qpm <= MAX_QPM else None


def parse_signature(token: str) -> int | None:
    """Return the fifths of a key signature such as ``*k[f#c#]``, None for another token.

    Naturals cancel other signs, and a sign in two octaves counts once.
    """
    if not token.startswith("*k[") or "]" not in token:
        return None
    signs = {(name.lower(), sign[0]) for name, sign in _SIGNATURE.findall(token[3:99])}
    fifths = sum(1 if sign == "#" else -1 for _, sign in signs)
    return max(-7, min(7, fifths))


def parse_key(token: str) -> tuple[int, bool] | None:
    """Return (fifths, minor) of a key such as ``*a:`` or ``*d:dor``, None for another token.

    Only minor and aeolian are minor, as MIDI has no other modes.
    """
    found = _KEY.fullmatch(token)
    if not found:
        return None
    name, accidental, mode = found.groups()
    tonic = parse_name(name.upper() + accidental.replace("-", "b")) or 0
    key = Key(tonic, find_mode(mode) or ("minor" if name.islower() else "major"))
    return max(-7, min(7, key.fifths)), key.is_minor


class Instrument(NamedTuple):
    """Name and General MIDI program of an instrument, or the key of a drum."""

    name: str
    program: int | None = None
    drum_key: int | None = None


# Codes of tandem interpretations (`*Iflt`), with General MIDI programs counted from 0.
_PROGRAMS = {
    0: "piano:Piano forte:Fortepiano",
    4: "rhode:Electric Piano",
    6: "cemba:Harpsichord",
    7: "clavi:Clavichord",
    8: "clest:Celesta",
    9: "glock:Glockenspiel",
    11: "vibra:Vibraphone",
    12: "marim:Marimba",
    13: "xylo:Xylophone",
    14: "campn:Bell caril:Carillon chime:Tubular Bells",
    15: "dulc:Dulcimer psalt:Psaltery zithr:Zither",
    16: "hammd:Hammond Organ",
    19: "organ:Organ porta:Portative Organ",
    20: "reedo:Reed Organ",
    21: "accor:Accordion",
    22: "armon:Harmonica",
    23: "ctina:Concertina",
    24: "guitr:Guitar liuto:Lute archl:Archlute tiorb:Theorbo quitr:Gittern cetra:Cittern "
    "ukule:Ukulele",
    25: "mando:Mandolin",
    26: "eguit:Electric Guitar",
    33: "bguit:Electric Bass",
    40: "violn:Violin violp:Violino piccolo kit:Kit rebec:Rebec",
    41: "viola:Viola viold:Viola d'amore",
    42: "cello:Violoncello violb:Bass Viol viols:Treble Viol violt:Tenor Viol",
    43: "cbass:Contrabass",
    46: "arpa:Harp",
    47: "timpa:Timpani",
    53: "soprn:Soprano cant:Canto canto:Canto mezzo:Mezzo-Soprano calto:Contralto alto:Alto "
    "tenor:Tenor barit:Baritone bass:Bass vox:Voice feme:Female Voice male:Male Voice "
    "nfant:Child recit:Recitative ctenor:Countertenor lyrsp:Soprano drmsp:Soprano colsp:Soprano "
    "heltn:Tenor lyrtn:Tenor bspro:Bass bscan:Bass false:Falsetto castr:Castrato",
    56: "tromp:Trumpet cornt:Cornet corno:Cornett flugh:Flugelhorn",
    57: "tromt:Trombone tromb:Bass Trombone",
    58: "tuba:Tuba",
    60: "cor:Horn",
    64: "saxN:Sopranino Saxophone saxS:Soprano Saxophone",
    65: "saxA:Alto Saxophone",
    66: "saxT:Tenor Saxophone",
    67: "saxR:Baritone Saxophone saxB:Bass Saxophone saxC:Contrabass Saxophone",
    68: "oboe:Oboe oboeD:Oboe d'amore chlms:Shawm chlma:Shawm chlmt:Shawm krums:Crumhorn "
    "kruma:Crumhorn krumt:Crumhorn krumb:Crumhorn",
    69: "cangl:English Horn",
    70: "fagot:Bassoon fag_c:Contrabassoon rackt:Rackett",
    71: "clars:Clarinet clarp:Clarinet clara:Alto Clarinet clarb:Bass Clarinet baset:Basset Horn "
    "calam:Chalumeau",
    72: "picco:Piccolo fife:Fife",
    73: "flt:Flute flt_a:Alto Flute flt_b:Bass Flute bansu:Bansuri",
    74: "fltds:Recorder fltdn:Recorder fltda:Recorder fltdt:Recorder fltdb:Recorder",
    75: "panpi:Pan Flute",
    77: "shaku:Shakuhachi",
    79: "ocari:Ocarina",
    80: "synth:Synthesizer",
    104: "sitar:Sitar vina:Vina sarod:Sarod tambu:Tambura",
    105: "banjo:Banjo",
    106: "shami:Shamisen",
    107: "koto:Koto qin:Qin",
    109: "bagpS:Bagpipes bagpI:Bagpipes cornm:Cornemuse",
    111: "zurna:Zurna",
    114: "steel:Steel Drum",
}
# Percussion without pitch, with keys of the General MIDI drum map.
_DRUM_KEYS = {
    36: "bdrum:Bass Drum",
    38: "sdrum:Snare Drum",
    47: "tom:Tom-tom",
    49: "crshc:Crash Cymbal piatt:Cymbals",
    51: "ridec:Ride Cymbal",
    52: "gong:Gong",
    54: "tambn:Tambourine",
    55: "spshc:Splash Cymbal",
    70: "marac:Maracas",
    81: "trngl:Triangle",
    85: "casts:Castanets",
}
CLASS_PROGRAMS = {"vox": 53, "klav": 0, "str": 48, "bras": 61, "ww": 73}
"""General MIDI program by instrument class (`*ICvox`), where nothing else is known."""


def _iter_codes(entries: str) -> list[tuple[str, str]]:
    """Return (code, name) of the entries of a table."""
    return re.findall(r"(\w+):([^:]+?)(?= \w+:|$)", entries)


INSTRUMENTS = {
    code: Instrument(name, program)
    for program, entries in _PROGRAMS.items()
    for code, name in _iter_codes(entries)
} | {
    code: Instrument(name, None, key)
    for key, entries in _DRUM_KEYS.items()
    for code, name in _iter_codes(entries)
}
"""Instrument by code, without the `*I` before it."""
