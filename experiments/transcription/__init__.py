"""Calibration and evaluation of the transcription of recordings."""
