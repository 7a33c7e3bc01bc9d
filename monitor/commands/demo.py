"""`camshaft demo`: machines publish over real MQTT, the real service judges them, a live view shows
it.

The demo knows which simulated machine is faulty, and since when; its exit code
says whether the service found out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from monitor.commands.arguments import check_output_file
from monitor.exit_codes import EXIT_INTERRUPTED, EXIT_NO, EXIT_REFUSED

DEFAULT_SECONDS = 60
MIN_SECONDS = 20  # three of five windows must be NG after the last fault has grown


EXAMPLES = (
    "camshaft demo",
    "camshaft demo --seconds 30 --json",
)
EXIT_CODES = {
    0: "every machine was called what it is; with --recordings: all were judged, the books close",
    1: "one was not, or the demo broke",
    2: "refused: options, recordings, or an extra is missing",
    130: "interrupted",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=int, metavar="N", help="how long the machines run (default 60)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="no live view; end with one JSON line of figures",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="save the last view as an SVG file"
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="MANIFEST",
        help="play these instead of simulated machines",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="for the recordings: a bundled name or a model folder",
    )
    parser.add_argument(
        "--match",
        metavar="PATTERN",
        help="of the recordings, play these sensors (machine/point) only",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 every machine was called what it is; 1 one was not, or the demo broke; 2
    refused.

    With recordings, 0 says that all were judged and the books close; the
    accuracy is printed.
    """
    from monitor.demo.stage import DemoError
    from monitor.recordings.recording import RecordingError

    if arguments.picture is not None:
        check_output_file(arguments.picture, "--picture")
    refusal = _refusal(arguments)
    if refusal:
        print(refusal, file=sys.stderr)
        return EXIT_REFUSED
    folder = Path(tempfile.mkdtemp(prefix="camshaft-demo-"))  # stays, to be looked into
    try:
        return (
            _simulated(arguments, folder)
            if arguments.recordings is None
            else _recorded(arguments, folder)
        )
    except ModuleNotFoundError as error:
        print(
            f"camshaft demo needs {error.name}: run make demo, or install the extra"
            " camshaft[demo].",
            file=sys.stderr,
        )
        return EXIT_REFUSED
    except RecordingError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except DemoError as error:
        print(f"camshaft demo: {error}", file=sys.stderr)
        return EXIT_NO
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _refusal(arguments: argparse.Namespace) -> str:
    """What is impossible about the arguments, or nothing."""
    seconds, recorded = arguments.seconds, arguments.recordings is not None
    if recorded and seconds is not None:
        return (
            f"--seconds = {seconds}: goes with simulated machines only; recordings are played to"
            " their end."
        )
    for option in ("model", "match"):
        if not recorded and getattr(arguments, option) is not None:
            return (
                f"--{option} = {getattr(arguments, option)}: goes with --recordings only."
            )
    if seconds is not None and seconds < MIN_SECONDS:
        return (
            f"--seconds = {seconds}: must be at least {MIN_SECONDS} (unit: seconds), the faults"
            " need time to grow."
        )
    return ""


def _simulated(arguments: argparse.Namespace, folder: Path) -> int:
    from monitor.demo import machines, performance, stage

    with stage.stage(folder, machines.RULES) as on:
        plant = machines.SimulatedPlant(on, arguments.seconds or DEFAULT_SECONDS)
        return performance.perform(on, plant, arguments.json, arguments.picture)


def _recorded(arguments: argparse.Namespace, folder: Path) -> int:
    from monitor.demo import performance, recorded, stage
    from monitor.recordings.manifest import load_manifest

    manifest = load_manifest(arguments.recordings)
    model = recorded.choose_model(manifest, arguments.model)
    with stage.stage(folder, recorded.rules(manifest, model)) as on:
        play = recorded.RecordedPlay(on, manifest, model, arguments.match or "*")
        return performance.perform(on, play, arguments.json, arguments.picture)
