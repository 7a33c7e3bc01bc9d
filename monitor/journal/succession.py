"""What a journal hands on to the next owner of its partition, and takes over from the one before.

Rows, trends and what people wrote stay behind: the outputs have the rows.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monitor.journal.events import store_events
from monitor.journal.labels import ACKNOWLEDGED
from monitor.journal.positions import check_generation, resumed, store_position
from monitor.journal.schema import (
    NEWEST_FIRST,
    connect,
    connect_read_only,
    one_moment,
    reading,
    transaction,
)
from monitor.journal.tail_records import tail_records
from monitor.journal.taken_over import JudgedBy, judged_before
from monitor.records.batch import Event
from monitor.records.geometry import Geometry
from monitor.records.position import SourcePosition
from monitor.records.promise import PromiseState, Reference
from monitor.records.stream import Piece, Position, TailRecords
from monitor.records.succession import Succession, Tree

ID_BYTES = 8
BLOBS = ("low_db", "high_db")  # of a commissioning
# Tables that are taken over whole.
TAKEN_OVER = (
    *("stream", "tail", "tail_record", "book", "promise", "delivered", "part"),
    *("source_position", "judged_before", "birth"),
)
COMMISSIONING = (
    *("sensor", "at_ns", "n_windows", "false_alarm_rate", "settled_ns", "f_edges_hz"),
    *("low_db", "high_db", "novelty_threshold", "logit_threshold", "model_id"),
    *("running_limit_ms2", "author", "even_so", "geometry"),
)
ACTIVE = "settled_ns IS NOT NULL AND error IS NULL AND undone_ns IS NULL"
# What a window's verdict said last of model and geometry, by sensor.
JUDGED = (
    "SELECT s.sensor, model_id, geometry_id FROM stream s JOIN sensor ON name = s.sensor"
    " JOIN verdict_row r ON r.row_id = (SELECT row_id FROM verdict_row v"
    f" WHERE v.sensor_id = sensor.sensor_id {NEWEST_FIRST} LIMIT 1) JOIN manner USING (manner_id)"
)
# Of alarms that stand: their raising, and who has seen it since.
STANDING = (
    "SELECT e.sensor, at_ns, kind, text, model_id FROM event e JOIN stream s USING (sensor)"
    f" WHERE alarm_raised AND kind IN ('alarm_raised', '{ACKNOWLEDGED}')"
    " AND event_id >= (SELECT max(event_id) FROM event r"
    " WHERE r.sensor = e.sensor AND r.kind = 'alarm_raised') ORDER BY event_id"
)


@dataclass(frozen=True, slots=True)
class Handed:
    """What a journal has to hand on.

    last_row, last_event : the newest of its rows then, which outputs must have
        before anybody may forget what they came from
    """

    succession: Succession
    last_row: int
    last_event: int


class SuccessionReader:
    """Reads a journal that its service writes. Raises JournalError from any method."""

    def __init__(self, path: Path) -> None:
        self._link = connect_read_only(path)

    def close(self) -> None:
        self._link.close()

    def read(self) -> Handed | None:
        """None while there is nothing to hand on: no position, or a tail of unknown records."""
        with reading(), one_moment(self._link):
            return _handed(self._link)

    def is_delivered(self, handed: Handed, outputs: Sequence[str]) -> bool:
        """Whether each of these outputs has all rows of then that it takes."""
        marks = ", ".join("?" * len(outputs))
        query = (
            "SELECT count(*) FROM output_cursor WHERE (kind = 'verdict' AND cursor < ?"
            f" OR kind = 'event' AND cursor < ?) AND output IN ({marks})"
        )
        with reading():
            found = self._link.execute(
                query, (handed.last_row, handed.last_event, *outputs)
            ).fetchone()
        return not found[0]


def journal_id(path: Path) -> str:
    """The journal's own name, made once. Raises JournalError."""
    with closing(connect(path, lambda: None)) as link, transaction(link):
        return _own_id(link)


def take_over(
    path: Path, found: Succession, generation: int | None, now_ns: int, text: str
) -> None:
    """Put another journal's word in place of what this one says of streams, alarms and
    commissionings. Rows that are there stay.

    text : what was taken over, for people
    Raises JournalError, SupersededError; LookupError, TypeError or ValueError
    where what is found makes no sense, which then changes nothing.
    """
    with closing(connect(path, lambda: None)) as link, transaction(link):
        if generation is not None:
            check_generation(link, generation)
        for table in TAKEN_OVER:
            link.execute(f"DELETE FROM {table}")
        numbers = _take_commissionings(link, found.commissionings, now_ns)
        for sensor, tree in found.streams.items():
            _take_stream(link, sensor, tree, numbers)
        link.executemany("INSERT INTO birth VALUES (?, ?)", found.births.items())
        store_position(link, found.position)
        _own_id(link)
        link.execute("UPDATE journal_name SET taken_ns = ?, text = ?", (now_ns, text))


