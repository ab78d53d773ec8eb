"""Reader of scores: MusicXML, ABC and Humdrum.

In: the bytes of a file. Out: a `Song` whose bars are the measures of the score, with warnings
about everything that was dropped or corrected. `reader.read_bytes` is the entry point.
"""
