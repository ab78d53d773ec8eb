"""Floor 3: in which order the measures of a score are played, by its repeats, endings and jumps.

music21's expander is given a skeleton of the score: measures that hold nothing but signs, those of
all parts together, so that every part is played alike and no note is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MAX_MEASURES = 20_000  # measures played


class RepeatError(Exception):
    """Repeats that cannot be played as they are written; the message says why."""


def playback_order(staves: Sequence[Any], count: int) -> list[int]:
    """Indices of the measures in the order they are played. Raises `RepeatError`."""
    from music21.repeat import Expander

    skeleton, signs = _build_skeleton(staves, count)
    if not signs:
        return list(range(count))
    try:
        played = Expander(skeleton).process(deepcopy=True)
        order = [int(measure.groups[0]) for measure in played.getElementsByClass("Measure")]
    except Exception as error:  # music21 raises whatever it stumbles over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RepeatError(reason.lower()) from error
    if not order or len(order) > _MAX_MEASURES or min(order) < 0 or max(order) >= count:
        raise RepeatError("they make no piece")
    return order


def _build_skeleton(staves: Sequence[Any], count: int) -> tuple[Any, int]:
    """A part of bare measures with the signs of all parts, and how many signs there are."""
    from copy import deepcopy

    from music21 import note, spanner, stream

    skeleton = stream.Part()
    bare = [stream.Measure(number=i + 1) for i in range(count)]
    signs = 0
    for i, measure in enumerate(bare):
        measure.append(note.Rest(quarterLength=4))
        measure.groups.append(str(i))  # numbers are changed as measures are copied
    brackets: dict[tuple[str, int, int], Any] = {}
    for staff in staves:
        measures = list(staff.getElementsByClass("Measure"))
        place = {id(measure): i for i, measure in enumerate(measures)}
        for i, measure in enumerate(measures[:count]):
            for side in ("leftBarline", "rightBarline"):
                line = getattr(measure, side)
                known = getattr(bare[i], side)
                if line is not None and "Repeat" in line.classSet and known is None:
                    setattr(bare[i], side, deepcopy(line))
                    signs += 1
            kinds = {type(sign) for sign in bare[i].getElementsByClass("RepeatExpression")}
            for sign in measure.getElementsByClass("RepeatExpression"):
                if type(sign) not in kinds:
                    bare[i].insert(sign.offset, deepcopy(sign))
                    signs += 1
        for bracket in staff.getElementsByClass("RepeatBracket"):
            spanned = sorted(place[id(m)] for m in bracket.getSpannedElements() if id(m) in place)
            if spanned and spanned[-1] < count:
                key = (str(bracket.number), spanned[0], spanned[-1])
                brackets.setdefault(key, bracket)
    for measure in bare:
        skeleton.append(measure)
    for (number, first, last), _ in sorted(brackets.items(), key=lambda item: item[0][1:]):
        ending = spanner.RepeatBracket(bare[first : last + 1], number=number)
        skeleton.insert(0, ending)
        signs += 1
    return skeleton, signs
