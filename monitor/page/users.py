"""The file of those who may log in to the page: a line each, name:role:hash of the password.

Passwords are hashed by scrypt (RFC 7914), each with a salt of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from monitor.config_connections import Secret
from monitor.page.people import Person, Role
from monitor.records.notes import MAX_AUTHOR
from monitor.settings import ConfigError

MIN_PASSWORD, MAX_PASSWORD = 8, 1000
MAX_USERS = 1000
MAX_FILE_CHARS = 1 << 20
# 16 MB and a fifth of a second each: OWASP's password storage cheat sheet, for machines with
# little memory.
COST, BLOCK, PARALLEL = 1 << 14, 8, 5
SALT_BYTES, HASH_BYTES = 16, 32
HASH = re.compile(r"scrypt\$([A-Za-z0-9+/]{22}==)\$([A-Za-z0-9+/]{43}=)")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: Role
    hashed: str

    @property
    def line(self) -> str:
        return f"{self.name}:{self.role}:{self.hashed}"

    @property
    def person(self) -> Person:
        return Person(self.name, self.role, "users", self.hashed)


def check_name(name: str) -> str:
    """Raises ConfigError."""
    is_short = 0 < len(name) <= MAX_AUTHOR
    if not (is_short and name.isprintable() and name == name.strip()) or set(":#") & set(
        name
    ):
        raise ConfigError(
            f"user {name[:MAX_AUTHOR]!r}: a name has 1 to {MAX_AUTHOR} printable characters"
            " without ':' and '#', and no spaces around it."
        )
    return name


def check_password(password: str) -> str:
    """Raises ConfigError."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ConfigError(
            f"The password has {len(password)} characters: it needs {MIN_PASSWORD} to"
            f" {MAX_PASSWORD}."
        )
    return password


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(SALT_BYTES)
    parts = (base64.b64encode(one).decode() for one in (salt, _scrypt(password, salt)))
    return "$".join(["scrypt", *parts])


def is_right(password: str, hashed: str) -> bool:
    """Takes as long whether it is right or wrong."""
    found = HASH.fullmatch(hashed)
    if found is None or len(password) > MAX_PASSWORD:
        return False
    salt, expected = (base64.b64decode(one) for one in found.groups())
    return hmac.compare_digest(_scrypt(password, salt), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    # What a terminal or a browser took for no text is no password, and no fault of ours either.
    word = password.encode("utf-8", "surrogatepass")
    cost = {"n": COST, "r": BLOCK, "p": PARALLEL, "maxmem": 64 << 20}
    return hashlib.scrypt(word, salt=salt, dklen=HASH_BYTES, **cost)


# No password has this hash. It is asked for names that are not there.
NOBODY = f"scrypt${'A' * 22}==${'A' * 43}="


def parse(text: str, source: str) -> dict[str, User]:
    """The users of a file. Raises ConfigError, which shows no hash."""
    if len(text) > MAX_FILE_CHARS:
        raise ConfigError(
            f"{source} has {len(text)} characters: at most {MAX_FILE_CHARS} are read."
        )
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user = _user(line, f"{source}, line {number}")
        if user.name in users:
            raise ConfigError(f"{source}, line {number}: {user.name!r} stands there twice.")
        users[user.name] = user
    if len(users) > MAX_USERS:
        raise ConfigError(
            f"{source} has {len(users)} users: at most {MAX_USERS} can be known."
        )
    return users


def _user(line: str, where: str) -> User:
    parts = line.split(":")
    if len(parts) != 3 or not HASH.fullmatch(parts[2]):
        raise ConfigError(
            f"{where}: must be name:role:hash, as `camshaft page-user` writes it."
        )
    name, role, hashed = parts
    if role not in list(Role):
        raise ConfigError(
            f"{where}: the role {role[:20]!r} must be one of {', '.join(Role)}."
        )
    return User(check_name(name), Role(role), hashed)


class Users:
    """As the file says now: a change counts from the next request on."""

    def __init__(self, secret: Secret) -> None:
        """Raises ConfigError."""
        self._secret = secret
        self._text = secret.read()
        self._users = parse(self._text, "page.users")

    def person(self, name: str) -> Person | None:
        user = self._known().get(name)
        return None if user is None else user.person

    def log_in(self, name: str, password: str) -> Person | None:
        """Takes as long for a name that is not there."""
        user = self._known().get(name)
        is_good = is_right(password, NOBODY if user is None else user.hashed)
        return user.person if user is not None and is_good else None

    def _known(self) -> Mapping[str, User]:
        """A file that cannot be used is said once, and the last good one holds."""
        try:
            text = self._secret.read()
            if text != self._text:
                self._text = text
                self._users = parse(text, "page.users")
        except ConfigError as error:
            log.error("%s The users known before may still log in.", error)
        return self._users


def read_file(path: Path) -> dict[str, User]:
    """Nobody where there is no file yet. Raises ConfigError."""
    if not path.exists():
        return {}
    return parse(Secret(file=path).read(), str(path))


def write_file(path: Path, users: Mapping[str, User]) -> None:
    """Whole or not at all. A new file is its owner's alone; one that is there keeps owner and mode.

    Raises ConfigError.
    """
    text = "".join(f"{user.line}\n" for user in users.values())
    try:
        with NamedTemporaryFile(
            "w", dir=path.parent, delete=False, encoding="utf-8"
        ) as new:
            try:
                new.write(text)
                _put_in_place(new, path)
            except BaseException:
                os.unlink(new.name)
                raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _put_in_place(new: IO[str], path: Path) -> None:
    """With owner and mode of the file that is there."""
    if path.exists():
        found = path.stat()
        os.fchown(new.fileno(), found.st_uid, found.st_gid)
        os.fchmod(new.fileno(), found.st_mode & 0o777)
    os.fsync(new.fileno())
    os.replace(new.name, path)
