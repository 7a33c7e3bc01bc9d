"""From messages to spectrograms: payloads, windows, quality, spectrogram, severity. Pure. Imports
records and config.
"""
