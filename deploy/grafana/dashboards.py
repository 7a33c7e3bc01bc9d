"""The four dashboards: Fleet, Point, Trend, Service."""

from __future__ import annotations

from deploy.grafana.panels import (
    GREY,
    SENSOR,
    STATUS_COLOURS,
    Json,
    annotation,
    dashboard,
    heatmap,
    link,
    place,
    query,
    stacked_statuses,
    stat,
    state_timeline,
    table,
    text_variable,
    time_series,
    variable,
)

LIVE_PAGE = text_variable("live_page", "Live page", "http://127.0.0.1:8477")
TO_FLEET = link("Fleet", "/d/camshaft-fleet")
TO_TREND = link("Trend", "/d/camshaft-trend", with_variables=True)
TO_SERVICE = link("Service", "/d/camshaft-service")
TO_LIVE_PAGE = link("Live page", "${live_page}", new_tab=True)
POINT_ON_LIVE_PAGE = (
    "${live_page}/#/point/${machine:percentencode}%2F${point:percentencode}"
)
ROWS = f'{SENSOR} AND "span" =~ /^${{span:regex}}$/ AND $timeFilter'  # of vibration_trend
MAPS_OF_TREND: dict[str, tuple[Json, str]] = {
    "spectrum": (
        {"scheme": "Viridis", "reverse": False},
        "Mean power spectral density, in tenths of a dB re 1 (m/s²)²/Hz.",
    ),
    "cam": (
        {"scheme": "RdBu", "reverse": True, "min": -1000, "max": 1000},
        "Each band's mean evidence, in 1/10,000 of a logit: red speaks for NG, blue for OK.",
    ),
}
COLUMNS = ("reason", "probability", "novelty", "band_low_hz", "band_high_hz", "band_share")
UNITS = {
    "probability": "percentunit",
    "band_share": "percentunit",
    "band_low_hz": "hertz",
    "band_high_hz": "hertz",
}
TREND_ON_LIVE_PAGE = (
    "${live_page}/#/trend/${machine:percentencode}%2F${point:percentencode}"
)
MARKS = (
    ("Alarms", "red", "alarm"),
    ("Labels", "blue", "label"),
    ("Models", "purple", "model|commission|geometry"),
)


def fleet() -> Json:
    """Which machines are not OK, and since when."""
    machine = '"machine" =~ /^${machine:regex}$/'
    newest = (
        'SELECT last("severity") AS "now" FROM "vibration_verdict"'
        f" WHERE {machine} AND $timeFilter"
    )
    newest = f'({newest} GROUP BY "machine", "point")'

    def points_in(title: str, severity: int, colour: str) -> Json:
        return stat(
            title, 4, f'SELECT count("now") FROM {newest} WHERE "now" = {severity}', colour
        )

    states = (
        f'SELECT max("severity") FROM "vibration_verdict" WHERE {machine} AND $timeFilter'
    )
    states += ' GROUP BY time($__interval), "machine", "point" fill(none)'
    share = f'SELECT mean("ng") FROM "vibration_verdict" WHERE {machine} AND $timeFilter'
    share += ' GROUP BY time($__interval), "machine", "point" fill(none)'
    newest_rows = ", ".join(
        f'last("{name}") AS "{name}"'
        for name in ("status", *COLUMNS, "alarm_state", "model_id")
    )
    points = (
        f'SELECT {newest_rows} FROM "vibration_verdict" WHERE {machine} AND $timeFilter'
    )
    points += ' GROUP BY "machine", "point"'
    alarms = (
        f'SELECT "text", "model_id" FROM "vibration_event" WHERE {machine} AND "kind" =~ /^alarm/'
        " AND $timeFilter"
    )
    alarms += ' GROUP BY "machine", "point", "kind" ORDER BY time DESC'
    name = "$tag_machine / $tag_point"
    of_row = _to_point(
        "${__data.fields.machine:percentencode}", "${__data.fields.point:percentencode}"
    )
    of_series = _to_point(
        "${__field.labels.machine:percentencode}", "${__field.labels.point:percentencode}"
    )
    counts = [
        points_in("NG now", 5, "red"),
        points_in("Silent now", 4, "purple"),
        points_in("Bad data now", 3, "orange"),
        points_in("Learning", 2, "blue"),
        points_in("Idle", 1, GREY),
        stat("Points", 4, f'SELECT count("now") FROM {newest}', "green"),
    ]
    panels = place(
        [
            (4, counts),
            (10, [state_timeline("State of every point", 24, states, name, [of_series])]),
            (9, [table("Points: the last word", 24, points, UNITS, [of_row])]),
            (
                9,
                [
                    table(
                        "Alarms of the last day",
                        12,
                        alarms,
                        links=[of_row],
                        time_from="24h",
                    ),
                    _share(share, name),
                ],
            ),
        ]
    )
    machines = 'SHOW TAG VALUES FROM "vibration_verdict" WITH KEY = "machine"'
    variables = [variable("machine", "Machine", machines, all_of_them=True), LIVE_PAGE]
    links = [TO_SERVICE, TO_LIVE_PAGE]
    return dashboard("camshaft-fleet", "Camshaft: Fleet", panels, variables, links=links)


