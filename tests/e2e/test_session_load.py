"""A session under load still answers the daemon, which drops one that does not."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from graphs import AMD64

from buildkit_spec import llb
from buildkit_spec._pb import health
from buildkit_spec._pb._method import Method
from buildkit_spec.client import Address, BuildOutput, Client, Gateway
from buildkit_spec.session import FileSync, Session, SharedDir
from buildkit_spec.values import StatusUpdate

_PATIENCE_S = 15.0
"""What a daemon allows for one answer, and more than what it lets pass between two questions."""

_PRINTS = (
    "end=$(($(date +%s) + 20)); while [ $(date +%s) -lt $end ]; do"
    " for i in 1 2 3 4 5 6 7 8 9; do echo a line that says nothing and says it often $i; done;"
    " sleep 0.01; done; echo"
)


class TimedHealth:
    """Answers health checks as `Health` does, and notes when each was answered."""

    def __init__(self) -> None:
        self.answered_s: list[float] = []

    def methods(self) -> Mapping[Method[Any, Any], Any]:
        return {health.Health.Check: self._check}

    def _check(self, call: Any) -> None:
        for _ in call.messages():
            serving = health.HealthCheckResponse(status=health.HealthCheckResponse.SERVING)
            call.send(serving)
            self.answered_s.append(time.monotonic())


def test_daemon_is_answered_while_files_and_logs_stream(
    buildkit_host: str, base_image: str, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """20 000 files go out, three times, while a step prints; no question waits for long."""
    for directory in range(200):
        (tmp_path / f"d{directory}").mkdir()
        for file in range(100):
            (tmp_path / f"d{directory}" / f"f{file}").write_text(f"{directory}/{file}\n" * 20)
    names = ("one", "two", "three")
    checks, logged = TimedHealth(), [0]

    def count(update: StatusUpdate) -> None:
        logged[0] += sum(len(chunk.data) for chunk in update.logs)

    key = uuid.uuid4().hex
    shared = FileSync({name: SharedDir(tmp_path) for name in names})
    with (
        Client(Address.parse(buildkit_host)) as client,
        Session([shared, checks], shared_key=key) as session,
    ):

        def run(gateway: Gateway) -> BuildOutput:
            prints = llb.image(base_image).run(["/bin/sh", "-c", f"{_PRINTS} {key}"]).root
            branches = [
                llb.scratch().file(llb.copy(llb.local(name), "/", f"/{name}")) for name in names
            ]
            whole = llb.merge([prints, *branches])
            definition = whole.marshal(platform=AMD64, local_unique_id=session.id)
            ref = gateway.solve(definition, evaluate=True)
            assert [len(ref.read_dir(f"/{name}")) for name in names] == [200] * 3
            return BuildOutput({AMD64: ref})

        began_s = time.monotonic()
        client.build(run, session=session, on_status=count)

    times_s = [began_s, *checks.answered_s]
    waits_s = [later - earlier for earlier, later in pairwise(times_s)]
    record_property("waits_s", waits_s)
    print(f"answered after {', '.join(f'{one:.2f}' for one in waits_s)} s; {logged[0]} log bytes")
    assert len(waits_s) >= 3
    assert max(waits_s) < _PATIENCE_S
    assert logged[0] > 100_000
    assert session.failure is None
