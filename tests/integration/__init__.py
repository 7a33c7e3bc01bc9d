"""The real service in its own process, with a real broker and a real InfluxDB."""
