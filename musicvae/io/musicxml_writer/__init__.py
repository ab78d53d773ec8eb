"""Writer of MusicXML, the inverse of `io.notation`.

In: a `Song`. Out: a MusicXML document (`to_bytes`) or file (`write_score`) that can be read and
played: with voices, ties, triplets, beams, clefs, staves and drum notation.
"""

from musicvae.io.musicxml_writer.document import to_bytes, write_score

__all__ = ["to_bytes", "write_score"]
