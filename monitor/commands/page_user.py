"""`camshaft page-user`: the file of those who may log in to the page."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path

from monitor.commands.arguments import add_config
from monitor.config import Config
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_OK
from monitor.page.people import Role
from monitor.page.users import (
    MAX_PASSWORD,
    User,
    check_name,
    check_password,
    hash_password,
    read_file,
    write_file,
)
from monitor.settings import ConfigError

EXAMPLES = (
    "camshaft page-user",
    "camshaft page-user Ann --role operator",
    "camshaft page-user Ann --remove",
)
EXIT_CODES = {
    0: "done: a running page knows it from the next request on",
    2: "refused: the file is as it was",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="who; without it, list all with their roles"
    )
    parser.add_argument(
        "--role",
        choices=list(Role),
        help="viewer looks; operator labels and acknowledges, too; admin may all (new users:"
        " viewer)",
    )
    parser.add_argument(
        "--remove", action="store_true", help="NAME may not log in any more"
    )
    parser.add_argument(
        "--file",
        dest="users_file",
        type=Path,
        metavar="FILE",
        help="the file itself, where page.users names a credential",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 done; 2 refused. The password comes from the terminal, or as the first line of
    standard input.
    """
    path = arguments.users_file or _path(load_config(arguments.config))
    users = read_file(path)
    if arguments.name is None:
        if arguments.remove or arguments.role:
            raise ConfigError("camshaft page-user needs a NAME for --role and --remove.")
        print(
            "\n".join(f"{user.role:<10}{user.name}" for user in users.values())
            or "Nobody yet."
        )
        return EXIT_OK
    name = check_name(arguments.name)
    if arguments.remove:
        if name not in users:
            raise ConfigError(f"There is no user {name!r} in {path}.")
        del users[name]
        write_file(path, users)
        print(f"{name} may not log in any more.")
        return EXIT_OK
    is_new_file = not path.exists()
    role = arguments.role or (users[name].role if name in users else Role.VIEWER)
    users[name] = User(name, Role(role), hash_password(_ask(name)))
    write_file(path, users)
    print(f"{name} may log in to the page as {role}.")
    if is_new_file and os.geteuid() == 0:
        print(f"{path} is root's alone: chown it to the user that camshaft page runs as.")
    return EXIT_OK


def _path(config: Config) -> Path:
    users = config.page.users
    if users is None or users.file is None:
        raise ConfigError(
            "page.users names no file: set page.users: {file: FILE}, or name it here by --file."
        )
    return users.file


def _ask(name: str) -> str:
    """Never from the command line, which others on the machine can read. Raises ConfigError."""
    if not sys.stdin.isatty():
        return check_password(sys.stdin.readline(MAX_PASSWORD + 2).rstrip("\r\n"))
    password = check_password(getpass.getpass(f"Password of {name}: "))
    if getpass.getpass("Once more: ") != password:
        raise ConfigError("The two differ: nothing was changed.")
    return password
