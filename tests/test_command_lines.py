"""What every command of both programs has: help with examples and exit codes, a version, and a
configuration that need not be named.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitor.cli
import training.cli
from monitor.commands import arguments

PROGRAMS: dict[str, Any] = {"camshaft": monitor.cli, "camshaft-train": training.cli}
COMMANDS = [
    (program, command)
    for program, cli in PROGRAMS.items()
    for command in cli.HELP_OF_COMMAND
]
CONFIG = (
    "subscriptions: [{topic: 'v/{machine}', payload: {format: raw}}]\n"
    "sensors: [{sample_rate_hz: 1000}]\n"
)


@pytest.mark.parametrize(("program", "command"), COMMANDS)
def test_help_has_examples_that_can_be_typed_and_exit_codes(
    program: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = PROGRAMS[program]
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    examples = said.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    for example in examples:
        words = shlex.split(example)
        assert words[:2] == [program, command]
        cli._parser(words[1:]).parse_args(words[1:])  # or it leaves, with its reason
    codes = [
        line.split()[0] for line in said.partition("exit codes:\n")[2].splitlines() if line
    ]
    assert {"0", "2"} <= set(codes)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_version_is_said(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        PROGRAMS[program].main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"{program} {version('camshaft')}\n"


# -- the configuration that was not named ---------------------------------------------------------


@pytest.fixture
def system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /etc/camshaft/camshaft.yaml; the working folder is empty."""
    place = tmp_path / "etc" / "camshaft.yaml"
    place.parent.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CAMSHAFT_CONFIG", raising=False)
    assert arguments.CONFIG_PLACES[1:] == (Path("/etc/camshaft/camshaft.yaml"),)
    monkeypatch.setattr(arguments, "CONFIG_PLACES", (arguments.CONFIG_PLACES[0], place))
    return place


def test_a_configuration_is_looked_for_and_the_one_in_use_is_said(
    system_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(*words: str) -> tuple[int, str, str]:
        code = monitor.cli.main(["check-config", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    code, _, err = check()
    assert code == 2
    assert err == (
        "No configuration: name one with -c FILE or in $CAMSHAFT_CONFIG; there is no camshaft.yaml"
        f" or {system_file}.\n"
    )
    system_file.write_text(CONFIG)
    assert check() == (0, f"{system_file}: good.\n", f"Configuration: {system_file}\n")
    Path("camshaft.yaml").write_text(CONFIG)
    assert check() == (0, "camshaft.yaml: good.\n", "Configuration: camshaft.yaml\n")
    named = system_file.with_name("named.yaml")
    monkeypatch.setenv("CAMSHAFT_CONFIG", str(named))
    code, _, err = check()  # what is named and not there is not passed over
    assert code == 2
    assert f"{named} cannot be read: No such file or directory." in err
    named.write_text(CONFIG)
    assert check()[1] == f"{named}: good.\n"
    for words in (["-c", str(system_file)], [str(system_file)]):
        assert check(*words) == (0, f"{system_file}: good.\n", "")


def takes_config(command: str) -> bool:
    parser = monitor.cli._parser([command])
    actions: Any = parser._subparsers._group_actions[0]  # type: ignore[union-attr]
    return any(action.dest == "config" for action in actions.choices[command]._actions)


@pytest.mark.parametrize(
    "command", sorted(filter(takes_config, monitor.cli.HELP_OF_COMMAND))
)
def test_every_command_finds_it(command: str, system_file: Path) -> None:
    system_file.write_text(CONFIG)
    module = sys.modules[f"monitor.commands.{command.replace('-', '_')}"]
    words = shlex.split(module.EXAMPLES[0])
    if command == "check-config":
        words = words[:2]
    parsed = monitor.cli._parser(words[1:]).parse_args(words[1:])
    arguments.choose_config(parsed)
    assert parsed.config == system_file


# -- a configuration that its models cannot judge -------------------------------------------------


def rule(**changes: object) -> dict[str, object]:
    return {
        "sample_rate_hz": 2000,
        "channels": ["x", "y", "z"],
        "model": "cnc-milling",
        **changes,
    }


@pytest.mark.parametrize(
    ("sensors", "said"),
    [
        ([rule()], []),
        (
            [rule(match="a/*", model="pump-net"), rule()],
            ["sensors[0].model = 'pump-net': no manifest.yaml in any of "],
        ),
        (
            [rule(sample_rate_hz=25600)],
            [
                "sensors[match='*'].sample_rate_hz = 25600.0 Hz: model 'cnc-milling' was trained at"
                " 2000.0 Hz and takes that rate to 0.1 %."
            ],
        ),
        (
            [rule(match="a/*", channels=["x"]), rule(model="/nowhere")],
            [
                "sensors[match='a/*'].channels = ['x']: model 'cnc-milling' needs 3 channels.",
                "sensors[1].model = '/nowhere': no manifest.yaml in any of /nowhere.",
            ],
        ),
        (
            [{"sample_rate_hz": 1000, "window_s": 0.001}],
            ["sensors[match='*'].window_s = 0.001 s at sample_rate_hz = 1000.0 Hz: "],
        ),
    ],
)
def test_check_config_knows_the_models(
    sensors: list[dict[str, object]],
    said: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree = yaml.safe_load(CONFIG) | {"sensors": sensors}
    path = tmp_path / "camshaft.yaml"
    path.write_text(yaml.safe_dump(tree))
    assert monitor.cli.main(["check-config", str(path)]) == (2 if said else 0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(said)
    for line, expected in zip(lines, said, strict=True):
        assert line.startswith(expected)


# -- the training extra ---------------------------------------------------------------------------

WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras", "tensorflow", "sklearn", "matplotlib", "pyarrow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from training.cli import HELP_OF_COMMAND, main
for command in HELP_OF_COMMAND:
    try:
        code = main([command, "--help"])
    except SystemExit as left:
        code = left.code
    print("code", command, code)
"""


def test_without_the_training_extra_every_command_says_how_to_install_it() -> None:
    """The service's environment has a camshaft-train of its own, and it may stand first on PATH."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    codes = dict(
        line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("code ")
    )
    assert set(codes) == set(training.cli.HELP_OF_COMMAND)
    assert set(codes.values()) == {"0", "2"}  # some need nothing of it
    assert codes["fit"] == codes["evaluate"] == codes["retrain"] == "2"
    said = ran.stderr.splitlines()
    assert len(said) == list(codes.values()).count("2")
    for line in said:
        assert (
            f"is not installed in {sys.prefix}. Training has an environment of its own"
            in line
        )
        assert "-r constraints/training.txt`" in line
