"""A broker, and a service ready to be configured, for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import server_program
from tests.servers.mosquitto import Mosquitto
from tests.servers.recording import Publisher, Recording
from tests.servers.service import Service, configuration

# as deploy/mosquitto sets it: nothing is dropped
UNLIMITED = "max_queued_messages 0\nmax_inflight_messages 1000\n"

MakeService = Callable[..., Service]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if server_program("mosquitto") is None:
        pytest.skip("needs Mosquitto (Debian package mosquitto)")
    with Mosquitto(tmp_path / "broker", extra=UNLIMITED) as mosquitto:
        yield mosquitto


@pytest.fixture
def publisher(broker: Mosquitto) -> Iterator[Publisher]:
    with Publisher(broker.port) as gateway:
        yield gateway


@pytest.fixture
def make_service(tmp_path: Path, broker: Mosquitto) -> Iterator[MakeService]:
    """make_service(recording, **changes): a configured service, not started, its sensors
    commissioned.
    """
    with ExitStack() as stack:
        count = iter(range(100))

        def make(
            recording: Recording, *, commissioned: bool = True, **changes: Any
        ) -> Service:
            folder = tmp_path / f"service-{next(count)}"
            service = stack.enter_context(
                Service(folder, configuration(broker.port, recording, **changes))
            )
            if commissioned:
                service.commission(recording.commissioned())
            return service

        yield make
