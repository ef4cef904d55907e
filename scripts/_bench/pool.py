"""Three builders: each image where its cache is, against a builder chosen at random."""

from __future__ import annotations

import os
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from _bench import depot, images, index
from _bench.tidy import tidy
from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec
from buildkit_spec.daemon import Folder, find_program, join

BUILDERS, IMAGES, VISITS, PACKAGES = 3, 6, 4, 8

ABOUT = f"""\
{BUILDERS} daemons of this machine, started empty. {IMAGES} images of {PACKAGES} small packages and
a heavy one, none shared, are each built {VISITS} times, every time with one small package more.
`random` builds each time on a daemon drawn by lot, as a load balancer would; `pool` leaves the
choice to us."""


@dataclass
class _Visits:
    """How the builds after the first of each image went."""

    seconds: list[float] = field(default_factory=list)
    cached: int = 0
    steps: int = 0

    def add(self, seconds: float, result: BuildResult) -> None:
        self.seconds.append(seconds)
        self.cached += len(result.cached_steps)
        self.steps += len(result.steps)


def measure() -> None:
    """Build the same work both ways, in turn, and print seconds and the share of cached steps."""
    print(ABOUT)
    salt = uuid.uuid4().hex[:12]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        place = stack.enter_context(depot.running(folder))
        stack.callback(tidy, place.host, salt)
        url = stack.enter_context(index.serving(salt))
        base = f"{place.host}/{images.push_base(place, salt)}"
        addresses = [stack.enter_context(_daemon(folder / f"d{n}")) for n in range(BUILDERS)]
        pool, lot = BuildkitBuilder(",".join(addresses)), random.Random(salt)
        alone = [BuildkitBuilder(address) for address in addresses]
        choices: dict[str, Callable[[], BuildkitBuilder]] = {
            "pool": lambda: pool,
            "random": lambda: lot.choice(alone),
        }
        found = {name: _Visits() for name in choices}
        for visit in range(VISITS):
            for number in range(IMAGES):
                for name, choose in choices.items():
                    spec = _spec(f"{name}-{number}", visit, place.host, base, url)
                    started = time.perf_counter()
                    result = choose().build(spec, force=True)
                    if visit:
                        found[name].add(time.perf_counter() - started, result)
    print(f"\n{'':10}{'builds':>8}{'seconds':>10}{'of steps cached':>18}")
    for name, visits in found.items():
        share = visits.cached / visits.steps
        print(f"{name:10}{len(visits.seconds):8}{sum(visits.seconds):10.1f}{share:17.0%}")
    ratio = sum(found["pool"].seconds) / sum(found["random"].seconds)
    print(f"pool takes {ratio:.2f} × random")


@contextmanager
def _daemon(place: Path) -> Iterator[str]:
    programs = Path(os.environ["ENGINE_DIR"]) / "programs/usr"
    env = {**os.environ, "PATH": f"{programs}/sbin:{programs}/bin:{os.environ['PATH']}:/usr/sbin"}
    program = find_program(env)
    if program is None:
        raise SystemExit("the engine's programs have no dockerd")
    with join(program, Folder.at(place), is_stopped=True, env=env) as daemon:
        yield daemon.running.address


def _spec(name: str, visit: int, host: str, base: str, url: str) -> ImageSpec:
    packages = [f"bench-{name}-{number}" for number in range(PACKAGES + visit)]
    return ImageSpec(
        name=name,
        registry=f"{host}/pool",
        base_image=base,
        packages=_pinned([*packages, f"bench-{name}-{index.HEAVY}"]),
        pip_index=url,
        builder_options={"network": "host"},  # the index is on this machine's loopback
    )


def _pinned(names: Sequence[str]) -> list[str]:
    return [f"{name}=={index.VERSION}" for name in names]
