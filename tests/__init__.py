"""Camshaft's tests. Folders mirror the packages; real servers are started by the tests that need
them.
"""
