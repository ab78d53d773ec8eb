"""Playback order of the measures of a score, from its repeats, endings and jumps.

music21's expander gets a skeleton of the score: measures with the repeat signs of all parts and no
notes. So every part is repeated alike, and no note is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from musicvae.io.limits import MAX_SCORE_BARS


class RepeatError(Exception):
    """Repeats that cannot be expanded; the message gives the reason."""


def playback_order(staves: Sequence[Any], count: int) -> list[int]:
    """Return the indices of `count` measures in playback order. Raises `RepeatError`."""
    from music21.repeat import Expander

    skeleton, n_signs = _build_skeleton(staves, count)
    if not n_signs:
        return list(range(count))
    try:
        played = Expander(skeleton).process(deepcopy=True)
        order = [int(measure.groups[0]) for measure in played.getElementsByClass("Measure")]
    except Exception as error:  # music21 raises many types
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RepeatError(reason.lower()) from error
    if not order or len(order) > MAX_SCORE_BARS or min(order) < 0 or max(order) >= count:
        raise RepeatError("their order is invalid")
    return order


def _build_skeleton(staves: Sequence[Any], count: int) -> tuple[Any, int]:
    """Return a part of empty measures with the repeat signs of all parts, and their number."""
    from copy import deepcopy

    from music21 import note, spanner, stream

    skeleton = stream.Part()
    empty = [stream.Measure(number=i + 1) for i in range(count)]
    n_signs = 0
    for i, measure in enumerate(empty):
        measure.append(note.Rest(quarterLength=4))
        measure.groups.append(str(i))  # the expander renumbers measures
    brackets: dict[tuple[str, int, int], Any] = {}
    for staff in staves:
        measures = list(staff.getElementsByClass("Measure"))
        index_by_id = {id(measure): i for i, measure in enumerate(measures)}
        for i, measure in enumerate(measures[:count]):
            for side in ("leftBarline", "rightBarline"):
                barline = getattr(measure, side)
                existing = getattr(empty[i], side)
                if barline is not None and "Repeat" in barline.classSet and existing is None:
                    setattr(empty[i], side, deepcopy(barline))
                    n_signs += 1
            kinds = {type(sign) for sign in empty[i].getElementsByClass("RepeatExpression")}
            for sign in measure.getElementsByClass("RepeatExpression"):
                if type(sign) not in kinds:
                    empty[i].insert(sign.offset, deepcopy(sign))
                    n_signs += 1
        for bracket in staff.getElementsByClass("RepeatBracket"):
            spanned = sorted(
                index_by_id[id(m)] for m in bracket.getSpannedElements() if id(m) in index_by_id
            )
            if spanned and spanned[-1] < count:
                key = (str(bracket.number), spanned[0], spanned[-1])
                brackets.setdefault(key, bracket)
    for measure in empty:
        skeleton.append(measure)
    for (number, first, last), _ in sorted(brackets.items(), key=lambda item: item[0][1:]):
        ending = spanner.RepeatBracket(empty[first : last + 1], number=number)
        skeleton.insert(0, ending)
        n_signs += 1
    return skeleton, n_signs
