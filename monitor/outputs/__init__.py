"""Where verdicts, alarms and figures go. Imports journal, records and config."""
