"""MusicXML: scores as documents of parts and measures."""

from musicvae.io.notation.musicxml.reader import read_musicxml as read_musicxml
