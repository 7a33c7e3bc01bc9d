"""Everything that lasts, in one SQLite file: the only SQL. Imports records."""
