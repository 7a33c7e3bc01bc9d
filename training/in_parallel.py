"""The same work on many items: in this process, in several, or on a Ray cluster.

Each of the three gives an item's number and result as soon as it is there; who needs them in
order puts them in order by the number. Functions and items go to other processes as Python
pickles them, through pipes or Ray's own connections. Nothing is unpickled from a file.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import Any, Protocol, TypeVar

from monitor.commands.arguments import whole_number
from training import TrainingError

AUTO = "auto"
CONNECT_S = 5.0
NOT_INSTALLED = (
    "--ray: ray is not installed in {}. In Camshaft's folder, `pip install --require-hashes"
    " --only-binary :all: -r constraints/ray.txt` installs it with all that training needs."
)
KILLED = "a process at work on {} was killed, most often because memory ran out.{}"
FEWER = " Fewer --jobs need less of it."

Item = TypeVar("Item")
Result = TypeVar("Result")


class LostWorker(Exception):
    """A process that worked for us is gone; str() is one sentence or two."""


class Workers(Protocol):
    """n_threads : that one item may use."""

    @property
    def n_threads(self) -> int: ...

    def each(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Each item's number and result, in the order in which they are done.

        function : of a module, or a partial of one. items : taken when there
            is somebody for them
        Raises what the function raises, LostWorker
        """
        ...


def add_jobs(parser: argparse._ActionsContainer, default: int, text: str) -> None:
    """text : what it does, for the help."""
    parser.add_argument(
        "--jobs", type=whole_number(1), default=default, metavar="N", help=text
    )


def add_ray(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--ray",
        type=ray_address,
        metavar="ADDRESS",
        help="a Ray cluster in place of this machine's processes, HOST:PORT, or auto for the one"
        " that runs here; needs the extra camshaft[ray]",
    )


def ray_address(text: str) -> str:
    host, _, port = text.rpartition(":")
    is_port = port.isdecimal() and 0 < int(port[:6]) < 1 << 16
    if text != AUTO and not (host and "/" not in host and is_port):
        raise argparse.ArgumentTypeError(f"{text!r}: must be HOST:PORT or auto")
    return text


def n_processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def opened(jobs: int, ray: str | None = None) -> Iterator[Workers]:
    """Raises TrainingError where Ray is asked for and is not installed, or no cluster is there."""
    if ray is not None:
        if find_spec("ray") is None:
            raise TrainingError(NOT_INSTALLED.format(sys.prefix))
        with _connected(ray):
            yield OnRay(ray)
    elif jobs > 1:
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin)
        try:
            yield Processes(pool, jobs)
        finally:
            pool.shutdown(cancel_futures=True)
    else:
        yield HERE


class Here:
    """This process."""

    @property
    def n_threads(self) -> int:
        return n_processors()

    def each(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[int, Result]]:
        for number, item in enumerate(items):
            yield number, function(item)


HERE = Here()


@dataclass(frozen=True)
class Processes:
    """n of this machine. Each begins anew: neither TensorFlow nor LiteRT survives a fork."""

    pool: ProcessPoolExecutor
    n: int

    @property
    def n_threads(self) -> int:
        return max(1, n_processors() // self.n)

    def each(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[int, Result]]:
        is_broken = False
        to_do = enumerate(items)
        running: dict[Future[Result], int] = {}
        while True:
            n_more = 0 if is_broken else self.n + 1 - len(running)
            for number, item in islice(to_do, n_more):
                running[self._sent(function, item)] = number
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                number = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool | MemoryError):
                    is_broken = True  # what others have done counts all the same
                else:
                    yield number, future.result()
        if is_broken:
            raise LostWorker(KILLED.format("this machine", FEWER))

    def _sent(self, function: Callable[[Item], Result], item: Item) -> Future[Result]:
        try:
            return self.pool.submit(function, item)
        except BrokenProcessPool as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed


def _begin() -> None:
    """In each process. Ctrl-C ends it without a word, unless it is ignored, and so does the end of
    its parent, even if that was killed.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


@dataclass(frozen=True)
class OnRay:
    """A cluster whose nodes have the same Camshaft, and see the same files by the same paths."""

    address: str

    @property
    def n_threads(self) -> int:
        return 1

    def each(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[int, Result]]:
        from ray.exceptions import RayError, RayTaskError

        try:
            yield from _each_task(function, items)
        except RayTaskError as error:
            raise error.cause from None
        except RayError as error:
            where = f"the cluster {self.address} (Ray: {type(error).__name__})"
            raise LostWorker(KILLED.format(where, "")) from error


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Raises TrainingError. Ray alone would try for minutes."""
    import ray

    try:
        if address != AUTO:
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(
            f"--ray = {address!r}: no Ray cluster there: {reason}"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _each_task(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[int, Result]]:
    """Never more on their way than keep the cluster busy."""
    import ray

    # Ray would try a task that needs too much memory again and again, for ever.
    task: Any = ray.remote(num_cpus=1, max_retries=0)(_task)
    resources: Any = ray.cluster_resources  # without types
    n_ahead = 2 * max(1, int(resources().get("CPU", 1)))
    to_do = enumerate(items)
    running: dict[Any, int] = {}
    ours = version("camshaft")
    while True:
        for number, item in islice(to_do, n_ahead - len(running)):
            running[task.remote(ours, function, item)] = number
        if not running:
            return
        (done,), _ = ray.wait(list(running), num_returns=1)
        yield running.pop(done), ray.get(done)


def _task(theirs: str, function: Callable[[Item], Result], item: Item) -> Result:
    """On a node of the cluster. Another version might give other results."""
    ours = version("camshaft")
    if ours != theirs:
        raise TrainingError(
            f"{socket.gethostname()}, a node of the cluster, has Camshaft {ours}, and the command"
            f" is of {theirs}: install the same on both."
        )
    return function(item)
