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

from musicvae.io.notation.dynamics import parse_tempo_text

_NOTE_CHILDREN = frozenset(("chord", "pitch", "rest", "duration", "tie"))
_BEATS_PATTERN = re.compile(r"\s*\d+(\s*\+\s*\d+)*\s*")
_BEAT_TYPES = frozenset(("1", "2", "4", "8", "16", "32", "64", "128"))
_BEAT_UNITS = frozenset(("long", "breve", "whole", "half", "quarter", "eighth", "16th", "32nd"))
_MODES = frozenset(("major", "minor", "aeolian"))
_JUMP_PATTERN = re.compile(r"(?i)\b(d\.? ?[cs]\.?|da capo|dal segno|al segno|fine|coda|segno)\b")
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SPELLINGS = tuple(zip("CCDDEFFGGAAB", "010100101010", strict=True))


@dataclass
class Reduction:
    """What reducing a score found: percussion parts by id, and how many notes it left out."""

    drum_part_ids: set[str] = field(default_factory=set)
    n_grace_notes: int = 0
    n_cue_notes: int = 0
    n_unmapped_drums: int = 0
    n_invalid_meters: int = 0

    def warnings(self) -> list[str]:
        """One line for each kind of thing that was not taken as it stands."""
        said = (
            (self.n_cue_notes, "cue notes left out, as they do not sound"),
            (self.n_unmapped_drums, "drum notes without a MIDI key or a place in a kit, read as snare"),
            (self.n_invalid_meters, "time signatures that are none, left out"),
        )
        return [f"{what}: {count}" for count, what in said if count]


def reduce_to_notes(root: Element, *, merge: bool) -> Reduction:
    """Take all that makes no sound out of a score-partwise tree, in place; staves if `merge`."""
    found = Reduction()
    _complete_part_list(root)
    finale, entries = _is_finale_export(root), list(root.iter("score-part"))
    drum_keys = {entry.get("id", ""): read_drum_keys(entry) for entry in entries}
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
                _reduce_part_entry(entry)
    for part in root.iterfind("part"):
        name = part.get("id", "")
        reducer = _PartReducer(found, drum_keys.get(name, {}), merge=merge, finale=finale)
        for number, measure in enumerate(part.iterfind("measure"), start=1):
            reducer.reduce_measure(measure, number)
        if reducer.n_drum_notes > reducer.n_pitched_notes or channels.get(name) == DRUM_CHANNEL:
            found.drum_part_ids.add(name)
    return found


def _complete_part_list(root: Element) -> None:
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


def _is_finale_export(root: Element) -> bool:
    """Whether music21 would take the score as Finale's, whose skips it treats by rules apart."""
    software = root.find("identification/encoding/software")
    return software is not None and "Finale" in (software.text or "")


def _reduce_part_entry(entry: Element) -> None:
    """A part's names and first instrument alone, with numbers that are numbers."""
    kept = []
    for tag in ("part-name", "score-instrument", "midi-instrument"):
        kept += entry.findall(tag)[:1]
    for child in kept:
        if child.tag == "midi-instrument":
            child[:] = [c for c in child if 1 <= (parse_int(c.text) or 0) <= 128]
    entry[:] = kept


