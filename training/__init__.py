"""Offline jobs: learn a model from recordings, judge it honestly, export it for the monitor."""


class TrainingError(Exception):
    """The data or the settings cannot be used, or a check failed; str() is one sentence."""
