"""Real builds that fail: which step, which command, which exit code, and what to do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphs import AMD64, building, history_error, nothing, step
from registries import htpasswd_auth, running_registry

from buildkit_spec import llb
from buildkit_spec.client import (
    Address,
    BuildOutput,
    Client,
    Exporter,
    Gateway,
    image_exporter,
)
from buildkit_spec.errors import ExecError, ExportError, SolveError, SpecError
from buildkit_spec.registry import Logins
from buildkit_spec.session import Auth, Health, Session
from buildkit_spec.values import Reference


@pytest.fixture(scope="module", name="client")
def _client(buildkit_host: str) -> Iterator[Client]:
    with Client(Address.parse(buildkit_host)) as client:
        yield client


def test_failed_step_is_explained(client: Client, base_image: str) -> None:
    """A command's exit code comes with the step's name, its arguments and its last lines."""
    script = f"echo {uuid.uuid4()}; echo first; printf 'progress 1\\rprogress 2\\n'; exit 7"

    with pytest.raises(ExecError) as caught:
        client.build(building(step(base_image, script, name="[commands] break")))

    error = caught.value
    assert error.exit_code == 7
    assert error.vertex == "[commands] break"
    assert error.command == ("/bin/sh", "-c", script)
    assert error.log_tail[1:] == ("first", "progress 2")
    assert error.message == "step '[commands] break' ended with exit code 7"


def test_failed_step_is_explained_at_the_end_too(
    client: Client, registry: str, base_image: str
) -> None:
    """A step that nobody asked for before the export fails there, and is explained alike."""
    definition = step(base_image, f"echo {uuid.uuid4()}; exit 8", name="late")
    reference = Reference.parse(f"{registry}/e2e/never:1")

    with pytest.raises(ExecError) as caught:
        client.build(
            lambda gateway: BuildOutput({AMD64: gateway.solve(definition)}),
            exporters=[image_exporter([reference], push=True)],
        )

    assert (caught.value.exit_code, caught.value.vertex) == (8, "late")
    assert caught.value.command[0] == "/bin/sh"


def test_long_script_keeps_its_exit_code(client: Client, base_image: str) -> None:
    """The daemon's errors hold the whole failed step: 100 KB of it hide nothing."""
    script = f": {'x' * 100_000}; exit 9 # {uuid.uuid4()}"

    with pytest.raises(ExecError) as caught:
        client.build(building(step(base_image, script)))

    assert caught.value.exit_code == 9
    assert caught.value.command == ("/bin/sh", "-c", script)
    assert len(caught.value.message) < 200


def test_log_tail_is_bounded(client: Client, base_image: str) -> None:
    """Of much output the last lines are kept, and of one endless line its end."""
    script = (
        f"echo {uuid.uuid4()}; seq 1 5000; head -c 100000 /dev/zero | tr '\\0' x; echo end; exit 1"
    )

    with pytest.raises(ExecError) as caught:
        client.build(building(step(base_image, script)))

    assert caught.value.log_tail[-2] == "5000"
    assert caught.value.log_tail[-1].endswith("xend")
    assert sum(map(len, caught.value.log_tail)) < 10_000


def test_killed_step_says_so(client: Client, base_image: str) -> None:
    """A step that is killed, as for its memory, has a remedy."""
    with pytest.raises(ExecError) as caught:
        client.build(building(step(base_image, f"sh -c 'kill -9 $$'; exit $? # {uuid.uuid4()}")))

    assert caught.value.exit_code == 137
    assert "memory" in caught.value.remedy


def test_failure_among_parallel_steps_is_the_right_one(client: Client, base_image: str) -> None:
    """Of several steps that run at once, the one that failed is named, not one cancelled for it."""
    unique = uuid.uuid4().hex
    base = llb.image(base_image)
    slow = [
        base.run(["/bin/sh", "-c", f"sleep 30 # {unique} {number}"], name=f"slow {number}").root
        for number in range(3)
    ]
    bad = base.run(["/bin/sh", "-c", f"sleep 0.5; exit 6 # {unique}"], name="bad").root

    with pytest.raises(ExecError) as caught:
        client.build(building(llb.merge([*slow, bad]).marshal(platform=AMD64)))

    assert (caught.value.vertex, caught.value.exit_code) == ("bad", 6)