class _PartReducer:
    """Reduces the measures of one part, one after the other."""

    def __init__(self, reduction: Reduction, drum_keys: dict[str, int], *, merge: bool, finale: bool) -> None:
        self.reduction, self.drum_keys, self.finale = reduction, drum_keys, finale
        self.transpose_semitones = self.n_drum_notes = self.n_pitched_notes = 0
        # Staves are kept if they become parts; voices only matter to music21's rules for Finale.
        self.note_children = _NOTE_CHILDREN | (set() if merge else {"staff"}) | ({"voice"} if finale else set())
        self.attribute_children = {"divisions", "key", "time"} | (set() if merge else {"staves"})
        self.direction_children = {"direction-type", "sound", "offset"} | (self.note_children & {"staff"})

    def reduce_measure(self, measure: Element, number: int) -> None:
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
                keep = self._reduce_note(element)
                if keep and was_silenced and chord is not None:
                    element.remove(chord)
                    kept.pop()
                elif chord is not None:
                    silenced = was_silenced and not keep
            elif tag == "backup":
                keep = True
            elif tag == "forward":
                keep = _is_positive(element.findtext("duration"))
                if keep and not (self.finale and measure.find("note") is not None):
                    self._forward_to_rest(element)
            elif tag == "attributes":
                keep = self._reduce_attributes(element)
            elif tag == "direction":
                keep = self._reduce_direction(element)
            elif tag == "barline":
                keep = self._reduce_barline(element)
            else:
                keep = tag == "sound" and _reduce_sound(element)
            if keep:
                kept.append(element)
        rests = [element for element in kept if element.find("rest") is not None]
        if len(rests) == 1 and not any(e.tag == "note" for e in kept if e is not rests[0]):
            kept.insert(kept.index(rests[0]), _split_rest(rests[0]))
        measure[:] = kept

    def _reduce_note(self, note: Element) -> bool:
        tags = {child.tag: child for child in note}
        if "grace" in tags:
            self.reduction.n_grace_notes += 1
            return False
        if _is_cue(note):
            self.reduction.n_cue_notes += 1
            if "chord" in tags:
                return False
            note[:] = [child for child in note if child.tag in self.note_children - {"pitch", "tie"}]
            note.insert(0, Element("rest"))
            note.attrib = {}
            return True
        if "unpitched" in tags:
            self.n_drum_notes += 1
            key = find_drum_key(note, self.drum_keys)
            self.reduction.n_unmapped_drums += key is None
            self._replace_pitch(note, tags["unpitched"], SNARE_KEY if key is None else key)
        elif "pitch" in tags:
            self.n_pitched_notes += 1
            if self.transpose_semitones:
                self._replace_pitch(note, tags["pitch"], _midi_pitch(tags["pitch"]) + self.transpose_semitones)
        note[:] = [child for child in note if child.tag in self.note_children]
        if "rest" in tags:
            tags["rest"][:], tags["rest"].attrib = [], {}
        level = note.get("dynamics")
        note.attrib = {"dynamics": level} if level and _is_positive(level) else {}
        return True

    def _replace_pitch(self, note: Element, old: Element, midi: int) -> None:
        """Give a note another pitch."""
        octave, degree = divmod(midi, 12)
        step, alter = _SPELLINGS[degree]
        pitch = Element("pitch")
        for tag, text in (("step", step), ("alter", alter), ("octave", str(octave - 1))):
            SubElement(pitch, tag).text = text
        note[list(note).index(old)] = pitch

    def _forward_to_rest(self, forward: Element) -> None:
        """A skip is a rest, so that a measure is as long as it is when it ends with one."""
        forward.tag = "note"
        forward[:] = [child for child in forward if child.tag in self.note_children]
        forward.insert(0, Element("rest"))

    def _reduce_attributes(self, attributes: Element) -> bool:
        transpose = attributes.find("transpose")
        if transpose is not None:
            chromatic = float(transpose.findtext("chromatic") or 0)
            octaves = float(transpose.findtext("octave-change") or 0)
            self.transpose_semitones = round(chromatic + 12 * octaves)
        kept = []
        for child in attributes:
            if child.tag not in self.attribute_children:
                continue
            if child.tag == "time" and not _is_valid_meter(child):
                self.reduction.n_invalid_meters += child.find("senza-misura") is None
                continue
            if child.tag == "key" and not self._transpose_key(child):
                continue
            kept.append(child)
        attributes[:] = kept
        return bool(kept)

    def _transpose_key(self, key: Element) -> bool:
        """Make a key signature that of the sounding pitch; False if it is none of the usual."""
        fifths = key.find("fifths")
        written = parse_int(fifths.text) if fifths is not None else None
        if fifths is None or written is None:
            return False
        if self.transpose_semitones % 12:
            written = (written + 7 * self.transpose_semitones + 6) % 12 - 6
        fifths.text = str(max(-7, min(7, written)))
        mode = key.findtext("mode")
        key[:] = [c for c in key if c.tag == "fifths" or (c.tag == "mode" and mode in _MODES)]
        return True

    def _reduce_direction(self, direction: Element) -> bool:
        """Keep tempo, dynamics and jumps of a direction, False if it has none of them."""
        direction.attrib = {}
        direction[:] = [child for child in direction if child.tag in self.direction_children]
        sounds = [child for child in direction if child.tag == "sound"]
        for sound in sounds:
            if not _reduce_sound(sound):
                direction.remove(sound)
        types = direction.findall("direction-type")
        numbered = direction.find("sound") is not None
        words: list[str] = []
        for kind in types:
            kept = [child for child in kind if _reduce_mark(child)]
            numbered |= any(child.tag == "metronome" for child in kept)
            words += [child.text or "" for child in kind if child.tag == "words"]
            kind[:] = kept
        named = None if numbered else parse_tempo_text(" ".join(" ".join(words).split()))
        if named:
            types[0].append(_tempo_mark(named))
        for kind in types:
            if not len(kind):
                direction.remove(kind)
        return direction.find("direction-type") is not None or direction.find("sound") is not None

    def _reduce_barline(self, barline: Element) -> bool:
        barline[:] = [child for child in barline if child.tag in ("repeat", "ending")]
        return bool(len(barline))


