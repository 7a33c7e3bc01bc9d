"""Examples of the lecture that Camshaft grew from, each one command with a figure:
docs/examples.md.
"""
