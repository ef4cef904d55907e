"""Questions to real registries: there, surely absent, and what an image holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from registries import (
    PASSWORD,
    USER,
    RunningRegistry,
    TokenServer,
    basic,
    free_port,
    htpasswd_auth,
    odd_server,
    push_image,
    push_index,
    running_registry,
)

from buildkit_spec.errors import (
    ImageNotFoundError,
    RegistryAuthError,
    RegistryUnavailableError,
)
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.values import Digest, Platform, Reference

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


@pytest.fixture(scope="module", name="anonymous")
def _anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("anonymous")) as registry:
        yield registry


@pytest.fixture(scope="module", name="guarded")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    home = tmp_path_factory.mktemp("guarded")
    pushing = {"Authorization": basic()}
    with running_registry(home, auth=htpasswd_auth(home), pushing=pushing) as registry:
        push_image(registry, "team/app", "1")
        yield registry


@pytest.fixture(name="client")
def _client(tmp_path: Path) -> Iterator[Registry]:
    with client_of(tmp_path) as client:
        yield client


def client_of(home: Path, **auths: dict[str, str]) -> Registry:
    """A registry client with these logins by host and nothing else of this machine."""
    (home / "config.json").write_text(json.dumps({"auths": auths}))
    logins = Logins.load({"DOCKER_CONFIG": str(home), "HOME": str(home)})
    return Registry(logins, env={}, timeout_s=10, retry_delays_s=())


def login(host: str, user: str = USER, password: str = PASSWORD) -> dict[str, dict[str, str]]:
    return {host: {"auth": basic(user, password).removeprefix("Basic ")}}


def ref(registry: RunningRegistry, rest: str) -> Reference:
    return Reference.parse(f"{registry.host}/{rest}")


def test_image_that_was_pushed_is_there(anonymous: RunningRegistry, client: Registry) -> None:
    """An image that was pushed is there, under the digest it was pushed with."""
    digest = push_image(anonymous, "team/app", "there")

    assert client.exists(ref(anonymous, "team/app:there")) is True
    described = client.resolve(ref(anonymous, "team/app:there"))
    assert described.digest == Digest(digest)
    assert described.media_type == "application/vnd.oci.image.manifest.v1+json"
    assert described.size_bytes > 0
    assert client.exists(ref(anonymous, f"team/app@{digest}")) is True


@pytest.mark.parametrize("name", ["team/app:absent", "nobody/nothing:1"])
def test_unknown_tag_and_unknown_repository_are_absent(
    anonymous: RunningRegistry, client: Registry, name: str
) -> None:
    """A tag or repository that the registry does not know is surely absent."""
    push_image(anonymous, "team/app", "there")

    assert client.exists(ref(anonymous, name)) is False
    with pytest.raises(ImageNotFoundError, match="there is no image"):
        client.resolve(ref(anonymous, name))


def test_existing_image_costs_one_request(anonymous: RunningRegistry, client: Registry) -> None:
    """An image that is there costs one HEAD and nothing else."""
    push_image(anonymous, "team/one", "1")
    before = len(anonymous.requests(1))

    assert client.exists(ref(anonymous, "team/one:1"), platforms=[AMD64])
    new = anonymous.requests(before + 1)[before:]
    assert len(new) == 1
    assert "HEAD /v2/team/one/manifests/1" in new[0]


def test_index_must_list_every_platform_asked_for(
    anonymous: RunningRegistry, client: Registry
) -> None:
    """An index is there for the platforms it lists, and absent for any other."""
    push_index(anonymous, "team/multi", "1", "linux/amd64", "linux/arm64/v8")
    reference = ref(anonymous, "team/multi:1")

    assert client.exists(reference) is True
    assert client.exists(reference, platforms=[AMD64, ARM64]) is True
    assert client.exists(reference, platforms=[AMD64, Platform("linux", "s390x")]) is False


def test_single_manifest_is_absent_for_two_platforms(
    anonymous: RunningRegistry, client: Registry
) -> None:
    """A manifest of one platform is not the image that two platforms were asked of."""
    push_image(anonymous, "team/single", "1")

    assert client.exists(ref(anonymous, "team/single:1"), platforms=[AMD64]) is True
    assert client.exists(ref(anonymous, "team/single:1"), platforms=[AMD64, ARM64]) is False


def test_image_brings_the_config_of_a_platform(
    anonymous: RunningRegistry, client: Registry
) -> None:
    """The config of the platform asked for comes with the digest of the index."""
    digest = push_index(anonymous, "team/multi", "2", "linux/amd64", "linux/arm64")
    image = client.image(ref(anonymous, "team/multi:2"), ARM64)

    assert json.loads(image.config)["architecture"] == "arm64"
    assert str(image.reference) == f"{anonymous.host}/team/multi:2@{digest}"
    with pytest.raises(ImageNotFoundError, match="only for linux/amd64, linux/arm64"):
        client.image(ref(anonymous, "team/multi:2"), Platform("linux", "s390x"))


def test_labels_are_read_from_the_config(anonymous: RunningRegistry, client: Registry) -> None:
    """Labels come from the image config."""
    push_image(anonymous, "team/labelled", "1", labels={"org.example.id": "é"})

    assert client.labels(ref(anonymous, "team/labelled:1"), AMD64) == {"org.example.id": "é"}


def test_many_images_are_asked_for_at_once(anonymous: RunningRegistry, client: Registry) -> None:
    """Fifty images are answered in order, each with its own answer, by one request each."""
    for number in range(0, 50, 2):
        push_image(anonymous, f"many/app{number}", "1")
    references = [ref(anonymous, f"many/app{number}:1") for number in range(50)]
    before = len(anonymous.requests())
    answers = client.exists_many(references)

    assert list(answers) == references
    assert list(answers.values()) == [number % 2 == 0 for number in range(50)]
    assert len(anonymous.requests(before + 50)) - before == 50


@pytest.mark.parametrize("name", ["localhost", "[::1]"])
def test_registry_of_this_machine_is_asked_under_each_of_its_names(
    name: str, tmp_path: Path
) -> None:
    """A name and an IPv6 address are loopback too: http, with the login of that name and port."""
    if not Path("/proc/net/if_inet6").exists() and name == "[::1]":
        pytest.skip("this machine has no IPv6")
    home = tmp_path / "registry"
    pushing = {"Authorization": basic()}
    auth = htpasswd_auth(home)
    with running_registry(home, auth=auth, pushing=pushing, address=name) as registry:
        push_image(registry, "team/app", "1")
        with client_of(tmp_path, **login(f"http://{registry.host}/v2/")) as client:
            assert client.exists(ref(registry, "team/app:1")) is True
            assert client.exists(ref(registry, "team/app:2")) is False


def test_one_registry_down_does_not_hide_the_others(
    anonymous: RunningRegistry, client: Registry
) -> None:
    """Among many images each has its own answer: a registry that is down is one error."""
    push_image(anonymous, "team/app", "there")
    down = Reference.parse(f"127.0.0.1:{free_port()}/team/app:1")
    answers = client.exists_many([down, ref(anonymous, "team/app:there")])

    assert answers[ref(anonymous, "team/app:there")] is True
    error = answers[down]
    assert isinstance(error, RegistryUnavailableError)
    assert "refused the connection" in error.message
    assert error.reference == str(down)


def test_basic_login_is_used(guarded: RunningRegistry, tmp_path: Path) -> None:
    """A registry with Basic logins tells those who have one."""
    with client_of(tmp_path, **login(guarded.host)) as client:
        assert client.exists(ref(guarded, "team/app:1")) is True
        assert client.exists(ref(guarded, "team/app:2")) is False


def test_missing_login_is_told_with_the_command_that_helps(
    guarded: RunningRegistry, client: Registry
) -> None:
    """Without a login nothing can be told, and the remedy is to log in."""
    with pytest.raises(RegistryAuthError) as caught:
        client.exists(ref(guarded, "team/app:1"))

    assert caught.value.message == (
        f"{guarded.host} wants a login, and there is none for it on this machine"
    )
    assert caught.value.remedy == f"docker login {guarded.host}"
    assert caught.value.status == 401
    assert caught.value.reference == f"{guarded.host}/team/app:1"


def test_wrong_password_is_told_without_the_password(
    guarded: RunningRegistry, tmp_path: Path
) -> None:
    """A login that is refused names the user, never the password."""
    with (
        client_of(tmp_path, **login(guarded.host, password="wrong-secret")) as client,
        pytest.raises(RegistryAuthError) as caught,
    ):
        client.exists(ref(guarded, "team/app:1"))

    assert caught.value.message == f"{guarded.host} refuses the login of user 'ada'"
    assert "wrong-secret" not in str(caught.value) + repr(caught.value)


@pytest.fixture(params=[True, False], ids=["oauth", "get-only"], name="tokens")
def _tokens(request: pytest.FixtureRequest, tmp_path: Path) -> TokenServer:
    return TokenServer(tmp_path / "tokens", has_oauth=request.param)


def test_bearer_token_is_fetched_with_the_login(tokens: TokenServer, tmp_path: Path) -> None:
    """A registry with a token server is asked with a token; the password goes there only."""
    with odd_server(tokens.answer) as server:
        everything = ["repository:team/private:pull,push", "repository:public/app:pull,push"]
        pushing = {"Authorization": f"Bearer {tokens.token(everything)}"}
        home = tmp_path / "registry"
        with running_registry(home, auth=tokens.auth(server.host), pushing=pushing) as registry:
            push_image(registry, "team/private", "1")
            push_image(registry, "public/app", "1")
            with client_of(tmp_path, **login(registry.host)) as client:
                assert client.exists(ref(registry, "team/private:1")) is True
                assert client.exists(ref(registry, "team/private:2")) is False
                asked = len(server.asked)
                assert client.exists(ref(registry, "team/private:1")) is True

                assert len(server.asked) == asked  # the token is kept
            with client_of(tmp_path) as client:
                assert client.exists(ref(registry, "public/app:1")) is True
                with pytest.raises(RegistryAuthError, match="private, or not there") as caught:
                    client.exists(ref(registry, "team/private:1"))

                assert caught.value.remedy.startswith(f"docker login {registry.host}")
            with (
                client_of(tmp_path, **login(registry.host, password="wrong")) as client,
                pytest.raises(RegistryAuthError, match="refuses the login of user 'ada'"),
            ):
                client.exists(ref(registry, "team/private:1"))


def connections(lines: list[str]) -> set[str]:
    """The clients' addresses of an access log: one for each connection."""
    return {line.split(" ", 1)[0] for line in lines}


