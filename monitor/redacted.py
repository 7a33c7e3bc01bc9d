"""A configuration as it may be shown to strangers, and its secrets blotted out of any other text.

Two lines of defence: what may hold a secret is not copied in the first place;
and wherever a secret's own letters turn up all the same, in the text of an
error say, they are blotted out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from monitor.config import Config
from monitor.config_connections import Secret
from monitor.settings import ConfigError, Settings

BLOT = "***"
MIN_CHARS = 4  # a shorter secret would blot out half of everything
MIN_URL_CHARS = 8  # of a part of a path: `hooks` is no secret, a chat's key is one
ADDRESSES = ("sender", "to", "username")


def redacted(value: object, key: str = "") -> Any:
    """Plain values. Of addresses only the server is shown, of constants only the names."""
    if isinstance(value, Secret):
        return {kind: BLOT for kind, named in value if named is not None}
    if isinstance(value, Settings):
        return {
            name: redacted(getattr(value, name), name) for name in type(value).model_fields
        }
    if isinstance(value, dict):
        if key == "fields":
            return dict.fromkeys(value, BLOT)
        return {str(name): redacted(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(one, key) for one in value]
    if isinstance(value, str):
        return _text(value, key)
    return str(value) if isinstance(value, Path) else value


def _text(value: str, key: str) -> str:
    if key in ADDRESSES:
        return BLOT
    if "://" not in value:
        return value
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{BLOT}"


class Secrets:
    """All that a configuration's secrets say now, and the parts of addresses that are as good.

    config : None where there is none that can be read
    """

    def __init__(self, config: Config | None) -> None:
        found = {piece for secret in _secrets(config) for piece in _pieces(secret)}
        longer = (piece for piece in found if len(piece) >= MIN_CHARS)
        self._pieces = sorted(longer, key=len, reverse=True)

    def scrub(self, tree: Any) -> Any:
        """The same plain values without them."""
        if isinstance(tree, dict):
            return {key: self.scrub(value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return [self.scrub(value) for value in tree]
        if isinstance(tree, str):
            for piece in self._pieces:
                tree = tree.replace(piece, BLOT)
        return tree


def _pieces(secret: str) -> Iterator[str]:
    """Each line; of `Bearer TOKEN`, `name:role:hash` and a hash's own parts the last, too."""
    for line in secret.splitlines():
        yield line.strip()
        yield from (line.rpartition(mark)[2].strip() for mark in " :$")


def _secrets(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, Secret):
        try:
            yield value.read()
        except ConfigError:
            return
    elif isinstance(value, Settings):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name), name)
    elif isinstance(value, dict) and key == "fields":
        yield from (str(one) for one in value.values())
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _secrets(one, key)
    elif isinstance(value, str) and key == "url":
        parts = urlsplit(value)
        values = (one for _, one in parse_qsl(parts.query))
        yield from (
            one for one in (*parts.path.split("/"), *values) if len(one) >= MIN_URL_CHARS
        )
