"""Tokens and wrong clocks: none is asked for twice without need, none is used when it is over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from failing import docker_config, unique
from making import MakeSpec
from registries import (
    Asked,
    OddServer,
    Reply,
    RunningRegistry,
    TokenServer,
    basic,
    odd_server,
    push_image,
    running_registry,
)

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.values import Reference

HOUR_S = 3600
SAYINGS: list[dict[str, object]] = [
    {},
    {"issued_at": None},
    {"issued_at": "2020-01-01T00:00:00Z"},
    {"issued_at": "2099-01-01T00:00:00Z"},
    {"expires_in": None},
    {"expires_in": 20},
]


@dataclass
class Guarded:
    """A registry that wants tokens, its token server, and a client with the login."""

    registry: RunningRegistry
    tokens: TokenServer
    server: OddServer
    env: dict[str, str]
    client: Registry = field(init=False)

    def new_client(self) -> Registry:
        return Registry(Logins.load(self.env), env={}, retry_delays_s=())

    @property
    def reference(self) -> Reference:
        return Reference.parse(f"{self.registry.host}/team/app:1")

    def refusals(self, at_least: int) -> int:
        """How many requests the registry refused, of all that it had."""
        return sum('" 401 ' in line for line in self.registry.requests(at_least))


@pytest.fixture(name="tokens")
def _tokens(tmp_path: Path) -> TokenServer:
    return TokenServer(tmp_path / "tokens")


@pytest.fixture(name="guarded")
def _guarded(tokens: TokenServer, tmp_path: Path) -> Iterator[Guarded]:
    with odd_server(tokens.answer) as server, guarding(tokens, server, tmp_path) as guarded:
        yield guarded


@contextmanager
def guarding(tokens: TokenServer, server: OddServer, folder: Path) -> Iterator[Guarded]:
    pushing = {"Authorization": f"Bearer {tokens.token(['repository:team/app:pull,push'])}"}
    home = folder / "registry"
    with running_registry(home, auth=tokens.auth(server.host), pushing=pushing) as registry:
        push_image(registry, "team/app", "1")
        env = docker_config(folder / "docker", {registry.host: basic()})
        guarded = Guarded(registry, tokens, server, dict(env))
        with guarded.new_client() as guarded.client:
            yield guarded


@pytest.mark.parametrize("skew_s", [-HOUR_S, HOUR_S], ids=["behind", "ahead"])
def test_wrong_clock_of_the_token_server_costs_nothing(guarded: Guarded, skew_s: int) -> None:
    """Whatever the server thinks the time is and says of it, one token answers all questions."""
    guarded.tokens.clock_skew_s = skew_s
    for said in SAYINGS:
        guarded.tokens.said = said
        guarded.server.asked.clear()
        with guarded.new_client() as client:
            for _ in range(3):
                assert client.exists(guarded.reference) is True

        assert len(guarded.server.asked) == 1, said


def test_token_that_is_over_is_replaced_before_it_is_used(guarded: Guarded) -> None:
    """A token of a second is not used after it: the registry refuses the first question only."""
    before = len(guarded.registry.requests())
    guarded.tokens.said = {"expires_in": 1}
    assert guarded.client.exists(guarded.reference) is True
    time.sleep(1)
    assert guarded.client.exists(guarded.reference) is True

    assert len(guarded.server.asked) == 2
    assert guarded.refusals(before + 3) == 1


def test_token_that_is_refused_when_it_comes_is_replaced_once(
    tokens: TokenServer, tmp_path: Path
) -> None:
    """A server that gives a token of the past first is asked again, and its second one counts."""
    old: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        tokens.expires_in_s = 300 if old else -HOUR_S
        old.append(asked)
        return tokens.answer(asked)

    with odd_server(answer) as server, guarding(tokens, server, tmp_path) as guarded:
        before = len(guarded.registry.requests())
        assert guarded.client.exists(guarded.reference) is True

        assert len(server.asked) == 2
        assert guarded.refusals(before + 3) == 2


def test_server_whose_tokens_are_all_over_is_not_asked_without_end(guarded: Guarded) -> None:
    """Two tokens that are refused are an answer; the next question may try again."""
    guarded.tokens.expires_in_s = -HOUR_S
    with pytest.raises(RegistryAuthError):
        guarded.client.exists(guarded.reference)
    assert len(guarded.server.asked) == 2

    guarded.tokens.expires_in_s = 300
    assert guarded.client.exists(guarded.reference) is True


def test_token_that_allows_too_little_is_not_asked_for_again(guarded: Guarded) -> None:
    """What one may not see is told after one token: another would allow no more."""
    empty = docker_config(Path(guarded.registry.log).parent / "empty", {})
    with (
        Registry(Logins.load(empty), env={}, retry_delays_s=()) as client,
        pytest.raises(RegistryAuthError, match="private, or not there"),
    ):
        client.exists(guarded.reference)

    assert len(guarded.server.asked) == 1


@pytest.mark.parametrize("skew_s", [-HOUR_S, HOUR_S], ids=["behind", "ahead"])
def test_build_pushes_with_the_tokens_of_a_wrong_clock(
    guarded: Guarded, buildkit_host: str, spec: MakeSpec, skew_s: int
) -> None:
    """The daemon is given tokens without a time, and pulls and pushes with them."""
    guarded.tokens.clock_skew_s = skew_s
    host = guarded.registry.host
    result = BuildkitBuilder(buildkit_host, env=guarded.env).build(
        spec(base_image=f"{host}/team/app:1", registry=f"{host}/{unique()}", python_version=None)
    )

    assert result.was_pushed
    asked = [json.dumps([one.path, one.body.decode()]) for one in guarded.server.asked]
    assert len(asked) <= 2 * len(set(asked))
