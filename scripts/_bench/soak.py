"""A tree of everything, built and read back again and again while the daemon is busy."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from _bench import forest
from buildkit_spec import llb
from buildkit_spec.client import BuildOutput, Client, Exporter, Gateway, find_endpoint
from buildkit_spec.session import FileSend, FileSync, ReceivedDirectory, Session, SharedDir
from buildkit_spec.values import Platform

_PLATFORM = Platform("linux", "amd64")
_SHOWN = 20
_WORK = "head -c 300000000 /dev/zero | sha256sum; seq 20000; head -c 30000000 /dev/urandom > /made"


def measure(*, rounds: int, size_bytes: int) -> None:
    """Send a tree, take it out again, and compare; each round another one.

    The daemon knows the tree of the round before, and is told what changed: everything.

    Args:
        rounds: How often.
        size_bytes: About how much each tree holds.

    Raises:
        SystemExit: Something is not as it was sent.
    """
    name = f"soak-{uuid.uuid4().hex[:12]}"
    sent_bytes = files = 0
    with (
        find_endpoint(env=os.environ).connect() as client,
        _forgotten(client, name),
        _busy(name) as built,
    ):
        for number in range(rounds):
            began = time.perf_counter()
            count, size = _round(client, name, size_bytes)
            files, sent_bytes = files + count, sent_bytes + size
            print(
                f"round {number + 1} of {rounds}: {count} entries, {size / 1e6:.0f} MB,"
                f" {time.perf_counter() - began:.1f} s; {built[0]} other builds so far",
                flush=True,
            )
    if not built[0]:
        raise SystemExit("nothing kept the daemon busy")
    print(f"{rounds} rounds, {files} entries, {sent_bytes} bytes: no byte differs")


def _round(client: Client, name: str, size_bytes: int) -> tuple[int, int]:
    """Return how many entries went there and back, and how many bytes."""
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        seed = uuid.uuid4().int
        source, result = Path(place) / "source", Path(place) / "result"
        forest.grow(source, size_bytes, Random(seed))
        _send_and_take(client, name, source, result)
        there, back = forest.told(source), forest.told(result)
        if differing := forest.differences(there, back):
            text = "\n".join(differing[:_SHOWN])
            raise SystemExit(f"{len(differing)} entries differ (seed {seed}):\n{text}")
        return len(there), sum(node.size_bytes for node in there.values())


def _send_and_take(client: Client, name: str, source: Path, result: Path) -> None:
    directory = ReceivedDirectory(result)
    attachables = [FileSync({name: SharedDir(source)}), FileSend({0: directory})]
    try:
        with Session(attachables, shared_key=name) as session:

            def run(gateway: Gateway) -> BuildOutput:
                definition = llb.local(name).marshal(local_unique_id=session.id)
                return BuildOutput({_PLATFORM: gateway.solve(definition)})

            client.build(run, session=session, exporters=[Exporter("local")])
        directory.commit()
    finally:
        directory.discard()


@contextmanager
def _forgotten(client: Client, name: str) -> Iterator[None]:
    """Remove what the daemon keeps of it."""
    try:
        yield
    finally:
        list(client.prune([f"description~={name}"], all=True))


@contextmanager
def _busy(name: str) -> Iterator[list[int]]:
    """Have the daemon work all the while: it computes, prints and writes; yields how often."""
    is_over = threading.Event()
    built = [0]

    def work() -> None:
        with find_endpoint(env=os.environ).connect() as client:
            while not is_over.is_set():
                command = ["/bin/sh", "-c", f"{_WORK} # {name} {built[0]}"]
                state = llb.image(os.environ["BASE_IMAGE"]).run(command, name=f"busy {name}").root
                definition = state.marshal(platform=_PLATFORM)

                def run(gateway: Gateway, definition: llb.Definition = definition) -> BuildOutput:
                    return BuildOutput({_PLATFORM: gateway.solve(definition, evaluate=True)})

                client.build(run)
                built[0] += 1

    thread = threading.Thread(target=work, name="busy")
    thread.start()
    try:
        yield built
    finally:
        is_over.set()
        thread.join()
