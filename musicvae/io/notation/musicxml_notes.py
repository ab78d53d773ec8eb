"""Reduction of a MusicXML tree to its notes, before music21 reads it.

Most of a score is layout: stems, beams, slurs, words, positions. music21 creates an object for
each; without them it reads a score in a third of the time, with the same notes. The reduced tree is
at sounding pitch: transposing instruments are transposed, and percussion has General MIDI keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

from musicvae.io.notation.dynamics import parse_tempo_text
from musicvae.representation.key import transpose_fifths

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
    """Percussion parts by id, and counts of what was dropped or replaced."""

    drum_part_ids: set[str] = field(default_factory=set)
    n_grace_notes: int = 0
    n_cue_notes: int = 0
    n_unmapped_drums: int = 0
    n_invalid_meters: int = 0

    def warnings(self) -> list[str]:
        """Return one line for each kind of omission or replacement."""
        counts = (
            (self.n_cue_notes, "cue notes dropped"),
            (self.n_unmapped_drums, "drum notes without a known MIDI key, read as snare"),
            (self.n_invalid_meters, "invalid time signatures dropped"),
        )
        return [f"{text}: {count}" for count, text in counts if count]


def reduce_to_notes(root: Element, *, merge: bool) -> Reduction:
    """Remove everything silent from a score-partwise tree, in place; also staves if `merge`."""
    reduction = Reduction()
    _complete_part_list(root)
    is_finale, entries = _is_finale_export(root), list(root.iter("score-part"))
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
        reducer = _PartReducer(reduction, drum_keys.get(name, {}), merge=merge, is_finale=is_finale)
        for number, measure in enumerate(part.iterfind("measure"), start=1):
            reducer.reduce_measure(measure, number)
        if reducer.n_drum_notes > reducer.n_pitched_notes or channels.get(name) == DRUM_CHANNEL:
            reduction.drum_part_ids.add(name)
    return reduction


def _complete_part_list(root: Element) -> None:
    """Add missing entries to the part list; music21 ignores parts without one."""
    part_list = root.find("part-list")
    if part_list is None:
        part_list = Element("part-list")
        root.insert(0, part_list)
    listed = {entry.get("id") for entry in part_list.findall("score-part")}
    seen: set[str | None] = set()
    for number, part in enumerate(root.iterfind("part"), start=1):
        name = part.get("id")
        if not name or name in seen:
            name = f"part-{number}"
            part.set("id", name)
        if name not in listed:
            SubElement(SubElement(part_list, "score-part", id=name), "part-name").text = name
        seen.add(name)


def _is_finale_export(root: Element) -> bool:
    """Whether music21 applies its special rules for `forward` in Finale exports."""
    software = root.find("identification/encoding/software")
    return software is not None and "Finale" in (software.text or "")


def _reduce_part_entry(entry: Element) -> None:
    """Keep the names and the first instrument of a part-list entry, without invalid numbers."""
    kept = []
    for tag in ("part-name", "score-instrument", "midi-instrument"):
        kept += entry.findall(tag)[:1]
    for child in kept:
        if child.tag == "midi-instrument":
            child[:] = [c for c in child if 1 <= (parse_int(c.text) or 0) <= 128]
    entry[:] = kept


class _PartReducer:
    """Reduces the measures of one part in order."""

    def __init__(
        self, reduction: Reduction, drum_keys: dict[str, int], *, merge: bool, is_finale: bool
    ) -> None:
        self.reduction, self.drum_keys, self.is_finale = reduction, drum_keys, is_finale
        self.transpose_semitones = self.n_drum_notes = self.n_pitched_notes = 0
        # Staves are kept if they become parts, voices for the Finale rules of music21.
        staff = set() if merge else {"staff"}
        self.note_children = _NOTE_CHILDREN | staff | ({"voice"} if is_finale else set())
        self.attribute_children = {"divisions", "key", "time"} | (set() if merge else {"staves"})
        self.direction_children = {"direction-type", "sound", "offset"} | staff

    def reduce_measure(self, measure: Element, number: int) -> None:
        """Reduce one measure in place."""
        own_number = measure.get("number", "")
        measure.attrib = {"number": own_number if own_number.isdigit() else str(number)}
        kept: list[Element] = []
        head_is_cue = False  # whether the first note of the current chord is a cue note
        for element in measure:
            tag = element.tag
            if tag == "note":
                chord = element.find("chord")
                previous_head_is_cue = head_is_cue
                head_is_cue = chord is None and _is_cue(element)
                keep = self._reduce_note(element)
                if keep and previous_head_is_cue and chord is not None:
                    element.remove(chord)
                    kept.pop()
                elif chord is not None:
                    head_is_cue = previous_head_is_cue and not keep
            elif tag == "backup":
                keep = True
            elif tag == "forward":
                keep = _is_positive(element.findtext("duration"))
                if keep and not (self.is_finale and measure.find("note") is not None):
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
        """Reduce a note in place; return whether to keep it."""
        tags = {child.tag: child for child in note}
        if "grace" in tags:
            self.reduction.n_grace_notes += 1
            return False
        if _is_cue(note):
            self.reduction.n_cue_notes += 1
            if "chord" in tags:
                return False
            note[:] = [
                child for child in note if child.tag in self.note_children - {"pitch", "tie"}
            ]
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
                self._replace_pitch(
                    note, tags["pitch"], _midi_pitch(tags["pitch"]) + self.transpose_semitones
                )
        note[:] = [child for child in note if child.tag in self.note_children]
        if "rest" in tags:
            tags["rest"][:], tags["rest"].attrib = [], {}
        dynamics = note.get("dynamics")
        note.attrib = {"dynamics": dynamics} if dynamics and _is_positive(dynamics) else {}
        return True

    def _replace_pitch(self, note: Element, old: Element, midi: int) -> None:
        """Replace the pitch or unpitched element of a note by a MIDI pitch."""
        octave, degree = divmod(midi, 12)
        step, alter = _SPELLINGS[degree]
        pitch = Element("pitch")
        for tag, text in (("step", step), ("alter", alter), ("octave", str(octave - 1))):
            SubElement(pitch, tag).text = text
        note[list(note).index(old)] = pitch

    def _forward_to_rest(self, forward: Element) -> None:
        """Turn a `forward` into a rest, so that it counts for the length of its measure."""
        forward.tag = "note"
        forward[:] = [child for child in forward if child.tag in self.note_children]
        forward.insert(0, Element("rest"))

    def _reduce_attributes(self, attributes: Element) -> bool:
        """Reduce attributes in place; return whether to keep them."""
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
        """Transpose a key signature to sounding pitch; return False if it has no fifths."""
        fifths = key.find("fifths")
        written = parse_int(fifths.text) if fifths is not None else None
        if fifths is None or written is None:
            return False
        if self.transpose_semitones % 12:
            written = transpose_fifths(written, self.transpose_semitones)
        fifths.text = str(max(-7, min(7, written)))
        mode = key.findtext("mode")
        key[:] = [c for c in key if c.tag == "fifths" or (c.tag == "mode" and mode in _MODES)]
        return True

    def _reduce_direction(self, direction: Element) -> bool:
        """Reduce a direction to tempo, dynamics and jumps; return whether it has any."""
        direction.attrib = {}
        direction[:] = [child for child in direction if child.tag in self.direction_children]
        sounds = [child for child in direction if child.tag == "sound"]
        for sound in sounds:
            if not _reduce_sound(sound):
                direction.remove(sound)
        types = direction.findall("direction-type")
        has_number = direction.find("sound") is not None
        words: list[str] = []
        for kind in types:
            kept = [child for child in kind if _reduce_mark(child)]
            has_number |= any(child.tag == "metronome" for child in kept)
            words += [child.text or "" for child in kind if child.tag == "words"]
            kind[:] = kept
        text = " ".join(" ".join(words).split())
        qpm = None if has_number else parse_tempo_text(text)
        if qpm:
            types[0].append(_tempo_mark(qpm))
        for kind in types:
            if not len(kind):
                direction.remove(kind)
        return direction.find("direction-type") is not None or direction.find("sound") is not None

    def _reduce_barline(self, barline: Element) -> bool:
        """Reduce a bar line to repeats and endings; return whether it has any."""
        barline[:] = [child for child in barline if child.tag in ("repeat", "ending")]
        return bool(len(barline))


def _is_cue(note: Element) -> bool:
    """Whether a note is a cue note."""
    return note.find("cue") is not None and note.find("rest") is None


def _split_rest(rest: Element) -> Element:
    """Halve a rest in place and return a copy, its first half.

    music21 extends a rest that is alone in its measure to the meter, but not two rests.
    """
    duration = rest.find("duration")
    if duration is not None and _is_positive(duration.text):
        duration.text = str(float(duration.text or 0) / 2)
    return deepcopy(rest)


def _midi_pitch(pitch: Element) -> int:
    """Return the MIDI pitch of a pitch element."""
    step = _SEMITONES[(pitch.findtext("step") or "").strip()]
    alter = float(pitch.findtext("alter") or 0)
    return 12 * (int(pitch.findtext("octave") or 4) + 1) + step + round(alter)


def _is_positive(text: str | None) -> bool:
    """Whether a text is a positive number below a million."""
    try:
        return 0 < float(text or 0) < 1e6
    except ValueError:
        return False


def _reduce_sound(sound: Element) -> bool:
    """Reduce a sound element to its tempo; return whether it has one."""
    tempo = sound.get("tempo")
    sound.attrib = {"tempo": tempo} if tempo and _is_positive(tempo) else {}
    sound[:] = [child for child in sound if child.tag == "offset"]
    return bool(sound.attrib)


def _is_valid_meter(time: Element) -> bool:
    """Whether a time element is a meter that music21 can read."""
    beats = [child.text or "" for child in time if child.tag == "beats"]
    types = [(child.text or "").strip() for child in time if child.tag == "beat-type"]
    return (
        len(beats) == len(types) > 0
        and all(_BEATS_PATTERN.fullmatch(text) and len(text) < 12 for text in beats)
        and all(sum(map(int, text.split("+"))) > 0 for text in beats)
        and set(types) <= _BEAT_TYPES
    )


def _reduce_mark(mark: Element) -> bool:
    """Reduce a mark; return whether it is a metronome mark, a dynamic or a jump."""
    if mark.tag == "metronome":
        return _reduce_metronome(mark)
    mark.attrib = {}
    if mark.tag == "words":
        mark.text = " ".join((mark.text or "").split())
        return bool(len(mark.text) < 40 and _JUMP_PATTERN.search(mark.text))
    return mark.tag in ("dynamics", "segno", "coda")


def _reduce_metronome(metronome: Element) -> bool:
    """Reduce a metronome mark; return False if it gives no beats per minute."""
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
    """Return a metronome mark in parentheses, over which marks of the score take precedence."""
    metronome = Element("metronome", parentheses="yes")
    SubElement(metronome, "beat-unit").text = "quarter"
    SubElement(metronome, "per-minute").text = str(qpm)
    return metronome


SNARE_KEY = 38
DRUM_CHANNEL = "10"  # counted from 1, as in MusicXML
# General MIDI keys by position on the staff, for drum kits without MIDI keys, after Weinberg's
# Guidelines for Drumset Notation.
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
    """Return the MIDI key of each unpitched instrument of a part, counted from 0."""
    keys = {}
    for instrument in entry.iterfind("midi-instrument"):
        if (key := parse_int(instrument.findtext("midi-unpitched"))) and 1 <= key <= 128:
            keys[instrument.get("id", "")] = key - 1
    return keys


def find_drum_key(note: Element, drum_keys: Mapping[str, int]) -> int | None:
    """Return the MIDI key of an unpitched note, by its instrument or staff position."""
    instrument = note.find("instrument")
    name = instrument.get("id", "") if instrument is not None else ""
    if name in drum_keys:
        return drum_keys[name]
    if len(drum_keys) == 1:
        return next(iter(drum_keys.values()))
    step = note.findtext("unpitched/display-step") or ""
    return _STAFF_DRUM_KEYS.get(step + (note.findtext("unpitched/display-octave") or ""))


def parse_int(text: str | None) -> int | None:
    """Return the integer that a text represents, or None."""
    try:
        return int(text or "")
    except ValueError:
        return None