def test_missing_image_in_a_graph_has_a_remedy(client: Client, registry: str) -> None:
    """An image that a graph names and its registry does not have is told with what to check."""
    name = f"{registry}/absent/{uuid.uuid4().hex}:1"

    with pytest.raises(SolveError, match="not found") as caught:
        client.build(building(step(name, "true")))

    assert name in caught.value.vertex
    assert "check name, tag and platform" in caught.value.remedy


def test_unknown_exporter_is_named(client: Client) -> None:
    """A build that the daemon refuses before it begins fails with the daemon's words."""
    with pytest.raises(SolveError, match='exporter "nope" could not be found'):
        client.build(nothing, exporters=[Exporter("nope")])


def test_push_to_a_dead_registry_is_an_export_error(client: Client, base_image: str) -> None:
    """A registry that nobody answers for is named, and that the image was built."""
    reference = Reference.parse("127.0.0.1:9/team/app:1")

    with pytest.raises(ExportError, match="built but not pushed") as caught:
        client.build(
            building(step(base_image, "true")),
            exporters=[image_exporter([reference], push=True)],
        )

    assert caught.value.reference == "127.0.0.1:9/team/app:1"
    assert caught.value.remedy.startswith("is 127.0.0.1:9 up")


def test_push_without_login_is_an_export_error(
    client: Client, base_image: str, tmp_path: Path
) -> None:
    """A registry that wants a login says so, with the command that logs in."""
    with (
        running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as guarded,
        Session([Auth(Logins()), Health()]) as session,
    ):
        reference = Reference.parse(f"{guarded.host}/team/app:1")

        with pytest.raises(ExportError, match="built but not pushed") as caught:
            client.build(
                building(step(base_image, "true")),
                exporters=[image_exporter([reference], push=True)],
                session=session,
            )

    assert caught.value.remedy.startswith(f"docker login {guarded.host}")


def test_error_of_the_caller_is_raised_as_it_was(client: Client) -> None:
    """What goes wrong while a graph is laid out reaches the caller, and the daemon's history."""
    wrong = SpecError("packages[0]: no such package")
    ref = uuid.uuid4().hex

    def run(gateway: Gateway) -> BuildOutput:
        raise wrong

    with pytest.raises(SpecError) as caught:
        client.build(run, ref=ref)

    assert caught.value is wrong
    assert history_error(client, ref) == "packages[0]: no such package"


def test_error_of_a_step_reaches_the_history_whole(client: Client, base_image: str) -> None:
    """The daemon's history holds its own words about a failed step, not ours."""
    ref = uuid.uuid4().hex

    with pytest.raises(ExecError):
        client.build(building(step(base_image, f"exit 3 # {ref}")), ref=ref)

    assert "did not complete successfully: exit code: 3" in history_error(client, ref)


def test_error_of_a_status_callback_ends_the_build(client: Client, base_image: str) -> None:
    """A callback that fails stops the build, and its error reaches the caller."""

    def fail(update: object) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        client.build(building(step(base_image, f"sleep 60 # {uuid.uuid4()}")), on_status=fail)


def test_error_that_was_dealt_with_ends_nothing(client: Client, base_image: str) -> None:
    """A step may fail where the caller expects it; the build goes on."""
    seen: list[ExecError] = []

    def run(gateway: Gateway) -> BuildOutput:
        try:
            gateway.solve(step(base_image, f"exit 5 # {uuid.uuid4()}"), evaluate=True)
        except ExecError as error:
            seen.append(error)
        return BuildOutput({AMD64: gateway.solve(step(base_image, "true"), evaluate=True)})

    client.build(run)

    assert [error.exit_code for error in seen] == [5]
