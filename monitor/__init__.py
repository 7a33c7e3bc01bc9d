"""Camshaft's service: acceleration over MQTT in, verdicts and their frequency-time maps out."""
