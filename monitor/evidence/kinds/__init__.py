"""One file a kind of evidence. Each file here is imported and registers its kind.

The network speaks first; the others follow by name.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from monitor.evidence.base import KINDS

__all__ = ["KINDS"]

FIRST = "network"


def load_kinds() -> None:
    """Register every kind of this folder. Does nothing the second time."""
    names = sorted(module.name for module in iter_modules(__path__))
    for name in sorted(names, key=lambda name: name != FIRST):
        import_module(f"{__name__}.{name}")


load_kinds()
