"""Alert rules, as Grafana's alerting provisioning file wants them."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.panels import DATA_SOURCE, Json, query

# What the service reports of itself and of each point once a minute at least.
REPORT_S = 300
# Where no point at all is reported: an alert of its own, named DatasourceNoData.
NO_DATA_IS_AN_ALERT: dict[str, str] = {"noDataState": "NoData"}
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
EXPRESSION: Json = {"type": "__expr__", "uid": "__expr__"}
BY_POINT = 'GROUP BY "machine", "point"'
OF_POINT = "{{ $labels.machine }} / {{ $labels.point }}"
BELOW, ABOVE, WITHIN = "lt", "gt", "within_range"


def rule_groups() -> Json:
    """The provisioning file: one group of rules, evaluated every half minute."""
    alive = (
        'SELECT count("uptime_s") FROM "monitor_health" WHERE $timeFilter GROUP BY time(1m),'
        ' "instance" fill(0)'
    )
    waiting = (
        'SELECT last("oldest_row_age_s") FROM "monitor_health" WHERE $timeFilter GROUP BY'
        ' "instance"'
    )
    share_of_bad = [_count('"severity" = 3'), _count('"severity" >= 0')]
    rules = [
        _rule(
            "alarm-raised",
            "Alarm raised",
            [_points('last("alarm")')],
            REPORT_S,
            (ABOVE, 0.5),
        )
        | NO_DATA_IS_AN_ALERT
        | _says(f"{OF_POINT}: the alarm is raised", "critical"),
        _rule(
            "ng-share", "Many NG windows", [_verdicts('mean("ng")')], HOUR_S, (ABOVE, 0.2)
        )
        | _says(
            f"{OF_POINT}: more than 20 % of the last hour's judged windows are NG",
            "warning",
        ),
        _rule(
            "sensor-silent",
            "Sensor silent",
            [_points('last("severity")')],
            REPORT_S,
            (WITHIN, 3.5, 4.5),
        )
        | NO_DATA_IS_AN_ALERT
        | _says(f"{OF_POINT}: no data arrives", "warning"),
        _rule("bad-data", "Bad data", share_of_bad, HOUR_S, (ABOVE, 0.1), math="$RA / $RB")
        | _says(
            f"{OF_POINT}: more than 10 % of the last hour's windows could not be judged",
            "warning",
        ),
        _rule(
            "alarm-not-shown", "Alarm not shown", [_alarms_not_shown()], DAY_S, (ABOVE, 0.5)
        )
        | NO_DATA_IS_AN_ALERT
        | {"for": "2m"}
        | _says(
            f"{OF_POINT}: the alarm is raised, and no window in InfluxDB says so: rows are refused"
            " or wait, or the sensor's clock is off",
            "critical",
        ),
        _rule("windows-missing", "Windows missing", [_known_windows()], DAY_S, (BELOW, 0.5))
        | NO_DATA_IS_AN_ALERT
        | {"for": "5m"}
        | _says(
            f"{OF_POINT}: InfluxDB has no window of the last day of a point that is known: rows"
            " are refused or wait, or the sensor's clock is off",
            "warning",
        ),
        _rule("rows-rejected", "Rows rejected", [_newly_rejected()], HOUR_S, (ABOVE, 0.5))
        | _says(
            "{{ $labels.instance }}: InfluxDB refused rows within the last hour, see"
            " camshaft status --parked",
            "warning",
        ),
        _rule(
            "heartbeat-stale", "Service heartbeat stale", [alive], 6 * HOUR_S, (BELOW, 0.5)
        )
        | {"for": "1m", "noDataState": "Alerting"}
        | _says(
            "{{ $labels.instance }}: Camshaft has not reported its health for a minute or more",
            "critical",
        ),
        _rule(
            "backlog-growing",
            "Journal backlog growing",
            [waiting],
            10 * MINUTE_S,
            (ABOVE, 300),
        )
        | {"for": "5m"}
        | _says(
            "{{ $labels.instance }}: the oldest row that InfluxDB has not got is over five"
            " minutes old",
            "warning",
        ),
    ]
    group = {
        "orgId": 1,
        "name": "camshaft",
        "folder": "Camshaft",
        "interval": "30s",
        "rules": rules,
    }
    return {"apiVersion": 1, "groups": [group]}


def _points(selected: str) -> str:
    """By the host's clock, which a sensor's own may be days off."""
    return f'SELECT {selected} FROM "monitor_point" WHERE $timeFilter {BY_POINT}'


def _alarms_not_shown() -> str:
    """1 for a point whose alarm stands in the journal, and in no window that InfluxDB shows."""
    shown = _verdicts('last("alarm") * -1 AS "alarm"')
    known = _points('last("alarm") AS "alarm"')
    return f'SELECT sum("alarm") FROM ({known}), ({shown}) WHERE $timeFilter {BY_POINT}'


def _known_windows() -> str:
    """How many windows InfluxDB has of each point that the service knows; 0 where it has none."""
    windows = _verdicts('count("severity") AS "n"')
    known = _points('last("alarm") * 0 AS "n"')
    return f'SELECT sum("n") FROM ({known}), ({windows}) WHERE $timeFilter {BY_POINT}'


def _newly_rejected() -> str:
    """Rows refused within the span; rows that were sent again and stored do not count against."""
    rises = (
        'SELECT non_negative_difference("rejected_rows") AS "rise" FROM "monitor_health"'
        ' WHERE $timeFilter GROUP BY "instance"'
    )
    return f'SELECT sum("rise") FROM ({rises}) WHERE $timeFilter GROUP BY "instance"'


def _verdicts(selected: str) -> str:
    return f'SELECT {selected} FROM "vibration_verdict" WHERE $timeFilter {BY_POINT}'


def _count(condition: str) -> str:
    return (
        f'SELECT count("severity") FROM "vibration_verdict" WHERE $timeFilter AND {condition}'
        f" {BY_POINT}"
    )


def _says(summary: str, severity: str) -> Json:
    return {
        "annotations": {"summary": summary},
        "labels": {"severity": severity, "service": "camshaft"},
    }


def _rule(
    uid: str,
    title: str,
    queries: Sequence[str],
    range_s: int,
    limit: tuple[str, *tuple[float, ...]],
    math: str = "",
) -> Json:
    """Queries A, B, ...; RA, RB, ... are their newest values; M may join these; C is true where the
    rule fires.
    """
    names = [chr(ord("A") + number) for number in range(len(queries))]
    data = [
        _step(name, query(text, ref_id=name), range_s)
        for name, text in zip(names, queries, strict=True)
    ]
    data += [
        _step(f"R{name}", {"type": "reduce", "expression": name, "reducer": "last"})
        for name in names
    ]
    if math:
        data.append(_step("M", {"type": "math", "expression": math}))
    conditions = [{"evaluator": {"type": limit[0], "params": list(limit[1:])}}]
    data.append(
        _step(
            "C",
            {
                "type": "threshold",
                "expression": "M" if math else "RA",
                "conditions": conditions,
            },
        )
    )
    rule = {"uid": f"camshaft-{uid}", "title": title, "condition": "C", "data": data}
    return rule | {"for": "0s", "noDataState": "OK", "execErrState": "Error"}


def _step(ref_id: str, model: Json, range_s: int = 0) -> Json:
    source = DATA_SOURCE if range_s else EXPRESSION
    limits = {"intervalMs": 1000, "maxDataPoints": 43_200}
    model = model | {"refId": ref_id, "datasource": source} | limits
    times = {"from": range_s, "to": 0}
    return {
        "refId": ref_id,
        "datasourceUid": source["uid"],
        "relativeTimeRange": times,
        "model": model,
    }
