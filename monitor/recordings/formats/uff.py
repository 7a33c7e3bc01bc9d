"""Universal files, data sets of type 58 ("function at nodal DOF"). The one home of pyuff.

A time response is a channel. A key is its node and direction ("12:+Z"), its
first ID line, or its number in the file from 0. pyuff takes what data it finds,
so their count is held against the header's here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.recordings.formats.base import N_SHOWN, FileError, Rate, Stored, stack

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key

MAX_BYTES = 256 << 20  # pyuff makes a Python number of each sample
FUNCTION = 58
TIME_RESPONSES = (0, 1)  # general or unknown; time response
REAL = (2, 4)
DIRECTIONS = {0: "0", 1: "+X", 2: "+Y", 3: "+Z", 4: "+RX", 5: "+RY", 6: "+RZ"}
QUANTITIES = {8: "displacement", 9: "force", 11: "velocity", 13: "force", 15: "pressure"}
TIME = 17


def uff(path: Path, _settings: FileSettings, key: Key) -> Stored:
    if path.stat().st_size > MAX_BYTES:
        raise FileError(
            f"has over {MAX_BYTES} bytes, more are not read of a universal file"
        )
    sets = _functions(path)
    chosen = _chosen(sets, key)
    array = stack([(_name(one), np.asarray(one["data"])) for one in chosen])
    rates = {_rate_hz(one) for one in chosen}
    if len(rates) > 1:
        raise FileError(
            f"has channels of several rates: {', '.join(f'{one:g}' for one in rates)}"
        )
    (rate_hz,) = rates
    return Stored(
        array,
        Rate(rate_hz) if rate_hz else None,
        _units(chosen),
        understood=f"time responses {', '.join(_name(one) for one in chosen)}",
    )


def _functions(path: Path) -> list[dict[str, Any]]:
    """All data sets of type 58, whole. Raises FileError."""
    import pyuff

    _check_ends(path)
    file = pyuff.UFF(str(path))
    found = []
    for at, kind in enumerate(file.get_set_types()):
        if kind == FUNCTION:
            found.append(_whole(file.read_sets(at), at))
    if not found:
        raise FileError("has no data set of type 58, which holds functions of time")
    return found


def _check_ends(path: Path) -> None:
    """Data sets stand between lines of -1: pyuff leaves out the last where its end is missing."""
    with path.open("rb") as file:
        content = file.read()
    if content.rstrip().endswith(b"    -1") and content.lstrip().startswith(b"-1"):
        return
    raise FileError(
        "is no universal file, or is cut short: it must begin and end with a line of -1"
    )


def _whole(one: dict[str, Any], at: int) -> dict[str, Any]:
    n_found, n_stated = len(one["data"]), int(one["num_pts"])
    if n_found != n_stated:
        raise FileError(
            f"holds {n_found} of the {n_stated} values that data set {at} states"
        )
    return one | {"at": at}


def _chosen(sets: list[dict[str, Any]], key: Key) -> list[dict[str, Any]]:
    responses = [one for one in sets if _is_response(one)]
    if key is None:
        chosen = responses
    else:
        chosen = [
            _one(responses, name) for name in ([key] if isinstance(key, str) else key)
        ]
    if not chosen:
        raise FileError("has no function of time: its data sets are spectra or the like")
    for one in chosen:
        if (kind := one.get("ordinate_spec_data_type")) in QUANTITIES:
            raise FileError(
                f"holds {QUANTITIES[kind]} in {_name(one)}, acceleration is needed"
            )
    return chosen


def _one(responses: list[dict[str, Any]], key: str) -> dict[str, Any]:
    matching = [one for one in responses if key in (_name(one), one["id1"], str(one["at"]))]
    if len(matching) != 1:
        names = [_name(one) for one in responses][:N_SHOWN]
        raise FileError(
            f"must hold exactly one function of time for key = {key!r}, found {len(matching)} among"
            f" {names}"
        )
    return matching[0]


def _is_response(one: dict[str, Any]) -> bool:
    is_of_time = one.get("abscissa_spec_data_type", 0) in (0, 1, TIME)
    return (
        one["func_type"] in TIME_RESPONSES and one["ord_data_type"] in REAL and is_of_time
    )


def _name(one: dict[str, Any]) -> str:
    direction = one["rsp_dir"]
    name = DIRECTIONS.get(abs(direction), str(direction))
    return f"{one['rsp_node']}:{name.replace('+', '-') if direction < 0 else name}"


def _rate_hz(one: dict[str, Any]) -> float:
    if one["abscissa_spacing"] != 1:
        steps_s = np.diff(one["x"])
        usual_s = float(np.median(steps_s)) if len(steps_s) else 0.0
        if not usual_s > 0 or not np.allclose(steps_s, usual_s, rtol=0.01):
            raise FileError(f"has times of uneven spacing in {_name(one)}")
        return 1 / usual_s
    step_s = float(one["abscissa_inc"])
    return 1 / step_s if step_s > 0 else 0.0


def _units(chosen: list[dict[str, Any]]) -> tuple[str, ...]:
    """As their labels say; many leave them empty."""
    labels = [str(one.get("ordinate_axis_units_lab", "")).strip() for one in chosen]
    units = tuple("" if label.upper() == "NONE" else label for label in labels)
    return units if any(units) else ()