def test_burst_with_a_login_opens_few_connections_and_finds_the_login_once(
    guarded: RunningRegistry, tmp_path: Path
) -> None:
    """Fifty questions go over sixteen connections at most; only their first ones are refused."""
    references = [ref(guarded, f"team/app:{number}") for number in range(50)]
    before = len(guarded.requests())
    with client_of(tmp_path, **login(guarded.host)) as client:
        answers = client.exists_many(references)
        client.exists_many(references)
    lines = guarded.requests(before + 101)[before:]

    assert [number for number in range(50) if answers[references[number]]] == [1]
    assert len(connections(lines)) <= 16
    assert sum('" 401 ' in line for line in lines) <= 16


def test_burst_fetches_one_token_for_each_repository(tokens: TokenServer, tmp_path: Path) -> None:
    """Fifty questions about five repositories cost five tokens, over few connections."""
    with odd_server(tokens.answer) as server:
        home = tmp_path / "registry"
        with running_registry(home, auth=tokens.auth(server.host)) as registry:
            references = [
                ref(registry, f"team/app{repository}:{tag}")
                for tag in range(10)
                for repository in range(5)
            ]
            with client_of(tmp_path, **login(registry.host)) as client:
                for _ in range(2):
                    assert set(client.exists_many(references).values()) == {False}
            lines = registry.requests(101)

    # without OAuth each token takes a second request
    assert len(server.asked) == (5 if tokens.has_oauth else 10)
    assert len({asked.port for asked in server.asked}) <= 5
    assert len(connections(lines)) <= 16
    assert sum('" 401 ' in line for line in lines) <= 16


