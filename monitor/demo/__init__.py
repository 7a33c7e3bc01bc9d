"""`camshaft demo`: machines publish over real MQTT, the real service judges them, a live view shows it.

The demo knows which simulated machine is faulty, and since when; its exit code says whether the service found out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

EXIT_WRONG, EXIT_REFUSED, EXIT_INTERRUPTED = 1, 2, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="how long the machines run (default 60)")
    parser.add_argument("--json", action="store_true", help="no live view; end with one JSON line of figures")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="save the last view as an SVG file")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 every machine was called what it is; 1 one was not, or the demo broke; 2 refused."""
    try:
        from monitor.demo import machines, performance, stage
    except ModuleNotFoundError as error:
        print(f"camshaft demo needs {error.name}: pip install 'camshaft[demo]'.", file=sys.stderr)
        return EXIT_REFUSED
    if arguments.seconds < machines.MIN_SECONDS:
        least = f"must be at least {machines.MIN_SECONDS} (unit: seconds), the faults need time to grow"
        print(f"--seconds = {arguments.seconds}: {least}.", file=sys.stderr)
        return EXIT_REFUSED
    try:
        folder = Path(tempfile.mkdtemp(prefix="camshaft-demo-"))  # stays, to be looked into
        with stage.stage(folder, machines.RULES) as on:
            plant = machines.SimulatedPlant(on, arguments.seconds)
            return performance.perform(on, plant, arguments.json, arguments.picture)
    except stage.DemoError as error:
        print(f"camshaft demo: {error}", file=sys.stderr)
        return EXIT_WRONG
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
