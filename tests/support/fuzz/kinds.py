"""Kinds of input: valid originals, how they are mutated, and the commands that read them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from musicvae.io import midi, musicxml_writer, write
from support import mutations, scores
from support.fuzz import binaries
from support.fuzz.isolation import Outcome, run
from support.fuzz.texts import mutate_text
from support.songs import small_band, small_chorale

Mutate = Callable[[bytes, np.random.Generator], bytes]

_ABC = """X:1
T:A tune
M:6/8
L:1/8
Q:3/8=120
K:D
%%MIDI program 40
|:"D"A2d f2d|(3efg e2 c/c/A|[M:9/8]z3 {g}a6-|a6 z3:|1 [df]3 d3:|2 !fine!d6|]
P:B
V:2 clef=bass
[V:1]A,3-A,3|Z2|x4 y A>B|
[V:2]D,,6|^F,3 _B,3 & A,6|"""
_BOOK = "%abc-2.1\nM:4/4\nL:1/4\n\n" + "\n\n".join(
    f"X:{n}\nT:Tune {n}\nP:AABA\nK:G\nP:A\nG A B c|d2 d2:|\nP:B\ne4|d4|]" for n in (1, 2)
)
_KERN_REPEATS = """!!!COM: A
**kern\t**dynam\t**kern
*staff2\t*staff2\t*staff1
*>[A,B,A]\t*\t*>[A,B,A]
*>A\t*\t*>A
*M2/4\t*\t*M2/4
*Ipiano\t*\t*Iflt
4c 4e\tp\t(8.gg
.\t.\t16ff)
*^\t*\t*
4d\t4f\t.\t6ee
.\t.\t.\t6dd
.\t.\t.\t6cc
*v\t*v\t*\t*
=2:|!|:\t=2:|!|:\t=2:|!|:
*>B\t*\t*>B
[2C\tff\t2.ccc#
=3\t=3\t=3
2C]\t.\t.
==\t==\t==
*-\t*-\t*-
"""
_ABC_TOKEN = re.compile(r"\[[^\]]*\]|\"[^\"]*\"|\S+|\n")
_ABC_FRAGMENTS = (
    *("Z1000000000|", "C99999999999 ", "C//////////// ", "(999999999:1:999999 ", "(3(3(3", "::::"),
    *("|" + ":" * 500 + "|", "M:99999999/1\n", "L:99999999/1\n", "L:1/99999999\n", "Q:1/4=1e9\n"),
    *("K:C transpose=99999999\n", "[1-999999999 ", "P:(A99999999)99999\n", "P:((((A9)9)9)9)9\n"),
    *("%%MIDI transpose 999999999\n", "V:" + "x" * 500 + "\n", "&" * 300, "C" + "," * 300 + " "),
    *("U:T=T\n", "m:~n=(3n\n", "%%propagate-accidentals x\n", "M:0/0\n", "[M:1/999]", "x99999999 "),
    *(
        "V:1 merge\n",
        "%%score (" * 200 + "\n",
        "[K:treble octave=9999]",
        "^^^^^^C ",
        "A>>>>>>>>>B ",
    ),
)
_XML_TOKEN = re.compile(r"<[^>]*>|[^<]+")
_XML_FRAGMENTS = (
    *(
        "<duration>1e300</duration>",
        "<divisions>0.000000001</divisions>",
        "<duration>NaN</duration>",
    ),
    *("<beats>99999999</beats>", "<beat-type>3</beat-type>", "<divisions>999999999</divisions>"),
    *("<forward><duration>999999999</duration></forward>", "<chromatic>99999999</chromatic>"),
    *("<multiple-rest>1000000000</multiple-rest>", "<repeat direction='backward' times='999999'/>"),
    *(
        "<ending number='1,2,3-99999' type='start'/>",
        "<octave>99999</octave>",
        "<staves>99999</staves>",
    ),
    *("<measure-repeat type='start'>4</measure-repeat>", "<sound tempo='1e308' dacapo='yes'/>"),
    *("<time-modification><actual-notes>0</actual-notes></time-modification>", "<a>" * 3000),
    *("<actual-notes>1023</actual-notes>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;", "<chord/>"),
    *("<staff>9999999</staff>", "<alter>1e9</alter>", "<sound tempo='NaN'/>", "<grace/>"),
)
_KERN_TOKEN = re.compile(r"[^\t\n]+|\n")
_KERN_FRAGMENTS = (
    *("*^\t*^\n", "*M99999999/1\n", "4c\t4c\n", "0000000000000000000000c\t0000c\n", "*-\t*-\n"),
    *("999999999999c\t1c\n", "3%7919c\t11%7907c\n", "*>[" + "A," * 5000 + "A]\n", "*MM1e9\t*\n"),
    *(
        "4" + "c" * 500 + "\t4c\n",
        "*k[" + "f#" * 500 + "]\t*\n",
        "**kern\t**kern\n",
        "=:|!|:\t=:|\n",
    ),
    *("1......................c\t4d\n", "*Trd99999999c99999999\t*\n", "*v\t*v\n", "*+\t*\n"),
    *("4c 4d 4e 4f 4g\t[[[[4c\n", "q" * 300 + "\t.\n", "*x\t*x\n", "2%0c\t4c\n", "0%3c\t4c\n"),
)
_TOML_TOKEN = re.compile(r"[^\n]+\n|\[[^\]]*\]|\S+")
_TOML_FRAGMENTS = (
    *("x = " + "[" * 5000 + "\n", "a = " + "9" * 9000 + "\n", "[model]\nwidth = 999999999\n"),
    *('name = "../../owned"\n', "[grid]\nmax_steps = 240000000\n", "[model]\nblocks = 10000000\n"),
    *("[training]\nlearning_rate = nan\n", "[training]\nbatch = 99999999999\n", "a.b.c.d = 1\n"),
    *("[[parts]]\nname = 'x'\n" * 500, 'name = "a\\u0000b"\n', 'name = ""\n', "parts = 3\n"),
    *("[prior]\nwidth = 3200000000\n", "[model]\nkernel = 99999999\n", "meters = ['0/0']\n"),
    *(
        "default_qpm = inf\n",
        "default_qpm = -1.0\n",
        "[" + "a." * 3000 + "a]\n",
        "d = 1979-05-27\n",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of input: valid files, their mutation, and commands.

    `common` are the words of commands that each mutation takes in turn, `rare` slower ones for
    every twentieth, `others` those that only files made to break readers go through; `FILE`,
    `FOLDER`, `OUT` and `PLACE` stand for the mutated file, a folder with nothing else, an empty
    folder and the workplace.
    """

    suffix: str
    originals: Sequence[bytes]
    mutate: Mutate
    common: Sequence[str]
    rare: Sequence[str] = ()
    others: Sequence[str] = ()
    n_mutations: int = 2000

    def words(self, number: int) -> str:
        """Return the command of a mutation."""
        if self.rare and number % 20 == 19:
            return self.rare[number // 20 % len(self.rare)]
        return self.common[number % len(self.common)]


def call(words: str, file: Path, out: Path, place: Path) -> None:
    """Run a command in this process, as from a terminal; it ends with `SystemExit`."""
    from musicvae.cli import main

    named = {"FILE": str(file), "FOLDER": str(file.parent), "OUT": str(out), "PLACE": str(place)}
    arguments = []
    for word in words.split():
        for name, value in named.items():
            word = word.replace(name, value)
        arguments.append(word)
    main(arguments)


def attempt(
    kind: Kind, content: bytes, words: str, place: Path, folder: Path, seconds: float = 20.0
) -> Outcome:
    """Run a command on a file with this content in a process apart; return how it ended."""
    file = folder / "in" / f"input{kind.suffix}"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    out = folder / "out"
    return run(lambda: call(words, file, out, place), seconds=seconds)


_SONG_COMMANDS = (
    "convert FILE --out OUT/a.musicxml",
    "convert FILE --out OUT/a.mid --repeats --pedal --allow-ungridded --stems",
    "inspect FILE --allow-ungridded",
)
_RUN = "PLACE/checkpoints/tiny/model.safetensors"
_MODEL = f"--checkpoint {_RUN}"
_SLOW_SONG_COMMANDS = (
    f"reconstruct FILE --out OUT {_MODEL} --allow-ungridded",
    f"encode FILE --out OUT/a.z {_MODEL} --allow-ungridded",
    "plot FILE --out OUT/a.png",
    f"steer FILE --density +1 --out OUT {_MODEL}",
    f"continue FILE --out OUT {_MODEL} --bars 2",
    f"vary FILE --out OUT --n 1 {_MODEL}",
    f"infill FILE --bars 1-2 --out OUT {_MODEL}",
)
_OTHER_SONG_COMMANDS = (
    "chords FILE --out OUT/a.musicxml",
    f"anomalies FILE {_MODEL}",
    f"similar FILE PLACE/midi {_MODEL}",
    f"map FILE --out OUT/a.png {_MODEL}",
    f"interpolate FILE PLACE/song.mid --steps 3 --out OUT {_MODEL}",
    f"interpolate PLACE/song.mid FILE --morph --out OUT {_MODEL}",
    "denoise FILE --out OUT",
    "drumify FILE --out OUT",
    "humanise FILE --out OUT",
    "render FILE --out OUT/a.wav --workers 1",
    "prepare FOLDER --out OUT --workers 1",
    "train FOLDER --preset tiny --steps 1 --name hostile",
    f"personalise FOLDER --from {_RUN} --name hostile",
    f"evaluate {_RUN} FOLDER --split all",
    f"refit {_RUN} FOLDER --prior --steps 1 --out OUT/a.safetensors",
    f"direction --from-folders FOLDER PLACE/midi --out OUT/a.safetensors {_MODEL}",
)
_OTHER_MODEL_COMMANDS = (
    "encode PLACE/song.mid --out OUT/a.z --checkpoint FILE",
    "decode PLACE/song.z --out OUT/a.mid --checkpoint FILE",
    "vary PLACE/song.mid --n 1 --out OUT --checkpoint FILE",
    "infill PLACE/song.mid --bars 1-2 --out OUT --checkpoint FILE",
    "interpolate PLACE/song.mid PLACE/song.mid --steps 3 --out OUT --checkpoint FILE",
    "denoise PLACE/song.mid --out OUT --checkpoint FILE",
    "anomalies PLACE/song.mid --checkpoint FILE",
    "similar PLACE/song.mid PLACE/midi --checkpoint FILE",
    "map PLACE/midi --out OUT/a.png --checkpoint FILE",
    "evaluate FILE PLACE/midi --split all --n 4 --limit 4",
    "refit FILE PLACE/midi --prior --steps 1 --out OUT/a.safetensors",
    "train PLACE/midi --from FILE --steps 1 --name hostile",
    "personalise PLACE/midi --from FILE --name hostile",
)


def song_kinds() -> dict[str, Kind]:
    """Return the kinds that are songs."""
    chorale, band = small_chorale(bars=3), small_band()
    songs = {"common": _SONG_COMMANDS, "rare": _SLOW_SONG_COMMANDS}
    songs["others"] = _OTHER_SONG_COMMANDS
    xml = [musicxml_writer.to_bytes(song) for song in (chorale, band)] + [scores.PIANO]
    return {
        "midi": Kind(
            suffix=".mid",
            originals=[midi.to_bytes(chorale), midi.to_bytes(band)],
            mutate=mutations.mutate,
            **songs,
        ),
        "musicxml": Kind(
            suffix=".musicxml",
            originals=xml,
            mutate=_text_mutation(_XML_TOKEN, _XML_FRAGMENTS),
            **songs,
        ),
        "abc": Kind(
            suffix=".abc",
            originals=[_ABC.encode(), _BOOK.encode()],
            mutate=_text_mutation(_ABC_TOKEN, _ABC_FRAGMENTS),
            **songs,
        ),
        "humdrum": Kind(
            suffix=".krn",
            originals=[scores.KERN.encode(), _KERN_REPEATS.encode()],
            mutate=_text_mutation(_KERN_TOKEN, _KERN_FRAGMENTS),
            **songs,
        ),
    }


def model_kinds(place: Path) -> dict[str, Kind]:
    """Return the kinds that belong to a model, from the files of a workplace."""
    checkpoint = (place / "checkpoints" / "tiny" / "model.safetensors").read_bytes()
    latents = [(place / name).read_bytes() for name in ("song.z", "small.z")]
    direction = (place / "direction.safetensors").read_bytes()
    preset = resources.files("musicvae.config") / "presets"
    tomls = [(preset / f"{name}.toml").read_bytes() for name in ("tiny", "band-4bar")]
    return {
        "latents": Kind(
            suffix=".z",
            originals=latents,
            mutate=lambda content, rng: binaries.mutate_safetensors(
                content, rng, "musicvae-song", "frame"
            ),
            common=[f"decode FILE --out OUT/a.mid {_MODEL}"],
            others=["plot FILE --out OUT/a.png"],
        ),
        "checkpoint": Kind(
            suffix=".safetensors",
            originals=[checkpoint],
            mutate=lambda content, rng: binaries.mutate_safetensors(content, rng, "musicvae"),
            common=[
                "sample --n 1 --bars 2 --seed 1 --out OUT --checkpoint FILE",
                "info FILE",
                "reconstruct PLACE/song.mid --out OUT --checkpoint FILE",
            ],
            rare=[
                "steer PLACE/song.mid --density +1 --out OUT --checkpoint FILE",
                "continue PLACE/song.mid --bars 2 --out OUT --checkpoint FILE",
            ],
            others=_OTHER_MODEL_COMMANDS,
        ),
        "direction": Kind(
            suffix=".safetensors",
            originals=[direction],
            mutate=lambda content, rng: binaries.mutate_safetensors(content, rng, "musicvae"),
            common=[f"steer PLACE/song.mid --direction FILE=+1 --out OUT {_MODEL}"],
        ),
        "toml": Kind(
            suffix=".toml",
            originals=tomls,
            mutate=_text_mutation(_TOML_TOKEN, _TOML_FRAGMENTS),
            common=["train PLACE/empty --preset FILE --steps 1"],
        ),
    }


def sound_kinds() -> dict[str, Kind]:
    """Return the kinds that are sound."""
    from musicvae.io.audio.synth import default_soundfont

    return {
        "audio": Kind(
            suffix=".wav",
            originals=_recordings(),
            mutate=binaries.mutate_wav,
            common=["transcribe FILE --out OUT/a.mid"],
            others=["plot FILE --out OUT/a.png"],
            n_mutations=200,
        ),
        "soundfont": Kind(
            suffix=".sf2",
            originals=[default_soundfont().read_bytes()],
            mutate=binaries.mutate_soundfont,
            common=["render PLACE/short.mid --out OUT/a.wav --soundfont FILE --workers 1"],
            others=[f"sample --n 1 --bars 1 --audio --out OUT --soundfont FILE {_MODEL}"],
            n_mutations=200,
        ),
    }


def make_workplace(place: Path) -> None:
    """Add to a folder a small model, unless it has one, and files made with it."""
    from musicvae.config.preset import load_preset
    from musicvae.latent.file import save
    from musicvae.latent.quantization import Quantization
    from musicvae.model import MusicVAE
    from musicvae.training import train
    from support.songs import corpus_folder

    run_folder = place / "checkpoints" / "tiny"
    if not run_folder.is_dir():
        corpus_folder(place / "midi", n=4, bars=8)
        train(place / "midi", load_preset("tiny"), run_folder, steps=5)
    model = MusicVAE.load(run_folder / "model.safetensors", device="cpu")
    song = small_chorale(bars=4)
    write(song, place / "song.mid")
    write(small_chorale(bars=1), place / "short.mid")
    encoding = model.encode(song)
    save(encoding, place / "song.z")
    save(encoding, place / "small.z", quantization=Quantization(step=1.0))
    songs = [small_chorale(bars=4, seed=seed) for seed in range(4)]
    model.fit_attribute_vector(songs, [0.0, 1.0, 2.0, 3.0]).save(place / "direction.safetensors")
    (place / "empty").mkdir()


def _text_mutation(token: re.Pattern[str], fragments: Sequence[str]) -> Mutate:
    """Return the mutation of texts of a language."""

    def mutate(content: bytes, rng: np.random.Generator) -> bytes:
        return mutate_text(content.decode(), rng, token, fragments)

    return mutate


def _recordings() -> list[bytes]:
    """Return recordings of a hummed tune, in samples of 16 bits and in floats."""
    import soundfile

    rate = 16_000
    time = np.arange(3 * rate) / rate
    frequency = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 4])[(time * 2).astype(int)] / 12)
    sound = 0.3 * np.sin(2 * np.pi * np.cumsum(frequency) / rate) * (time * 2 % 1 < 0.9)
    made = []
    for subtype in ("PCM_16", "FLOAT"):
        buffer = io.BytesIO()
        soundfile.write(buffer, sound, rate, format="WAV", subtype=subtype)
        made.append(buffer.getvalue())
    return made
