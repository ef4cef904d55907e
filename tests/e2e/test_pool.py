"""A pool of builders: here ways to one daemon, each of which can be cut."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest
from failing import LongStep, digest_of, image_kept, wait_until
from forwarder import Forwarder
from making import MakeSpec

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec
from buildkit_spec.client import Address
from buildkit_spec.client.rendezvous import ranked
from buildkit_spec.errors import ConnectionFailedError, ExecError
from buildkit_spec.parallel import in_parallel
from buildkit_spec.spec.affinity import affinity_key
from buildkit_spec.values import StatusUpdate

NOBODY = "docker://tcp://127.0.0.1:1"

Pool = dict[str, Forwarder]
"""The ways in, by address."""


@pytest.fixture(name="pool")
def _pool(buildkit_host: str) -> Iterator[Pool]:
    socket = Address.parse(buildkit_host).path
    with ExitStack() as stack:
        ways = [stack.enter_context(Forwarder(socket)) for _ in range(3)]
        yield {f"docker://tcp://127.0.0.1:{way.port}": way for way in ways}


def order_of(image: ImageSpec, addresses: Iterable[str]) -> list[str]:
    """Who is tried for an image, the first choice first."""
    return ranked(affinity_key(image), addresses)


def warnings_of(updates: list[StatusUpdate]) -> list[str]:
    return [warning.short for update in updates for warning in update.warnings]


def long_image(spec: MakeSpec, step: LongStep) -> ImageSpec:
    """An image whose only step ends well when its process is killed."""
    return spec(commands=[f"{step.command} || true"], builder_options={"network": "none"})


def test_pool_builds_an_image_where_it_was_built_before(pool: Pool, spec: MakeSpec) -> None:
    """Whatever is worked on in a spec, its builder stays; other specs have other builders."""
    builder, chosen = BuildkitBuilder(",".join(pool)), set()
    for number in range(8):
        image = spec(name=f"image-{number}", base_image="scratch")
        results = [builder.build(image), builder.build(image.replace(env={"A": "1"}))]
        first = order_of(image, pool)[0]
        assert [result.address for result in results] == [first, first]
        chosen.add(first)

    assert len(chosen) > 1


def test_pool_moves_a_build_on_when_its_builder_goes_away(pool: Pool, spec: MakeSpec) -> None:
    """In the middle of a step: it ends there, the next builder does it, and it is said which."""
    step = LongStep()
    image = long_image(spec, step)
    first, second = order_of(image, pool)[:2]
    updates: list[StatusUpdate] = []

    def build() -> BuildResult:
        return BuildkitBuilder(",".join(pool)).build(image, on_status=updates.append)

    def lose_the_builder() -> None:
        step.await_begin()
        before = step.processes
        pool[first].cut()
        wait_until(lambda: step.processes - before, "the step begins again")
        wait_until(lambda: not step.processes & before, "the first one is gone")
        for process in step.processes:
            os.kill(process, signal.SIGTERM)

    result, _ = in_parallel(lambda work: work(), [build, lose_the_builder])
    assert result is not None
    assert result.address == second
    assert digest_of(image) == result.digest
    (warning,) = warnings_of(updates)
    assert warning.startswith(f"{first} is left out, the build moves on: the connection")


def test_pool_moves_a_build_on_once_only(pool: Pool, spec: MakeSpec) -> None:
    """Two builders lost are one build lost: perhaps it is the build that kills them."""
    step = LongStep()
    image = long_image(spec, step)
    first, second = order_of(image, pool)[:2]

    def lose_both() -> None:
        step.await_begin()
        before = step.processes
        pool[first].cut()
        wait_until(lambda: step.processes - before, "the step begins again")
        pool[second].cut()
        step.await_end()  # or the test ends: nobody waits for a build that goes on

    def build() -> None:
        with pytest.raises(ConnectionFailedError) as caught:
            BuildkitBuilder(",".join(pool)).build(image, force=True)
        assert caught.value.address == second

    with image_kept(image):
        in_parallel(lambda work: work(), [build, lose_both])
        step.await_end()


def test_pool_passes_over_who_does_not_answer(pool: Pool, spec: MakeSpec) -> None:
    """An address where nobody listens costs a line, not the build."""
    addresses = [NOBODY, *pool]
    images = (spec(name=f"image-{number}", base_image="scratch") for number in range(100))
    image = next(one for one in images if order_of(one, addresses)[0] == NOBODY)
    updates: list[StatusUpdate] = []
    result = BuildkitBuilder(",".join(addresses)).build(image, on_status=updates.append)

    assert result.address == order_of(image, addresses)[1]
    (warning,) = warnings_of(updates)
    assert warning.startswith(f"{NOBODY} is left out: cannot reach {NOBODY}: connection refused")


def test_step_that_fails_is_not_tried_elsewhere(pool: Pool, spec: MakeSpec) -> None:
    """It would fail there too."""
    image = spec(commands=["echo tried >&2; exit 3"])
    updates: list[StatusUpdate] = []
    with pytest.raises(ExecError):
        BuildkitBuilder(",".join(pool)).build(image, on_status=updates.append)

    logs = b"".join(log.data for update in updates for log in update.logs)
    assert logs.count(b"tried\n") == 1
    assert warnings_of(updates) == []
