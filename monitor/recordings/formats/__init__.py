"""Files of recordings to arrays, one module a format. May import records, settings and signal.

Heavy readers are imported where a file needs them. Nothing here unpickles,
follows a link out of the file, or reads before it knows that what comes out is
within bounds.
"""