def point() -> Json:
    """One measuring point: how sure, and which frequencies at what time say so."""
    where = f"{SENSOR} AND $timeFilter"
    states = (
        f'SELECT max("severity") FROM "vibration_verdict" WHERE {where} GROUP BY time($__interval)'
        " fill(none)"
    )
    columns = ", ".join(f'"{name}"' for name in (*COLUMNS, "model_id"))
    driven = (
        f'SELECT {columns} FROM "vibration_verdict" WHERE {where} AND "status" = \'NG\''
    )
    driven += " ORDER BY time DESC LIMIT 500"
    quality = query(
        _over_time("mean(/^(rms|peak|clipped|rate)/)", "vibration_quality"), "$col"
    )
    velocity = query(
        _over_time('mean("velocity_rms_mm_s")', "vibration_quality"), "velocity RMS"
    )
    panels = place(
        [
            (4, [state_timeline("State", 24, states, "${machine} / ${point}")]),
            (8, [_probability(), _novelty()]),
            (11, [_cam()]),
            (10, [_novelty_map(), _spectrum()]),
            (8, _condition()),
            (
                9,
                [
                    table("What drove each NG", 12, driven, UNITS),
                    _drift(quality),
                    _severity(velocity),
                ],
            ),
        ]
    )
    annotations = [
        annotation(title, colour, _events(kinds)) for title, colour, kinds in MARKS
    ]
    links = [
        TO_FLEET,
        TO_TREND,
        TO_SERVICE,
        link("Live page", POINT_ON_LIVE_PAGE, new_tab=True),
    ]
    return dashboard(
        "camshaft-point",
        "Camshaft: Point",
        panels,
        _point_variables(),
        annotations,
        links,
        "now-15m",
    )


def trend() -> Json:
    """Years of one point: since when it is so, from rows of ten minutes or of an hour."""
    panels = place(
        [
            (7, [_time_by_status()]),
            (9, [_quantity()]),
            (
                8,
                [
                    _trend_lines("P(NG)", "probability", "percentunit", 1),
                    _trend_lines("Unlike its commissioned self", "novelty", "short", None),
                ],
            ),
            (10, [_trend_map("Spectrum", "spectrum"), _trend_map("Evidence", "cam")]),
            (9, [_worst()]),
        ]
    )
    annotations = [
        annotation(title, colour, _events(kinds)) for title, colour, kinds in MARKS
    ]
    links = [
        TO_FLEET,
        link("Point", "/d/camshaft-point", with_variables=True),
        TO_SERVICE,
        link("Live page", TREND_ON_LIVE_PAGE, new_tab=True),
    ]
    return dashboard(
        "camshaft-trend",
        "Camshaft: Trend",
        panels,
        _trend_variables(),
        annotations,
        links,
        "now-2y",
        "5m",
    )