def _is_cue(note: Element) -> bool:
    return note.find("cue") is not None and note.find("rest") is None


def _split_rest(rest: Element) -> Element:
    """The first half of a rest that is alone in its measure, which becomes the second half.

    music21 stretches the only rest of a measure to the meter; two last as long as the file says.
    """
    lasts = rest.find("duration")
    if lasts is not None and _is_positive(lasts.text):
        lasts.text = str(float(lasts.text or 0) / 2)
    return deepcopy(rest)


def _midi_pitch(pitch: Element) -> int:
    step = _SEMITONES[(pitch.findtext("step") or "").strip()]
    alter = float(pitch.findtext("alter") or 0)
    return 12 * (int(pitch.findtext("octave") or 4) + 1) + step + round(alter)


def _is_positive(text: str | None) -> bool:
    try:
        return 0 < float(text or 0) < 1e6
    except ValueError:
        return False


def _reduce_sound(sound: Element) -> bool:
    tempo = sound.get("tempo")
    sound.attrib = {"tempo": tempo} if tempo and _is_positive(tempo) else {}
    sound[:] = [child for child in sound if child.tag == "offset"]
    return bool(sound.attrib)


def _is_valid_meter(time: Element) -> bool:
    beats = [child.text or "" for child in time if child.tag == "beats"]
    types = [(child.text or "").strip() for child in time if child.tag == "beat-type"]
    return (
        len(beats) == len(types) > 0
        and all(_BEATS_PATTERN.fullmatch(text) and len(text) < 12 for text in beats)
        and all(sum(map(int, text.split("+"))) > 0 for text in beats)
        and set(types) <= _BEAT_TYPES
    )


def _reduce_mark(mark: Element) -> bool:
    """Whether a direction is a number of beats, a dynamic or a jump."""
    if mark.tag == "metronome":
        return _reduce_metronome(mark)
    mark.attrib = {}
    if mark.tag == "words":
        mark.text = " ".join((mark.text or "").split())
        return bool(len(mark.text) < 40 and _JUMP_PATTERN.search(mark.text))
    return mark.tag in ("dynamics", "segno", "coda")


def _reduce_metronome(metronome: Element) -> bool:
    """Whether a metronome mark says how many beats a minute has; relations of tempi do not."""
    units = metronome.findall("beat-unit")
    minute = metronome.find("per-minute")
    count = re.search(r"\d+(\.\d+)?", (minute.text or "") if minute is not None else "")
    if len(units) != 1 or (units[0].text or "").strip() not in _BEAT_UNITS:
        return False
    if minute is None or count is None or not _is_positive(count.group()):
        return False
    metronome.attrib = {}
    units[0].text, minute.text = (units[0].text or "").strip(), count.group()
    metronome[:] = [*units, *metronome.findall("beat-unit-dot"), minute]
    return True


def _tempo_mark(qpm: float) -> Element:
    """A metronome mark in parentheses, which yields to one that the score has itself."""
    metronome = Element("metronome", parentheses="yes")
    SubElement(metronome, "beat-unit").text = "quarter"
    SubElement(metronome, "per-minute").text = str(qpm)
    return metronome


SNARE_KEY = 38
DRUM_CHANNEL = "10"  # as MusicXML counts
# Where a drum kit's notes stand on a staff of five lines, if the score has no MIDI keys for them:
# the places of Weinberg's Guidelines for Drumset Notation, as they fall into classes of General
# MIDI.
_STAFF_DRUM_KEYS = {
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


def read_drum_keys(entry: Element) -> dict[str, int]:
    """MIDI key of each instrument of a part that has one: they are counted from 1 in MusicXML."""
    keys = {}
    for instrument in entry.iterfind("midi-instrument"):
        if (key := parse_int(instrument.findtext("midi-unpitched"))) and 1 <= key <= 128:
            keys[instrument.get("id", "")] = key - 1
    return keys


def find_drum_key(note: Element, drum_keys: Mapping[str, int]) -> int | None:
    """The key of an unpitched note, by its instrument, else by its place on the staff."""
    instrument = note.find("instrument")
    name = instrument.get("id", "") if instrument is not None else ""
    if name in drum_keys:
        return drum_keys[name]
    if len(drum_keys) == 1:
        return next(iter(drum_keys.values()))
    step = note.findtext("unpitched/display-step") or ""
    return _STAFF_DRUM_KEYS.get(step + (note.findtext("unpitched/display-octave") or ""))


def parse_int(text: str | None) -> int | None:
    """The number that a text is, None if it is none."""
    try:
        return int(text or "")
    except ValueError:
        return None
