"""A fault put into functions where they live, so that nothing is imported again."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Sequence
from types import CodeType, FunctionType

from tests.mutants.scope import ROOT

Change = tuple[CodeType, CodeType]  # a function's, before and after


class Living:
    """The functions of some files that have been imported, by their code."""

    def __init__(self, files: Sequence[str]) -> None:
        names = {str(ROOT / one) for one in files}
        self._found: dict[CodeType, list[FunctionType]] = {}
        for one in gc.get_objects():
            if isinstance(one, FunctionType) and one.__code__.co_filename in names:
                self._found.setdefault(one.__code__, []).append(one)

    def reached(self, changes: Sequence[Change]) -> list[Change]:
        """Those of functions that are there, and that may take the other code: it must close over
        as many names.
        """
        return [
            (before, after)
            for before, after in changes
            if before in self._found and len(before.co_freevars) == len(after.co_freevars)
        ]

    def swap(self, changes: Sequence[Change]) -> None:
        for before, after in changes:
            for function in self._found.get(before, []):
                function.__code__ = after


def changes(path: str, source: str, mutated: str) -> list[Change]:
    """What of the functions' code differs, if nothing beside it does; else none: what runs as the
    module is imported has done so already.
    """
    before, after = (compile(one, str(ROOT / path), "exec") for one in (source, mutated))
    found = _differences(before, after)
    return [] if any(not _is_function(one) for one, _ in found) else found


def _differences(before: CodeType, after: CodeType) -> list[Change]:
    """Outer before inner. Lines that have moved make no difference to what runs."""
    inner, other = _inside(before), _inside(after)
    deeper = [
        one for pair in zip(inner, other, strict=False) for one in _differences(*pair)
    ]
    is_other = _itself(before) != _itself(after) or len(inner) != len(other)
    if is_other or (deeper and _is_function(before)):
        return [(before, after), *deeper]
    return deeper


def _inside(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _itself(code: CodeType) -> tuple[object, ...]:
    """All that runs but the code inside. In writing, for 1 == 1.0 == True."""
    plain = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    return code.co_code, plain, code.co_names, code.co_varnames, code.co_freevars


def _is_function(code: CodeType) -> bool:
    """And not a module or the body of a class."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED)
