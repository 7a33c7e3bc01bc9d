"""The MQTT source: the only paho. Imports records and config."""