def service() -> Json:
    """The service itself: do the books close, does anything wait, how fast is it."""

    def figures(
        title: str, width: int, names: str, how: str = "last", unit: str = "short"
    ) -> Json:
        queries = [query(_health(f'{how}("{name}")'), name) for name in names.split()]
        return time_series(title, width, queries, unit)

    falls = (
        'SELECT difference("uptime_s") AS "change" FROM "monitor_health" WHERE "instance" =~'
        " /^${instance:regex}$/"
    )
    restarts = f'SELECT count("change") FROM ({falls} AND $timeFilter) WHERE "change" < 0'
    newest = (
        'FROM "monitor_health" WHERE "instance" =~ /^${instance:regex}$/ AND $timeFilter'
    )
    numbers = [
        stat(
            "Sensors whose books do not close",
            6,
            f'SELECT last("unbalanced_sensors") {newest}',
            "red",
        ),
        stat("Restarts", 6, restarts, "orange", description="In the range shown."),
        stat(
            "Rows that InfluxDB rejected",
            6,
            f'SELECT last("rejected_rows") {newest}',
            "red",
        ),
        stat(
            "Messages the broker dropped",
            6,
            f'SELECT last("broker_dropped_messages") {newest}',
            "red",
        ),
    ]
    books = "received_samples analysed_samples judged_bad_samples dropped_samples waiting_samples"
    panels = place(
        [
            (4, numbers),
            (
                9,
                [
                    figures("Samples, by fate", 12, books),
                    figures("Windows a second", 12, "windows_per_s", "mean"),
                ],
            ),
            (
                9,
                [
                    figures("Rows that wait in the journal", 8, "backlog_rows", "max"),
                    figures(
                        "Age of the oldest row that waits",
                        8,
                        "oldest_row_age_s",
                        "max",
                        "s",
                    ),
                    figures("Journal", 8, "journal_bytes", "max", "bytes"),
                ],
            ),
            (
                9,
                [
                    figures(
                        "Last message to verdict",
                        8,
                        "latency_p50_ms latency_p95_ms latency_p99_ms",
                        "max",
                        "ms",
                    ),
                    figures(
                        "Bad payloads, broker connects", 8, "bad_payloads broker_connects"
                    ),
                    figures("Memory", 8, "rss_bytes", "max", "bytes"),
                ],
            ),
        ]
    )
    instances = 'SHOW TAG VALUES FROM "monitor_health" WITH KEY = "instance"'
    variables = [variable("instance", "Instance", instances, all_of_them=True), LIVE_PAGE]
    links = [TO_FLEET, TO_LIVE_PAGE]
    return dashboard(
        "camshaft-service", "Camshaft: Service", panels, variables, links=links
    )


def _to_point(machine: str, point: str) -> Json:
    url = f"/d/camshaft-point?var-machine={machine}&var-point={point}&${{__url_time_range}}"
    return {"title": "Show this point", "url": url, "targetBlank": False}


def _events(kinds: str) -> str:
    return (
        f'SELECT "text", "kind" FROM "vibration_event" WHERE {SENSOR} AND "kind" =~ /^({kinds})/'
        " AND $timeFilter"
    )


def _share(influxql: str, alias: str) -> Json:
    title = "Share of NG among the judged windows"
    return time_series(title, 12, [query(influxql, alias)], "percentunit", 0, 1)


def _over_time(selected: str, measurement: str) -> str:
    return (
        f'SELECT {selected} FROM "{measurement}" WHERE {SENSOR} AND $timeFilter GROUP BY'
        " time($__interval) fill(none)"
    )


def _health(selected: str) -> str:
    where = '"instance" =~ /^${instance:regex}$/ AND $timeFilter'
    return (
        f'SELECT {selected} FROM "monitor_health" WHERE {where} GROUP BY time($__interval)'
        " fill(none)"
    )


def _map_query(measurement: str) -> str:
    """Whatever the model's bands are.

    ${bands} is the pattern of the point's own bands: a plain /^[0-9.]+$/ finds those of every model
    in the database, as empty rows. model_from and model_until keep two models apart that share
    bands.
    """
    # 0: still a number where nothing is found
    of_model = "time > 0${model_from}ms AND time <= 0${model_until}ms"
    where = f"{SENSOR} AND {of_model} AND $timeFilter"
    return (
        f'SELECT mean(/^(${{bands}})$/) FROM "{measurement}" WHERE {where} GROUP BY'
        " time($__interval) fill(null)"
    )


