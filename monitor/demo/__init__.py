"""Machines, a broker and the service in one go, with a live view. Imports everything but the
commands.
"""
