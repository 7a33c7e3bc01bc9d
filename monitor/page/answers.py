"""Answers to a browser or program: JSON that nobody on the way keeps."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

NOT_STORED = {"Cache-Control": "no-store"}


def answer(tree: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(tree, status, headers=NOT_STORED)
