"""Write the dashboards and Grafana's provisioning files: python -m deploy.grafana.generate"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from deploy.grafana import alerts, dashboards
from deploy.grafana.panels import DATA_SOURCE, Json

FOLDER = Path(__file__).parent
HEADER = "# Written by python -m deploy.grafana.generate\n"


def files() -> dict[str, str]:
    """The text of every file, by its path below this folder."""
    made = {f"dashboards/{one['uid']}.json": _json(one) for one in all_dashboards()}
    made["provisioning/datasources/camshaft.yaml"] = _yaml(_data_source())
    made["provisioning/dashboards/camshaft.yaml"] = _yaml(_provider())
    made["provisioning/alerting/camshaft.yaml"] = _yaml(alerts.rule_groups())
    return made


def all_dashboards() -> list[Json]:
    return [
        dashboards.fleet(),
        dashboards.point(),
        dashboards.trend(),
        dashboards.service(),
    ]


def _data_source() -> Json:
    """InfluxQL, on InfluxDB 1.8, 2 and 3 alike. Where and with which token comes from Grafana's
    environment.
    """
    source = {
        "name": "Camshaft",
        "uid": DATA_SOURCE["uid"],
        "type": DATA_SOURCE["type"],
        "access": "proxy",
        "url": "$CAMSHAFT_INFLUX_URL",
        "jsonData": {
            "version": "InfluxQL",
            "dbName": "$CAMSHAFT_INFLUX_BUCKET",
            "httpMode": "POST",
            "httpHeaderName1": "Authorization",
        },
        "secureJsonData": {"httpHeaderValue1": "Token $CAMSHAFT_INFLUX_TOKEN"},
    }
    return {"apiVersion": 1, "datasources": [source]}


def _provider() -> Json:
    provider = {
        "name": "camshaft",
        "orgId": 1,
        "folder": "Camshaft",
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": "$CAMSHAFT_DASHBOARDS"},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _json(content: Json) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _yaml(content: Json) -> str:
    return HEADER + yaml.dump(
        content, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=1000
    )


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def main() -> None:
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(FOLDER))


if __name__ == "__main__":
    main()
