"""All instances that the page shows: journals of this machine, and the pages of others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from monitor.advice import AdviceBook
from monitor.config import Config
from monitor.instances import Instance, local_instances
from monitor.page.access import Access
from monitor.page.desk import Desk
from monitor.page.feed import Fleet, Source
from monitor.page.guard import refuse
from monitor.page.merged import Message, Part
from monitor.page.remote_part import RemotePart
from monitor.page.views import Tree
from monitor.settings import ConfigError

LOOK_S = 5.0  # between two looks for journals of partitions
RETRY_S = 1.0


class LocalPart:
    """A journal of this machine: its points for the feed, and its addresses."""

    is_remote = False

    def __init__(
        self,
        instance: Instance,
        access: Access,
        advice: AdviceBook,
        read_again: Callable[[], Config],
    ) -> None:
        self.name, self._instance = instance.name, instance
        self._source = Source(instance.path)
        self._fleet = Fleet(self._source, advice, instance.name)
        self._again_s = float("-inf")
        self.routes = Desk(instance, self._source, access, read_again).routes()
        self.answer = Router(self.routes)

    @property
    def shown(self) -> Mapping[str, Tree]:
        return self._fleet.shown

    @property
    def refused(self) -> Sequence[Tree]:
        return self._fleet.refused

    def told(self) -> list[Tree]:
        return [
            {
                "instance": self.name,
                "name": self._instance.config.instance,
                "read_only": False,
                "is_ours": self._instance.is_ours,
                "trouble": self._fleet.trouble,
                "health": self._fleet.health,
                "silent": None,
            }
        ]

    def read(self, now_s: float) -> list[Message]:
        if self._fleet.trouble and now_s < self._again_s:
            return []
        self._again_s = now_s + RETRY_S
        return self._fleet.read(now_s)

    def close(self) -> None:
        self._source.close()


class Plant:
    """parts() is called by one thread, the others by any. Raises ConfigError."""

    def __init__(
        self,
        config: Config,
        read_again: Callable[[], Config],
        access: Access,
        advice: AdviceBook,
    ) -> None:
        self._config, self._read_again = config, read_again
        self._access, self._advice = access, advice
        self._stopping = threading.Event()
        self._remotes = [
            RemotePart(one, access.may_read, self._stopping)
            for one in config.page.instances
            if one.url is not None
        ]
        self._own = self._opened(Instance("", config))
        self._locals: dict[str, LocalPart] = {}
        self._look()

    @property
    def has_remote(self) -> bool:
        return bool(self._remotes)

    def start(self) -> None:
        for part in self._remotes:
            part.start()

    def close(self) -> None:
        self._stopping.set()
        for part in [self._own, *self._locals.values()]:
            part.close()

    def parts(self) -> Sequence[Part]:
        """As they are now, in order."""
        if time.monotonic() >= self._look_s:
            self._look()
        return [*self._locals.values(), *self._remotes]

    def _look(self) -> None:
        """A partition's journal comes with the partition, and may be taken elsewhere."""
        self._look_s = time.monotonic() + LOOK_S
        before, found = self._locals, local_instances(self._config)
        self._locals = {one.name: before.get(one.name) or self._part(one) for one in found}
        for name, part in before.items():
            if name not in self._locals:
                part.close()

    def _part(self, instance: Instance) -> LocalPart:
        return self._opened(instance) if instance.name else self._own

    def _opened(self, instance: Instance) -> LocalPart:
        def read_again() -> Config:
            for one in local_instances(self._read_again()):
                if one.name == instance.name:
                    return one.config
            raise ConfigError(f"{instance.name}: the configuration no longer names it.")

        return LocalPart(instance, self._access, self._advice, read_again)

    # -- addresses --------------------------------------------------------------------------------

    def own_routes(self) -> list[Route]:
        return self._own.routes

    async def elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Below /at/NAME: the addresses of another instance."""
        name = scope["path_params"]["instance"]
        remotes = {part.name: part for part in self._remotes}
        part = self._locals.get(name) or remotes.get(name)
        if part is None or not name:
            self._access.may_read(Request(scope))
            answer = refuse(404, f"There is no instance {name[:80]!r}.")
            return await answer(scope, receive, send)
        await part.answer(scope, receive, send)
