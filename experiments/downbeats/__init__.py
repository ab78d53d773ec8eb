"""Training, calibration and evaluation of the bar-line estimation."""
