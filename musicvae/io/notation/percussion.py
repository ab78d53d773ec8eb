"""General MIDI percussion keys of unpitched notes, by instrument name or staff position."""

from __future__ import annotations

from functools import lru_cache

from musicvae.io.notation.instruments import normalize_name

DEFAULT_KEY = 38  # acoustic snare
_MAX_NAME_WORDS = 3

# Usual positions of a drum kit on five lines, as in the treble clef.
_KEYS_BY_HEAD = {("C5", "x"): 37, ("G5", "circle-x"): 46, ("F5", "diamond"): 53}
_KEYS_BY_POSITION = {
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

# Names in English, German, French, Italian, Spanish and Polish, without accents.
_NAMES = {
    36: "bass drum, bass drum 1, kick, kick drum, kick drum 1, electric bass drum, concert "
    "bass drum, grosse trommel, grosse caisse, gran cassa, grancassa, cassa, bombo, beben "
    "wielki, wielki beben, beben basowy, gr trommel, gr tr, bd, b d, gc, bassdrum, stopa, "
    "bassdrums, gran tamburo, surdo",
    35: "acoustic bass drum, bass drum 2, kick drum 2",
    37: "side stick, cross stick, rim shot, rimshot, rim click, sidestick, rim",
    38: "snare, snare drum, acoustic snare, side drum, kleine trommel, caisse claire, "
    "tamburo, tamburo militare, cassa chiara, caja, werbel, kl trommel, kl tr, military "
    "drum, field drum, tambour, tambour militaire, rullante, sn dr, sd, s d, concert "
    "snare drum, snaredrum, marching snare, caisse roulante, cassa rullante, tenor drum, "
    "ruhrtrommel, redoblante, piccolo snare, trommel",
    39: "hand clap, hand claps, clap, claps, hands, handclap, handclaps, klatschen, clapping, "
    "palmas",
    40: "electric snare, snare 2",
    41: "low floor tom, floor tom 2",
    43: "high floor tom, floor tom, standtom",
    45: "low tom, tom 3",
    47: "low mid tom, mid tom, tom 2, tom, tom tom, tom toms, toms, tomtom, tomtoms",
    48: "hi mid tom, high mid tom",
    50: "high tom, hi tom, tom 1",
    42: "closed hi hat, hi hat, hihat, hi hats, high hat, closed hihat, hat, charleston, hi "
    "hat closed",
    44: "pedal hi hat, pedal hihat, foot hi hat, hi hat pedal",
    46: "open hi hat, open hihat, hi hat open",
    49: "crash cymbal, crash cymbal 1, crash, cymbal, cymbals, becken, cymbale, cymbales, "
    "piatti, piatto, platillos, platillo, talerze, talerz, suspended cymbal, clash "
    "cymbals, cymbale suspendue, piatto sospeso, hangebecken, beckenpaar, sus cymbal, "
    "cym, crash cymbals, hand cymbals, concert cymbals, blaszki, platos",
    51: "ride cymbal, ride, ride cymbal 1",
    52: "chinese cymbal, china cymbal, china, tam tam, tamtam, gong, tam tams, gongs",
    53: "ride bell, bell cymbal",
    54: "tambourine, tamburin, schellentrommel, tambour de basque, tamburello, tamburino, "
    "tamburo basco, tamburyn, pandereta, pandero, tamb, tambourin, schellenring, bebenek "
    "baskijski, tambourines",
    55: "splash cymbal, splash",
    56: "cowbell, cow bell, kuhglocke, cencerro, cloche de vache, campanaccio, cowbells, "
    "herdenglocken, kuhglocken, almglocken",
    57: "crash cymbal 2, crash 2",
    58: "vibraslap, vibra slap, quijada",
    59: "ride cymbal 2, ride 2",
    60: "hi bongo, high bongo, bongo, bongos, bongo drums",
    61: "low bongo",
    62: "mute hi conga, mute high conga, muted conga",
    63: "open hi conga, open high conga, conga, congas, high conga, hi conga, conga drum, "
    "conga drums",
    64: "low conga, tumba",
    65: "high timbale, timbales, timbale, hi timbale",
    66: "low timbale",
    67: "high agogo, agogo, agogo bells, hi agogo",
    68: "low agogo",
    69: "cabasa, cabaza, afuche",
    70: "maracas, maraca, rumbakugeln, marakasy",
    71: "short whistle, whistle, trillerpfeife, samba whistle",
    72: "long whistle",
    73: "short guiro",
    74: "long guiro, guiro, gurke, reco reco",
    75: "claves, clave, klanghelz, klangholzer, klawesy",
    76: "hi wood block, high wood block, wood block, woodblock, wood blocks, woodblocks, "
    "holzblock, holzblocke, temple block, temple blocks, bloc de bois, blocco di legno, "
    "caja china, pudelko, high woodblock, hi woodblock, tempelblocke, tempelblock",
    77: "low wood block, low woodblock",
    78: "mute cuica",
    79: "open cuica, cuica",
    80: "mute triangle, muted triangle",
    81: "open triangle, triangle, triangel, triangolo, triangulo, trojkat, trgl, tri, "
    "triangles",
    82: "shaker, egg shaker, schuttelrohr, shakers",
    83: "jingle bell, jingle bells, sleigh bells, sleighbells, schellen, grelots, sonagli, "
    "cascabeles, janczary, schlittenschellen, sleighbell",
    84: "bell tree, mark tree, wind chimes, windchimes, bar chimes, chime tree",
    85: "castanets, kastagnetten, castagnettes, nacchere, castanuelas, kastaniety, "
    "castagnette, castanet",
    86: "mute surdo",
    87: "open surdo",
}  # fmt: skip
_KEYS_BY_NAME = {name: key for key, names in _NAMES.items() for name in names.split(", ")}


@lru_cache(maxsize=1024)
def drum_key_of_name(name: str) -> int | None:
    """Return the MIDI key of a percussion instrument's name, None for others and for kits.

    Of several names in the text, the longest counts, then the first.
    """
    words = normalize_name(name)
    for count in range(min(_MAX_NAME_WORDS, len(words)), 0, -1):
        for start in range(len(words) - count + 1):
            key = _KEYS_BY_NAME.get(" ".join(words[start : start + count]))
            if key is not None:
                return key
    return None


def drum_key_at(step: str, octave: str, head: str = "") -> int | None:
    """Return the MIDI key of a position on five lines (``"C", "5"``), None if it has none.

    At some positions, another note head is another instrument.
    """
    place = step.strip() + octave.strip()
    return _KEYS_BY_HEAD.get((place, head.strip()), _KEYS_BY_POSITION.get(place))