def _point_variables() -> list[Json]:
    machines = 'SHOW TAG VALUES FROM "vibration_verdict" WITH KEY = "machine"'
    points = (
        'SHOW TAG VALUES FROM "vibration_verdict" WITH KEY = "point" WHERE'
        f" {SENSOR.split(' AND ')[0]}"
    )
    models = f'SELECT DISTINCT("model_id") FROM "vibration_verdict" WHERE {SENSOR} AND $timeFilter'
    of_model = (
        f'FROM "vibration_verdict" WHERE {SENSOR} AND $timeFilter AND "model_id" =~'
        " /^${model:regex}$/"
    )
    return [
        variable("machine", "Machine", machines),
        variable("point", "Point", points),
        variable("model", "Model", models, all_of_them=True),
        variable("model_from", "", f'SELECT first("start_ms") {of_model}', hidden=True),
        variable("model_until", "", f'SELECT last("end_ms") {of_model}', hidden=True),
        variable("column_ms", "", f'SELECT last("column_ms") {of_model}', hidden=True),
        variable("bands", "", f'SELECT last("bands") {of_model}', hidden=True),
        LIVE_PAGE,
    ]


def _probability() -> Json:
    queries = [
        query(_over_time('max("probability")', "vibration_verdict"), "P(NG), highest"),
        query(_over_time('mean("probability")', "vibration_verdict"), "P(NG), mean"),
        query(
            _over_time('last("probability_threshold")', "vibration_verdict"), "threshold"
        ),
    ]
    return time_series(
        "P(NG)",
        12,
        queries,
        "percentunit",
        0,
        1,
        "What the network says; above its threshold it is NG.",
    )


def _novelty() -> Json:
    queries = [
        query(_over_time('max("novelty")', "vibration_verdict"), "novelty, highest"),
        query(_over_time('mean("novelty")', "vibration_verdict"), "novelty, mean"),
        query(_over_time('last("novelty_threshold")', "vibration_verdict"), "threshold"),
    ]
    return time_series(
        "Unlike its commissioned self",
        12,
        queries,
        low=0,
        description="Share of bands unlike all it was commissioned with, and its threshold.",
    )


def _cam() -> Json:
    text = (
        "Evidence of each frequency band over time, in 1/10,000 of a logit: red speaks for NG, blue"
        " for OK. All cells of a window and the bias add up to its logit. Long ranges show the mean"
        " of each span."
    )
    colours = {"scheme": "RdBu", "reverse": True, "min": -1000, "max": 1000}
    return heatmap(
        "Why: evidence by frequency and time",
        24,
        _map_query("vibration_cam"),
        colours,
        "short",
        text,
    )


def _novelty_map() -> Json:
    text = "Share of each band in the novelty score, in 1/10,000 of it."
    colours = {"scheme": "Oranges", "reverse": False, "min": 0}
    return heatmap(
        "Where it is unlike itself",
        12,
        _map_query("vibration_novelty"),
        colours,
        "short",
        text,
    )


def _spectrum() -> Json:
    text = (
        "Power spectral density, mean of the channels, in tenths of a dB re 1 (m/s²)²/Hz."
    )
    colours = {"scheme": "Viridis", "reverse": False}
    return heatmap("Spectrum", 12, _map_query("vibration_spectrum"), colours, "short", text)


def _condition() -> list[Json]:
    """Condition indicators, those of one unit together."""
    return [
        time_series(title, 8, [_indicators(names)], unit, description=text)
        for title, names, unit, text in (
            (
                "Acceleration",
                "rms_ms2|peak_ms2|peak_to_peak_ms2",
                "suffix: m/s²",
                "RMS, peak and peak to peak of each window, its mean removed.",
            ),
            (
                "Impulsiveness",
                "crest|kurtosis",
                "none",
                "Crest factor, 1.4 for a sine; kurtosis, 3 for noise. Both rise with early faults"
                " of bearings and gears.",
            ),
            (
                "Velocity and zone",
                "velocity_rms|zone",
                "none",
                "RMS velocity in mm/s, and the zone of ISO 20816-3 (1 is A, 4 is D) where it is"
                " configured: a second opinion.",
            ),
        )
    ]


def _indicators(names: str) -> Json:
    return query(_over_time(f"mean(/^({names})/)", "vibration_condition"), "$col")


