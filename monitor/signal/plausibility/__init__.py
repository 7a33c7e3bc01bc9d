"""Whether a message's bytes are what the configuration says: content, byte order and number type,
channels, header, level. Pure; knows the payload settings and the records, no
sensor and no journal.
"""
