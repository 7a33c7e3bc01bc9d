"""From a machine's geometry and its vibration to the name of the part that is broken, with the
chance that the name is wrong. Pure. Imports records and signal.
"""
