"""`BuildkitBuilder`: where spec, plan, client, session and registry meet.

Everything heavy is imported where it is first used: an image that is there already costs one
request to its registry, and neither gRPC nor protobuf is loaded for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from buildkit_spec.arguments import read_arguments, settings_of, tell_nobody, wanted_outputs
from buildkit_spec.errors import (
    BuildkitSpecError,
    Problem,
    SolveCanceledError,
    SpecValidationError,
)
from buildkit_spec.stopwatch import Stopwatch
from buildkit_spec.under_way import UnderWay
from buildkit_spec.values import ArchiveOutput, BuildResult, ImageOutput, Reference

if TYPE_CHECKING:
    from buildkit_spec.client import Client, Tls
    from buildkit_spec.plan import Plan
    from buildkit_spec.reach import Embedded, Reach, Reached
    from buildkit_spec.registry import Registry
    from buildkit_spec.spec import ImageSpec
    from buildkit_spec.values import (
        Digest,
        Output,
        Platform,
        RegistryConfig,
        StatusCallback,
    )

_T = TypeVar("_T")


class BuildkitBuilder:
    """Builds image specs on one BuildKit daemon.

    Safe to use from several threads at once. It connects when a build first needs the daemon.

    Args:
        address: The daemon, such as ``tcp://builder:1234`` or ``docker://``; by default
            what `find_endpoint` finds: the environment, configuration files, the usual sockets,
            the Docker Engine.
        builder: Name of a builder of the user's configuration, in place of an address.
        tls: Certificates for the daemon, in place of those configured.
        is_insecure: Whether plain TCP may leave this machine.
        network: Network of build steps whose spec does not say: ``default``, ``host`` or ``none``;
            by default ``BUILDKIT_SPEC_NETWORK``, else what suits the daemon.
        daemon: What is done where no daemon is set and none runs: ``keep`` starts one, which is
            stopped when it was not used for a while; ``stop`` starts one for each build; ``never``
            starts none. By default ``BUILDKIT_SPEC_DAEMON``, else ``keep``.
        insecure_registries: Hosts (with port) that may be spoken to over plain http; loopback
            always may.
        env: The environment to read settings, proxies and logins from.

    Raises:
        InvalidValueError: The network, *daemon* or ``SOURCE_DATE_EPOCH`` is something else.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        builder: str | None = None,
        tls: Tls | None = None,
        is_insecure: bool = False,
        network: str | None = None,
        daemon: Embedded | None = None,
        insecure_registries: Iterable[str] = (),
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self._wish = (address or "", builder or "", tls, is_insecure)
        self._arguments = read_arguments(network or "", daemon or "", env)
        self._insecure_registries = tuple(insecure_registries)
        self._env = env
        self._registries: dict[RegistryConfig, Registry] = {}
        self._reach: Reach | None = None
        self._lock = threading.Lock()
        self._turns: dict[Reference, threading.Lock] = {}
        self._under_way: set[UnderWay] = set()

    @property
    def registry(self) -> Registry:
        """The registry client, with the logins of this machine."""
        from buildkit_spec.values import RegistryConfig

        return self._registry_of(RegistryConfig())

    def registry_for(self, spec: ImageSpec) -> Registry:
        """Return the registry client that also does as the spec's ``registry_config`` says.

        Raises:
            SpecValidationError: The file cannot be used; all its problems.
        """
        from buildkit_spec.spec import registries_of

        return self._registry_of(registries_of(spec))

    def _registry_of(self, config: RegistryConfig) -> Registry:
        with self._lock:
            if config not in self._registries:
                from buildkit_spec.registry import Logins, Registry

                self._registries[config] = Registry(
                    Logins.load(self._env),
                    insecure_hosts=self._insecure_registries,
                    env=self._env,
                    config=config,
                )
            return self._registries[config]

    def connect(self) -> Client:
        """Return a connection to the daemon; a context manager that closes it.

        Of several daemons it is the first that answers; none is started.

        Raises:
            InvalidAddressError: The address has another form.
            InvalidValueError: There is no builder of the name.
            SpecError: A configuration file has problems.
            DaemonError: There is no daemon, or it does not answer.
        """
        from buildkit_spec.client import Wish
        from buildkit_spec.reach import find_reachable

        return find_reachable(Wish(*self._wish), self._env).connect()

    def exists(self, spec: ImageSpec) -> bool:
        """Whether the registry has the spec's image, for all its platforms.

        Raises:
            RegistryError: It cannot be told; never an assumption.
        """
        reference = Reference.parse(spec.image_name())
        return self.registry_for(spec).exists(reference, platforms=spec.platforms())

    def image_id(self, spec: ImageSpec, result: BuildResult) -> Digest | None:
        """Return what docker calls an image's id: the digest of its config.

        Of several platforms, which have no config in common, it is the digest of the index. None
        when there is no image.

        Raises:
            RegistryError: The image was there already, and its registry does not tell.
        """
        if result.config_digest is not None or result.digest is None or len(result.platforms) != 1:
            return result.config_digest or result.digest
        from buildkit_spec.values import Digest

        image = self.registry_for(spec).image(result.reference, result.platforms[0])
        return Digest.of(image.config)

    def build(
        self,
        spec: ImageSpec,
        *,
        push: bool | None = None,
        force: bool = False,
        on_status: StatusCallback | None = None,
        outputs: Sequence[Output] | None = None,
        under_way: UnderWay | None = None,
    ) -> BuildResult:
        """Build the spec's image and push it, unless the registry has it already.

        A base image that is a spec with a registry of its own is built and pushed first.

        Args:
            spec: What the image is to hold.
            push: Whether to push; by default when the spec names a registry and *outputs* is None.
            force: Build and push even when the image is there.
            on_status: Told what happens, on a thread of the build.
            outputs: What becomes of the image, besides a push that *push* asks for; see
                `buildkit_spec.values.outputs`. Unless all of them are pushes, it is always built.
            under_way: What the caller may end this build with, and no other; a new one each time.

        Raises:
            SpecValidationError: The spec cannot be built as it stands; all problems at once.
            RegistryError: It cannot be told whether the image is there, or its base is not.
            DaemonError: No daemon, or it went away.
            SolveError: The build failed; the image under this name is as it was.
            FileChangedError: A file changed during the build; likewise.
            SessionError: A result cannot be written to its place.
            UnsupportedCapabilityError: The daemon cannot make an output.
            InvalidValueError: Two outputs exclude each other.
            SolveCanceledError: `cancel` was called, here or of *under_way*.
        """
        build = under_way or UnderWay()
        with self._lock:
            self._under_way.add(build)
        try:
            wanted = wanted_outputs(spec, push, outputs)
            with build.noticed():
                spec = spec.as_found()  # what the tag says and what is sent are the same files
                reference = Reference.parse(spec.image_name())
            with self._turn(reference):
                return self._build(spec, reference, wanted, force, on_status, build)
        except BaseException as error:
            was_cancelled = build.is_cancelled
            build.end()  # of two halves on two builders, one may still run
            if was_cancelled and isinstance(error, BuildkitSpecError):
                raise SolveCanceledError("the build was cancelled", code="CANCELLED") from error
            raise
        finally:
            with self._lock:
                self._under_way.discard(build)

    def cancel(self) -> None:
        """End the builds that run now, here and on the daemon; later ones are not affected.

        Called from another thread than theirs. They end with `SolveCanceledError`, soon after.
        """
        with self._lock:
            builds = list(self._under_way)
        for build in builds:
            build.cancel()

    def _build(
        self,
        spec: ImageSpec,
        reference: Reference,
        outputs: Sequence[Output],
        force: bool,
        on_status: StatusCallback | None,
        build: UnderWay,
    ) -> BuildResult:
        clock = Stopwatch()
        pushes = [one for one in outputs if isinstance(one, ImageOutput) and one.is_only_pushed]
        if len(pushes) == len(outputs) and not force and not spec.is_forced:
            names = [name for one in pushes for name in one.names or (reference,)]
            with clock.phase("check"):
                registry = self.registry_for(spec)
                there = registry.common_digest(names, platforms=spec.platforms())
            if there is not None:
                return BuildResult(
                    names[0].with_digest(there),
                    there,
                    spec.platforms(),
                    was_built=False,
                    timings_s=clock.seconds,
                )
        from buildkit_spec.apart import build_apart, can_be_split
        from buildkit_spec.plan import refuse_unlocked
        from buildkit_spec.spec.affinity import affinity_key

        bases: dict[str, Reference] = {}
        base = spec.base_image
        is_pushed = any(isinstance(one, ImageOutput) and one.is_pushed for one in outputs)
        refuse_unlocked(spec, has_bases=is_pushed)
        if is_pushed and base is not None and not isinstance(base, str) and base.registry:
            base = base.locked() if spec.origin.is_locked else base
            built = self.build(base, push=True, force=force, on_status=on_status)
            bases[base.image_name()] = built.reference

        def build_part(
            platforms: Sequence[Platform],
            outputs: Sequence[Output],
            clock: Stopwatch,
            tell: StatusCallback | None,
        ) -> BuildResult:
            from buildkit_spec.job import Job

            def work(reached: Reached) -> BuildResult:
                with build.on(reached.client):
                    job = Job(
                        reached.client,
                        spec,
                        settings_of(self._arguments, reached.network, self._env),
                        self.registry_for(spec).logins,
                        bases,
                        self._env,
                        platforms,
                        self._insecure_registries,
                    )
                    return job.build(
                        reference,
                        outputs=outputs,
                        clock=clock,
                        on_status=tell,
                    )

            # What went to standard output cannot be taken back.
            is_movable = not any(
                isinstance(one, ArchiveOutput) and one.path is None for one in outputs
            )
            return self._run(work, spec, platforms, clock, tell, is_movable=is_movable)

        if len(pushes) == len(outputs) and can_be_split(spec):
            groups = self._reached().split(
                affinity_key(spec), spec.platforms(), clock=clock, tell=on_status or tell_nobody
            )
            if len(groups) > 1:
                registry = self.registry_for(spec)
                return build_apart(
                    spec, groups, pushes, reference, build_part, registry, clock, on_status
                )
        return build_part(spec.platforms(), outputs, clock, on_status)

    def _run(
        self,
        work: Callable[[Reached], _T],
        spec: ImageSpec,
        platforms: Sequence[Platform],
        clock: Stopwatch,
        on_status: StatusCallback | None = None,
        *,
        is_movable: bool = True,
    ) -> _T:
        from buildkit_spec.spec.affinity import affinity_key

        return self._reached().run(
            work,
            affinity_key(spec),
            platforms,
            clock=clock,
            tell=on_status or tell_nobody,
            is_movable=is_movable,
        )

    def _reached(self) -> Reach:
        from buildkit_spec.client import Wish
        from buildkit_spec.reach import Reach

        with self._lock:
            if self._reach is None:
                self._reach = Reach(Wish(*self._wish), self._arguments.embedded, self._env)
            return self._reach

    def plan(self, spec: ImageSpec) -> Plan:
        """Lay out the graph of a spec without building it; the daemon answers what the base holds.

        Raises:
            SpecValidationError: The spec cannot be built as it stands; all problems at once.
            RegistryError: The base image is not there, or it cannot be told.
            DaemonError: No daemon, or it went away.
        """
        return self._plan(spec)

    def _plan(self, spec: ImageSpec, *, is_upgrade: bool = False) -> Plan:
        from buildkit_spec.job import Job
        from buildkit_spec.plan import refuse_unlocked

        refuse_unlocked(spec)

        def work(reached: Reached) -> Plan:
            settings = settings_of(self._arguments, reached.network, self._env)
            job = Job(
                reached.client,
                spec,
                replace(settings, is_upgrade=is_upgrade),
                self.registry_for(spec).logins,
                {},
                self._env,
                insecure_registries=self._insecure_registries,
            )
            return job.plan()

        return self._run(work, spec, spec.platforms(), Stopwatch())

    def lock(self, spec: ImageSpec, *, upgrade: bool = False) -> str:
        """Resolve the Python packages of a spec, in its image and for all its platforms.

        Args:
            spec: What to resolve.
            upgrade: Take the newest versions also of what its lock has already; the indexes are
                asked anew.

        Returns:
            The text of a lock file (PEP 751), to be written to ``spec.origin.lock``.

        Raises:
            SpecValidationError: The spec wants no Python packages, or cannot be built as it stands.
            ResolutionError: There is no solution.
            RegistryError: The base image is not there, or it cannot be told.
            DaemonError: No daemon, or it went away.
        """
        from buildkit_spec.plan import lock_file

        plan = self._plan(spec.with_lock(None) if upgrade else spec, is_upgrade=upgrade)
        locks = {one.platform: one.lock for one in plan.platforms if one.lock is not None}
        if not locks:
            problem = Problem("packages", "names nothing to lock", "packages: [pandas]")
            raise SpecValidationError([problem])
        return lock_file.write(spec, locks)

    @contextmanager
    def _turn(self, reference: Reference) -> Iterator[None]:
        """Build each image by one thread at a time: a base that two specs share is built once."""
        with self._lock:
            turn = self._turns.setdefault(reference, threading.Lock())
        with turn:
            yield
