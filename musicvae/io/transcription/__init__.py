"""Floor 3: recordings of one voice, or of taps, as songs: the way back from `formats.audio`.

`frames` hear pitch and loudness, `checks` say whether that is one voice, `notes` and `taps` find
what is sung or tapped, `beats` a pulse, `bars` the grid and its bars; `hearing` makes the song.
"""

from musicvae.io.transcription.transcribe import (
    HearOptions,
    examine,
    heard,
    key_of,
    key_words,
    snapped,
)

__all__ = ["HearOptions", "examine", "heard", "key_of", "key_words", "snapped"]
