"""Fifty images looked up as one burst, against one by one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from _bench import depot, far
from _bench.timing import in_turn, report
from buildkit_spec.errors import RegistryError
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.values import Reference

IMAGES = 50
DISTANCES_MS = (0, 20)

ABOUT = f"""\
{IMAGES} references, each of a repository of its own in a docker-registry on this machine, every
other one there. First as near as it is, then through a relay that adds the round trip of a registry
elsewhere."""


def measure() -> None:
    """Print the medians of five of each way, in turn, and their ratios to the burst."""
    print(ABOUT)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        depot.running(Path(folder)) as place,
    ):
        names = [f"exists/app{number}:1" for number in range(IMAGES)]
        with Registry(Logins()) as registry:
            for name in names[::2]:
                registry.join([Reference.parse(f"{place.host}/{name}")], {})
        for distance_ms in DISTANCES_MS:
            print(f"\n{distance_ms} ms away")
            with _away(place.host, distance_ms) as host:
                references = [Reference.parse(f"{host}/{name}") for name in names]
                runs = {name: partial(_timed, look, references) for name, look in WAYS.items()}
                report(in_turn(runs), BURST)


def _burst(references: Sequence[Reference]) -> list[bool | RegistryError]:
    with Registry(Logins()) as registry:
        return list(registry.exists_many(references).values())


def _same(references: Sequence[Reference]) -> list[bool | RegistryError]:
    with Registry(Logins()) as registry:
        return [registry.exists(reference) for reference in references]


def _new(references: Sequence[Reference]) -> list[bool | RegistryError]:
    return [answer for reference in references for answer in _same([reference])]


def _timed(look: Look, references: Sequence[Reference], _: int) -> float:
    started = time.perf_counter()
    answers = look(references)
    took = time.perf_counter() - started
    assert answers == [number % 2 == 0 for number in range(IMAGES)]
    return took


Look = Callable[[Sequence[Reference]], list[bool | RegistryError]]
BURST = "one burst"
WAYS: dict[str, Look] = {
    BURST: _burst,
    "one by one, the same client": _same,
    "one by one, a new client each": _new,
}


@contextmanager
def _away(host: str, distance_ms: int) -> Iterator[str]:
    """Give the host's address when it is as far as that, in a round trip."""
    if not distance_ms:
        yield host
        return
    command = [sys.executable, far.__file__, host, str(distance_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        try:
            yield f"127.0.0.1:{relay.stdout.readline().strip()}"
        finally:
            relay.terminate()
