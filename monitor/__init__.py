"""Camshaft's daemon: acceleration over MQTT in, verdicts and their frequency-time maps out."""
