"""camshaft-train: from recordings to a model, with an honest report.

Exit codes: 0 done, 1 a gate failed, 2 bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor.model_folder import ModelError
from monitor.recordings import Manifest, RecordingError, load_manifest
from training import TrainingError

console = Console(stderr=True)


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar that moves by one at each call; nothing where stderr is no terminal."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def _read(manifest: Manifest, settings: Any) -> Any:
    from training.dataset import load_dataset

    with bar(f"reading {manifest.name}", len(manifest.recordings)) as tick:
        return load_dataset(manifest, settings, lambda done, total: tick())


def fit_command(options: argparse.Namespace) -> int:
    from training import fit, recipe, splits

    manifest = load_manifest(options.manifest)
    chosen = recipe.default_recipe(manifest)
    for key in ("window_s", "n_members", "n_epochs", "seed"):
        if getattr(options, key) is not None:
            chosen = replace(chosen, **{key: getattr(options, key)})
    dataset = _read(manifest, recipe.spectrogram_settings(manifest.sample_rate_hz, chosen))
    holdout = tuple(options.holdout)
    if holdout:
        dataset = dataset.select(~splits.held_out(dataset, list(holdout)))
    plan = fit.Plan(options.name or manifest.name, manifest.name, chosen, manifest.settings.groups, holdout)
    return _fit(dataset, plan, options.out)


def simulate_command(options: argparse.Namespace) -> int:
    from training import fit, simulated

    settings, chosen = simulated.SETTINGS, simulated.RECIPE
    with bar("simulating", options.machines * options.windows) as tick:
        dataset, _ = simulated.simulated_dataset(
            settings, options.machines, options.windows, chosen.seed, lambda done, total: tick()
        )
    plan = fit.Plan("simulator", f"simulator {options.machines} {options.windows}", chosen, ("machine",))
    return _fit(dataset, plan, options.out)


def _fit(dataset: Any, plan: Any, out: Path) -> int:
    from training import fit, splits

    labelled = dataset.select((dataset.label >= 0) & (dataset.bad_reason == ""))
    n_folds = len(splits.inner_folds(labelled, plan.groups))
    with bar(f"training {plan.name}", plan.n_epochs(n_folds)) as tick:
        model_id = fit.fit_model(dataset, plan, out, tick)
    print(f"{plan.name} {model_id} -> {out}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals or not column or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=VALUE")
    return column, value


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="camshaft-train", description=__doc__.split("\n")[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="train one model on the recordings of a manifest")
    fit.add_argument("manifest", type=Path)
    fit.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the model folder to make")
    fit.add_argument("--name", help="the model's name (default: the manifest's)")
    fit.add_argument("--holdout", type=_pair, action="append", default=[], metavar="COLUMN=VALUE",
                     help="recordings to leave out, for a later evaluation")  # fmt: skip
    fit.add_argument("--window-s", type=float, help="length of a window in seconds")
    fit.add_argument("--n-members", type=int, help="networks whose logits are averaged")
    fit.add_argument("--n-epochs", type=int)
    fit.add_argument("--seed", type=int)
    fit.set_defaults(run=fit_command)

    simulate = commands.add_parser("simulate", help="train the model of the simulated machines")
    simulate.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    simulate.add_argument("--machines", type=int, default=200)
    simulate.add_argument("--windows", type=int, default=12, help="windows of each machine")
    simulate.set_defaults(run=simulate_command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (TrainingError, RecordingError, ModelError, OSError) as error:
        print(f"camshaft-train: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
