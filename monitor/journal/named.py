"""What has been named of an alarm since it was raised: by people, and by the diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Cursor

from monitor.records.diagnosis import DIAGNOSED

_MODE = """
SELECT failure_mode FROM label JOIN verdict USING (row_id)
WHERE sensor = ? AND label.at_ns >= ? AND failure_mode != '' ORDER BY label_id DESC LIMIT 1
"""
_DIAGNOSED = """
SELECT text FROM event WHERE sensor = ? AND at_ns >= ? AND kind = ?
ORDER BY event_id DESC LIMIT 1
"""
Execute = Callable[[str, tuple[object, ...]], Cursor]


def named_since(execute: Execute, sensor: str, at_ns: int) -> tuple[str, str]:
    """The failure mode of the sensor's newest label that names one, and the text of its newest
    diagnosis that came after the alarm; "" for each that there is not.
    """
    mode = execute(_MODE, (sensor, at_ns)).fetchone()
    text = execute(_DIAGNOSED, (sensor, at_ns, DIAGNOSED)).fetchone()
    return ("" if mode is None else str(mode[0])), ("" if text is None else str(text[0]))
