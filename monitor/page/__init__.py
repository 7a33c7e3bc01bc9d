"""The operators' view in a browser. Reads the journal; writes labels and acknowledgements, nothing
else.
"""
