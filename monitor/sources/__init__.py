"""Where messages come from. Imports records and config."""
