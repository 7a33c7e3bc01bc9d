"""From messages to spectrograms: payloads, windows, quality, spectrogram, severity; and a window's
condition indicators and envelope spectra. Pure. Imports records and config.
"""
