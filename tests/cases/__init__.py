"""Messages of real senders and their shapes, each with its configuration and the right samples."""
