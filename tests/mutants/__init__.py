"""Mutants: small faults planted in the product one at a time. Tests that notice none are too few.

Why not a library: docs/decisions/mutants.md.
"""
