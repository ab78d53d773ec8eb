"""Floor 3: a MusicXML tree reduced to what sounds, before music21 reads it.

Most of a score is its looks: stems, beams, slurs, words, places on the page. music21 makes an
object of each; without them it reads a score in a third of the time, with the same notes. What is
left is at sounding pitch: transposing instruments are transposed, percussion is General MIDI keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

from musicvae.io.notation.dynamics import tempo_in_words

_IN_NOTE = frozenset(("chord", "pitch", "rest", "duration", "tie"))
_BEATS = re.compile(r"\s*\d+(\s*\+\s*\d+)*\s*")
_BEAT_TYPES = frozenset(("1", "2", "4", "8", "16", "32", "64", "128"))
_BEAT_UNITS = frozenset(("long", "breve", "whole", "half", "quarter", "eighth", "16th", "32nd"))
_MODES = frozenset(("major", "minor", "aeolian"))
_JUMP = re.compile(r"(?i)\b(d\.? ?[cs]\.?|da capo|dal segno|al segno|fine|coda|segno)\b")
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SPELLED = tuple(zip("CCDDEFFGGAAB", "010100101010", strict=True))


@dataclass
class Plain:
    """What reducing a score found: percussion parts by id, and how many notes it left out."""

    drums: set[str] = field(default_factory=set)
    grace: int = 0
    cues: int = 0
    unplaced: int = 0
    odd_meters: int = 0

    def warnings(self) -> list[str]:
        """One line for each kind of thing that was not taken as it stands."""
        said = (
            (self.cues, "cue notes left out, as they do not sound"),
            (self.unplaced, "drum notes without a MIDI key or a place in a kit, read as snare"),
            (self.odd_meters, "time signatures that are none, left out"),
        )
        return [f"{what}: {count}" for count, what in said if count]


def reduce_to_sound(root: Element, *, merge: bool) -> Plain:
    """Take all that makes no sound out of a score-partwise tree, in place; staves if `merge`."""
    found = Plain()
    _list_parts(root)
    finale, entries = _by_finale(root), list(root.iter("score-part"))
    drum_keys = {entry.get("id", ""): keys_of(entry) for entry in entries}
    channels = {
        entry.get("id", ""): (entry.findtext("midi-instrument/midi-channel") or "").strip()
        for entry in entries
    }
    root[:] = [child for child in root if child.tag in ("identification", "part-list", "part")]
    for child in root:
        if child.tag == "identification":
            child[:] = child.findall("encoding")
        elif child.tag == "part-list":
            child[:] = child.findall("score-part")
            for entry in child:
                _plain_entry(entry)
    for part in root.iterfind("part"):
        name = part.get("id", "")
        reducer = _Reducer(found, drum_keys.get(name, {}), merge=merge, finale=finale)
        for number, measure in enumerate(part.iterfind("measure"), start=1):
            reducer.measure(measure, number)
        if reducer.drums > reducer.pitched or channels.get(name) == CHANNEL:
            found.drums.add(name)
    return found


def _list_parts(root: Element) -> None:
    """Give every part an entry in the list of parts: music21 leaves out those without one."""
    listing = root.find("part-list")
    if listing is None:
        listing = Element("part-list")
        root.insert(0, listing)
    listed = {entry.get("id") for entry in listing.findall("score-part")}
    seen: set[str | None] = set()
    for number, part in enumerate(root.iterfind("part"), start=1):
        name = part.get("id")
        if not name or name in seen:
            name = f"part-{number}"
            part.set("id", name)
        if name not in listed:
            SubElement(SubElement(listing, "score-part", id=name), "part-name").text = name
        seen.add(name)


def _by_finale(root: Element) -> bool:
    """Whether music21 would take the score as Finale's, whose skips it treats by rules apart."""
    software = root.find("identification/encoding/software")
    return software is not None and "Finale" in (software.text or "")


def _plain_entry(entry: Element) -> None:
    """A part's names and first instrument alone, with numbers that are numbers."""
    kept = []
    for tag in ("part-name", "score-instrument", "midi-instrument"):
        kept += entry.findall(tag)[:1]
    for child in kept:
        if child.tag == "midi-instrument":
            child[:] = [c for c in child if 1 <= (integer(c.text) or 0) <= 128]
    entry[:] = kept


