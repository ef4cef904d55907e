"""Registries that fail, lie, dawdle or are none: each gives one clear error, never an answer."""

from __future__ import annotations

import gc
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from registries import (
    MANIFEST_TYPE,
    PASSWORD,
    USER,
    Asked,
    OddServer,
    Reply,
    basic,
    make_certificate,
    odd_server,
    tunnel,
)

from buildkit_spec.errors import (
    ImageNotFoundError,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailableError,
)
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.values import Platform, Reference

CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "config": {}}).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"digest": "sha256:" + hashlib.sha256(CONFIG).hexdigest(), "size": len(CONFIG)},
        "layers": [],
    }
).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
THERE = Reply(200, {"Content-Type": MANIFEST_TYPE, "Docker-Content-Digest": DIGEST}, MANIFEST)
AMD64 = Platform("linux", "amd64")


@contextmanager
def asking(
    home: Path,
    answer: Callable[[Asked], Reply],
    *,
    name: str = "team/app:1",
    timeout_s: float = 10,
    retry_delays_s: tuple[float, ...] = (),
    is_logged_in: bool = False,
) -> Iterator[tuple[Registry, Reference, OddServer]]:
    """A registry client, an image's name, and the odd server it is in."""
    with odd_server(answer) as server:
        auths = {server.host: {"username": USER, "password": PASSWORD}} if is_logged_in else {}
        (home / "config.json").write_text(json.dumps({"auths": auths}))
        logins = Logins.load({"DOCKER_CONFIG": str(home), "HOME": str(home)})
        with Registry(logins, env={}, timeout_s=timeout_s, retry_delays_s=retry_delays_s) as client:
            yield client, Reference.parse(f"{server.host}/{name}"), server


