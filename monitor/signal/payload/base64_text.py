"""Base64 as senders write it: either alphabet, line ends, missing = at the end, a data: URI."""

from __future__ import annotations

import base64
import re

from monitor.signal.payload.base import PayloadError

_WHITE_SPACE = b" \t\r\n\0"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_DATA_URI = re.compile(rb"data:[\w/.+-]{0,80}(?:;[\w=.-]{1,80}){0,4};base64,")


def from_base64(value: bytes | str, name: str) -> bytes:
    """Raises PayloadError: not_base64, empty. name: of the text, for the sentence."""
    try:
        data = base64.b64decode(value, validate=True)  # as the standard has it
    except ValueError:  # also binascii.Error
        data = _from_variant(value, name)
    if not data:
        raise PayloadError("empty", f"{name} has no samples.")
    return data


def _from_variant(value: bytes | str, name: str) -> bytes:
    try:
        text = value.encode("ascii") if isinstance(value, str) else value
    except UnicodeEncodeError as error:
        raise _refused(name, "it has characters beyond ASCII") from error
    if uri := _DATA_URI.match(text):
        text = text[uri.end() :]
    text = text.translate(_TO_STANDARD, _WHITE_SPACE).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise _refused(name, str(error)) from error


def _refused(name: str, why: str) -> PayloadError:
    return PayloadError(
        "not_base64", f"{name} is not base64: {' '.join(why.split())[:100]}."
    )
