"""Frozen values that every part may use: the ground. Imports nothing of Camshaft but itself."""