@pytest.mark.parametrize(
    ("reply", "kind", "message", "remedy"),
    [
        (
            Reply(429, {"Retry-After": "60"}),
            RegistryUnavailableError,
            "takes no more requests",
            "try again in 60 s, or log in: docker login",
        ),
        (Reply(500), RegistryUnavailableError, "has a fault and answered with status 500", "later"),
        (Reply(503), RegistryUnavailableError, "has a fault and answered with status 503", "later"),
        (Reply(403), RegistryAuthError, "private, or not there", "docker login 127.0.0.1"),
        (Reply(401), RegistryUnavailableError, "names no login that we know", "is a registry"),
        (Reply(418), RegistryError, "answered with status 418", "host and port"),
        (
            Reply(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"),
            RegistryError,
            "no registry: it gave a web page",
            "the proxy in front of it",
        ),
        (Reply(200, {"Content-Type": MANIFEST_TYPE}, b"[]"), RegistryError, "no registry", "proxy"),
        (
            Reply(404, {"Content-Type": "text/html"}, b"<html>Not here</html>"),
            RegistryError,
            "status 404 .* but not as a registry does",
            "host and port",
        ),
        (Reply(302, {"Location": "/loop"}), RegistryError, "redirects more than 5 times", "proxy"),
        (
            Reply(302, {"Location": "http://elsewhere.example/v2/"}),
            RegistryError,
            "redirects to plain http at elsewhere.example",
            "allow elsewhere.example by name",
        ),
        (
            Reply(302, {"Location": "ftp://elsewhere.example/"}),
            RegistryError,
            "not a web address",
            "proxy",
        ),
        (
            Reply(401, {"WWW-Authenticate": 'Bearer realm="http://elsewhere.example/t"'}),
            RegistryAuthError,
            "wants its login sent to elsewhere.example over plain http",
            "certificate",
        ),
        (
            Reply(401, {"WWW-Authenticate": 'Bearer realm="file:///etc/passwd"'}),
            RegistryAuthError,
            "names no token server",
            "is a registry",
        ),
    ],
)
def test_answer_that_tells_nothing_is_an_error_with_a_remedy(
    tmp_path: Path, reply: Reply, kind: type[RegistryError], message: str, remedy: str
) -> None:
    """An answer that does not tell whether an image is there is an error that says what to do."""
    with (
        asking(tmp_path, lambda _: reply) as (client, reference, _),
        pytest.raises(kind, match=message) as caught,
    ):
        client.exists(reference)

    assert not isinstance(caught.value, ImageNotFoundError)
    assert remedy in caught.value.remedy
    assert caught.value.reference == str(reference)


def test_passing_fault_is_tried_again(tmp_path: Path) -> None:
    """Two 503 before the answer are not seen by the user."""
    replies = [Reply(503), Reply(503), Reply(503)]
    with asking(tmp_path, lambda _: replies.pop() if replies else THERE, retry_delays_s=(0, 0)) as (
        client,
        reference,
        server,
    ):
        assert client.exists(reference) is True

    assert len(server.asked) == 4


def test_slow_answer_ends_in_time(tmp_path: Path) -> None:
    """A registry that does not answer in time cannot tell."""
    with (
        asking(tmp_path, lambda _: Reply(200, delay_s=1), timeout_s=0.2) as (client, reference, _),
        pytest.raises(RegistryUnavailableError, match=r"did not answer within 0\.2 s") as caught,
    ):
        client.exists(reference)

    assert caught.value.is_temporary


def test_answer_that_ends_early_is_no_answer(tmp_path: Path) -> None:
    """A manifest of which half is missing is not taken for one."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return Reply(405)
        return Reply(200, {"Content-Type": MANIFEST_TYPE}, MANIFEST, cut=20)

    with (
        asking(tmp_path, answer) as (client, reference, _),
        pytest.raises(RegistryUnavailableError, match="no whole answer: it ended too early"),
    ):
        client.exists(reference)


def test_answer_without_end_is_no_answer(tmp_path: Path) -> None:
    """A manifest larger than any registry takes is not read to its end."""

    def answer(asked: Asked) -> Reply:
        return Reply(405) if asked.method == "HEAD" else Reply(200, {}, bytes(5 * 1024 * 1024))

    with (
        asking(tmp_path, answer) as (client, reference, _),
        pytest.raises(RegistryUnavailableError, match="larger than 4194304 bytes"),
    ):
        client.exists(reference)


def test_digest_asked_for_is_compared_with_the_one_told(tmp_path: Path) -> None:
    """A registry that tells another digest than the one asked for is asked for the content."""
    other = "sha256:" + "0" * 64
    with asking(tmp_path, lambda _: THERE) as (client, reference, _):
        with pytest.raises(RegistryError, match="gave other content than sha256:000"):
            client.exists(Reference.parse(f"{reference.name}@{other}"))
        assert client.exists(Reference.parse(f"{reference.name}@{DIGEST}")) is True


def test_name_that_does_not_resolve_is_told(tmp_path: Path) -> None:
    """A registry whose name nobody knows is told by that name."""
    client = Registry(Logins(), env={}, retry_delays_s=())
    with pytest.raises(RegistryUnavailableError, match=r"registry\.invalid is not known"):
        client.exists(Reference.parse("registry.invalid/team/app:1"))


def test_port_out_of_range_is_told() -> None:
    """A port above 65535 is wrong input, not a crash."""
    client = Registry(Logins(), env={})
    with pytest.raises(RegistryError, match="cannot connect to 'localhost:99999'"):
        client.exists(Reference.parse("localhost:99999/team/app:1"))


@pytest.mark.parametrize(
    "head", [Reply(405), Reply(200), Reply(200, {"Content-Type": MANIFEST_TYPE}), Reply(400)]
)
def test_registry_whose_head_tells_nothing_is_asked_by_get(tmp_path: Path, head: Reply) -> None:
    """Where HEAD is not known or tells no digest, GET does, and the digest is computed."""

    def answer(asked: Asked) -> Reply:
        return head if asked.method == "HEAD" else Reply(200, {}, MANIFEST)

    with asking(tmp_path, answer) as (client, reference, _):
        described = client.resolve(reference)

    assert (str(described.digest), described.media_type) == (DIGEST, MANIFEST_TYPE)


def test_unversioned_registry_can_say_that_an_image_is_absent(tmp_path: Path) -> None:
    """A 404 counts when the host answers `/v2/` as a registry does."""
    with asking(tmp_path, lambda asked: Reply(200 if asked.path == "/v2/" else 404)) as (
        client,
        reference,
        server,
    ):
        assert client.exists(reference) is False
        assert client.exists(reference) is False

    assert [asked.path for asked in server.asked].count("/v2/") == 1


def test_other_content_than_the_digest_promises_is_refused(tmp_path: Path) -> None:
    """A body that is not what its digest says is not taken, of a manifest or of a config."""
    other = MANIFEST.replace(b"{", b"{ ", 1)

    def answer(asked: Asked) -> Reply:
        if "/blobs/" in asked.path:
            return Reply(200, {}, CONFIG + b" ")
        return Reply(
            200, {"Content-Type": MANIFEST_TYPE}, other if DIGEST in asked.path else MANIFEST
        )

    with asking(tmp_path, answer) as (client, reference, _):
        with pytest.raises(RegistryError, match="gave other content than sha256:"):
            client.resolve(Reference.parse(f"{reference.name}@{DIGEST}"))
        with pytest.raises(RegistryError, match="gave other content than sha256:"):
            client.image(reference, AMD64)


def test_login_does_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    """`Authorization` goes to the host it is for; a redirect elsewhere is followed without."""

    def elsewhere(asked: Asked) -> Reply:
        return Reply(200, {}, CONFIG)

    with odd_server(elsewhere) as other:

        def answer(asked: Asked) -> Reply:
            if asked.headers.get("authorization") != basic():
                return Reply(401, {"WWW-Authenticate": 'Basic realm="x"'})
            if "/blobs/" in asked.path:
                return Reply(307, {"Location": f"http://{other.host}/store?signed=1"})
            if asked.path == "/moved":
                return THERE
            return Reply(307, {"Location": "/moved"})

        with asking(tmp_path, answer, is_logged_in=True) as (client, reference, _):
            assert client.image(reference, AMD64).config == CONFIG

    assert [asked.path for asked in other.asked] == ["/store?signed=1"]
    assert "authorization" not in other.asked[0].headers


def test_many_questions_share_few_connections(tmp_path: Path) -> None:
    """Fifty questions go over at most sixteen connections, and later ones open none."""
    with asking(tmp_path, lambda _: THERE) as (client, reference, server):
        references = [Reference.parse(f"{reference.name}{number}:1") for number in range(50)]
        assert all(answer is True for answer in client.exists_many(references).values())
        ports = {asked.port for asked in server.asked}

        assert len(ports) <= 16
        assert client.exists(reference) is True
        assert {asked.port for asked in server.asked} == ports


def test_connection_that_died_while_idle_is_replaced(tmp_path: Path) -> None:
    """A server that hangs up between two questions is asked over a new connection."""
    hanging_up = Reply(THERE.status, THERE.headers, THERE.body, hangs_up=True)
    with asking(tmp_path, lambda _: hanging_up) as (client, reference, server):
        for _ in range(3):
            assert client.exists(reference) is True

    assert len({asked.port for asked in server.asked}) == 3


@contextmanager
def no_socket_is_left() -> Iterator[None]:
    """See that the garbage collector finds no open socket of what the block leaves behind."""
    gc.collect()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(one.message) for one in seen] == []


def test_client_that_nobody_closes_leaves_no_open_connection() -> None:
    """Its idle connections end with it, also when both are parts of a cycle."""
    with odd_server(lambda _: THERE) as server, no_socket_is_left():
        client = Registry(Logins(), env={})
        assert client.exists(Reference.parse(f"{server.host}/team/app:1")) is True
        cycle = [client]
        cycle.append(cycle)  # type: ignore[arg-type]
        del client, cycle


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}])
def test_answer_that_is_given_up_leaves_no_open_connection(headers: dict[str, str]) -> None:
    """What is too large is not read to its end; its connection ends at once all the same."""
    large = Reply(200, {"Content-Type": MANIFEST_TYPE, **headers}, b" " * (5 << 20))

    def ask(client: Registry, reference: Reference) -> None:
        try:
            client.exists(reference)
        except RegistryError as error:
            kept = error  # with its frames, which hold it: a cycle
            assert "larger than" in kept.message

    with (
        odd_server(lambda asked: Reply(405) if asked.method == "HEAD" else large) as server,
        no_socket_is_left(),
        Registry(Logins(), env={}, retry_delays_s=()) as client,
    ):
        ask(client, Reference.parse(f"{server.host}/team/app:1"))


def test_words_of_the_registry_are_shown_without_control_characters(tmp_path: Path) -> None:
    """The registry's own message is quoted, its terminal escapes are not."""
    said = json.dumps({"errors": [{"code": "DENIED", "message": "not\x1b[31m for\nyou"}]}).encode()

    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return Reply(405)
        return Reply(403, {"Content-Type": "application/json"}, said)

    with (
        asking(tmp_path, answer) as (client, reference, _),
        pytest.raises(RegistryAuthError, match=r"\(not\[31m for you\)"),
    ):
        client.exists(reference)


def test_registry_is_asked_through_the_proxy(tmp_path: Path) -> None:
    """https goes through the tunnel of `HTTPS_PROXY`, with the proxy's login for the proxy only."""
    certificate = make_certificate(tmp_path / "tls", "registry.tests")
    reference = Reference.parse("registry.tests/team/app:1")
    with (
        odd_server(lambda _: THERE, tls=certificate) as server,
        tunnel(server.host, authorization=basic("ada", "proxy secret")) as proxy,
    ):
        env = {"HTTPS_PROXY": f"http://ada:proxy%20secret@{proxy.host}"}
        with Registry(
            Logins(), env=env, ca_file=certificate.authority, retry_delays_s=()
        ) as client:
            assert client.exists(reference) is True
        wrong = {"https_proxy": f"http://ada:wrong@{proxy.host}"}
        with (
            Registry(Logins(), env=wrong, retry_delays_s=()) as client,
            pytest.raises(
                RegistryUnavailableError, match="proxy does not let us through"
            ) as caught,
        ):
            client.exists(reference)

    assert "407" in caught.value.message
    assert "wrong" not in str(caught.value)
    assert proxy.asked[0].path == "registry.tests:443"
    assert "proxy-authorization" not in server.asked[0].headers


def test_insecure_host_is_asked_over_http_through_the_proxy() -> None:
    """A host allowed by name that speaks no TLS is asked over http, here through a proxy."""
    with odd_server(lambda asked: THERE if asked.method == "HEAD" else Reply(501)) as proxy:
        env = {"http_proxy": proxy.host, "https_proxy": proxy.host}
        with Registry(Logins(), env=env, insecure_hosts=["registry.tests:5000"]) as client:
            assert client.exists(Reference.parse("registry.tests:5000/team/app:1")) is True

    assert proxy.asked[-1].path == "http://registry.tests:5000/v2/team/app/manifests/1"


def token_registry(accepted: str, tokens: Callable[[], Reply]) -> Callable[[Asked], Reply]:
    """A registry and its token server in one: it takes the token `accepted` only."""

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/token"):
            return tokens()
        if asked.headers.get("authorization") == f"Bearer {accepted}":
            return THERE
        realm = f"http://{asked.headers['host']}/token?account=x"
        asks = f'Bearer realm="{realm}",scope="repository:project/team/app:pull"'
        return Reply(401, {"WWW-Authenticate": asks})

    return answer


def token_reply(value: str) -> Reply:
    return Reply(200, {}, json.dumps({"token": value}).encode())


def test_token_that_the_registry_takes_no_longer_is_replaced(tmp_path: Path) -> None:
    """A token refused before its time is fetched anew, once, with the scope the registry names."""
    accepted = "first"

    def answer(asked: Asked) -> Reply:
        return token_registry(accepted, lambda: token_reply(accepted))(asked)

    with asking(tmp_path, answer) as (client, reference, server):
        assert client.exists(reference) is True
        accepted = "second"
        assert client.exists(reference) is True

    fetched = [asked.path for asked in server.asked if asked.path.startswith("/token")]
    assert fetched == ["/token?account=x&scope=repository%3Aproject%2Fteam%2Fapp%3Apull"] * 2


def test_many_questions_about_one_repository_share_one_token(tmp_path: Path) -> None:
    """Threads that need the same token fetch it once."""
    answer = token_registry("good", lambda: token_reply("good"))
    with asking(tmp_path, answer) as (client, reference, server):
        references = [Reference.parse(f"{reference.name}:{number}") for number in range(30)]
        assert all(found is True for found in client.exists_many(references).values())

    assert sum(asked.path.startswith("/token") for asked in server.asked) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (Reply(500), RegistryUnavailableError, "token server .* answered with status 500"),
        (Reply(403), RegistryAuthError, "wants a login, and there is none for it"),
        (Reply(200, {}, b"<html>"), RegistryUnavailableError, "gave no token"),
        (Reply(200, {}, b"{}"), RegistryUnavailableError, "gave no token"),
        (Reply(200, {}, b'{"token": 1}'), RegistryUnavailableError, "gave no token"),
        (Reply(200, {}, b'{"token": "a\\r\\nX: y"}'), RegistryUnavailableError, "gave no token"),
        (Reply(200, {}, b'{"token": "s3cret", "expires_in": [1]}'), RegistryError, "gave no token"),
    ],
)
def test_token_server_that_gives_no_token_is_told(
    tmp_path: Path, reply: Reply, kind: type[RegistryError], message: str
) -> None:
    """What a token server says instead of a token is one clear error, without its answer."""
    with (
        asking(tmp_path, token_registry("good", lambda: reply)) as (client, reference, _),
        pytest.raises(kind, match=message) as caught,
    ):
        client.exists(reference)

    assert "s3cret" not in str(caught.value)
    assert caught.value.reference == str(reference)


def test_mistake_of_ours_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    """An exception that is no `RegistryError` comes out of a burst as it is."""
    with asking(tmp_path, lambda _: THERE) as (client, reference, _), pytest.raises(TypeError):
        client.exists_many([reference], platforms=[["unhashable"]])  # type: ignore[list-item]
