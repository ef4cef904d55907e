"""One build of one spec on one connection."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TypeVar

from buildkit_spec.client import (
    BuildOutput,
    CacheEntry,
    Client,
    Delivery,
    Gateway,
    GatewayQuestions,
    LocalCaches,
    Order,
    Ref,
    name_certificates,
    needed_capabilities,
)
from buildkit_spec.errors import (
    BuildkitSpecError,
    ExecError,
    ExportError,
    FileChangedError,
    RegistryError,
    SolveError,
)
from buildkit_spec.parallel import in_parallel
from buildkit_spec.plan import (
    Plan,
    Settings,
    advice,
    as_resolution,
    created_time,
    field_of_question,
    is_foreign,
    make_plan,
    own_command,
    what_to_serve,
)
from buildkit_spec.progress import BuildModel
from buildkit_spec.registry import Logins
from buildkit_spec.serving import session_of
from buildkit_spec.session import Attachable, Session
from buildkit_spec.spec import ImageSpec, registries_of
from buildkit_spec.spec.output_options import annotations_for, caches_with_logins, requested
from buildkit_spec.stopwatch import Stopwatch
from buildkit_spec.values import (
    BuildResult,
    BuildWarning,
    Digest,
    Output,
    Platform,
    Reference,
    StatusCallback,
    StatusUpdate,
    StepResult,
    VertexStatus,
)

CONFIG_KEY = "containerimage.config"
"""Result metadata: the image config. Source: ``exporter/containerimage/exptypes/types.go``."""

Made = TypeVar("Made")


class Job:
    """One spec on its way to an image.

    Args:
        client: The connection to the daemon.
        spec: What the image is to hold; its base image is named.
        settings: The builder's side of the plan.
        logins: This machine's registry logins.
        bases: Base images that are built already, by the image name of their spec.
        env: The environment.
        platforms: What this job makes of what the spec is for; by default all.
    """

    def __init__(
        self,
        client: Client,
        spec: ImageSpec,
        settings: Settings,
        logins: Logins,
        bases: Mapping[str, Reference],
        env: Mapping[str, str],
        platforms: Sequence[Platform] = (),
    ) -> None:
        self._client = client
        self._spec = spec
        self._settings = settings
        self._logins = logins
        self._bases = bases
        self._env = env
        self._registries = registries_of(spec)
        self._platforms = tuple(platforms) or spec.platforms()
        options = spec.builder_options
        self._local_caches = LocalCaches(
            spec.origin.root, options.cache_from, options.cache_to, options.wire_compression
        )
        self._model = BuildModel()
        self._plan: Plan | None = None

    def plan(self) -> Plan:
        """Lay out the graph and build nothing but the questions to the base image.

        Raises:
            SpecValidationError: The spec cannot be built as it stands.
            RegistryError: The base image is not there, or it cannot be told.
            DaemonError: The daemon went away.
        """
        with self._session() as session:
            try:
                self._client.build(
                    lambda gateway: self._answer_only(gateway, session.id),
                    session=session,
                    entitlements=self._entitlements(),
                    is_internal=True,
                )
            except SolveError as error:
                raise self._explained(error) from error.__cause__
        assert self._plan is not None
        return self._plan

    def build(
        self,
        reference: Reference,
        *,
        outputs: Sequence[Output],
        insecure_registries: Container[str],
        clock: Stopwatch,
        on_status: StatusCallback | None,
    ) -> BuildResult:
        """Build the image and export it.

        Args:
            reference: What it is to be called.
            outputs: What becomes of it.
            insecure_registries: Hosts that may be spoken to over plain http.
            clock: Takes the times of the phases.
            on_status: Told what happens, on a thread of the build.

        Raises:
            SpecValidationError: The spec cannot be built as it stands.
            RegistryError: The base image is not there, or it cannot be told; or the registry does
                not take the image from a Docker Engine without the containerd image store.
            SolveError: The build failed.
            FileChangedError: A file changed during the build.
            UnsupportedCapabilityError: The daemon cannot make what the spec or an output asks for;
                nothing was built.
            InvalidValueError: Two outputs exclude each other.
            SessionError: A result cannot be written to its place.
            DaemonError: The daemon went away.
        """

        def tell(update: StatusUpdate) -> None:
            self._model.apply(update)
            if on_status is not None:
                on_status(update)

        options = self._spec.builder_options
        cache_exports = self._caches(options.cache_to)
        order = Order(
            outputs,
            reference,
            platform_count=len(self._platforms),
            is_insecure=lambda host: (
                host in insecure_registries or self._registries.of(host).is_http
            ),
            compression=options.wire_compression,
            annotations=annotations_for(options, self._platforms),
            epoch_s=self._settings.epoch_s,
            frontend_attrs=requested(options, self._platforms),
            cache_exports=cache_exports,
            env=self._env,
        )
        with Delivery(
            order,
            self._client.address,
            has_image_exporter=self._client.has_image_exporter(),
            is_docker_engine=self._client.is_docker_engine,
        ) as delivery:
            return self._deliver(reference, order, delivery, clock, tell)

    def _deliver(
        self,
        reference: Reference,
        order: Order,
        delivery: Delivery,
        clock: Stopwatch,
        tell: StatusCallback,
    ) -> BuildResult:
        with self._session(*delivery.attachables()) as session:

            def run(gateway: Gateway) -> BuildOutput:
                caches = [*order.cache_exports, *self._cache_imports()]
                gateway.require(
                    needed_capabilities(delivery.exporters, order.frontend_attrs, caches)
                )
                with clock.phase("plan"):
                    plan = self._plan = self._make_plan(gateway, session.id)
                with clock.phase("build"):
                    output = self._solve(gateway, plan, session.id)
                if self._spec.tag != reference.tag:
                    raise FileChangedError(
                        f"files of {self._spec.name} changed while its image was built",
                        path=self._spec.source_root or "",
                        remedy="build again; nothing was pushed",
                    )
                return output

            whole = Stopwatch()
            try:
                with whole.phase("solve"):
                    result = self._client.build(
                        run,
                        exporters=delivery.exporters,
                        session=session,
                        entitlements=self._entitlements(),
                        cache_exports=order.cache_exports,
                        frontend_attrs=order.frontend_attrs,
                        on_status=tell,
                    )
            except SolveError as error:
                raise self._explained(error) from error.__cause__
        digest = result.digest
        if delivery.is_left_to_engine:
            # What its exporter tells is the config's: the manifest is made by the push.
            digest = None
            with whole.phase("push"):
                for name in delivery.pushed:
                    digest = self._push_from_engine(name, tell)
        delivery.commit()
        self._local_caches.finish(result.exporter_response)
        _tell_left_out(delivery, tell)
        asked = clock.seconds["plan"] + clock.seconds["build"]
        clock.seconds["export"] = sum(whole.seconds.values()) - asked
        reference = next(iter(delivery.pushed), reference)
        return BuildResult(
            reference.with_digest(digest) if digest else reference,
            digest,
            self._platforms,
            was_pushed=bool(delivery.pushed),
            timings_s=clock.seconds,
            steps=tuple(
                StepResult(step.name, step.is_cached, step.duration_s)
                for step in self._model.steps
                # What has no inputs is a source: it is looked at in every build.
                if step.has_inputs and not step.is_internal
            ),
            address=str(self._client.address),
            ref=result.ref,
            metadata=delivery.metadata(result.exporter_response),
        )

    def _push_from_engine(self, reference: Reference, tell: StatusCallback) -> Digest:
        host, repository = reference.registry, reference.repository
        token = self._logins.registry_token(host, repository)
        try:
            return self._client.push_image(
                reference,
                credentials=None if token else self._logins.credentials(host, repository),
                registry_token=token,
                on_status=tell,
            )
        except RegistryError as error:
            name_certificates(error, self._registries, host)
            raise

    def _answer_only(self, gateway: Gateway, session_id: str) -> BuildOutput:
        self._plan = self._make_plan(gateway, session_id)
        return BuildOutput(dict.fromkeys(self._platforms))

    def _make_plan(self, gateway: Gateway, session_id: str) -> Plan:
        return make_plan(
            self._spec,
            GatewayQuestions(
                gateway, self._registries, self._cache_imports(), session_id=session_id
            ),
            self._settings,
            self._platforms,
            self._bases,
            for_each=self._for_each,
        )

    def _for_each(
        self, make: Callable[[Platform], Made], platforms: Sequence[Platform]
    ) -> list[Made]:
        """Make something for every platform at once; of several, an error says which failed."""

        def made(platform: Platform) -> Made:
            try:
                return make(platform)
            except SolveError as error:
                error.platform = str(platform)  # put into words when it is explained
                raise
            except BuildkitSpecError as error:
                _name_platform(error, str(platform))
                raise

        return in_parallel(made if len(self._spec.platforms()) > 1 else make, platforms)

    def _solve(self, gateway: Gateway, plan: Plan, session_id: str) -> BuildOutput:
        created = created_time(plan.epoch_s)
        plans = {one.platform: one for one in plan.platforms}

        def solve(platform: Platform) -> Ref:
            definition = plans[platform].state.marshal(
                platform=platform, local_unique_id=session_id
            )
            return gateway.solve(definition, evaluate=True, cache_imports=self._cache_imports())

        refs = dict(zip(plans, self._for_each(solve, tuple(plans)), strict=True))
        metadata = {
            CONFIG_KEY if len(plans) == 1 else f"{CONFIG_KEY}/{platform}": one.config.to_json(
                platform, created=created
            )
            for platform, one in plans.items()
        }
        return BuildOutput(refs, metadata)

    def _cache_imports(self) -> tuple[CacheEntry, ...]:
        return self._caches(self._spec.builder_options.cache_from)

    def _caches(self, entries: Iterable[Mapping[str, str]]) -> tuple[CacheEntry, ...]:
        found: list[CacheEntry] = []
        for attrs in caches_with_logins(entries, self._env):
            if attrs["type"] == "local":
                found += filter(None, (self._local_caches.entry(attrs),))
                continue
            kind, ref = attrs.pop("type"), attrs.get("ref")
            if ref and self._registries.of(Reference.parse(ref).registry).is_http:
                attrs.setdefault("registry.insecure", "true")
            found.append(CacheEntry(kind, attrs))
        return tuple(found)

    def _entitlements(self) -> tuple[str, ...]:
        networks = {self._settings.network, self._spec.builder_options.network}
        return ("network.host",) if "host" in networks else ()

    def _session(self, *more: Attachable) -> Session:
        return session_of(
            self._spec,
            what_to_serve(self._spec, self._settings, self._bases),
            self._platforms,
            self._logins,
            self._env,
            (*self._local_caches.attachables(), *more),
        )

    def _explained(self, error: SolveError) -> SolveError:
        platform = error.platform
        error = as_resolution(error)
        plan, vertex = self._plan, error.vertex
        error.source = plan.field_of(vertex) if plan else error.source or field_of_question(vertex)
        if isinstance(error, ExecError):
            error.command = own_command(error.command)
            if is_foreign(error.log_tail):
                asked = platform or self._platforms[0]
                error.message = f"{self._client.address} cannot run programs for {asked}"
        if isinstance(error, ExportError):
            name_certificates(error, self._registries, error.reference.partition("/")[0])
        if not error.remedy:
            error.remedy = advice(error.source, error.log_tail)
        if platform:
            error.platform = platform
            _name_platform(error, platform)
        return error


def _name_platform(error: BuildkitSpecError, platform: str) -> None:
    if platform not in error.message:
        error.message = f"{platform}: {error.message}"


def _tell_left_out(delivery: Delivery, tell: StatusCallback) -> None:
    """Warn of devices that the image has, and its copy on this machine has not."""
    for path, devices in delivery.left_out.items():
        name = f"writing to {path}"
        step, now = Digest.of(name.encode()), datetime.now(timezone.utc)
        warning = BuildWarning(step, f"left out devices: {', '.join(devices)}")
        tell(
            StatusUpdate(
                (VertexStatus(step, name, started=now, completed=now),), warnings=(warning,)
            )
        )
