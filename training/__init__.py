"""Offline jobs: learn a model from recordings, judge it honestly, export it for the monitor."""