def _drift(quality: Json) -> Json:
    return time_series(
        "Quality of the data",
        6,
        [quality],
        description="RMS and peak in m/s², clipped share.",
    )


def _severity(velocity: Json) -> Json:
    text = (
        "A second opinion: RMS velocity from 10 to 1000 Hz as in ISO 20816, one window in ten"
        " seconds, where rate and window allow it. The zone limits depend on the machine; part 3"
        " gives 4.5 mm/s and 7.1 mm/s for large ones."
    )
    return time_series(
        "Vibration severity", 6, [velocity], "suffix: mm/s", 0, description=text
    )


def _trend_variables() -> list[Json]:
    machines = 'SHOW TAG VALUES FROM "vibration_trend" WITH KEY = "machine"'
    points = (
        'SHOW TAG VALUES FROM "vibration_trend" WITH KEY = "point" WHERE'
        f" {SENSOR.split(' AND ')[0]}"
    )
    spans = 'SHOW TAG VALUES FROM "vibration_trend" WITH KEY = "span"'
    # Each has a field for its sum.
    quantities = 'SHOW FIELD KEYS FROM "vibration_trend"'
    newest = f'FROM "vibration_trend" WHERE {ROWS}'
    return [
        variable("machine", "Machine", machines),
        variable("point", "Point", points),
        variable("span", "Rows of", spans),
        variable("quantity", "Quantity", quantities, regex="/^(.*)_sum$/"),
        variable("column_ms", "", f'SELECT last("column_ms") {newest}', hidden=True),
        variable("bands", "", f'SELECT last("bands") {newest}', hidden=True),
        LIVE_PAGE,
    ]


def _trend_query(selected: str) -> str:
    return (
        f'SELECT {selected} FROM "vibration_trend" WHERE {ROWS} GROUP BY'
        " time($__interval) fill(none)"
    )


def _time_by_status() -> Json:
    selected = ", ".join(
        f'sum("seconds_{status.lower()}") AS "{status}"' for status in STATUS_COLOURS
    )
    queries = [query(_trend_query(selected), "$col")]
    text = "Each status's seconds of signal, added up. Windows that overlap count each."
    panel = time_series("Time by status", 24, queries, "s", 0, description=text)
    return stacked_statuses(panel)


def _of_quantity(name: str) -> list[Json]:
    """The mean of the windows, not of rows: rows may hold few windows or many."""
    return [
        query(_trend_query(f'max("{name}_max")'), "largest"),
        query(_trend_query(f'max("{name}_p95")'), "95 % of windows, highest row"),
        query(_trend_query(f'sum("{name}_sum") / sum("{name}_n")'), "mean"),
        query(_trend_query(f'min("{name}_min")'), "smallest"),
    ]


def _quantity() -> Json:
    text = (
        "The quantity that is chosen at the top: a score, or a condition indicator. m/s²,"
        " mm/s and so on as its name says."
    )
    return time_series(
        "${quantity}", 24, _of_quantity("${quantity}"), "none", description=text
    )


def _trend_lines(title: str, name: str, unit: str, high: float | None) -> Json:
    threshold = query(_trend_query(f'last("{name}_threshold")'), "threshold")
    queries = [*_of_quantity(name), threshold]
    return time_series(title, 12, queries, unit, 0, high)


def _trend_map(title: str, field: str) -> Json:
    """Bands of the newest model or geometry; those of earlier ones are left out."""
    influxql = (
        f'SELECT mean(/^{field}_(${{bands}})$/) FROM "vibration_trend" WHERE {ROWS}'
        " GROUP BY time($__interval) fill(null)"
    )
    colours, text = MAPS_OF_TREND[field]
    name = f"mean_{field}_"
    return heatmap(title, 12, influxql, colours, "short", text, name)


def _worst() -> Json:
    columns = ", ".join(
        f'"{name}"'
        for name in ("worst_excess", "windows_ng", "windows_ok", "worst_row", "span")
    )
    influxql = (
        f'SELECT {columns} FROM "vibration_trend" WHERE {ROWS} AND "windows_ng" > 0'
        " ORDER BY time DESC LIMIT 500"
    )
    text = "Rows with NG windows; worst_row is the worst window's row in the journal."
    return table("When it was NG", 24, influxql, description=text)