def _own_id(link: sqlite3.Connection) -> str:
    """Within the caller's transaction."""
    row = link.execute("SELECT name FROM journal_name").fetchone()
    if row is None:
        row = (secrets.token_hex(ID_BYTES),)
        link.execute("INSERT INTO journal_name VALUES (1, ?, NULL, '')", row)
    return str(row[0])


# -- handing on ---------------------------------------------------------------------------------


def _handed(link: sqlite3.Connection) -> Handed | None:
    name = link.execute("SELECT name FROM journal_name").fetchone()
    position = resumed(link).position
    if name is None or position is None:
        return None
    records = _all_records(link, position)
    if records is None:
        return None
    offset = min((position.offset, *_needed(records.values())))
    if offset < position.offset:
        position = replace(position, offset=offset, leader_epoch=None)
    last_row, last_event = (
        int(link.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchone()[0])
        for key, table in (("row_id", "verdict_row"), ("event_id", "event"))
    )
    streams, commissionings = _streams(link, records), _commissionings(link)
    births = dict(link.execute("SELECT topic, payload FROM birth"))
    found = Succession(str(name[0]), position, streams, commissionings, births)
    return Handed(found, last_row, last_event)


def _all_records(
    link: sqlite3.Connection, position: SourcePosition
) -> dict[str, TailRecords] | None:
    """Of every stream; None where one has a tail of unknown records. A stream that is older than
    noted records has taken everything before the position.
    """
    known = tail_records(link)
    tails = {sensor for (sensor,) in link.execute("SELECT DISTINCT sensor FROM tail")}
    found = {}
    for (sensor,) in link.execute("SELECT sensor FROM stream"):
        if sensor not in known and sensor in tails:
            return None
        found[sensor] = known.get(sensor, TailRecords(position.offset - 1, 0))
    return found


def _needed(records: Iterable[TailRecords]) -> Iterator[int]:
    """The first record of each unfinished window. A sensor that has none, silent for long maybe,
    needs nothing from before the position: all of that is stored.
    """
    for one in records:
        if one.n_samples:
            yield min(piece.first for piece in one.pieces)


def _streams(
    link: sqlite3.Connection, records: Mapping[str, TailRecords]
) -> dict[str, Tree]:
    books, alarms, told = _books(link), _alarms(link), _notified(link)
    promises = dict(link.execute("SELECT sensor, fields FROM promise"))
    judged = _judged_by(link)
    rows = link.execute(
        "SELECT sensor, position, keys, alarm_recent, alarm_raised, n_waiting FROM stream"
    )
    return {
        sensor: {
            # These are text, as the journal has them: reading them would take the most time.
            "position": position,
            "keys": keys,
            "alarm_recent": recent,
            "alarm_raised": bool(raised),
            "n_waiting": n_waiting,
            "newest": records[sensor].newest,
            "n_samples": records[sensor].n_samples,
            "pieces": [list(piece) for piece in records[sensor].pieces],
            "promise": promises.get(sensor),
            "books": books[sensor],
            "alarm_events": alarms[sensor],
            "notified": told[sensor],
            "judged_by": judged.get(sensor, (None, None)),
        }
        for sensor, position, keys, recent, raised, n_waiting in rows
    }


def _judged_by(link: sqlite3.Connection) -> dict[str, JudgedBy]:
    newest = {sensor: (model, geometry) for sensor, model, geometry in link.execute(JUDGED)}
    return judged_before(link) | newest


def _books(link: sqlite3.Connection) -> defaultdict[str, list[Any]]:
    return _lists(link, "SELECT sensor, fate, reason, n_samples FROM book")


def _alarms(link: sqlite3.Connection) -> defaultdict[str, list[Any]]:
    return _lists(link, STANDING)


def _notified(link: sqlite3.Connection) -> defaultdict[str, list[Any]]:
    return _lists(link, "SELECT sensor, output, state, raised_ns FROM notified")


def _lists(link: sqlite3.Connection, query: str) -> defaultdict[str, list[Any]]:
    """Rows by their first column, the sensor."""
    found = defaultdict(list)
    for sensor, *rest in link.execute(query):
        found[sensor].append(rest)
    return found


def _commissionings(link: sqlite3.Connection) -> dict[str, Tree]:
    """Each sensor's newest that holds."""
    rows = link.execute(
        f"SELECT {', '.join(COMMISSIONING)}, commissioning_id, fields FROM commissioning"
        f" LEFT JOIN healthy_reference USING (commissioning_id) WHERE {ACTIVE}"
        " ORDER BY settled_ns, commissioning_id"
    )
    found: dict[str, Tree] = {}
    for *values, number, reference in rows:
        tree: dict[str, Any] = dict(zip(COMMISSIONING, values, strict=True))
        tree |= {name: base64.b64encode(tree[name]).decode() for name in BLOBS}
        found[tree["sensor"]] = tree | {"number": number, "reference": reference}
    return found


# -- taking over --------------------------------------------------------------------------------


