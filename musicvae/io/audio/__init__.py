"""Audio. In: a `Song`, or an audio file. Out: samples of stated loudness, or samples of the file.

`render` plays songs and writes audio files, `load` reads recordings.
"""
