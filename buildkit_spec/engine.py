"""`ImageBuildEngine`: builders by name and priority, and many images at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, cast, runtime_checkable

from buildkit_spec.builder import BuildkitBuilder
from buildkit_spec.errors import Problem, SolveCanceledError, SpecValidationError
from buildkit_spec.values import BuildResult

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from buildkit_spec.spec import ImageSpec
    from buildkit_spec.values import Output, StatusCallback

DEFAULT_BUILDER = "buildkit"
FLYTEKIT_BUILDERS = ("default", "envd")
"""What flytekit's specs call its own builders: unless somebody registers one, we build those."""

_AT_ONCE = 4
_GLANCE_S = 0.2

_Outcome = BuildResult | Exception


class Builder(Protocol):
    """Anything that can build a spec."""

    def build(
        self,
        spec: ImageSpec,
        *,
        push: bool | None = None,
        force: bool = False,
        on_status: StatusCallback | None = None,
    ) -> BuildResult:
        """Build one spec; see `BuildkitBuilder.build`."""


class ExportingBuilder(Builder, Protocol):
    """A builder that does more with an image than to push it."""

    def build(
        self,
        spec: ImageSpec,
        *,
        push: bool | None = None,
        force: bool = False,
        on_status: StatusCallback | None = None,
        outputs: Sequence[Output] | None = None,
    ) -> BuildResult:
        """Build one spec; see `BuildkitBuilder.build`."""


@runtime_checkable
class CancellableBuilder(Builder, Protocol):
    """A builder that can end what it builds."""

    def cancel(self) -> None:
        """End the builds that run now; called from another thread than theirs."""


@dataclass(frozen=True, slots=True)
class _Registered:
    builder: Builder
    priority: int