def _take_commissionings(
    link: sqlite3.Connection, found: Mapping[str, Tree], now_ns: int
) -> dict[int, int]:
    """Those hold, and no others. Returns the number in this journal of each."""
    numbers = {int(tree["number"]): _take_one(link, tree) for tree in found.values()}
    kept = json.dumps(list(numbers.values()))
    link.execute(
        f"UPDATE commissioning SET undone_ns = ? WHERE {ACTIVE}"
        " AND commissioning_id NOT IN (SELECT value FROM json_each(?))",
        (now_ns, kept),
    )
    return numbers


def _take_one(link: sqlite3.Connection, tree: Tree) -> int:
    """Under its number, unless that is another's here. Returns the number."""
    number: int | None = int(tree["number"])
    known = link.execute(
        "SELECT sensor, settled_ns FROM commissioning WHERE commissioning_id = ?", (number,)
    ).fetchone()
    if known == (tree["sensor"], tree["settled_ns"]):
        link.execute(
            "UPDATE commissioning SET undone_ns = NULL WHERE commissioning_id = ?",
            (number,),
        )
        return int(tree["number"])
    blobs = {name: base64.b64decode(tree[name], validate=True) for name in BLOBS}
    _check_limits(tree, blobs)
    values = [blobs.get(name, tree[name]) for name in COMMISSIONING]
    row = link.execute(
        f"INSERT INTO commissioning (commissioning_id, {', '.join(COMMISSIONING)})"
        f" VALUES (?{', ?' * len(COMMISSIONING)}) RETURNING commissioning_id",
        (number if known is None else None, *values),
    ).fetchone()
    if tree["reference"] is not None:
        reference = row[0], tree["reference"]
        link.execute("INSERT OR REPLACE INTO healthy_reference VALUES (?, ?)", reference)
    return int(row[0])


def _check_limits(tree: Tree, blobs: Mapping[str, bytes]) -> None:
    """Raises LookupError, TypeError or ValueError where they could not be judged by."""
    n_bytes = 4 * (len(json.loads(tree["f_edges_hz"])) - 1)
    low, high = (len(blobs[name]) for name in BLOBS)
    if n_bytes <= 0 or low != high or not low or low % n_bytes:
        raise ValueError(f"a range of {low} and {high} bytes, for {n_bytes} a channel")
    if tree["geometry"] is not None:
        Geometry.from_json(tree["geometry"])
    if tree["reference"] is not None:
        Reference.from_json(tree["reference"])


def _take_stream(
    link: sqlite3.Connection, sensor: str, tree: Tree, numbers: Mapping[int, int]
) -> None:
    texts = [str(tree[name]) for name in ("position", "keys", "alarm_recent")]
    _check_stream(*texts)
    alarm = bool(tree["alarm_raised"]), int(tree["n_waiting"])
    link.execute("INSERT INTO stream VALUES (?, ?, ?, ?, ?, ?)", (sensor, *texts, *alarm))
    pieces = [Piece(*map(int, piece)) for piece in tree["pieces"]]
    records = int(tree["newest"]), int(tree["n_samples"]), json.dumps(pieces)
    link.execute("INSERT INTO tail_record VALUES (?, ?, ?, ?)", (sensor, *records))
    _take_promise(link, sensor, tree["promise"], numbers)
    link.executemany(
        "INSERT INTO book VALUES (?, ?, ?, ?)", [(sensor, *one) for one in tree["books"]]
    )
    model_id, geometry_id = tree["judged_by"]
    link.execute(
        "INSERT INTO judged_before VALUES (?, ?, ?)", (sensor, model_id, geometry_id)
    )
    link.executemany(
        "INSERT OR REPLACE INTO notified VALUES (?, ?, ?, ?, NULL, 0)",
        [(output, sensor, state, at_ns) for output, state, at_ns in tree["notified"]],
    )
    for at_ns, kind, text, model in tree["alarm_events"]:
        _take_event(link, (at_ns, sensor, kind, text, model))


def _check_stream(position: str, keys: str, alarm_recent: str) -> None:
    """Raises LookupError, TypeError or ValueError where a stream could not go on from these."""
    where = Position.from_json(position)
    for name in ("segment", "first_sample", "n_counted", "start_ns", "n_window", "n_hop"):
        if not isinstance(getattr(where, name), int):
            raise TypeError(f"position.{name} is no whole number")
    for key in json.loads(keys):
        tuple(key)
    list(json.loads(alarm_recent))


def _take_promise(
    link: sqlite3.Connection,
    sensor: str,
    text: str | None,
    numbers: Mapping[int, int],
) -> None:
    if text is None:
        return
    state = PromiseState.from_json(text)
    number = state.commissioning_id
    if number is not None:
        state = replace(state, commissioning_id=numbers.get(number, number))
    link.execute("INSERT INTO promise VALUES (?, ?)", (sensor, state.as_json()))


def _take_event(link: sqlite3.Connection, event: tuple[int, str, str, str, str]) -> None:
    """Unless it is here."""
    known = link.execute(
        "SELECT 1 FROM event WHERE (at_ns, sensor, kind) = (?, ?, ?)", event[:3]
    ).fetchone()
    if known is None:
        store_events(link, Event(*event))
