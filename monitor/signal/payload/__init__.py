"""From one message to chunks in m/s²: one file a format, found in the table of formats.py. Pure."""
