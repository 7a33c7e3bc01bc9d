"""Numbers in text as people's programs write them: decimal sign, thousands, and what is none."""

from __future__ import annotations

import math
import re
from typing import Literal

Decimal = Literal[".", ","]

MINUS = "−"  # as spreadsheets of some languages write it

# Three digits behind each separator, and no 0 in front: "0.123" is no 123.
_GROUPED = {
    ".": re.compile(
        r"([+-]?[1-9]\d{0,2})((?:,\d{3})+|(?:['’\u00a0\u202f]\d{3})+)(\.\d*)?", re.A
    ),
    ",": re.compile(
        r"([+-]?[1-9]\d{0,2})((?:\.\d{3})+|(?:['’\u00a0\u202f]\d{3})+)(,\d*)?", re.A
    ),
}
_SEPARATORS = re.compile(r"[.,'’\u00a0\u202f]")


def number(cell: str, decimal: Decimal) -> float | None:
    """What a cell says, or None where it is no number. "1.234" is 1234 where "," is the decimal."""
    if MINUS in cell:
        cell = cell.replace(MINUS, "-")
    try:
        if "_" not in cell:  # Python's own mark of thousands
            if decimal == ".":
                return float(cell)
            if "." not in cell:
                return float(cell.replace(",", "."))
    except ValueError:
        pass
    return _grouped(cell, decimal)


def _grouped(cell: str, decimal: Decimal) -> float | None:
    """With its thousands set apart."""
    if found := _GROUPED[decimal].fullmatch(cell):
        whole, groups, fraction = found.groups()
        digits = whole + _SEPARATORS.sub("", groups)
        return float(digits + (fraction or "").replace(",", "."))
    return None


def resolution(cell: str, decimal: Decimal) -> float:
    """One unit of a number's last written digit, which it may be off by rounding."""
    plain = cell.lower().replace(",", "." if decimal == "," else "")
    mantissa, _, exponent = plain.partition("e")
    n_decimals = len(mantissa.partition(".")[2])
    try:
        return 10.0 ** (int(exponent or 0) - n_decimals)
    except (ValueError, OverflowError):
        return math.inf
