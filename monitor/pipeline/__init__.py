"""Joins signal and evidence, and keeps account of every sample and message. Imports those two,
records and config.
"""
