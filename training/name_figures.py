"""How often names are right: simulated machines drawn anew, each with one part broken or none.

python -m training.name_figures
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator

import numpy as np

from monitor.diagnosis.naming import diagnose
from monitor.simulator.known import PARTS, KnownMachine, Part
from training.diagnosed import share

REFERENCE_S = 10  # healthy, before anything breaks
ALARM_S = 5  # windows of one second that an alarm rests on
LEAST_SEVERITY = 0.5
REPORT_EVERY = 1_000  # windows


def named(machine: KnownMachine, seconds: int, n_stretches: int) -> Iterator[str]:
    """The name of each of the following stretches, "" for none."""
    rate_hz = machine.sample_rate_hz
    healthy = machine.block(round(REFERENCE_S * rate_hz))[0]
    for _ in range(n_stretches):
        samples = machine.block(round(seconds * rate_hz))[0]
        found = diagnose([samples], rate_hz, machine.machine, healthy=[healthy])
        yield found.named.fit.family.part if found.named else ""


def of_part(part: Part, n_machines: int, seed: int) -> Counter[str]:
    """Names of alarms, one for each machine."""
    counts: Counter[str] = Counter()
    for index in range(n_machines):
        draw = np.random.default_rng([seed, PARTS.index(part), index])
        machine = KnownMachine(
            part,
            int(draw.integers(1 << 62)),
            onset_s=REFERENCE_S,
            severity=float(draw.uniform(LEAST_SEVERITY, 1.0)),
        )
        counts.update(named(machine, ALARM_S, 1))
    return counts


def of_healthy(n_windows: int, seed: int, windows_per_machine: int = 20) -> Counter[str]:
    """Names of single windows of healthy machines."""
    counts: Counter[str] = Counter()
    for index in range(n_windows // windows_per_machine):
        draw = np.random.default_rng([seed, 0, index])
        machine = KnownMachine("healthy", int(draw.integers(1 << 62)))
        counts.update(named(machine, 1, windows_per_machine))
        if counts.total() % REPORT_EVERY == 0:
            n_named = counts.total() - counts[""]
            print(f"healthy so far: {share(n_named, counts.total())}", flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--machines", type=int, default=100, help="of each part")
    parser.add_argument("--healthy-windows", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    right = wrong = total = 0
    for part in PARTS[1:]:
        counts = of_part(part, options.machines, options.seed)
        n_right, n_named = counts[part], counts.total() - counts[""]
        right, wrong, total = (
            right + n_right,
            wrong + n_named - n_right,
            total + counts.total(),
        )
        others = {name or "not named": n for name, n in counts.items() if name != part}
        print(f"{part}: {n_right} of {counts.total()} right; {others}", flush=True)
    print(f"right: {share(right, total)}")
    print(f"wrong: {share(wrong, total)}", flush=True)
    healthy = of_healthy(options.healthy_windows, options.seed)
    n_named = healthy.total() - healthy[""]
    print(
        f"healthy windows with a name: {share(n_named, healthy.total())}; {dict(healthy)}"
    )


if __name__ == "__main__":
    main()
