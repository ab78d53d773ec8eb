"""Playback order of measures: strains, endings, jumps and sections."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.io.limits import MAX_SCORE_BARS
from musicvae.io.notation.reader import to_song
from musicvae.io.notation.repeats import RepeatError, playback_order
from musicvae.io.notation.score import RepeatSigns, Score, ScoreNote, ScorePart

_JUMPS = {"DC": "da capo", "DS": "dal segno"}


def read_signs(text: str) -> tuple[str, list[RepeatSigns]]:
    """Return the measures of a text, one letter each, and their signs.

    Before a measure come ``|:``, ``[1,2`` (an ending up to ``]`` or ``:|``), ``segno``, ``coda``
    ``segno=b`` and labels (``P:X``); after it ``:|``, ``:|3`` (times), ``:|again`` (after a jump,
    too), ``fine``, ``to-coda`` and jumps (``DC``, ``DS/fine``, ``DS=b``).
    """
    measures, signs = "", []
    following, ending = RepeatSigns(), frozenset[int]()
    for token in text.split():
        if token == "|:":
            following.starts_repeat = True
        elif token[0] == "[":
            ending = frozenset(map(int, token[1:].split(",")))
        elif token[:6] == "segno=":
            following.segno, following.segno_label = True, token[6:]
        elif token[:3] == "DS=":
            signs[-1].jump, signs[-1].jump_label = "dal segno", token[3:]
        elif token == ":|again":
            signs[-1].times, signs[-1].after_jump, ending = 2, True, frozenset()
        elif token in ("segno", "coda"):
            setattr(following, token, True)
        elif token[:2] == "P:":
            following.section = token[2:]
        elif token == "]":
            ending = frozenset()
        elif token[:2] == ":|":
            signs[-1].times, ending = int(token[2:] or 2), frozenset()
        elif token in ("fine", "to-coda"):
            setattr(signs[-1], token.replace("-", "_"), True)
        elif token[:2] in _JUMPS:
            signs[-1].jump, signs[-1].until = _JUMPS[token[:2]], token[3:]
        else:
            following.ending = ending
            measures += token
            signs.append(following)
            following = RepeatSigns()
    return measures, signs


def play(text: str, section_order: str = "") -> str:
    """Return the measures of a text in playback order."""
    measures, signs = read_signs(text)
    return "".join(measures[i] for i in playback_order(signs, section_order, len(signs)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A B C", "ABC"),
        ("A :| B :|", "AABB"),
        ("A B :| C :| D", "ABABCCD"),
        ("|: A :| B |: C :| D", "AABCCD"),
        ("A |: B :|", "ABB"),
        ("A |: B C :| D :|", "ABCBCDD"),
        ("|: A |: B :| C :|", "ABBCC"),  # repeats do not nest
        ("|: A :|3 B", "AAAB"),
        ("|: A :| |: B", "AAB"),
        ("|: A P:X B :|", "ABAB"),
        ("A P:X B :|", "ABB"),
    ],
)
def test_strains(text, expected):
    assert play(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|: A [1 B :| [2 C ] D :|", "ABACDD"),
        ("|: A [1 B :| [2 C :| D :|", "ABACDD"),
        ("|: A [1 B :| [2 C ] |: D [1 E :| [2 F ] G", "ABACDEDFG"),
        ("A [1 B :| [2 C ] D [1 E :| [2 F", "ABACDEDF"),
        ("|: A [1,3 B :| [2,4 C :| D", "ABACABACD"),
        ("|: A [1,2 B :| [3 C ] D", "ABABACD"),
        ("|: A [1 B :| [2 C :| [3 D ] E", "ABACADE"),
        ("|: A [1 B :| C D", "ABACD"),  # the second ending is not marked
        ("|: A [1,2 B :| C", "ABABAC"),
        ("|: A [1 B :|", "ABA"),
        ("|: A [1,2 B :|", "ABAB"),
        ("|: A :| [2 B ] C", "AABC"),
        ("|: [1 A :| [2 B ] C", "ABC"),
        ("|: A [1 B C :| [2 D E ] F", "ABCADEF"),
        ("|: A [1 B ] [2 C ] D :|", "ABDACD"),  # alternatives inside a strain
        ("|: A [1 B ] [2 C ] D", "ABACD"),  # a repeat sign is missing
        ("A [2 B ] C", "ABC"),
        ("|: A [1 B :| [2 |: C ] D :|", "ABACDCD"),
    ],
)
def test_endings(text, expected):
    assert play(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A B DC", "ABAB"),
        ("A DC B", "AAB"),
        ("A fine B DC/fine", "ABA"),
        ("|: A [1 B fine :| [2 C ] D DC/fine", "ABACDAB"),  # fine in the first ending
        ("|: A [1 B to-coda :| [2 C ] D DC/coda coda E", "ABACDABE"),
        ("A fine B DC", "ABA"),
        ("A B fine C", "ABC"),
        ("A to-coda B coda C", "ABC"),
        ("|: A :| B fine |: C :| DC/fine", "AABCCAB"),
        ("|: A [1 B :| [2 C ] fine D DC/fine", "ABACDAC"),
        ("A segno B fine C DS/fine D", "ABCB"),
        ("A segno B C DS D", "ABCBCD"),
        ("A segno B to-coda C DS/coda coda D", "ABCBD"),
        ("A to-coda B DC/coda coda D :|", "ABADD"),
        ("A B coda C D DC/coda coda E", "ABCDABE"),  # the first coda sign says where to leave
        ("segno A segno B DS C", "ABBC"),
        ("|: A DC/fine :| B fine", "AAAB"),
        ("segno A to-coda B DS/coda coda C fine D DC/fine", "ABACDABC"),
        ("|: A :| B DC", "AABAB"),
        ("A :| fine B :| DC/fine", "AABBA"),
        ("A :|again B fine C DC/fine", "AABCAAB"),
        ("segno=a A B segno=b C DS=a D", "ABCABCD"),
        ("segno=a A B segno=b C DS=b D", "ABCCD"),
    ],
)
def test_jumps(text, expected):
    assert play(text) == expected


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("P:A M P:B N", "AABA", "MMNM"),
        ("P:A M :| P:B N", "ABA", "MMNMM"),
        ("K P:A M P:B N", "BA", "KNM"),
        ("P:A M N P:B O P :| P:C Q", "CB", "QOPOP"),
        ("P:A |: M [1 N :| [2 O ] P:B P", "ABA", "MNMOPMNMO"),
        ("P:A M [1 N :| [2 O :| [3 P :| [4 Q ] P:B R", "AAAAB", "MNMOMPMQR"),
        ("P:A M fine P:B N DC/fine", "AB", "MN"),
    ],
)
def test_sections(text, order, expected):
    assert play(text, order) == expected


@pytest.mark.parametrize(
    ("text", "order", "reason"),
    [
        ("A DS", "", "without a segno"),
        ("A segno B fine C DC/coda", "", "'coda'"),
        ("A to-coda B DC/coda", "", "no coda sign"),
        ("A B DC/fine", "", "'fine'"),
        ("P:A M", "AB", "no section B"),
        ("P:A M P:A N", "A", "two sections A"),
        ("M", "A", "no section A"),
        ("A :|1000000000", "", "1000000000 times"),
        ("A B :|15000", "", "more than"),
        ("|: A [1 B :| [999999999 C", "", "999999999 times"),
        ("P:A M", "A" * (MAX_SCORE_BARS + 1), "more than"),
        ("A DC " * 200, "", "jumps"),
    ],
)
def test_impossible_order(text, order, reason):
    with pytest.raises(RepeatError, match=reason):
        play(text, order)


def test_order_of_too_many_measures():
    with pytest.raises(RepeatError, match="more than"):
        playback_order([], (), MAX_SCORE_BARS + 1)


def test_order_of_too_many_passes():
    ending = frozenset(range(1, 1001))
    with pytest.raises(RepeatError, match="more than"):
        playback_order([RepeatSigns(ending=ending, times=2)] * 1000, (), 1000)


def test_missing_signs_are_plain_measures():
    assert playback_order([RepeatSigns(times=2)], (), 3) == [0, 0, 1, 2]


_ANY_SIGN = st.builds(
    RepeatSigns,
    starts_repeat=st.booleans(),
    times=st.sampled_from((0, 0, 0, 2, 3)),
    ending=st.sampled_from(((), (), (), (1,), (2,), (1, 2), (1, 3), (2, 4), (7,))).map(frozenset),
    segno=st.booleans(),
    coda=st.booleans(),
    jump=st.sampled_from(("", "", "da capo", "dal segno")),
    until=st.sampled_from(("", "fine", "coda")),
    to_coda=st.booleans(),
    fine=st.booleans(),
    section=st.sampled_from(("", "", "A", "B")),
)
_ANY_REPEAT = st.builds(
    RepeatSigns,
    starts_repeat=st.booleans(),
    times=st.sampled_from((0, 0, 2, 5)),
    ending=st.sampled_from(((), (), (1,), (2,), (1, 2), (3,))).map(frozenset),
)


@given(st.lists(_ANY_SIGN, max_size=12), st.text("AB", max_size=4))
def test_order_is_valid_or_refused(signs, section_order):
    try:
        order = playback_order(signs, section_order, len(signs))
    except RepeatError as error:
        assert str(error)
        return
    assert all(0 <= i < len(signs) for i in order)
    assert len(order) <= MAX_SCORE_BARS


@given(st.lists(_ANY_REPEAT, max_size=16))
def test_repeats_leave_no_measure_out(signs):
    assert set(playback_order(signs, (), len(signs))) == set(range(len(signs)))


@given(st.lists(_ANY_REPEAT, max_size=10))
def test_da_capo_takes_no_repeat_again(signs):
    last = RepeatSigns(starts_repeat=True)
    once = playback_order([*signs, last], (), len(signs) + 1)
    last.jump = "da capo"
    order = playback_order([*signs, last], (), len(signs) + 1)
    after = order[len(once) :]
    assert order[: len(once)] == once
    assert after == sorted(set(after))
    assert after[-1] == len(signs)


@given(st.integers(0, 50))
def test_order_without_signs_is_identity(count):
    assert playback_order([RepeatSigns()] * count, (), count) == list(range(count))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("1 2 1 2", [0, 1, 2, 3, 2, 3]),
        ("0 2 0 1", [0, 1, 2, 3, 2, 3]),
        ("1 2 3 4", [0, 1, 2, 3, 0, 1, 2, 3]),
        ("1 2 0 3", [0, 1, 2, 3, 0, 1, 2, 3]),  # a measure that is not counted
        ("1 2 X1 ", [0, 1, 2, 3, 0, 1, 2, 3]),
    ],
)
def test_jumps_stay_within_a_movement(numbers, expected):
    part = ScorePart()
    for i, number in enumerate([*numbers.split(), ""][:4]):
        part.add_measure(number)
        part.notes[-1].append(ScoreNote(Fraction(0), Fraction(4), 60 + i))
        part.measure_lengths[-1] = Fraction(4)
    signs = [RepeatSigns() for _ in range(3)] + [RepeatSigns(jump="da capo")]
    song = to_song(Score(kind="test", parts=[part], signs=signs), repeats=True).song
    assert [int(pitch) - 60 for pitch in song.parts[0].pitch] == expected
