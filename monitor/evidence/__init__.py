"""From spectrograms to scores and maps that add up, and from these to a status. Pure. Imports
signal, records and config.
"""
