"""From messages to spectrograms: payloads, windows, quality, spectrogram, severity, and a window's
condition indicators. Pure. Imports records and config.
"""