class _Reducer:
    """Reduces the measures of one part, one after the other."""

    def __init__(self, found: Plain, keys: dict[str, int], *, merge: bool, finale: bool) -> None:
        self.found, self.keys, self.finale = found, keys, finale
        self.semitones = self.drums = self.pitched = 0
        # Staves are kept if they become parts; voices only matter to music21's rules for Finale.
        self.in_note = _IN_NOTE | (set() if merge else {"staff"}) | ({"voice"} if finale else set())
        self.in_attributes = {"divisions", "key", "time"} | (set() if merge else {"staves"})
        self.in_direction = {"direction-type", "sound", "offset"} | (self.in_note & {"staff"})

    def measure(self, measure: Element, number: int) -> None:
        """Reduce one measure in place."""
        given = measure.get("number", "")
        measure.attrib = {"number": given if given.isdigit() else str(number)}
        kept: list[Element] = []
        silenced = False  # the head of a chord that is a cue
        for element in measure:
            tag = element.tag
            if tag == "note":
                chord = element.find("chord")
                was_silenced, silenced = silenced, chord is None and _is_cue(element)
                keep = self._note(element)
                if keep and was_silenced and chord is not None:
                    element.remove(chord)
                    kept.pop()
                elif chord is not None:
                    silenced = was_silenced and not keep
            elif tag == "backup":
                keep = True
            elif tag == "forward":
                keep = _positive(element.findtext("duration"))
                if keep and not (self.finale and measure.find("note") is not None):
                    self._rest(element)
            elif tag == "attributes":
                keep = self._attributes(element)
            elif tag == "direction":
                keep = self._direction(element)
            elif tag == "barline":
                keep = self._barline(element)
            else:
                keep = tag == "sound" and _has_tempo(element)
            if keep:
                kept.append(element)
        rests = [element for element in kept if element.find("rest") is not None]
        if len(rests) == 1 and not any(e.tag == "note" for e in kept if e is not rests[0]):
            kept.insert(kept.index(rests[0]), _halved(rests[0]))
        measure[:] = kept

    def _note(self, note: Element) -> bool:
        tags = {child.tag: child for child in note}
        if "grace" in tags:
            self.found.grace += 1
            return False
        if _is_cue(note):
            self.found.cues += 1
            if "chord" in tags:
                return False
            note[:] = [child for child in note if child.tag in self.in_note - {"pitch", "tie"}]
            note.insert(0, Element("rest"))
            note.attrib = {}
            return True
        if "unpitched" in tags:
            self.drums += 1
            key = key_of(note, self.keys)
            self.found.unplaced += key is None
            self._place(note, tags["unpitched"], SNARE if key is None else key)
        elif "pitch" in tags:
            self.pitched += 1
            if self.semitones:
                self._place(note, tags["pitch"], _midi(tags["pitch"]) + self.semitones)
        note[:] = [child for child in note if child.tag in self.in_note]
        if "rest" in tags:
            tags["rest"][:], tags["rest"].attrib = [], {}
        level = note.get("dynamics")
        note.attrib = {"dynamics": level} if level and _positive(level) else {}
        return True

    def _place(self, note: Element, old: Element, midi: int) -> None:
        """Give a note another pitch."""
        octave, degree = divmod(midi, 12)
        step, alter = _SPELLED[degree]
        pitch = Element("pitch")
        for tag, text in (("step", step), ("alter", alter), ("octave", str(octave - 1))):
            SubElement(pitch, tag).text = text
        note[list(note).index(old)] = pitch

    def _rest(self, forward: Element) -> None:
        """A skip is a rest, so that a measure is as long as it is when it ends with one."""
        forward.tag = "note"
        forward[:] = [child for child in forward if child.tag in self.in_note]
        forward.insert(0, Element("rest"))

    def _attributes(self, attributes: Element) -> bool:
        transpose = attributes.find("transpose")
        if transpose is not None:
            chromatic = float(transpose.findtext("chromatic") or 0)
            octaves = float(transpose.findtext("octave-change") or 0)
            self.semitones = round(chromatic + 12 * octaves)
        kept = []
        for child in attributes:
            if child.tag not in self.in_attributes:
                continue
            if child.tag == "time" and not _is_meter(child):
                self.found.odd_meters += child.find("senza-misura") is None
                continue
            if child.tag == "key" and not self._sounding_key(child):
                continue
            kept.append(child)
        attributes[:] = kept
        return bool(kept)

    def _sounding_key(self, key: Element) -> bool:
        """Make a key signature that of the sounding pitch; False if it is none of the usual."""
        fifths = key.find("fifths")
        written = integer(fifths.text) if fifths is not None else None
        if fifths is None or written is None:
            return False
        if self.semitones % 12:
            written = (written + 7 * self.semitones + 6) % 12 - 6
        fifths.text = str(max(-7, min(7, written)))
        mode = key.findtext("mode")
        key[:] = [c for c in key if c.tag == "fifths" or (c.tag == "mode" and mode in _MODES)]
        return True

    def _direction(self, direction: Element) -> bool:
        """Keep tempo, dynamics and jumps of a direction, False if it has none of them."""
        direction.attrib = {}
        direction[:] = [child for child in direction if child.tag in self.in_direction]
        sounds = [child for child in direction if child.tag == "sound"]
        for sound in sounds:
            if not _has_tempo(sound):
                direction.remove(sound)
        types = direction.findall("direction-type")
        numbered = direction.find("sound") is not None
        words: list[str] = []
        for kind in types:
            kept = [child for child in kind if _is_mark(child)]
            numbered |= any(child.tag == "metronome" for child in kept)
            words += [child.text or "" for child in kind if child.tag == "words"]
            kind[:] = kept
        named = None if numbered else tempo_in_words(" ".join(" ".join(words).split()))
        if named:
            types[0].append(_named_tempo(named))
        for kind in types:
            if not len(kind):
                direction.remove(kind)
        return direction.find("direction-type") is not None or direction.find("sound") is not None

    def _barline(self, barline: Element) -> bool:
        barline[:] = [child for child in barline if child.tag in ("repeat", "ending")]
        return bool(len(barline))


