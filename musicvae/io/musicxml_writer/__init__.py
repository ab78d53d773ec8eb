"""Floor 3: songs as scores that can be read, MusicXML: the inverse of `formats.score`."""

from musicvae.io.musicxml_writer.document import to_bytes, write_score

__all__ = ["to_bytes", "write_score"]
