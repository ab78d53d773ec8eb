"""State of channels, drums, MPE, ports, text, and what is left out, as players understand MIDI."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import mido
import pretty_midi
import pytest
import symusic
from mido import Message, MetaMessage

from musicvae.io import midi
from musicvae.io.midi.assembly import assemble
from musicvae.io.midi.channels import assign_channels
from musicvae.io.midi.event_reader import read_events
from musicvae.io.midi.header import parse_chunks
from musicvae.io.midi.symusic_reader import read_with_symusic
from musicvae.io.midi.text import decode_texts
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.representation.tracks import merge_tracks
from musicvae.song import Part, Song
from support.songs import part_on_grid

XG_ON = Message("sysex", data=(0x43, 0x10, 0x4C, 0, 0, 0x7E, 0))
GS_RESET = Message("sysex", data=(0x41, 0x10, 0x42, 0x12, 0x40, 0, 0x7F, 0, 0x41))


def content(*tracks: list[mido.Message], kind: int = 1, charset: str = "latin-1") -> bytes:
    file = mido.MidiFile(type=kind, ticks_per_beat=480, charset=charset)
    file.tracks += [mido.MidiTrack(track) for track in tracks]
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def named(name: str) -> MetaMessage:
    return MetaMessage("track_name", name=name)


def program(number: int, channel: int, time: int = 0) -> Message:
    return Message("program_change", program=number, channel=channel, time=time)


def control(number: int, value: int, channel: int = 0, time: int = 0) -> Message:
    return Message("control_change", control=number, value=value, channel=channel, time=time)


def note(channel: int, pitch: int = 60, wait: int = 0) -> list[Message]:
    key = {"channel": channel, "note": pitch}
    return [Message("note_on", time=wait, **key), Message("note_off", time=480, **key)]


def read(data: bytes, **options: bool) -> ReadResult:
    return midi.read_bytes(data, "a.mid", ReadOptions(**options))


def instruments(data: bytes) -> list[tuple[int, bool, int]]:
    """Program, drums and number of notes of each part, by both readers."""
    chunks, again = parse_chunks(data, "a.mid"), parse_chunks(data, "a.mid")
    song = assemble(read_events(again, "a.mid"), again.warnings, "a.mid")
    if (quick := read_with_symusic(chunks, "a.mid")) is not None:
        assert assemble(quick, chunks.warnings, "a.mid") == song
        assert chunks.warnings == again.warnings
    assert read(data).song == song
    return [(part.program, part.is_drum, len(part)) for part in song.parts]


# -- programs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("setup_is_last", [False, True])
def test_programs_of_a_setup_track_hold_for_other_tracks(setup_is_last: bool) -> None:
    setup = [program(73, 0), program(32, 1)]
    tracks = [note(0), note(1)]
    tracks.insert(2 if setup_is_last else 0, setup)
    assert instruments(content(*tracks)) == [(73, False, 1), (32, False, 1)]


def test_later_program_of_another_track_holds_from_its_tick_on() -> None:
    data = content([program(40, 0), *note(0), *note(0)], [program(56, 0, time=480)])
    assert instruments(data) == [(40, False, 1), (56, False, 1)]


def test_tracks_that_begin_with_programs_of_their_own_keep_them() -> None:
    data = content([program(40, 0), *note(0)], [program(56, 0), *note(0)])
    assert read_with_symusic(parse_chunks(data, "a.mid"), "a.mid") is not None
    assert instruments(data) == [(40, False, 1), (56, False, 1)]


def test_ports_have_channels_of_their_own() -> None:
    def port(number: int) -> MetaMessage:
        return MetaMessage("midi_port", port=number)

    data = content([port(1), program(40, 0)], [port(0), *note(0)], [port(1), *note(0)])
    assert instruments(data) == [(0, False, 1), (40, False, 1)]


def test_delta_times_are_not_taken_for_notes() -> None:
    # 0x92 0x00: 2304 ticks; a scan for bytes alone would see a note-on of channel 3.
    data = content([control(7, 1, time=2304)], [program(5, 2), *note(2)], [program(6, 1), *note(1)])
    assert read_with_symusic(parse_chunks(data, "a.mid"), "a.mid") is not None
    assert instruments(data) == [(5, False, 1), (6, False, 1)]


# -- drums ---------------------------------------------------------------------------------------


def gs_rhythm(part: int, value: int) -> Message:
    return Message("sysex", data=(0x41, 0x10, 0x42, 0x12, 0x40, 0x10 | part, 0x15, value, 0))


@pytest.mark.parametrize(
    ("setup", "channel", "is_drum"),
    [
        ([XG_ON, control(0, 127, 10)], 10, True),
        ([control(0, 126, 3)], 3, True),
        ([control(0, 120, 10)], 10, True),
        ([control(0, 127, 3), control(0, 0, 3)], 3, False),
        ([control(0, 121, 9)], 9, False),
        ([control(0, 0, 9)], 9, True),
        ([GS_RESET, control(0, 127, 3)], 3, False),
        ([gs_rhythm(1, 1)], 0, True),
        ([gs_rhythm(15, 2)], 15, True),
        ([gs_rhythm(0, 0)], 9, False),
        ([gs_rhythm(1, 1), control(0, 0, 0)], 0, True),
        ([Message("sysex", data=(0x43, 0x10, 0x4C, 8, 5, 7, 2))], 5, True),
    ],
)
def test_drum_channels(setup: list[Message], channel: int, is_drum: bool) -> None:
    own = content([*setup, program(8, channel), *note(channel, 38)], [*note(1)])
    other = content(setup, [program(8, channel), *note(channel, 38)], [*note(1)])
    for data in (own, other):
        assert instruments(data) == [(8, is_drum, 1), (0, False, 1)]


# -- MPE and guitars -----------------------------------------------------------------------------


def mpe_zone(master: int, members: int) -> list[Message]:
    return [control(101, 0, master), control(100, 6, master), control(6, members, master)]


def test_mpe_zone_is_one_part() -> None:
    voices = [m for channel in range(1, 16) for m in note(channel, 40 + channel)]
    data = content([*mpe_zone(0, 15), program(81, 0), *voices])
    assert instruments(data) == [(81, False, 15)]


def test_two_mpe_zones_are_two_parts() -> None:
    lower = [m for channel in range(1, 8) for m in note(channel)]
    upper = [m for channel in range(9, 15) for m in note(channel)]
    setup = [*mpe_zone(0, 7), *mpe_zone(15, 6), program(4, 0), program(5, 15)]
    assert instruments(content([*setup, *lower, *upper])) == [(4, False, 7), (5, False, 6)]


def test_mpe_zone_with_a_track_for_each_channel_is_one_part() -> None:
    tracks = [note(channel, 50 + channel) for channel in range(1, 9)]
    assert instruments(content(mpe_zone(0, 8), *tracks)) == [(0, False, 8)]


def bent_notes(channels: range, n: int = 24, *, bends: bool = True) -> list[Message]:
    messages = []
    for i in range(n):
        channel = channels[i % len(channels)]
        if bends:
            messages.append(Message("pitchwheel", channel=channel, pitch=50 * i))
        messages += note(channel, 60 + i % 7)
    return messages


@pytest.mark.parametrize("channels", [range(1, 16), range(5), range(3, 12)])
def test_mpe_without_its_message_is_one_part(channels: range) -> None:
    data = content([program(81, 0), *bent_notes(channels)])
    assert instruments(data) == [(81, False, 24)]
    with_others = content([named("a"), *bent_notes(range(1, 6))], [program(4, 0), *note(0)])
    assert sorted(instruments(with_others)) == [(0, False, 24), (4, False, 1)]


def test_bands_with_bends_are_not_mpe() -> None:
    band = [program(30 + c, c) for c in range(1, 6)]
    assert len(instruments(content([*band, *bent_notes(range(1, 6))], kind=0))) == 5
    unbent = bent_notes(range(1, 6), bends=False)
    assert len(instruments(content([program(4, 1), *bent_notes(range(1, 2)), *unbent]))) == 5
    chords = [m for m in bent_notes(range(1, 6)) if m.type != "note_off"]
    ends = [Message("note_off", channel=c, note=60 + p) for c in range(1, 6) for p in range(7)]
    assert len(instruments(content([*chords, *ends]))) == 5


def guitar(*names: str, program: int = 25) -> Song:
    parts = [
        replace(part_on_grid([(12 * i + 48 * k, 24, 40 + 5 * i, 80) for k in range(4)], 20))
        for i in range(len(names))
    ]
    return Song.new(
        [replace(p, name=n, program=program) for p, n in zip(parts, names, strict=True)]
    )


@pytest.mark.parametrize(
    ("names", "program", "n_parts"),
    [
        (["Guitar"] * 6, 25, 1),
        ([""] * 6, 24, 1),
        ([f"Gtr string {i}" for i in range(1, 7)], 27, 1),
        (["Bass"] * 4, 33, 1),
        (["Guitar"] * 3, 25, 3),
        ([f"Guitar {i}" for i in range(1, 5)], 25, 4),
        (["Choir"] * 4, 52, 4),
    ],
)
def test_strings_of_a_guitar_are_one_part(names: list[str], program: int, n_parts: int) -> None:
    merged, _ = merge_tracks(guitar(*names, program=program))
    assert len(merged.parts) == n_parts
    assert merged.n_notes == 4 * len(names)


def test_guitars_that_play_chords_stay_apart() -> None:
    chords = [(48 * k, 48, pitch, 80) for k in range(4) for pitch in (40, 47, 52)]
    part = replace(part_on_grid(chords, 20), name="Guitar", program=25)
    # Other octaves, or they would double each other.
    parts = [part.with_notes(*_columns(part, 2 * i)) for i in range(6)]
    assert len(merge_tracks(Song.new(parts))[0].parts) == 6


def _columns(part: Part, up: int) -> tuple[object, ...]:
    return part.onset_ticks, part.duration_ticks, part.pitch + up, part.velocity


# -- writing -------------------------------------------------------------------------------------


def test_no_two_instruments_share_a_channel() -> None:
    line = part_on_grid([(0, 24, 60, 64)], 20)
    parts = [replace(line, program=i, name=str(i)) for i in range(40)]
    kits = [replace(line, is_drum=True, program=p, name=f"kit {p}") for p in (0, 8, 0)]
    song = Song.new([*parts, *kits])
    file = mido.MidiFile(file=io.BytesIO(midi.to_bytes(song)))
    programs: dict[tuple[int, int], set[int]] = {}
    for track in file.tracks[1:]:
        port = next((m.port for m in track if m.type == "midi_port"), 0)
        for message in track:
            if message.type == "program_change":
                programs.setdefault((port, message.channel), set()).add(message.program)
    assert all(len(each) == 1 for each in programs.values())
    assert len(programs) == 42
    assert midi.from_bytes(midi.to_bytes(song)) == song


def test_channels_of_further_ports_prefer_an_equal_program() -> None:
    line = part_on_grid([(0, 24, 60, 64)], 20)
    parts = [replace(line, program=p) for p in (*range(15), 14, 3)]
    assert [channel for _, channel in assign_channels(parts)][-2:] == [15, 3]


# -- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("cp932", "ピアノ ドラム メロディ 三味線 琴 笛 ﾋﾟｱﾉ ﾄﾞﾗﾑ ｷﾞﾀｰ 右手 太鼓 ギター1 合唱"),
        ("gbk", "钢琴 吉他 贝斯 鼓 弦乐 主旋律 二胡 小提琴 古筝 左手 长笛 人声"),
        ("cp1252", "Flöte Ténor Violão Général Créée Männerchor Été Cello\u2019s É ÉTÉ Noël"),
        ("latin-1", "Flöte Übung Señor"),
        ("cp1251", "Пианино Бас Ударные ГИТАРА Мелодия БАРАБАНЫ Соло Ёлка Бас-гитара"),
        ("utf-8", "Flöte ピアノ 钢琴 Piano"),
    ],
)
def test_texts_are_decoded(encoding: str, texts: str) -> None:
    for text in texts.split():
        encoded = text.encode(encoding)
        assert decode_texts([encoded])(encoded) == text


def test_encoding_is_chosen_by_all_texts_of_a_file() -> None:
    # These bytes alone are also two common hanzi.
    name, lyric = "ﾄﾗｯｸ".encode("cp932"), "さくら".encode("cp932")
    events = [named(name.decode("latin-1")), MetaMessage("lyrics", text=lyric.decode("latin-1"))]
    (part,) = read(content([*events, *note(0)])).song.parts
    assert part.name == "ﾄﾗｯｸ"


@pytest.mark.parametrize("name", ["Piano\0\0", "Pia\x07no", "Piano\x1b", "\xef\xbb\xbfPiano"])
def test_names_have_no_control_characters(name: str) -> None:
    (part,) = read(content([named(name), *note(0)])).song.parts
    assert part.name == "Piano"


# -- what is left out ----------------------------------------------------------------------------


def test_what_is_left_out_is_counted_by_both_readers() -> None:
    bend = Message("pitchwheel", pitch=100)
    events = [
        control(101, 0), control(100, 0), control(6, 12),  # the range of bends
        control(7, 90), control(7, 91, time=5), control(10, 20), control(11, 3),
        *[bend] * 3, *note(0), bend,
        Message("aftertouch", value=3), Message("aftertouch", value=4), *note(0),
        Message("polytouch", note=60, value=3), control(64, 127), *note(0), control(64, 0),
        MetaMessage("lyrics", text="la"), MetaMessage("text", text="comment", time=700),
        MetaMessage("marker", text="Chorus"),
    ]  # fmt: skip
    data = content(events, [control(7, 3, channel=4)])
    assert instruments(data) == [(0, False, 3)]
    others = [
        "3 aftertouch messages left out",
        "1 lyric left out",
        "1 marker left out",
        "1 text left out",
    ]
    bends = "4 pitch bends left out"
    with_pedal = "7 controllers left out (volume 3, sustain pedal 2, expression 1, pan 1)"
    result = read(data)
    assert result.warnings == result.left_out == (bends, with_pedal, *others)
    without = "5 controllers left out (volume 3, expression 1, pan 1)"
    assert read(data, pedal=True).warnings[1:] == (bends, without, *others)  # after an overlap


def test_own_files_leave_nothing_out() -> None:
    song = guitar("Guitar", "Flöte")
    assert read(midi.to_bytes(song, note="musicvae convert a.mid")).warnings == ()


def random_events(rng: random.Random) -> list[mido.Message]:
    """Notes, programs, controllers and messages on a few channels, in any order."""
    channels = rng.sample(range(16), 3)
    events = [program(rng.randrange(128), c) for c in channels if rng.random() < 0.8]
    for _ in range(rng.randrange(25)):
        channel, time = rng.choice(channels), rng.choice([0, 0, 120, 480, 2304, 5000])
        number = rng.choice([0, 6, 7, 10, 32, 64, 100, 101])
        others = [
            control(number, rng.choice([0, 1, 6, 120, 127]), channel, time),
            Message("pitchwheel", channel=channel, pitch=rng.randrange(-8000, 8000), time=time),
            Message("aftertouch", channel=channel, value=3, time=time),
            Message("polytouch", channel=channel, note=60, value=3, time=time),
            program(rng.randrange(128), channel, time),
            MetaMessage("lyrics", text="la", time=time),
            MetaMessage("set_tempo", tempo=rng.randrange(300_000, 900_000), time=time),
            MetaMessage("midi_port", port=rng.randrange(2)),
            rng.choice([XG_ON, gs_rhythm(3, 1)]),
        ]
        events += [rng.choice(others)] if rng.random() < 0.5 else note(channel, 60, time)
    return events


def test_both_readers_agree_on_any_order_of_events() -> None:
    n_quick = 0
    for seed in range(200):
        rng = random.Random(seed)
        data = content(*[random_events(rng) for _ in range(rng.randint(1, 3))])
        instruments(data)
        n_quick += read_with_symusic(parse_chunks(data, "a.mid"), "a.mid") is not None
    assert n_quick > 20


def test_other_readers_find_the_programs_of_forty_parts() -> None:
    line = part_on_grid([(0, 24, 60, 64)], 20)
    data = midi.to_bytes(Song.new([replace(line, program=i) for i in range(40)]))
    score = symusic.Score.from_midi(data)
    assert [t.program for t in score.tracks if len(t.notes)] == list(range(40))
    other = pretty_midi.PrettyMIDI(io.BytesIO(data))
    assert [i.program for i in other.instruments] == list(range(40))
