"""Reader of ABC, standard 2.1 with the directives of its players.

In: the text of a tune, or of a book of tunes. Out: `Score`. `book` finds the tunes of a book and
their lines, `fields` the meaning of information fields, `tune` follows the lines of a tune and
`music` their notes, `voice` builds the measures of a voice with its `rhythm` and `signs`, and
`assembly` makes a score of the voices.
"""

from musicvae.io.notation.abc.book import (
    Tune,
    find_tune,
    read_abc,
    split_tunes,
    tune_labels,
    tune_text,
)

__all__ = ["Tune", "find_tune", "read_abc", "split_tunes", "tune_labels", "tune_text"]