def test_identity_token_gets_a_bearer_token(tmp_path: Path) -> None:
    """An identity token is a refresh token for the token server."""
    tokens = TokenServer(tmp_path / "tokens")
    with odd_server(tokens.answer) as server:
        pushing = {"Authorization": f"Bearer {tokens.token(['repository:team/app:pull,push'])}"}
        home = tmp_path / "registry"
        with running_registry(home, auth=tokens.auth(server.host), pushing=pushing) as registry:
            push_image(registry, "team/app", "1")
            auths = {registry.host: {"identitytoken": tokens.refresh_token}}
            with client_of(tmp_path, **auths) as client:
                assert client.exists(ref(registry, "team/app:1")) is True


def test_expired_token_is_fetched_anew(tmp_path: Path) -> None:
    """A token that the registry no longer takes is replaced once, not reported."""
    tokens = TokenServer(tmp_path / "tokens")
    with odd_server(tokens.answer) as server:
        pushing = {"Authorization": f"Bearer {tokens.token(['repository:team/app:pull,push'])}"}
        home = tmp_path / "registry"
        with running_registry(home, auth=tokens.auth(server.host), pushing=pushing) as registry:
            push_image(registry, "team/app", "1")
            with client_of(tmp_path, **login(registry.host)) as client:
                tokens.expires_in_s = -3600  # what it signs now is expired when it arrives
                with pytest.raises(RegistryAuthError):
                    client.exists(ref(registry, "team/app:1"))
                tokens.expires_in_s = 300

                assert client.exists(ref(registry, "team/app:1")) is True


def test_registrytoken_of_a_login_file_is_used_as_it_is(tmp_path: Path) -> None:
    """A `registrytoken` goes to the registry and no token server is asked."""
    tokens = TokenServer(tmp_path / "tokens")
    with odd_server(tokens.answer) as server:
        token = tokens.token(["repository:team/app:pull,push"])
        home = tmp_path / "registry"
        pushing = {"Authorization": f"Bearer {token}"}
        with running_registry(home, auth=tokens.auth(server.host), pushing=pushing) as registry:
            push_image(registry, "team/app", "1")
            with client_of(tmp_path, **{registry.host: {"registrytoken": token}}) as client:
                assert client.exists(ref(registry, "team/app:1")) is True

    assert server.asked == []
