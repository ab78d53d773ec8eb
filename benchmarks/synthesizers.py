"""The installed synthesizers, compared on ten songs with the first of them.

    python benchmarks/synthesizers.py [--out FOLDER]

The songs are samples of the shipped models with fixed seeds, some for other instruments. symusic's
synthesizer is measured too, though `musicvae` does not offer it; symusic 0.6.0 cannot return
samples, so that needs `pip install --target FOLDER symusic==0.5.9` and FOLDER in PYTHONPATH.

Printed for each synthesizer, as medians over the songs where nothing else is said:

- pace: seconds of music per second of processor time, including child processes;
- LUFS as played, before normalization, and the standard deviation over songs of its difference
  from the first synthesizer's: how far the balance of instruments differs;
- mel dB and mel r: mean absolute difference, and correlation, of mel spectrograms in dB from those
  of the first synthesizer, at equal loudness. "another song" is the first synthesizer playing the
  next song, for scale;
- lag ms: of its onsets behind the first synthesizer's, by cross-correlation of their strength in
  the first and last ten seconds of a song; the largest absolute one as well;
- v 50 dB: level of a piano note of velocity 50 below one of 100 (12 by the SoundFont standard);
- pitch: of the 112 pitched programs, those whose middle C is more than 50 cents off the first
  synthesizer's, or not finite;
- ring ms: until that note is 40 dB softer than at its release;
- peak of all songs; silent: songs without sound; same: whether a second run gives the same.

With `--out`, spectrograms of two songs by each synthesizer are drawn into the folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import click
import librosa
import numpy as np
from numpy.typing import NDArray

from musicvae.io import midi
from musicvae.io.audio.loudness import measure_loudness
from musicvae.io.audio.synth import (
    SYNTHESIS_RATE_HZ,
    SYNTHESIZERS,
    SoundFont,
    Synthesizer,
)
from musicvae.model import MusicVAE
from musicvae.plots import plot_spectrogram
from musicvae.song import Part, Song

RATE = SYNTHESIS_RATE_HZ
SONGS: dict[str, tuple[str, int, tuple[int, ...]]] = {  # model, seed, programs of the parts
    "choir": ("chorale-4bar", 1, (52, 52, 52, 52)),
    "strings": ("chorale-4bar", 2, (48, 48, 48, 48)),
    "brass": ("chorale-4bar", 3, (61, 61, 61, 61)),
    "flute": ("melody-2bar", 1, (73,)),
    "guitar": ("melody-2bar", 2, (24,)),
    "violin": ("melody-16bar", 1, (40,)),
    "voice, piano": ("song-4bar", 1, (52, 0)),
    "sax, electric piano": ("song-4bar", 2, (66, 4)),
    "drums": ("groove-2bar", 1, (0,)),
    "drums 2": ("groove-2bar", 2, (0,)),
}
DRAWN = ("strings", "voice, piano")


class SymusicSynthesizer(Synthesizer):
    """Prestosynth, the synthesizer of symusic.

    It ignores velocities, so notes are played one velocity at a time, each with the gain of the
    SoundFont standard.
    """

    name = "symusic"

    def unavailable_reason(self) -> str:
        try:
            self._play(midi.to_bytes(one_note(0, 100)), SoundFont.load())
        except (ImportError, TypeError) as error:
            return str(error).splitlines()[0]
        return ""

    def _play(self, content: bytes, font: SoundFont) -> NDArray[np.float32]:
        import symusic

        engine = symusic.Synthesizer(str(font.path), RATE, 0)
        score = symusic.Score.from_midi(content)
        velocities = {int(v) for track in score.tracks for v in track.notes.numpy()["velocity"]}
        samples = np.zeros((0, 2), np.float32)
        for velocity in sorted(velocities):
            part = score.copy()
            for track in part.tracks:
                track.notes.filter(lambda note, v=velocity: note.velocity == v, inplace=True)
            block = np.asarray(engine.render(part, True), np.float32).T
            samples = np.pad(samples, ((0, max(len(block) - len(samples), 0)), (0, 0)))
            samples[: len(block)] += np.float32((velocity / 127) ** 2) * block
        return samples


@dataclass
class Played:
    """Samples of all songs by one synthesizer, and seconds of music per processor second."""

    samples: dict[str, NDArray[np.float32]]
    pace: list[float]


def make_songs() -> dict[str, Song]:
    """Sample the songs."""
    models: dict[str, MusicVAE] = {}
    songs = {}
    for name, (model, seed, programs) in SONGS.items():
        if model not in models:
            models[model] = MusicVAE.load(model, device="cpu")
        song = models[model].sample(1, bars=16, seed=seed)[0]
        parts = zip(song.parts, programs, strict=True)
        songs[name] = replace(song, parts=tuple(replace(p, program=each) for p, each in parts))
    return songs


def play_all(synthesizer: Synthesizer, songs: dict[str, Song], font: SoundFont) -> Played:
    """Play the songs by one synthesizer."""
    played = Played({}, [])
    for name, song in songs.items():
        content = midi.to_bytes(song)
        start = sum(os.times()[:4])
        samples = synthesizer.play(content, font)
        played.pace.append(song.duration_s / max(sum(os.times()[:4]) - start, 1e-3))
        length = round(song.duration_s * RATE)
        padding = ((0, max(length - len(samples), 0)), (0, 0))
        played.samples[name] = np.pad(samples[:length], padding)
    return played


def mel_levels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a mel spectrogram `(bands, frames)` in dB at equal loudness, 60 dB of range."""
    gain = 10 ** ((-18 - measure_loudness(samples, RATE)) / 20)
    power = librosa.feature.melspectrogram(
        y=gain * samples.mean(1), sr=RATE, n_fft=4096, hop_length=1024, n_mels=96, fmin=30
    )
    return librosa.power_to_db(power, ref=power.max(), top_db=60)


