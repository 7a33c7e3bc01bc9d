"""Who asks, and what they may: three roles, each of which may all that the one before may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

KnownBy = Literal["", "password", "users", "proxy", "token"]  # "": nobody logs in


class Role(StrEnum):
    VIEWER = "viewer"  # looks
    OPERATOR = "operator"  # labels and acknowledges, too
    ADMIN = "admin"  # commissions and has rows sent again, too

    def covers(self, needed: Role) -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True)
class Person:
    """A person, or a machine with a token.

    name : "" where only the role is known; people then sign what they write by
        themselves
    proof : what the role rests on; a session ends with it
    """

    name: str
    role: Role
    known_by: KnownBy = ""
    proof: str = ""


ANYBODY = Person("", Role.ADMIN)
