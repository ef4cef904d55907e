"""The exec op: a command run in a container.

Source: ``client/llb/exec.go``.
"""

from __future__ import annotations

import shlex as std_shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb import constants
from buildkit_spec.llb._context import Context, Network, Security
from buildkit_spec.llb._vertex import Constraints, Edges, Output, Vertex
from buildkit_spec.llb.constants import NO_OUTPUT
from buildkit_spec.llb.meta import Meta
from buildkit_spec.llb.mounts import (
    SSH,
    Bind,
    CDIDevice,
    FileSystemMount,
    Mount,
    Proxy,
    Secret,
    SecretEnv,
)
from buildkit_spec.values import Platform

_SSH_AUTH_SOCK = "SSH_AUTH_SOCK"


def shlex(text: str) -> tuple[str, ...]:
    """Split *text* into arguments by the quoting rules of a POSIX shell; ``#`` is no comment.

    Raises:
        InvalidVertexError: A quote is not closed.
    """
    try:
        return tuple(std_shlex.split(text))
    except ValueError as error:
        raise InvalidVertexError(f"command {text!r} cannot be split: {error}") from error


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExecVertex(Vertex):
    """A command.

    Attributes:
        args: Program and arguments.
        context: What it runs with.
        directories: Its directories, sorted by target; the first is its root.
        secrets: Secrets it finds as files.
        agents: Agent sockets it finds, each with its target.
        secret_env: Secrets it finds as variables.
        proxy: Proxies it is told of, or None.
        devices: Devices it may use.
        exit_codes: Those that are no failure; empty is 0 alone.
    """

    args: tuple[str, ...]
    context: Context
    directories: tuple[FileSystemMount, ...]
    secrets: tuple[Secret, ...]
    agents: tuple[SSH, ...]
    secret_env: tuple[SecretEnv, ...]
    proxy: Proxy | None
    devices: tuple[CDIDevice, ...]
    exit_codes: tuple[int, ...]

    @property
    def platform(self) -> Platform | None:
        """The platform of its context."""
        return self.context.platform

    @property
    def is_platform_specific(self) -> bool:
        """A command runs on one platform."""
        return True

    def inputs(self) -> Iterator[Output]:
        """Yield what its directories come from, sorted by target."""
        return (mount.output for mount in self.directories if mount.output is not None)

    def output_of(self, target: str) -> Output | None:
        """Return the output of the directory at *target*; None when it has none."""
        results = [mount.target for mount in self.directories if mount.is_result]
        return Output(self, results.index(target)) if target in results else None

    def caps(self, constraints: Constraints) -> frozenset[str]:
        """Return the capabilities of what the command uses."""
        context = self.context
        used = {
            constants.CAP_EXEC_META_BASE: True,
            constants.CAP_EXEC_META_CDI: self.devices,
            constants.CAP_EXEC_META_NETWORK: context.network is not Network.SANDBOX,
            constants.CAP_EXEC_META_PROXY: self.proxy is not None,
            constants.CAP_EXEC_META_SECURITY: context.security is not Security.SANDBOX,
            constants.CAP_EXEC_META_ULIMIT: context.ulimits,
            constants.CAP_EXEC_MOUNT_SECRET: self.secrets or self.secret_env,
            constants.CAP_EXEC_MOUNT_SSH: self.agents,
            constants.CAP_EXEC_SECRET_ENV: self.secret_env,
            constants.CAP_EXEC_VALID_EXIT_CODE: self.exit_codes,
        }
        return frozenset(cap for cap, is_used in used.items() if is_used).union(
            *(mount.caps() for mount in self.directories)
        )

    def body(self, edges: Edges, constraints: Constraints) -> pb.Op:
        """Return the command as a message."""
        context = self.context
        message = pb.ExecOp(
            meta=pb.Meta(
                args=self.args,
                env=[f"{name}={value}" for name, value in self._env()],
                cwd=context.cwd,
                user=context.user,
                hostname=context.hostname,
                cgroupParent=context.cgroup_parent,
                removeMountStubsRecursive=True,
                validExitCodes=self.exit_codes,
            ),
            network=context.network.value,
            security=context.security.value,
        )
        if self.proxy is not None:
            message.meta.proxy_env.CopyFrom(_proxy(self.proxy))
        for host in context.extra_hosts:
            message.meta.extraHosts.add(Host=host.host, IP=host.ip)
        for limit in context.ulimits:
            message.meta.ulimit.add(Name=limit.name, Soft=limit.soft, Hard=limit.hard)
        for device in self.devices:
            message.cdiDevices.add(name=device.name, optional=device.optional)
        for secret in self.secret_env:
            message.secretenv.add(ID=secret.id, name=secret.env, optional=secret.optional)
        result_index = 0
        for mount in self.directories:
            output_index = result_index if mount.is_result else NO_OUTPUT
            result_index += mount.is_result
            message.mounts.append(mount.to_pb(edges.add(mount.output), output_index))
        message.mounts.extend(secret.to_pb() for secret in self.secrets)
        message.mounts.extend(agent.to_pb() for agent in self.agents)
        return pb.Op(exec=message)

    def _env(self) -> Sequence[tuple[str, str]]:
        env = self.context.env
        if self.agents and all(name != _SSH_AUTH_SOCK for name, _ in env):
            return (*env, (_SSH_AUTH_SOCK, self.agents[0].target))
        return env


def make_exec(
    args: Iterable[str],
    context: Context,
    root: Bind,
    mounts: Iterable[Mount],
    *,
    secret_env: Iterable[SecretEnv],
    proxy: Proxy | None,
    devices: Iterable[CDIDevice],
    exit_codes: Iterable[int],
    meta: Meta,
) -> ExecVertex:
    """Return a checked command vertex.

    Raises:
        InvalidVertexError: There are no arguments, *args* is one text, or two mounts have one
            target.
    """
    if isinstance(args, str):
        raise InvalidVertexError(
            f"run {meta.name!r}: the arguments are one text, not a list",
            remedy="write a list, or llb.shlex(text)",
        )
    arguments = tuple(args)
    if not arguments:
        raise InvalidVertexError(f"run {meta.name!r} has no arguments")
    directories: list[FileSystemMount] = [root]
    secrets: list[Secret] = []
    agents: list[SSH] = []
    for mount in mounts:
        if isinstance(mount, Secret):
            secrets.append(mount)
        elif isinstance(mount, SSH):
            default = f"/run/buildkit/ssh_agent.{len(agents)}"
            agents.append(mount if mount.target else replace(mount, target=default))
        else:
            directories.append(mount)
    targets = [mount.target for mount in (*directories, *secrets, *agents)]
    for target in targets:
        if targets.count(target) > 1:
            raise InvalidVertexError(f"run {arguments[0]!r} has two mounts at {target!r}")
    return ExecVertex(
        meta=meta,
        args=arguments,
        context=context,
        directories=tuple(sorted(directories, key=lambda mount: mount.target)),
        secrets=tuple(secrets),
        agents=tuple(agents),
        secret_env=tuple(secret_env),
        proxy=proxy,
        devices=tuple(devices),
        exit_codes=tuple(exit_codes),
    )


def _proxy(proxy: Proxy) -> pb.ProxyEnv:
    return pb.ProxyEnv(
        http_proxy=proxy.http,
        https_proxy=proxy.https,
        ftp_proxy=proxy.ftp,
        no_proxy=proxy.no,
        all_proxy=proxy.all,
    )
