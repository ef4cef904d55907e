"""A state: a file system that is not built yet, and the settings the next step runs with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb._actions import ActionChain, FileAction
from buildkit_spec.llb._context import Context, ExtraHost, Network, Security, Ulimit
from buildkit_spec.llb._exec import ExecVertex, make_exec
from buildkit_spec.llb._file import FileVertex
from buildkit_spec.llb._marshal import marshal
from buildkit_spec.llb._vertex import Constraints, Output
from buildkit_spec.llb.definition import Definition
from buildkit_spec.llb.meta import Meta, make_meta
from buildkit_spec.llb.mounts import Bind, CDIDevice, Mount, Proxy, SecretEnv
from buildkit_spec.values import Platform

LINUX_AMD64 = Platform("linux", "amd64")


@dataclass(frozen=True, slots=True, repr=False)
class State:
    """One output of a vertex, with the settings for what is built on it.

    States never change: every operation returns another one. Nothing is built before a marshalled
    state is solved. ``State()`` is scratch: an empty file system.

    Attributes:
        output: The vertex' output; None is scratch.
        context: The settings.

    Source: ``client/llb/state.go``, ``State``.
    """

    output: Output | None = None
    context: Context = field(default_factory=Context)

    @property
    def cwd(self) -> str:
        """The working directory of the next step."""
        return self.context.cwd

    @property
    def env(self) -> dict[str, str]:
        """The environment of the next step, in the order of setting."""
        return dict(self.context.env)

    @property
    def platform(self) -> Platform | None:
        """The platform of the next step; None stands for that of the marshal call."""
        return self.context.platform

    def with_output(self, output: Output | None) -> State:
        """Return the settings of this state on another file system."""
        return replace(self, output=output)

    def with_context(self, context: Context) -> State:
        """Return this file system with other settings."""
        return replace(self, context=context)

    def with_env(self, key: str, value: str) -> State:
        """Set an environment variable; set again, it moves behind the others.

        Raises:
            InvalidVertexError: *key* is empty or holds ``=``, or either holds a null character.
        """
        return self.with_envs({key: value})

    def with_envs(self, env: Mapping[str, str]) -> State:
        """Set environment variables, in the mapping's order.

        Raises:
            InvalidVertexError: As :meth:`with_env`.
        """
        return self.with_context(self.context.with_envs(env))

    def with_cwd(self, path: str) -> State:
        """Set the working directory; a relative *path* goes on from the one before."""
        return self.with_context(self.context.with_cwd(path))

    def with_user(self, name: str) -> State:
        """Set the user: name, id, or ``user:group``; empty is root."""
        return self.with_context(replace(self.context, user=name))

    def with_network(self, network: Network) -> State:
        """Set what network commands see."""
        return self.with_context(replace(self.context, network=network))

    def with_security(self, security: Security) -> State:
        """Set what commands may do."""
        return self.with_context(replace(self.context, security=security))

    def with_hostname(self, hostname: str) -> State:
        """Set the host name; empty leaves it to the daemon."""
        return self.with_context(replace(self.context, hostname=hostname))

    def with_extra_host(self, host: str, ip: str) -> State:
        """Add a line to ``/etc/hosts``.

        Raises:
            InvalidVertexError: *ip* is no address, or *host* is empty.
        """
        hosts = (*self.context.extra_hosts, ExtraHost(host, ip))
        return self.with_context(replace(self.context, extra_hosts=hosts))

    def with_ulimit(self, name: str, soft: int, hard: int) -> State:
        """Add a resource limit, such as ``nofile``; -1 is none."""
        limits = (*self.context.ulimits, Ulimit(name, soft, hard))
        return self.with_context(replace(self.context, ulimits=limits))

    def with_cgroup_parent(self, path: str) -> State:
        """Set the control group commands run below; empty leaves it to the daemon."""
        return self.with_context(replace(self.context, cgroup_parent=path))

    def with_platform(self, platform: Platform) -> State:
        """Set what commands run on, whatever the marshal call says."""
        return self.with_context(self.context.with_platform(platform))

    def run(
        self,
        args: Sequence[str],
        *,
        mounts: Iterable[Mount] = (),
        secret_env: Iterable[SecretEnv] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        network: Network | None = None,
        security: Security | None = None,
        hostname: str | None = None,
        extra_hosts: Iterable[ExtraHost] = (),
        ulimits: Iterable[Ulimit] = (),
        cgroup_parent: str | None = None,
        proxy: Proxy | None = None,
        devices: Iterable[CDIDevice] = (),
        valid_exit_codes: Iterable[int] = (),
        readonly_root: bool = False,
        name: str = "",
        meta: Meta | None = None,
    ) -> Run:
        """Run a command in this file system.

        Settings given here hold for this command alone; those of the state go on behind it.

        Args:
            args: Program and arguments; no shell is involved. ``llb.shlex(text)`` splits a text.
            mounts: What it finds mounted.
            secret_env: Secrets it finds as environment variables.
            env: Further environment variables.
            cwd: Working directory; a relative one goes on from the state's.
            user: Name, id, or ``user:group``.
            network: What network it sees.
            security: What it may do.
            hostname: Host name.
            extra_hosts: Further lines of ``/etc/hosts``.
            ulimits: Further resource limits.
            cgroup_parent: Control group to run below.
            proxy: Proxies it is told of; they are in no cache key.
            devices: Devices it may use.
            valid_exit_codes: Those that are no failure; none is 0 alone.
            readonly_root: Whether it cannot write outside its mounts; its root is then no new
                file system.
            name: What progress displays call the vertex.
            meta: Its metadata; *name* wins over the name in it.

        Raises:
            InvalidVertexError: There are no arguments, two mounts have one target, or a value
                breaks its rule.
        """
        context = self.context.with_envs(env or {})
        context = context if cwd is None else context.with_cwd(cwd)
        context = replace(
            context,
            user=context.user if user is None else user,
            network=context.network if network is None else network,
            security=context.security if security is None else security,
            hostname=context.hostname if hostname is None else hostname,
            cgroup_parent=context.cgroup_parent if cgroup_parent is None else cgroup_parent,
            extra_hosts=(*context.extra_hosts, *extra_hosts),
            ulimits=(*context.ulimits, *ulimits),
        )
        vertex = make_exec(
            args,
            context,
            Bind("/", self, readonly=readonly_root),
            mounts,
            secret_env=secret_env,
            proxy=proxy,
            devices=devices,
            exit_codes=valid_exit_codes,
            meta=make_meta(name, meta),
        )
        return Run(vertex, self)

    def file(self, *actions: FileAction, name: str = "", meta: Meta | None = None) -> State:
        """Do file actions one after another, in one vertex and one layer, without a container.

        Args:
            *actions: At least one.
            name: What progress displays call the vertex.
            meta: Its metadata; *name* wins over the name in it.

        Raises:
            InvalidVertexError: There are no actions.
        """
        vertex = FileVertex(make_meta(name, meta), ActionChain(self, actions))
        return self.with_output(Output(vertex))

    def marshal(self, *, platform: Platform = LINUX_AMD64, local_unique_id: str = "") -> Definition:
        """Return the graph as bytes: equal graphs give equal bytes, equal to Go's client.

        Args:
            platform: Of every vertex that has none of its own.
            local_unique_id: A text no other build has, such as the session's id. Without it, a
                local source that has neither a session nor an id of its own is the same vertex in
                every build, and two builds at once may share one's files.

        Raises:
            InvalidVertexError: A text in a vertex cannot be encoded.
        """
        return marshal(self.output, Constraints(platform, local_unique_id))

    def __repr__(self) -> str:
        return "State(scratch)" if self.output is None else f"State({self.output.vertex!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """A command, and the file systems it leaves.

    Attributes:
        vertex: The command's vertex.
        state: What it was run on.
    """

    vertex: ExecVertex
    state: State

    @property
    def root(self) -> State:
        """The file system after the command; with a read-only root, the one before it."""
        output = self.vertex.output_of("/")
        return self.state if output is None else self.state.with_output(output)

    def mount(self, target: str) -> State:
        """Return what the command left in the bind mount at *target*.

        It goes on with the settings of the mount's source; a read-only mount is its source.

        Raises:
            InvalidVertexError: There is no such bind mount, or it was mounted without output.

        Source: ``client/llb/exec.go``, ``ExecState.AddMount``.
        """
        for mount in self.vertex.directories:
            if mount.target == target and isinstance(mount, Bind):
                output = self.vertex.output_of(target)
                if output is not None:
                    return mount.source.with_output(output)
                if mount.readonly:
                    return mount.source
        raise InvalidVertexError(f"run {self.vertex.args[0]!r} has no output at {target!r}")

    def __repr__(self) -> str:
        return f"Run({self.vertex!r})"
