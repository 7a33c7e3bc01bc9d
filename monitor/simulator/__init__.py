"""Machines whose faults are known: for the demo, for tests, for the bundled model.
Imports records.
"""
