"""Reader of MusicXML, partwise, timewise and compressed.

In: the bytes of a file. Out: `Score`. `document` parses them safely, `part_list` names parts and
instruments, `part` reads the measures of a part with `attributes` and `directions`, and `cursor`
knows the place in them, `signs` collects repeat signs, and `staves` makes parts of staves and
instruments.
"""

from musicvae.io.notation.musicxml.reader import read_musicxml

__all__ = ["read_musicxml"]
