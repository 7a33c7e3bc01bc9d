"""A reload that somebody asks for on the page, done by the real service."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from monitor.journal.in_use import InUse, InUseStore
from tests.integration.conftest import MakeService
from tests.servers.mosquitto import Mosquitto, wait_until
from tests.servers.recording import Recording

RECORDING = Recording(n_sensors=1, duration_s=2.0)


def test_the_service_reloads_when_asked_and_tells_what_it_runs_with(
    make_service: MakeService, broker: Mosquitto
) -> None:
    service = make_service(RECORDING)
    service.start()

    def running() -> InUse:
        with closing(InUseStore(service.journal_path)) as store:
            found = store.read()
        assert found is not None
        return found

    def ask() -> None:
        with closing(InUseStore(service.journal_path)) as store:
            store.order("Ann", "", 1)

    assert running().leaves["logging.level"][0] == '"INFO"'
    good: dict[str, Any] = service.config
    service.configure({**good, "logging": {"level": "DEBUG"}})
    ask()
    wait_until(lambda: running().leaves["logging.level"][0] == '"DEBUG"', 20, "it reloads")
    service.configure({**good, "sensors": []})
    ask()
    wait_until(lambda: running().refused != "", 20, "it refuses")
    assert "sensors" in running().refused
    assert running().leaves["logging.level"][0] == '"DEBUG"'
    service.stop()
