"""Which daemon, with which certificates, and why: settled here, for all who build or ask."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit_spec.client.address import TCP_DNS, Address
from buildkit_spec.client.configuration import Configuration, load_configuration, load_project
from buildkit_spec.client.docker_context import (
    DEFAULT_SOCKET,
    Engine,
    chosen_engine,
    engine_certificates,
)
from buildkit_spec.client.find import BUILDKITD_SOCKET, find_answering
from buildkit_spec.client.tls import Tls
from buildkit_spec.errors import ConnectionFailedError, DeadlineExceededError, InvalidValueError
from buildkit_spec.values import Platform

if TYPE_CHECKING:
    from buildkit_spec.client.client import Client

BUILDKIT_HOST = "BUILDKIT_HOST"
"""Variable with a daemon's address; buildctl and buildx read it too."""

BUILDER = "BUILDKIT_SPEC_BUILDER"
"""Variable with the name of a builder of the user's configuration."""

_BETWEEN = re.compile(r"\s*,\s*(?=[a-z+-]+://)")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller says of the daemon; all of it may be left out.

    Attributes:
        address: Of the daemon; several with commas between them.
        builder: A builder's name in the user's configuration.
        tls: Certificates, in place of those that the environment or the configuration names.
        is_insecure: Whether plain TCP may leave this machine.
    """

    address: str = ""
    builder: str = ""
    tls: Tls | None = None
    is_insecure: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A daemon to build on, or several that stand in for each other.

    Attributes:
        addresses: At least one.
        why: Why this one, for people.
        tls: Certificates for ``tcp://``; None is plain.
        is_insecure: Whether plain TCP may leave this machine.
        builder: Its name in the user's configuration; or empty.
        platforms: What it is to be used for; empty for all that it can build.
        own_platforms: What single addresses are to be used for, where that is something else.
    """

    addresses: tuple[Address, ...]
    why: str
    tls: Tls | None = None
    is_insecure: bool = False
    builder: str = ""
    platforms: tuple[Platform, ...] = ()
    own_platforms: tuple[tuple[Address, tuple[Platform, ...]], ...] = ()

    def __str__(self) -> str:
        return ", ".join(map(str, self.addresses))

    def platforms_of(self, address: Address) -> tuple[Platform, ...]:
        """Return what one of the addresses is to be used for; empty for all that it can build."""
        return dict(self.own_platforms).get(address, self.platforms)

    def only(self, address: Address) -> Endpoint:
        """Return the same with one address."""
        return replace(self, addresses=(address,))

    def connect(self, *, timeout_s: float = 10.0) -> Client:
        """Return a connection to the first daemon that answers.

        Args:
            timeout_s: How long each may take, in seconds.

        Raises:
            ConnectionFailedError: None can be reached; of several, why the last cannot.
            DeadlineExceededError: It did not answer in time.
        """
        *others, last = self.addresses
        for address in others:
            try:
                return self._connect(address, timeout_s)
            except (ConnectionFailedError, DeadlineExceededError):
                continue
        return self._connect(last, timeout_s)

    def _connect(self, address: Address, timeout_s: float) -> Client:
        from buildkit_spec.client.client import Client

        if address.scheme == TCP_DNS:  # any of those that its host stands for
            address = replace(address, scheme="tcp")
        return Client(
            address,
            connect_timeout_s=timeout_s,
            tls=self.tls,
            is_insecure_allowed=self.is_insecure,
        )


def find_endpoint(
    wish: Wish | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    folder: Path | None = None,
    buildkitd_socket: str = BUILDKITD_SOCKET,
    docker_socket: str = DEFAULT_SOCKET,
) -> Endpoint:
    """Return the daemon to use.

    In this order: what *wish* names, ``BUILDKIT_SPEC_BUILDER``, ``BUILDKIT_HOST``, the project's
    choice, the user's choice, and what answers (`find_answering`). Certificates are those of
    *wish*, else of the environment (`Tls.from_env`), else the builder's; for an Engine, else
    those that ``DOCKER_TLS_VERIFY`` asks for.

    Args:
        wish: What the caller says.
        env: The environment.
        folder: The project's; by default the working directory.
        buildkitd_socket: Where the machine's ``buildkitd`` listens.
        docker_socket: Where the machine's Docker Engine listens.

    Raises:
        InvalidAddressError: An address has another form.
        InvalidValueError: There is no builder of a name, or both a name and an address are given.
        SpecError: A file of the configuration has problems.
        DaemonNotFoundError: Nothing is set, and no daemon answers.
        TlsFailedError: Certificates are named that are not there.
    """
    wish = wish or Wish()
    if wish.address and wish.builder:
        raise InvalidValueError(
            wish.builder, "a builder has its own address: give the one or the other"
        )
    found = _named_endpoint(wish, env, folder or Path.cwd())
    if found is None:
        engine = find_answering(env, buildkitd_socket=buildkitd_socket, docker_socket=docker_socket)
        found = Endpoint((engine.address,), engine.why, engine.tls)
    elif any(address.is_open for address in found.addresses):
        # `docker://` alone: the Engine that a docker client would use.
        engine = chosen_engine(env) or Engine(Address("docker", docker_socket), "")
        opened = [engine.address if one.is_open else one for one in found.addresses]
        why = f"{found.why}, and {engine.why}" if engine.why else found.why
        found = replace(found, addresses=tuple(opened), why=why, tls=found.tls or engine.tls)
    tls = found.tls
    if tls is None and any(one.scheme == "docker" and one.is_tcp for one in found.addresses):
        tls = engine_certificates(env)
    for said in (Tls.from_env(env), wish.tls):
        tls = tls if said is None else said.over(tls)
    return replace(
        found,
        tls=tls,
        is_insecure=wish.is_insecure or found.is_insecure,
    )


def _named_endpoint(wish: Wish, env: Mapping[str, str], folder: Path) -> Endpoint | None:
    """Return what is set, the most pressing first; files are read only where they count."""
    if wish.address:
        return Endpoint(split_addresses(wish.address), "it was given")
    if wish.builder:
        return _named(load_configuration(env), wish.builder, "was given")
    if env.get(BUILDER):
        return _named(load_configuration(env), env[BUILDER], f"is named by {BUILDER}")
    if env.get(BUILDKIT_HOST):
        return Endpoint(split_addresses(env[BUILDKIT_HOST]), f"{BUILDKIT_HOST} is set")
    project, configuration = load_project(folder), load_configuration(env)
    if project is not None and project.builder:
        return _named(configuration, project.builder, f"is named by {project.path}")
    if project is not None:
        return Endpoint(project.addresses, f"{project.path} says so")
    if configuration.current:
        return _named(configuration, configuration.current, f"is the one in {configuration.path}")
    return None


def _named(configuration: Configuration, name: str, how: str) -> Endpoint:
    one = configuration.named(name)
    why = f"the builder {name} {how}"
    return Endpoint(
        one.addresses,
        why,
        one.certificates(),
        one.is_insecure,
        name,
        one.platforms,
        one.own_platforms,
    )


def split_addresses(text: str) -> tuple[Address, ...]:
    """Read one address, or several with commas between them.

    Raises:
        InvalidAddressError: One has another form.
    """
    return tuple(map(Address.parse, _BETWEEN.split(text)))
