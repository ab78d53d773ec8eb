"""General MIDI programs of instruments, by the names that scores give them.

Names are those of General MIDI, and the usual ones in English, German, French, Italian, Spanish and
Polish, without accents and in lower case.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MAX_NAME_CHARACTERS = 200
_MAX_WORDS = 12
_VOICE = 53
_MAX_NAME_WORDS = 4  # words of one entry below

# The 128 names of General MIDI, in order.
_GM_NAMES = (
    "acoustic grand piano, bright acoustic piano, electric grand piano, honky tonk piano, "
    "electric piano 1, electric piano 2, harpsichord, clavinet, celesta, glockenspiel, music box, "
    "vibraphone, marimba, xylophone, tubular bells, dulcimer, drawbar organ, percussive organ, "
    "rock organ, church organ, reed organ, accordion, harmonica, tango accordion, "
    "acoustic guitar nylon, acoustic guitar steel, electric guitar jazz, electric guitar clean, "
    "electric guitar muted, overdriven guitar, distortion guitar, guitar harmonics, acoustic bass, "
    "electric bass finger, electric bass pick, fretless bass, slap bass 1, slap bass 2, "
    "synth bass 1, synth bass 2, violin, viola, cello, contrabass, tremolo strings, "
    "pizzicato strings, orchestral harp, timpani, string ensemble 1, string ensemble 2, "
    "synth strings 1, synth strings 2, choir aahs, voice oohs, synth voice, orchestra hit, "
    "trumpet, trombone, tuba, muted trumpet, french horn, brass section, synth brass 1, "
    "synth brass 2, soprano sax, alto sax, tenor sax, baritone sax, oboe, english horn, bassoon, "
    "clarinet, piccolo, flute, recorder, pan flute, blown bottle, shakuhachi, whistle, ocarina, "
    "lead 1 square, lead 2 sawtooth, lead 3 calliope, lead 4 chiff, lead 5 charang, lead 6 voice, "
    "lead 7 fifths, lead 8 bass lead, pad 1 new age, pad 2 warm, pad 3 polysynth, pad 4 choir, "
    "pad 5 bowed, pad 6 metallic, pad 7 halo, pad 8 sweep, fx 1 rain, fx 2 soundtrack, "
    "fx 3 crystal, fx 4 atmosphere, fx 5 brightness, fx 6 goblins, fx 7 echoes, fx 8 sci fi, "
    "sitar, banjo, shamisen, koto, kalimba, bag pipe, fiddle, shanai, tinkle bell, agogo, "
    "steel drums, woodblock, taiko drum, melodic tom, synth drum, reverse cymbal, "
    "guitar fret noise, breath noise, seashore, bird tweet, telephone ring, helicopter, applause, "
    "gunshot"
)

# Further names, by program counted from 0.
_NAMES = {
    0: "piano, pianoforte, pno, pf, klavier, klav, fortepiano, hammerklavier, grand piano, "
    "acoustic piano, flugel, fluegel, fortepian, pianino, piano solo, pianola, pfte",
    2: "piano electrique, pianoforte elettrico, elektryczny fortepian",
    4: "electric piano, e piano, rhodes, fender rhodes, wurlitzer, elektropiano, pianino "
    "elektryczne",
    6: "cembalo, clavecin, clavicembalo, klawesyn, clave, clavicordio, kielflugel, virginal, "
    "clavessin, clavicimbel, gravicembalo, clavecimbalo, hpd, hpschd, cimbalo",
    7: "clavichord, klavichord, clavicorde, clavicordo, klawikord",
    8: "celeste, celestina, czelesta, cel",
    9: "carillon, campanelli, dzwonki, orchestral bells, bells, jeu de timbres, campanelas, "
    "lyra, glock, glsp, glockenspiele, campanologo, jingle bells, sleigh bells",
    11: "vibraphon, vibrafono, wibrafon, vibes, vib, vibraharp",
    12: "marimbaphone, marimbafono, marimbaphon, mar",
    13: "xylophon, xilofono, ksylofon, xilofon, xyl, silofono, xilifono, strohfiedel",
    14: "chimes, rohrenglocken, glocken, cloches, cloches tubulaires, campane, campane "
    "tubolari, campanas, campanas tubulares, dzwony, dzwony rurowe, church bells, "
    "kirchenglocken",
    15: "hammered dulcimer, hackbrett, cymbalom, cimbalom, tympanon, cymbaly, santur, zither, "
    "salterio, dulcema",
    16: "electric organ, hammond, hammond organ, elektrische orgel, organo elettrico, e "
    "orgel, organo electrico, orgue electrique",
    19: "organ, orgel, orgue, orgues, organo, organy, pipe organ, pfeifenorgel, grand orgue, "
    "pedal, organo de tubos, organi",
    20: "harmonium, fisharmonia, armonio, armonium",
    21: "akkordeon, accordeon, fisarmonica, akordeon, acordeon, ziehharmonika, "
    "schifferklavier, acc",
    22: "mundharmonika, armonica, armonica a bocca, harmonijka, harmonijka ustna, mouth organ",
    23: "bandoneon, concertina, konzertina, koncertina",
    24: "guitar, gitarre, guitare, guitarre, chitarra, guitarra, gitara, classical guitar, "
    "acoustic guitar, nylon guitar, akustische gitarre, guitare classique, guitare "
    "acoustique, chitarra classica, konzertgitarre, lute, laute, luth, liuto, laud, "
    "lutnia, theorbo, theorbe, tiorba, vihuela, ukulele, gtr, git, gitara klasyczna, "
    "ukelele",
    25: "steel guitar, steel string guitar, mandolin, mandoline, mandolino, mandola, "
    "mandolina, bouzouki, western guitar, folk guitar, 12 string guitar, mand",
    26: "electric guitar, e gitarre, e guitar, jazz guitar, guitare electrique, elektrische "
    "gitarre, chitarra elettrica, guitarra electrica, gitara elektryczna, lead guitar, "
    "rhythm guitar, elektrogitarre, e gtr, elec gtr, elektro gitarre, stromgitarre, "
    "guitarre electrique",
    28: "muted guitar",
    29: "overdrive guitar",
    30: "distorted guitar",
    32: "acoustic bass guitar, upright bass, bajo acustico, jazz bass",
    33: "electric bass, bass guitar, e bass, electric bass guitar, elektrischer bass, basse "
    "electrique, guitare basse, bassgitarre, basso elettrico, bajo electrico, gitara "
    "basowa, e bassgitarre, elektrobass, fingered bass, elec bass",
    34: "picked bass",
    36: "slap bass",
    38: "synth bass",
    40: "violine, violon, violino, violini, violin solo, skrzypce, vln, vl, geige, vn, "
    "violinen, viol, solo violin, violines, vni, vlns",
    41: "bratsche, alto viola, altowka, vla, va, bratschen, viole, viola da braccio, braccio",
    42: "violoncello, violoncelle, violoncelli, celli, vc, vlc, wiolonczela, cello solo, "
    "violonchelo, violoncelo, viola da gamba, gambe, gamba, viole de gambe, vcl, cello, "
    "cellos, violoncell, chelo, vcelle",
    43: "double bass, kontrabass, contrebasse, contrabasso, contrabassi, contrabajo, "
    "kontrabas, string bass, cb, db, kb, violone, stringbass, contrabasses, double "
    "basses, contrabbasso, contrabbassi, kontrabasse",
    45: "pizzicato",
    46: "harp, harfe, harpe, arpa, harfa, hp, hrf, hpe, arpe, harfen, harps",
    47: "pauken, timbales d orchestre, timpano, kotly, kettledrums, kettledrum, timp, pauke, "
    "timbale, timpan, tympani, timballo, timballi, kettle drums, kettle drum, "
    "kesselpauke, timbal",
    48: "strings, streicher, cordes, archi, cuerdas, smyczki, string ensemble, string "
    "orchestra, streichorchester, orchestre a cordes",
    50: "synth strings, synthstrings",
    52: "choir, chor, choeur, coro, chorus, chor mieszany, choeurs, gemischter chor, chorale",
    53: "voice, vocals, vocal, vocalist, voices, singstimme, gesang, stimme, stimmen, chant, "
    "voix, canto, voce, voci, voz, voces, glos, spiew, glosy, soprano, sopran, alto, alt, "
    "contralto, tenor, tenore, bass, basso, basse, bas, bajo, baritone, bariton, baryton, "
    "baritono, barytone, mezzo soprano, mezzo, mezzosopran, mezzosoprano, mezzo sopran, "
    "soprani, tenori, bassi, alti, women, men, frauen, manner, treble, descant, "
    "countertenor, haute contre, dessus, solo voice, melody voice, oohs, female, male, "
    "kontraalt, tenorbariton, bassbariton, bass baritone, sang, chanteur, chanteuse, mez, "
    "mezz, voc, tenorstimme, altstimme, singstimmen, bass voice, taille",
    54: "synth vocal, synth choir",
    55: "sampler",
    56: "trompete, trompette, tromba, trombe, trompeta, trabka, cornet, kornett, cornetta, "
    "kornet, cornet a pistons, flugelhorn, fluegelhorn, bugle, tpt, trp, trompeten, "
    "piccolo trumpet, bass trumpet, flicorno, natural trumpet, clarino, zink, cornett, "
    "cornetto, tr, tbe, trompettes, flugel horn",
    57: "posaune, tromboni, puzon, trombon, bass trombone, bassposaune, trombone basse, alto "
    "trombone, tenor trombone, tenorposaune, altposaune, trombone tenore, trombone basso, "
    "tbn, pos, posaunen, trb, sackbut, euphonium, baritone horn, tenorhorn, baryton horn, "
    "eufonium, bass posaune, tbni",
    58: "basstuba, bass tuba, contrabass tuba, kontrabasstuba, sousaphone, ophicleide, tb, "
    "wagner tuba, serpent, tba",
    60: "horn, waldhorn, cor, corno, corni, trompa, rog, waltornia, cor d harmonie, natural "
    "horn, horner, hn, hr, naturhorn, alto horn, althorn, wald horn, cors, ventilhorn, "
    "gorn, cuerno, corno francese, corno frances",
    61: "brass, brass ensemble, blechblaser, cuivres, ottoni, metales, blacha",
    62: "synth brass",
    64: "soprano saxophone, sopransaxophon, saxophone soprano, sassofono soprano, saksofon "
    "sopranowy, saxofon soprano, sopransax, sopran saxophon, saxofono soprano, saxo "
    "soprano, s sax",
    65: "saxophone, saxophon, sax, saksofon, saxofon, sassofono, alto saxophone, altsaxophon, "
    "altsax, saxophone alto, sassofono alto, sassofono contralto, saksofon altowy, "
    "saxofon alto, alt saxophon, saxofono, saxofono alto, saxofono contralto, a sax, "
    "saxo, sassofoni",
    66: "tenor saxophone, tenorsaxophon, saxophone tenor, sassofono tenore, saksofon "
    "tenorowy, saxofon tenor, tenorsax, tenor saxophon, saxofono tenore, saxofono tenor, "
    "saxo tenor, t sax",
    67: "baritone saxophone, baritonsaxophon, saxophone baryton, sassofono baritono, "
    "baritonsax, saksofon barytonowy, saxofon baritono, bass saxophone, basssaxophon, "
    "saxophone basse, bari sax, bariton saxophon, saxofono baritono, b sax, bar sax, saxo "
    "baritono",
    68: "hautbois, obo, oboi, oboj, oboe d amore, ob, hautboy, shawm, schalmei, oboes, oboen, "
    "hoboe, hb",
    69: "englischhorn, cor anglais, corno inglese, corno ingles, rozek angielski, rozek, "
    "heckelphone, ehn, engl horn, englisch horn, eng hn, cor ang, cuerno ingles",
    70: "fagott, basson, fagotto, fagotti, fagot, contrabassoon, kontrafagott, contrebasson, "
    "contrafagotto, contrafagot, kontrafagot, bsn, fg, fag, double bassoon, dulcian, "
    "fagotte, bn, bssn, cbsn, fagotten, kontrafagotte, contrafagotti",
    71: "klarinette, clarinette, clarinetto, clarinetti, clarinete, klarnet, bass clarinet, "
    "bassklarinette, clarinette basse, clarinetto basso, klarnet basowy, alto clarinet, "
    "altklarinette, basset horn, bassetthorn, cor de basset, corno di bassetto, clarinete "
    "bajo, chalumeau, cl, kl, klarinetten, contrabass clarinet, soprano clarinet, bass "
    "klarinette, bcl, bkl",
    72: "piccolo flute, pikkolo, pikkoloflote, piccoloflote, flauto piccolo, ottavino, kleine "
    "flote, petite flute, flet piccolo, pikolo, flautin, pic, picc, fife, flute piccolo, "
    "flauta piccolo, octavflote, pickelflote, octave flute",
    73: "flote, querflote, floete, flauto, flauti, flauta, flet, traverso, traversflote, alto "
    "flute, altflote, bass flute, flute traversiere, flauto traverso, fl, floten, flute "
    "en sol, traversiere, flet poprzeczny",
    74: "blockflote, flute a bec, flauto dolce, flauta dulce, flauta de pico, flet prosty, "
    "soprano recorder, alto recorder, tenor recorder, bass recorder, altblockflote, "
    "sopranblockflote, tenorblockflote, bassblockflote, flute douce, treble recorder, "
    "descant recorder, blockfloete, flute droite, flauto a becco, flauto diritto, "
    "schnabelflote, flauta recta, beckflote, rec",
    75: "panpipes, pan pipes, panflote, flute de pan, flauto di pan, flauta de pan, fletnia "
    "pana, syrinx, panflute, pan pipe, hirtenflote",
    78: "tin whistle, penny whistle, irish whistle, pfeife, sifflet, fischietto, flageolet",
    79: "okarina",
    80: "synth, synthesizer, synthesiser, lead synth, syntezator, sintetizzatore, square lead",
    81: "saw lead, sawtooth lead",
    88: "pad, synth pad, new age pad",
    89: "warm pad",
    104: "sitara",
    109: "bagpipe, bagpipes, dudelsack, cornemuse, cornamusa, gaita, dudy, kobza, smallpipes",
    110: "hurdy gurdy, nyckelharpa",
    111: "shehnai, shenai",
    114: "steel drum, steel pan, steelpan, steeldrum, stahltrommel, steelband",
    35: "fretless",
    115: "wood block, holzblock, bloc de bois, wood blocks",
    116: "taiko",
}  # fmt: skip


def _build_table() -> dict[str, int]:
    """Return the program of each name; names of General MIDI take precedence."""
    table: dict[str, int] = {}
    for program, names in _NAMES.items():
        table.update((name, program) for name in names.split(", "))
    table.update((name, program) for program, name in enumerate(_GM_NAMES.split(", ")))
    return table


_PROGRAMS = _build_table()


def normalize_name(text: str) -> list[str]:
    """Return the words of a name, in lower case and without accents and punctuation."""
    text = (
        text[:_MAX_NAME_CHARACTERS].lower().replace("ł", "l").replace("ß", "ss").replace("œ", "oe")
    )
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", plain)[:_MAX_WORDS]


@lru_cache(maxsize=1024)
def program_of_name(name: str) -> int | None:
    """Return the General MIDI program of an instrument's name, None if it is unknown.

    Of several names in the text (``"Bratsche / Viola"``), the longest counts, then the first; the
    range of a voice counts only if no instrument is named (``"Basso / Cello"``). Numbers and
    plurals are understood (``"Violins 2"``).
    """
    words = normalize_name(name)
    voice = None
    for count in range(min(_MAX_NAME_WORDS, len(words)), 0, -1):
        for start in range(len(words) - count + 1):
            found = " ".join(words[start : start + count])
            program = _PROGRAMS.get(found)
            if program is None and found.endswith("s") and len(found) > 4:
                program = _PROGRAMS.get(found[:-1])
            if program not in (None, _VOICE):
                return program
            voice = program if voice is None else voice
    return voice
