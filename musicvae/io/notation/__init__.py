"""MusicXML, ABC and Humdrum -> Song."""
