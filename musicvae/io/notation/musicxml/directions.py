"""Tempo, dynamics and jumps of directions and sounds."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from musicvae.io.notation.dynamics import parse_tempo_text
from musicvae.io.notation.musicxml.numbers import Number, note_type_quarters, parse_number
from musicvae.io.notation.score import MAX_QPM, MIN_QPM
from musicvae.io.notation.swing_marks import USUAL_RATIO, swing_from_ratio, swing_from_words
from musicvae.swing import Swing

_MAX_WORDS_CHARACTERS = 60
_FORTE_VELOCITY = 90  # of which MusicXML gives dynamics in percent
_LEVELS = ("ppp", 16), ("pp", 33), ("p", 49), ("mp", 64), ("mf", 80), ("f", 96), ("ff", 112)
# Note symbols in words; those of the musical block are two or three characters.
_NOTE_SYMBOLS = {
    "\u266a": Fraction(1, 2),
    "\u2669": Fraction(1),
    "\U0001d158\U0001d165\U0001d16e": Fraction(1, 2),
    "\U0001d158\U0001d165": Fraction(1),
    "\U0001d157\U0001d165": Fraction(2),
}
_PER_MINUTE = re.compile(r"\d{1,4}(?:[.,]\d{1,6})?")
_SYMBOL_TEMPO = re.compile(
    rf"({'|'.join(_NOTE_SYMBOLS)})\s?(\.?)\s?=\s?(?:ca?\.?\s?)?(\d{{1,3}}(?:[.,]\d{{1,3}})?)"
)

# Words of jumps, without accents: Italian, English, German, French and Polish.
_DA_CAPO = re.compile(r"\b(d\. ?c|dc|da ?capo|von vorn|von vorne|od poczatku|du debut)\b")
_DAL_SEGNO = re.compile(r"\b(d\. ?s|ds|d[ae]l ?segno|d[ae]l signo|vom zeichen|au signe|od znaku)\b")
_UNTIL_FINE = re.compile(
    r"\b(al ?fine|alla fine|bis (zum )?(fine|ende|schluss)|a la fin|do konca)\b"
)
_UNTIL_CODA = re.compile(
    r"\b(al|alla|to|e|e poi|poi|poi la|then|a la|et|und|zur|dann|i|do)( la)? (coda|kody|cody)\b"
)
_TO_CODA = re.compile(r"(to|al|alla|zur|a la|do|till|vers la|da)( the)? (coda|kody|cody)\b.*")
_FINE = re.compile(r"(il |la )?(fine|fin|ende|koniec|finis)( \w+){0,2}")
_TEMPO_PRIMO = re.compile(
    r"\b(tempo (primo|prima|i|1|1mo|imo|io)|(premier|1er) (tempo|mouvement)|erstes tempo)\b"
)
_DOUBLE_TEMPO = re.compile(r"\bdoppio (movimento|tempo)\b")
_SYMBOLS = "segno", "coda"  # of the names of musical characters
_CODA = re.compile(r"(la )?coda( \d| [iv]{1,3})?")


@dataclass
class Jumps:
    """Signs for repeats in a direction. `until` is None if the text leaves it open."""

    starts_repeat: bool = False
    segno: bool = False
    coda: bool = False
    has_coda_symbol: bool = False
    jump: str = ""
    until: str | None = None
    to_coda: bool = False
    fine: bool = False
    segno_label: str = ""
    jump_label: str = ""

    def __bool__(self) -> bool:
        """Whether there is any sign."""
        return self != Jumps()


@dataclass
class Direction:
    """What a direction changes, at an `offset` in divisions from the position it is written at.

    `tempo_ratio` is that of a new tempo to the one before, in a metric modulation;
    `is_first_tempo` returns to the first tempo.
    """

    offset: Number = 0
    staff: str = "1"
    qpm: float | None = None
    tempo_from_words: bool = False
    tempo_ratio: Fraction | None = None
    is_first_tempo: bool = False
    dynamics: list[str] = field(default_factory=list)
    jumps: Jumps = field(default_factory=Jumps)
    swing: Swing | None = None
    is_straight: bool = False
    sounds: list[Element] = field(default_factory=list)


def read_direction(element: Element) -> Direction:
    """Return what a `direction` element changes.

    Its offset applies to its sound, too, unless it says `sound="no"`.
    """
    direction, words, is_for_sound = Direction(), [], True
    for child in element:
        if child.tag == "direction-type":
            for mark in child:
                if mark.tag == "words":
                    words.append((mark.text or "")[: 4 * _MAX_WORDS_CHARACTERS])
                elif mark.tag in ("rehearsal", "symbol"):
                    _read_symbol(mark, direction)
                elif mark.tag in _MARK_READERS:
                    _MARK_READERS[mark.tag](mark, direction)
        elif child.tag == "sound":
            direction.sounds.append(child)
        elif child.tag == "offset":
            direction.offset = parse_number(child.text) or 0
            is_for_sound = child.get("sound") != "no"
        elif child.tag == "staff":
            direction.staff = child.text or "1"
    text = " ".join(" ".join(words).split())
    if text:
        read_words(text, direction)
    for sound in direction.sounds:
        read_sound(sound, direction)
        if not is_for_sound and "tempo" in sound.attrib:
            direction.offset = 0
    if text and direction.qpm is None and direction.tempo_ratio is None:
        _read_tempo_words(text, direction)
    jumps = direction.jumps
    if jumps.has_coda_symbol and (jumps.coda or jumps.to_coda or jumps.jump):
        jumps.has_coda_symbol = False
    if jumps.jump == "dal segno" and not any("segno" in s.attrib for s in direction.sounds):
        jumps.segno = False  # the sign names the place to go to
    return direction


def read_sound(sound: Element, direction: Direction) -> None:
    """Add what a `sound` element changes; its tempo precedes that of marks."""
    attributes, jumps = sound.attrib, direction.jumps
    if attributes:
        qpm = _valid_qpm(parse_number(attributes.get("tempo", "").replace(",", ".")))
        if qpm is not None:
            direction.qpm, direction.tempo_from_words = qpm, False
        if "dynamics" in attributes and not direction.dynamics:
            name = _dynamics_name(attributes["dynamics"])
            direction.dynamics += [name] if name else []
        if attributes.get("dacapo") == "yes":
            jumps.jump = jumps.jump or "da capo"
        if "dalsegno" in attributes:
            jumps.jump = jumps.jump or "dal segno"
        jumps.segno_label = attributes.get("segno", "")[:_MAX_WORDS_CHARACTERS]
        jumps.jump_label = attributes.get("dalsegno", "")[:_MAX_WORDS_CHARACTERS]
        jumps.segno |= "segno" in attributes
        jumps.coda |= "coda" in attributes
        jumps.to_coda |= "tocoda" in attributes
        jumps.fine |= attributes.get("fine", "no") != "no"
        jumps.starts_repeat |= attributes.get("forward-repeat") == "yes"
    swing = sound.find("swing")
    if swing is None:
        return
    if swing.find("straight") is not None:
        direction.swing, direction.is_straight = None, True
        return
    first, second = (parse_number(swing.findtext(name)) for name in ("first", "second"))
    direction.swing = swing_from_ratio(
        float(first or 0), float(second or 1), (swing.findtext("swing-type") or "").strip()
    )


def read_words(text: str, direction: Direction) -> None:
    """Add what the words of a direction say on jumps, swing, and tempo as ``"♩ = 96"``."""
    if len(text) > _MAX_WORDS_CHARACTERS:
        return
    if direction.qpm is None and "=" in text and (match := _SYMBOL_TEMPO.search(_decompose(text))):
        quarters = _NOTE_SYMBOLS[match[1]] * (Fraction(3, 2) if match[2] else 1)
        direction.qpm = _valid_qpm(Fraction(match[3].replace(",", ".")) * quarters)
    plain = _plain(text)
    direction.swing = direction.swing or swing_from_words(plain)
    jumps = direction.jumps
    if _DA_CAPO.search(plain):
        jumps.jump = "da capo"
    elif _DAL_SEGNO.search(plain):
        jumps.jump = "dal segno"
    if jumps.jump:
        if _UNTIL_FINE.search(plain):
            jumps.until = "fine"
        elif _UNTIL_CODA.search(plain):
            jumps.until = "coda"
        return
    bare = plain.strip(" .,:;()[]*\"'!-")
    if _TO_CODA.fullmatch(bare):
        jumps.to_coda = True
    elif _CODA.fullmatch(bare):
        jumps.coda = True
    elif bare == "segno":
        jumps.segno = True
    elif _FINE.fullmatch(bare):
        jumps.fine = True


def _read_tempo_words(text: str, direction: Direction) -> None:
    """Add the tempo of words: one of its own, the first one again, or twice the one before."""
    plain = _plain(text[:_MAX_WORDS_CHARACTERS])
    if _TEMPO_PRIMO.search(plain):
        direction.is_first_tempo = True
    elif _DOUBLE_TEMPO.search(plain):
        direction.tempo_ratio = Fraction(2)
    else:
        direction.qpm = _valid_qpm(parse_tempo_text(text))
        direction.tempo_from_words = True


def _plain(text: str) -> str:
    """Return text in lower case, without accents, with signs as words."""
    text = (
        text.replace("\U0001d10b", " segno ")
        .replace("\U0001d10c", " coda ")
        .lower()
        .replace("ł", "l")
    )
    return " ".join("".join(c for c in _decompose(text) if not unicodedata.combining(c)).split())


def _decompose(text: str) -> str:
    """Return text with accents and parts of note symbols as characters of their own."""
    return unicodedata.normalize("NFD", text)


# -- marks ----------------------------------------------------------------------------------------


def _read_dynamics(mark: Element, direction: Direction) -> None:
    """Add the dynamics of a `dynamics` element."""
    direction.dynamics += dynamics_names(mark)


def dynamics_names(mark: Element) -> list[str]:
    """Return the names in a `dynamics` element (``"mf"``)."""
    return [
        (child.text or "").strip().lower()[:8] if child.tag == "other-dynamics" else str(child.tag)
        for child in mark
    ]


def _read_segno(_: Element, direction: Direction) -> None:
    """Add a segno sign."""
    direction.jumps.segno = True


def _read_coda(_: Element, direction: Direction) -> None:
    """Add a coda sign, which marks the coda or the place to go to it."""
    direction.jumps.has_coda_symbol = True


def _read_symbol(mark: Element, direction: Direction) -> None:
    """Add a segno or coda that is given as a rehearsal mark or by the name of a character."""
    name = _plain((mark.text or "")[:_MAX_WORDS_CHARACTERS])
    if mark.tag == "rehearsal":
        direction.jumps.coda |= _CODA.fullmatch(name) is not None
        direction.jumps.segno |= name == "segno"
    else:
        direction.jumps.segno |= name.startswith(_SYMBOLS[0])
        direction.jumps.has_coda_symbol |= name.startswith(_SYMBOLS[1])


def _read_metronome(mark: Element, direction: Direction) -> None:
    """Add a metronome mark: a tempo, the ratio of a metric modulation, or swing."""
    if mark.find("metronome-note") is not None:
        _read_metronome_notes(mark, direction)
        return
    units: list[Fraction] = []
    names: list[str] = []
    dots: list[int] = []
    is_tied: list[bool] = []  # to the unit before
    per_minute = None
    for child in mark:
        if child.tag in ("beat-unit", "beat-unit-tied"):
            is_tied.append(child.tag == "beat-unit-tied")
            names.append((child.findtext("beat-unit") if is_tied[-1] else child.text) or "")
            dots.append(len(child.findall("beat-unit-dot")))
        elif child.tag == "beat-unit-dot" and dots:
            dots[-1] += 1
        elif child.tag == "per-minute":
            per_minute = _PER_MINUTE.search((child.text or "")[:40])
    for name, n_dots, joins in zip(names, dots, is_tied, strict=True):
        quarters = note_type_quarters(name, n_dots)
        if quarters is None:
            return
        if joins and units:
            units[-1] += quarters
        else:
            units.append(quarters)
    if len(units) == 1 and per_minute is not None:
        direction.qpm = _valid_qpm(Fraction(per_minute[0].replace(",", ".")) * units[0])
    elif len(units) == 2:
        direction.tempo_ratio = units[1] / units[0]


def _read_metronome_notes(mark: Element, direction: Direction) -> None:
    """Add a mark that equates notes: one with one is a modulation, more are swing."""
    sides: list[list[Fraction]] = [[]]
    for child in mark:
        if child.tag == "metronome-relation":
            sides.append([])
        elif child.tag == "metronome-note":
            n_dots = len(child.findall("metronome-dot"))
            quarters = note_type_quarters(child.findtext("metronome-type"), n_dots)
            if quarters is None:
                return
            actual = parse_number(child.findtext("metronome-tuplet/actual-notes"))
            normal = parse_number(child.findtext("metronome-tuplet/normal-notes"))
            if actual and normal:
                quarters *= Fraction(normal) / Fraction(actual)
            sides[-1].append(quarters)
    lengths = [len(side) for side in sides]
    if lengths == [1, 1]:
        direction.tempo_ratio = sides[1][0] / sides[0][0]
    elif len(lengths) == 2 and min(lengths) >= 1:
        direction.swing = direction.swing or Swing(USUAL_RATIO)


_MARK_READERS = {
    "dynamics": _read_dynamics,
    "segno": _read_segno,
    "coda": _read_coda,
    "metronome": _read_metronome,
}


def _valid_qpm(qpm: Number | float | None) -> float | None:
    """Return a tempo within the limits, else None."""
    return float(qpm) if qpm is not None and MIN_QPM <= qpm <= MAX_QPM else None


def parse_velocity(text: str) -> int | None:
    """Return the MIDI velocity of dynamics in percent of forte, None if it is no number."""
    percent = parse_number(text)
    if percent is None or percent <= 0:
        return None
    return max(1, min(127, round(percent * _FORTE_VELOCITY / 100)))


def _dynamics_name(text: str) -> str:
    """Return the dynamic nearest to a sound's dynamics in percent, empty for an invalid text."""
    velocity = parse_velocity(text)
    if velocity is None:
        return ""
    return min(_LEVELS, key=lambda level: abs(level[1] - velocity))[0]