class ImageBuildEngine:
    """The builders of this process.

    A spec that names a builder gets that one; another gets the builder of the highest priority, the
    first registered when several share it. Of `FLYTEKIT_BUILDERS`, a name that nobody registered is
    none.
    """

    _builders: ClassVar[dict[str, _Registered]] = {}

    @classmethod
    def register(cls, name: str, builder: Builder, priority: int = 5) -> None:
        """Add *builder* under *name*, in place of one that has the name.

        Args:
            name: What a spec's ``builder`` says.
            builder: Builds specs; used from several threads at once.
            priority: The highest is used for specs that name no builder; ours has 1.
        """
        cls._builders[name] = _Registered(builder, priority)

    @classmethod
    def builder_for(cls, spec: ImageSpec) -> Builder:
        """Return the builder that builds *spec*.

        Raises:
            SpecValidationError: It names a builder that nobody registered.
        """
        if DEFAULT_BUILDER not in cls._builders:
            cls.register(DEFAULT_BUILDER, BuildkitBuilder(), priority=1)
        is_flytekits = spec.builder in FLYTEKIT_BUILDERS and spec.builder not in cls._builders
        if spec.builder is None or is_flytekits:
            return max(cls._builders.values(), key=lambda one: one.priority).builder
        if spec.builder not in cls._builders:
            known = ", ".join(sorted(cls._builders))
            raise SpecValidationError(
                [Problem("builder", f"no builder is called {spec.builder!r}", f"one of: {known}")]
            )
        return cls._builders[spec.builder].builder

    @classmethod
    def build(
        cls,
        spec: ImageSpec,
        *,
        push: bool | None = None,
        force: bool = False,
        on_status: StatusCallback | None = None,
        outputs: Sequence[Output] | None = None,
    ) -> BuildResult:
        """Build one spec with its builder; see `BuildkitBuilder.build` for arguments and errors.

        A builder of another kind gets *outputs* only when there are some.
        """
        builder = cls.builder_for(spec)
        if outputs is None:
            return builder.build(spec, push=push, force=force, on_status=on_status)
        exporting = cast("ExportingBuilder", builder)
        return exporting.build(spec, push=push, force=force, on_status=on_status, outputs=outputs)

    @classmethod
    def build_many(
        cls,
        specs: Sequence[ImageSpec],
        *,
        push: bool | None = None,
        force: bool = False,
        on_status: Sequence[StatusCallback] = (),
        outputs: Sequence[Output] | None = None,
        essential: ImageSpec | None = None,
    ) -> list[_Outcome]:
        """Build several specs at once, equal ones once.

        One that fails does not stop the others, unless it is *essential*. Ctrl-C stops all of
        them: each builder that is a `CancellableBuilder` is told to end its builds.

        Args:
            specs: What to build.
            push: See `BuildkitBuilder.build`.
            force: Likewise.
            on_status: A callback for each spec, or none at all.
            outputs: What becomes of each image; see `BuildkitBuilder.build`.
            essential: One of them; when it fails, the others end with `SolveCanceledError`.

        Returns:
            For each spec, in order, its result or the error it ended with.
        """
        callbacks = dict(zip(specs, on_status, strict=False))

        def attempt(spec: ImageSpec) -> _Outcome:
            try:
                return cls.build(
                    spec, push=push, force=force, on_status=callbacks.get(spec), outputs=outputs
                )
            except Exception as error:  # noqa: BLE001 - handed to the caller, one per spec
                return error

        distinct = list(dict.fromkeys(specs))
        if len(distinct) == 1:
            outcomes = {distinct[0]: attempt(distinct[0])}  # on this thread: it gets the Ctrl-C
        else:
            made = cls._attempt_all(attempt, distinct, essential)
            outcomes = dict(zip(distinct, made, strict=True))
        return [outcomes[spec] for spec in specs]

    @classmethod
    def _attempt_all(
        cls,
        attempt: Callable[[ImageSpec], _Outcome],
        specs: Sequence[ImageSpec],
        essential: ImageSpec | None,
    ) -> list[_Outcome]:
        from concurrent.futures import ThreadPoolExecutor, wait

        futures: list[Future[_Outcome]] = []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="build") as pool:
            try:
                for spec in specs:
                    futures.append(pool.submit(attempt, spec))
                lead = futures[specs.index(essential)] if essential is not None else None
                # A signal that comes right before a wait is seen after it only: wait in bits.
                while wait(futures, _GLANCE_S).not_done:
                    if lead is not None and lead.done() and isinstance(lead.result(), Exception):
                        cls._end(pool, futures, specs)
                        break
            except BaseException:
                cls._end(pool, futures, specs)
                raise
        return [_not_begun() if future.cancelled() else future.result() for future in futures]

    @classmethod
    def _end(
        cls,
        pool: ThreadPoolExecutor,
        futures: Sequence[Future[_Outcome]],
        specs: Sequence[ImageSpec],
    ) -> None:
        from concurrent.futures import wait

        pool.shutdown(wait=False, cancel_futures=True)
        while running := [future for future in futures if not future.done()]:
            cls._cancel(specs)  # again, for one that was just about to begin
            wait(running, _GLANCE_S)

    @classmethod
    def _cancel(cls, specs: Iterable[ImageSpec]) -> None:
        for spec in specs:
            with suppress(SpecValidationError):  # nobody builds that one
                builder = cls.builder_for(spec)
                if isinstance(builder, CancellableBuilder):
                    builder.cancel()


def _not_begun() -> SolveCanceledError:
    return SolveCanceledError("the build was cancelled before it began", code="CANCELLED")


def build(
    spec: ImageSpec,
    *,
    push: bool | None = None,
    force: bool = False,
    on_status: StatusCallback | None = None,
    outputs: Sequence[Output] | None = None,
) -> BuildResult:
    """Build a spec and push it, unless its registry has it already.

    ::

        from buildkit_spec import ImageSpec, build

        result = build(ImageSpec(packages=["pandas"], registry="ghcr.io/me"))
        print(result.reference)

    Args:
        spec: What the image is to hold.
        push: Whether to push; by default when the spec names a registry.
        force: Build and push even when the image is there.
        on_status: Told what happens, on a thread of the build.
        outputs: What becomes of the image, such as ``[parse_output("type=oci,dest=image.tar")]``.

    Returns:
        Reference, digest, platforms, timings, and which steps were cached.

    Raises:
        BuildkitSpecError: See `BuildkitBuilder.build` for which.
    """
    return ImageBuildEngine.build(
        spec, push=push, force=force, on_status=on_status, outputs=outputs
    )