def compare_spectra(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean absolute difference in dB and the correlation, where either sounds."""
    a, b = mel_levels(one), mel_levels(other)
    n = min(a.shape[1], b.shape[1])
    a, b = a[:, :n], b[:, :n]
    sounds = (a > -60) | (b > -60)
    return float(np.abs(a - b)[sounds].mean()), float(np.corrcoef(a[sounds], b[sounds])[0, 1])


def onset_lag_ms(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return by how much onsets of `other` come after those of `one`, within 100 ms."""
    strengths = []
    for samples in (one, other):
        frames = samples[: len(samples) // 48 * 48].mean(1).reshape(-1, 48)  # of 1 ms
        level = np.convolve((frames**2).mean(1), np.ones(5) / 5, "same")
        strength = np.maximum(np.diff(10 * np.log10(level + 1e-3 * level.max() + 1e-12)), 0)
        strengths.append(strength - strength.mean())
    a, b = strengths
    lags = np.arange(-100, 101)
    scores = [np.dot(a[100:-100], b[100 + lag : len(b) - 100 + lag]) for lag in lags]
    return float(lags[int(np.argmax(scores))])


def one_note(program: int, velocity: int) -> Song:
    """Return middle C for a second, then three seconds of silence."""
    onset, duration, pitch, loudness = np.array([[0], [960], [60], [velocity]])
    part = Part(
        program=program,
        onset_ticks=onset,
        duration_ticks=duration,
        pitch=pitch,
        velocity=loudness,
    )
    return Song.new([part], end_ticks=4 * 960)


def play_note(
    synthesizer: Synthesizer, font: SoundFont, program: int = 0, velocity: int = 100
) -> NDArray[np.float32]:
    """Play `one_note`; return samples of one channel."""
    return synthesizer.play(midi.to_bytes(one_note(program, velocity)), font).mean(1)


def measure_note(synthesizer: Synthesizer, font: SoundFont) -> tuple[float, float]:
    """Return the level of velocity 50 below 100 in dB, and the ring after release in ms."""
    loud, soft = (play_note(synthesizer, font, velocity=velocity) for velocity in (100, 50))
    difference = 20 * np.log10(np.std(loud[:RATE]) / np.std(soft[:RATE]))
    frames = np.pad(loud, (0, -len(loud) % 480)).reshape(-1, 480)  # of 10 ms
    level = 10 * np.log10((frames**2).mean(1) + 1e-14)
    release = RATE // 480
    rings = np.flatnonzero(level[release:] > level[release - 1] - 40)
    return float(difference), 10.0 * (int(rings[-1]) + 1 if len(rings) else 0)


def note_spectra(synthesizer: Synthesizer, font: SoundFont) -> NDArray[np.float64]:
    """Return spectra `(112, bins)` in dB of a note of each pitched program, 10 cents a bin."""
    hertz = 60 * 2 ** (np.arange(0, 7 * 120) / 120)
    spectra = []
    for program in range(112):
        samples = play_note(synthesizer, font, program)[RATE // 5 : RATE]
        with np.errstate(invalid="ignore"):  # symusic returns infinities
            power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18)) ** 2
        levels = 10 * np.log10(power / power.max() + 1e-6)
        spectra.append(np.interp(hertz, np.fft.rfftfreq(1 << 18, 1 / RATE), levels) + 60)
    return np.array(spectra)


def count_off_pitch(one: NDArray[np.float64], other: NDArray[np.float64]) -> int:
    """Count spectra that correlate best when shifted by more than 50 cents, or are not finite."""
    shifts = np.arange(-120, 121)
    scores = np.array([(one * np.roll(other, -shift, axis=1)).sum(1) for shift in shifts])
    finite = np.isfinite(scores).all(0)
    best = shifts[np.nan_to_num(scores).argmax(0)]
    return int((~finite | (np.abs(best) > 5)).sum())


def print_row(name: str, cells: list[str]) -> None:
    widths = (8, 8, 8, 8, 7, 8, 9, 9, 9, 7, 7, 8, 6)
    print(f"{name:15}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=False)))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Folder for spectrograms.")
def main(out: Path | None) -> None:
    """Play the songs by each synthesizer and print tables."""
    songs, font = make_songs(), SoundFont.load()
    synthesizers = {**SYNTHESIZERS, SymusicSynthesizer.name: SymusicSynthesizer()}
    for name, synthesizer in list(synthesizers.items()):
        if reason := synthesizer.unavailable_reason():
            print(f"left out: {name}: {reason}")
            del synthesizers[name]
    played = {name: play_all(each, songs, font) for name, each in synthesizers.items()}
    first = next(iter(played))
    reference, pitches = played[first].samples, note_spectra(synthesizers[first], font)
    loudness = {
        name: np.array([measure_loudness(each, RATE) for each in of.samples.values()])
        for name, of in played.items()
    }
    titles = "pace,LUFS,std dB,mel dB,mel r,lag ms,largest,v 50 dB,ring ms,pitch,peak,silent,same"
    print(f"{len(songs)} songs, {sum(song.duration_s for song in songs.values()):.0f} s of music")
    print_row("synthesizer", titles.split(","))
    for name, of in played.items():
        offsets = loudness[name] - loudness[first]
        spectra = np.array([compare_spectra(reference[s], of.samples[s]) for s in songs])
        ends = [slice(None, 10 * RATE), slice(-10 * RATE, None)]
        lags = np.array(
            [onset_lag_ms(reference[s][end], of.samples[s][end]) for s in songs for end in ends]
        )
        again = synthesizers[name].play(midi.to_bytes(songs["drums"]), font)
        n = min(len(again), len(of.samples["drums"]))
        same = np.array_equal(again[:n], of.samples["drums"][:n])
        velocity_db, ring_ms = measure_note(synthesizers[name], font)
        off_pitch = count_off_pitch(pitches, note_spectra(synthesizers[name], font))
        peaks = [float(np.abs(each).max()) for each in of.samples.values()]
        cells = [f"{np.median(of.pace):.0f}", f"{np.median(loudness[name]):.1f}"]
        cells += [f"{offsets.std():.1f}", f"{np.median(spectra[:, 0]):.1f}"]
        cells += [f"{np.median(spectra[:, 1]):.2f}", f"{np.median(lags):.0f}"]
        cells += [f"{np.abs(lags).max():.0f}", f"{velocity_db:.1f}", f"{ring_ms:.0f}"]
        cells += [
            f"{off_pitch}",
            f"{max(peaks):.2f}",
            f"{sum(not p for p in peaks)}",
            "yes" if same else "no",
        ]
        print_row(name, cells)
    names = list(songs)
    others = zip(names, names[1:] + names[:1], strict=True)
    spectra = np.array([compare_spectra(reference[a], reference[b]) for a, b in others])
    medians = np.median(spectra, axis=0)
    print_row("another song", ["", "", "", f"{medians[0]:.1f}", f"{medians[1]:.2f}"])
    print()
    print(f"{'LUFS, mel r':22}" + "".join(f"{name:>16}" for name in played))
    for i, song in enumerate(songs):
        cells = [
            f"{loudness[name][i]:7.1f}{compare_spectra(reference[song], of.samples[song])[1]:6.2f}"
            for name, of in played.items()
        ]
        print(f"{song:22}" + "".join(f"{cell:>16}" for cell in cells))
    if out is not None:
        for name, of in played.items():
            for song in DRAWN:
                path = out / f"{name}-{song.replace(', ', '-')}.png"
                plot_spectrogram(of.samples[song], RATE, path, f"{song}: {name}", song=songs[song])


if __name__ == "__main__":
    main()
