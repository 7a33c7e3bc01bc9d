"""Numbers in text as people's programs write them: decimal sign, thousands, and what is none."""

from __future__ import annotations

import math
import re
from typing import Literal

Decimal = Literal[".", ","]

_PLAIN = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf)", re.ASCII | re.IGNORECASE
)
# Three digits behind each separator, and no 0 in front: "0.123" is no 123.
_GROUPED = {
    ".": re.compile(r"([+-]?[1-9]\d{0,2})((?:,\d{3})+|(?:['’\u00a0\u202f]\d{3})+)(\.\d*)?", re.A),
    ",": re.compile(r"([+-]?[1-9]\d{0,2})((?:\.\d{3})+|(?:['’\u00a0\u202f]\d{3})+)(,\d*)?", re.A),
}
_SEPARATORS = re.compile(r"[.,'’\u00a0\u202f]")


def number(cell: str, decimal: Decimal) -> float | None:
    """What a cell says, or None where it is no number. "1.234" is 1234 where "," is the decimal."""
    cell = cell.replace("−", "-") if "−" in cell else cell
    if decimal == "." and _PLAIN.fullmatch(cell):
        return float(cell)
    if decimal == "," and "." not in cell and _PLAIN.fullmatch(plain := cell.replace(",", ".")):
        return float(plain)
    if grouped := _GROUPED[decimal].fullmatch(cell):
        whole, groups, fraction = grouped.groups()
        digits = whole + _SEPARATORS.sub("", groups)
        return float(digits + (fraction or "").replace(",", "."))
    return None


def resolution(cell: str, decimal: Decimal) -> float:
    """One unit of a number's last written digit, which it may be off by rounding; 0 if unknown."""
    plain = cell.lower().replace(",", "." if decimal == "," else "")
    mantissa, _, exponent = plain.partition("e")
    n_decimals = len(mantissa.partition(".")[2])
    try:
        return 10.0 ** (int(exponent or 0) - n_decimals)
    except (ValueError, OverflowError):
        return math.inf
