"""`Health`: tells the daemon that we still answer; it drops a session that does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildkit_spec._pb import health
from buildkit_spec._pb._method import Method
from buildkit_spec.session._call import Call, Handler


class Health:
    """Answers ``grpc.health.v1.Health/Check``. Source: ``session/grpc.go``, ``monitorHealth``."""

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {health.Health.Check: _check}


def _check(call: Call[health.HealthCheckRequest, health.HealthCheckResponse]) -> None:
    for _request in call.messages():
        call.send(health.HealthCheckResponse(status=health.HealthCheckResponse.SERVING))
