"""The campaign's quick scenarios, in small doses. All of them, in full: make faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.campaign import Campaign, Scenario, Skipped, all_scenarios, campaign


@pytest.fixture(scope="module")
def running() -> Iterator[Campaign]:
    try:
        with campaign(quick=True) as found:
            yield found
    except Skipped as why:
        pytest.skip(f"the campaign {why}")


@pytest.mark.parametrize(
    "one", [one for one in all_scenarios() if one.quick], ids=lambda one: one.name
)
def test_the_promise_is_kept(one: Scenario, running: Campaign) -> None:
    finding = running.run(one)
    if finding.skipped:
        pytest.skip(finding.skipped)
    assert finding.kept, finding
