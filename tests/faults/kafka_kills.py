"""python -m tests.faults.kafka_kills [--minutes M] [--members N] [--seed S] [--no-shared]: a Kafka
group under random kills, row by row against an undisturbed member.

A real Kafka of one broker gets the sensors' messages in real time. Every few seconds a member or
one of its processes is killed, stopped in order and started again, or halted for longer than the
group waits. Then an undisturbed member reads the same topic.

With --no-shared each member has a folder of its own, which is lost when the member is killed: a
partition's next owner has the state topic alone, or a journal that is behind it.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.servers.kafka import Kafka
from tests.servers.kafka_source import (
    Machines,
    Members,
    Recorder,
    kafka_configuration,
    signal_child,
)
from tests.servers.recording import Cut, Recording
from tests.servers.service import assert_same_rows

TOPIC, STATE = "kills", "kills-state"
N_PARTITIONS = 6
N_SENSORS = 12
MESSAGE_S = 0.5
SESSION_S = 6.0
PAUSE_S = (2.0, 10.0)
HALTED = 1.6  # of the session's timeout
DRAIN_S = 240.0


class Mischief:
    """What is done to the members, at random, counted."""

    def __init__(self, group: Members, names: list[str], seed: int) -> None:
        self._group, self._names = group, names
        self._chance = random.Random(seed)
        self._next_s = time.monotonic() + PAUSE_S[1]
        self._halted: list[tuple[float, str, list[int]]] = []
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        now_s = time.monotonic()
        for one in [one for one in self._halted if now_s >= one[0]]:
            self._wake(one)
        if now_s >= self._next_s:
            self._next_s = now_s + self._chance.uniform(*PAUSE_S)
            self._do()

    def end(self) -> None:
        for one in list(self._halted):
            self._wake(one)

    def _do(self) -> None:
        awake = [n for n in self._names if n not in [name for _, name, _ in self._halted]]
        if not awake:
            return
        name = self._chance.choice(awake)
        children = list(self._group.children(name).values())
        what = self._chance.choice(["process killed"] * 3 + ["member killed"] * 2 + REST)
        if what == "process killed":
            for pid in children[:1] and [self._chance.choice(children)]:
                signal_child(pid, signal.SIGKILL)
        elif what == "member killed":
            self._kill(name)
            self._group.start(name)
        elif what == "member stopped":
            self._group.processes[name].terminate()
            self._group.processes.pop(name).wait(40)
            self._group.start(name)
        else:
            pids = children if what == "member and processes halted" else []
            self._group.signal(name, signal.SIGSTOP)
            for pid in pids:
                signal_child(pid, signal.SIGSTOP)
            self._halted.append((time.monotonic() + HALTED * SESSION_S, name, pids))
        self.done[what] += 1

    def _kill(self, name: str) -> None:
        if isinstance(self._group, Machines):
            self._group.lose(name)
        else:
            self._group.kill(name)

    def _wake(self, one: tuple[float, str, list[int]]) -> None:
        self._halted.remove(one)
        _, name, pids = one
        for pid in pids:
            signal_child(pid, signal.SIGCONT)
        self._group.signal(name, signal.SIGCONT)


REST = ["member stopped", "member halted", "member and processes halted"]


def paced(cuts: Iterator[Cut]) -> Iterator[Cut]:
    """As the sensors send them."""
    begin_s = time.monotonic()
    for number, cut in enumerate(cuts):
        due_s = begin_s + number // N_SENSORS * MESSAGE_S
        time.sleep(max(0.0, due_s - time.monotonic()))
        yield cut


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-shared", action="store_true")
    asked = parser.parse_args()
    recording = Recording(N_SENSORS, asked.minutes * 60, seed=asked.seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        Kafka(Path(folder) / "kafka") as kafka,
    ):
        kafka.create_topic(TOPIC, N_PARTITIONS)
        kafka.create_topic(STATE, N_PARTITIONS, cleanup_policy="compact")
        state = STATE if asked.no_shared else None
        disturbed = _group(Path(folder) / "disturbed", kafka, recording, state)
        with disturbed:
            done = _play(disturbed, kafka, recording, asked)
        print(f"Done to the members: {dict(done)}", flush=True)
        with _group(Path(folder) / "undisturbed", kafka, recording) as undisturbed:
            undisturbed.start("only")
            undisturbed.wait_taken(recording, DRAIN_S)
            assert undisturbed.stop("only") == 0
        found, expected = disturbed.rows(), undisturbed.rows()
        disturbed.check_books()
        if asked.no_shared:
            print(
                f"Taken over without a journal, or with an older one: {_n_taken(disturbed)}"
            )
        missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
        n_samples = recording.n_samples * recording.n_sensors
        print(
            f"Rows: {len(expected)} expected, {len(missing)} missing, {len(extra)} too many;"
            f" samples: {n_samples} sent, {disturbed.n_taken()} taken"
        )
        assert_same_rows(found, expected)
        print("Every row is the same.")
    return 0


def _group(
    folder: Path, kafka: Kafka, recording: Recording, state: str | None = None
) -> Members:
    """state : topic of members that share no storage"""
    own = {"group": folder.name, "session_timeout_s": SESSION_S, "state_topic": state}
    config = kafka_configuration(kafka.brokers, recording, TOPIC, None, kafka=own)
    kind = Members if state is None else Machines
    return kind(folder, config, N_PARTITIONS)


def _n_taken(group: Members) -> int:
    logs = (path.read_text("utf-8", "replace") for path in group.folder.glob("*.log"))
    return sum(log.count("was taken over from another journal") for log in logs)


def _play(
    group: Members, kafka: Kafka, recording: Recording, asked: argparse.Namespace
) -> Counter[str]:
    names = [f"member-{number}" for number in range(asked.members)]
    for name in names:
        group.start(name)
    mischief = Mischief(group, names, asked.seed)
    recorder = Recorder(kafka, TOPIC)
    for cut in paced(recording.cut(MESSAGE_S)):
        recorder.send(cut)
        mischief.step()
    recorder.flush()
    mischief.end()
    group.wait_taken(recording, DRAIN_S)
    for name in names:
        assert group.stop(name) == 0, group.log(name)[-3000:]
    return mischief.done


if __name__ == "__main__":
    sys.exit(main())
