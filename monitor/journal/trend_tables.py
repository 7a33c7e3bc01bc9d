"""The tables of trends; trends.py says what is in the first two, trend_changes.py in the third."""

from __future__ import annotations

TABLES = """
CREATE TABLE IF NOT EXISTS trend_open (
    sensor TEXT NOT NULL, tier_s INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (sensor, tier_s));
CREATE TABLE IF NOT EXISTS trend (
    block_id INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL, tier_s INTEGER NOT NULL, start_ns INTEGER NOT NULL,
    slots INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (sensor, tier_s, start_ns));
CREATE INDEX IF NOT EXISTS trend_by_age ON trend (tier_s, start_ns);
CREATE TABLE IF NOT EXISTS trend_change (
    change_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL, tier_s INTEGER NOT NULL, start_ns INTEGER NOT NULL,
    slots INTEGER NOT NULL);
"""