def _is_cue(note: Element) -> bool:
    return note.find("cue") is not None and note.find("rest") is None


def _halved(rest: Element) -> Element:
    """The first half of a rest that is alone in its measure, which becomes the second half.

    music21 stretches the only rest of a measure to the meter; two last as long as the file says.
    """
    lasts = rest.find("duration")
    if lasts is not None and _positive(lasts.text):
        lasts.text = str(float(lasts.text or 0) / 2)
    return deepcopy(rest)


def _midi(pitch: Element) -> int:
    step = _SEMITONES[(pitch.findtext("step") or "").strip()]
    alter = float(pitch.findtext("alter") or 0)
    return 12 * (int(pitch.findtext("octave") or 4) + 1) + step + round(alter)


def _positive(text: str | None) -> bool:
    try:
        return 0 < float(text or 0) < 1e6
    except ValueError:
        return False


def _has_tempo(sound: Element) -> bool:
    tempo = sound.get("tempo")
    sound.attrib = {"tempo": tempo} if tempo and _positive(tempo) else {}
    sound[:] = [child for child in sound if child.tag == "offset"]
    return bool(sound.attrib)


def _is_meter(time: Element) -> bool:
    beats = [child.text or "" for child in time if child.tag == "beats"]
    types = [(child.text or "").strip() for child in time if child.tag == "beat-type"]
    return (
        len(beats) == len(types) > 0
        and all(_BEATS.fullmatch(text) and len(text) < 12 for text in beats)
        and all(sum(map(int, text.split("+"))) > 0 for text in beats)
        and set(types) <= _BEAT_TYPES
    )


def _is_mark(mark: Element) -> bool:
    """Whether a direction is a number of beats, a dynamic or a jump."""
    if mark.tag == "metronome":
        return _is_count(mark)
    mark.attrib = {}
    if mark.tag == "words":
        mark.text = " ".join((mark.text or "").split())
        return bool(len(mark.text) < 40 and _JUMP.search(mark.text))
    return mark.tag in ("dynamics", "segno", "coda")


def _is_count(metronome: Element) -> bool:
    """Whether a metronome mark says how many beats a minute has; relations of tempi do not."""
    units = metronome.findall("beat-unit")
    minute = metronome.find("per-minute")
    count = re.search(r"\d+(\.\d+)?", (minute.text or "") if minute is not None else "")
    if len(units) != 1 or (units[0].text or "").strip() not in _BEAT_UNITS:
        return False
    if minute is None or count is None or not _positive(count.group()):
        return False
    metronome.attrib = {}
    units[0].text, minute.text = (units[0].text or "").strip(), count.group()
    metronome[:] = [*units, *metronome.findall("beat-unit-dot"), minute]
    return True


def _named_tempo(qpm: float) -> Element:
    """A metronome mark in parentheses, which yields to one that the score has itself."""
    metronome = Element("metronome", parentheses="yes")
    SubElement(metronome, "beat-unit").text = "quarter"
    SubElement(metronome, "per-minute").text = str(qpm)
    return metronome


SNARE = 38
CHANNEL = "10"  # as MusicXML counts
# Where a drum kit's notes stand on a staff of five lines, if the score has no MIDI keys for them:
# the places of Weinberg's Guidelines for Drumset Notation, as they fall into classes of General
# MIDI.
_KIT = {
    "D4": 44,
    "E4": 35,
    "F4": 36,
    "G4": 41,
    "A4": 43,
    "B4": 45,
    "C5": 38,
    "D5": 47,
    "E5": 48,
    "F5": 51,
    "G5": 42,
    "A5": 49,
    "B5": 57,
}


def keys_of(entry: Element) -> dict[str, int]:
    """MIDI key of each instrument of a part that has one: they are counted from 1 in MusicXML."""
    keys = {}
    for instrument in entry.iterfind("midi-instrument"):
        if (key := integer(instrument.findtext("midi-unpitched"))) and 1 <= key <= 128:
            keys[instrument.get("id", "")] = key - 1
    return keys


def key_of(note: Element, keys: Mapping[str, int]) -> int | None:
    """The key of an unpitched note, by its instrument, else by its place on the staff."""
    instrument = note.find("instrument")
    name = instrument.get("id", "") if instrument is not None else ""
    if name in keys:
        return keys[name]
    if len(keys) == 1:
        return next(iter(keys.values()))
    step = note.findtext("unpitched/display-step") or ""
    return _KIT.get(step + (note.findtext("unpitched/display-octave") or ""))


def integer(text: str | None) -> int | None:
    """The number that a text is, None if it is none."""
    try:
        return int(text or "")
    except ValueError:
        return None
