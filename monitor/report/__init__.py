"""One self-contained HTML page about a span of a point's time. Imports journal and records."""
