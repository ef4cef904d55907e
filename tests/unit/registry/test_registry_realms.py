"""Token servers: a registry's login goes to those alone that it names itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.registry.realms import Realms, are_of_one_owner
from buildkit_spec.registry.transport import Transport

CHALLENGE = 'Bearer realm="https://auth.test/token",service="tests"'


class Registry(BaseHTTPRequestHandler):
    """Asks for a login at one repository only, as some registries do."""

    def do_GET(self) -> None:
        is_asked = self.path.startswith("/v2/team/app/")
        self.send_response(401 if is_asked else 200)
        if is_asked:
            self.send_header("WWW-Authenticate", CHALLENGE)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(name="host")
def _host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_token_server_is_the_one_that_the_registry_names(host: str) -> None:
    """Any path of it will do, and the registry itself always; another host will not."""
    realms = Realms(Transport())
    realms.check(host, "https://auth.test/other", ["team/app"])
    realms.check(host, f"http://{host}/token", [])
    with pytest.raises(RegistryAuthError, match=r"sent to thief\.test, which .* does not name"):
        realms.check(host, "https://thief.test/token", ["team/app"])


def test_token_server_of_a_registry_out_of_reach_is_in_its_domain() -> None:
    """Only the daemon may reach a registry; its token server is then told by its name."""
    realms = Realms(Transport(retry_delays_s=()))
    realms.check("registry.nowhere.invalid", "https://auth.nowhere.invalid/token", [])
    with pytest.raises(RegistryAuthError, match=r"auth\.example\.invalid"):
        realms.check("registry.nowhere.invalid", "https://auth.example.invalid/token", [])


@pytest.mark.parametrize(
    ("host", "server"),
    [
        ("corp.azurecr.io", "evil.azurecr.io"),
        ("mine.co.uk", "evil.co.uk"),
        ("registry.team.svc.cluster.local", "registry.evil.svc.cluster.local"),
        ("registry.svc", "evil.svc"),
        ("10.1.2.3", "10.1.9.9"),
        ("fd00::1", "fd00::2"),
        ("mine.invalid", "evil.invalid"),
        ("registry.mine.test", "registry.mine.test.evil.test"),
    ],
)
def test_names_that_anybody_can_have_prove_nothing(host: str, server: str) -> None:
    """In a cloud's domain, a country's or a cluster's, a neighbour is a stranger."""
    assert not are_of_one_owner(server, host)
    assert are_of_one_owner(host, host)
