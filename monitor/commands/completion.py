"""`camshaft completion`: a script that completes commands, options and their values in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib import import_module

from monitor.exit_codes import EXIT_OK

EXAMPLES = (
    "camshaft completion bash",
    "camshaft completion zsh",
)
EXIT_CODES = {0: "printed", 2: "refused"}

SCRIPT = """\
_camshaft() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}} $before" in
{values}
    esac
    case "$word" in
        -*) ;;
        *) COMPREPLY=($(compgen -f -- "$word")); return ;;
    esac
    case "${{COMP_WORDS[1]}}" in
{options}
    esac
}}
complete -o filenames -F _camshaft camshaft
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=("bash", "zsh"), help="which shell reads the script"
    )


def run(arguments: argparse.Namespace) -> int:
    parsers = {name: _parser(name) for name in arguments.all_commands}
    print((ZSH if arguments.shell == "zsh" else "") + script(parsers), end="")
    return EXIT_OK


def script(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    options, values = [], []
    for name, parser in parsers.items():
        actions = [action for action in parser._actions if action.option_strings]
        words = [word for action in actions for word in action.option_strings]
        options.append(_case(name, words))
        for action in actions:
            if action.choices is not None:
                patterns = "|".join(f'"{name} {word}"' for word in action.option_strings)
                values.append(
                    _case(patterns, [str(choice) for choice in action.choices], "return")
                )
    parts = {"options": "\n".join(options), "values": "\n".join(values)}
    return SCRIPT.format(commands=" ".join(parsers), **parts)


def _case(pattern: str, words: list[str], then: str = "") -> str:
    after = f"; {then}" if then else ""
    return f'        {pattern}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")){after} ;;'


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    import_module(f"monitor.commands.{name.replace('-', '_')}").add_arguments(parser)
    return parser
