"""The images that flytekit asks for: looked up together, built together, each once.

What an image that is there already needs is a request to its registry: our spec is made, and what
builds it imported, for those that are missing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildkit_spec.builder import BuildkitBuilder
from buildkit_spec.errors import BuildkitSpecError
from buildkit_spec.parallel import in_parallel
from buildkit_spec.plugins.flytekit import LABEL
from buildkit_spec.plugins.flytekit_ahead import companions, is_base, plain_name
from buildkit_spec.spec.environment import PUSH, flag
from buildkit_spec.values import BuildResult, LoadOutput, Platform, Reference

if TYPE_CHECKING:
    from buildkit_spec.registry import Registry
    from buildkit_spec.spec import ImageSpec

FAST_FAIL = "FLYTE_IMG_FAST_FAIL"
"""Whether not to know if an image exists is an error: for flytekit when on, for us unless off."""


class FlyteBuildError(click.ClickException, RuntimeError):
    """An image cannot be built; pyflyte prints the message, and no traceback of its own.

    Its ``__cause__`` is the error of ours.
    """


@dataclass(slots=True)
class _Image:
    """One image on its way.

    Attributes:
        theirs: flytekit's spec.
        name: Registry, name and tag as flytekit has them.
        is_forced: Whether it is built although it is there.
        found: The image in its registry.
        doubt: Why it cannot be told whether it is there.
        ours: Our spec; only of an image that is to be built.
        outcome: What came of the build, or why there is none.
    """

    theirs: Any
    name: str
    is_forced: bool = False
    found: Reference | None = None
    doubt: BuildkitSpecError | None = None
    ours: ImageSpec | None = None
    outcome: BuildResult | Exception | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be built still."""
        return self.outcome is None and (self.is_forced or not (self.found or self.doubt))

    def warn(self, text: str) -> None:
        """Say what may go wrong with it later, in yellow."""
        click.secho(f"Image {self.name}: {text}", fg="yellow")

    @property
    def platforms(self) -> list[Platform]:
        """What it runs on.

        Raises:
            InvalidPlatformError: The spec says something else.
        """
        return [Platform.parse(one) for one in self.theirs.platform.split(",")]


class Images:
    """Answers flytekit's two questions.

    With the first spec of a workflow all its specs are looked up at once, and with the first one
    that is missing all that are missing are built at once. The others' answers are kept until
    flytekit asks, once each.
    """

    def __init__(self) -> None:
        with _told():
            self._builder = BuildkitBuilder()
        self._bases: dict[str, Any] = {}
        self._ahead: dict[str, _Image] = {}
        self._current: dict[str, _Image] = {}

    def should_build(self, spec: Any) -> bool:
        """Whether flytekit is to call `build_image`; says what it finds in flytekit's words.

        Also true for an image that is there already, as flytekit takes a name, pinned to its
        digest, from `build_image` only. False for the base of another spec, whose tag would
        change with the name of its base.

        Raises:
            FlyteBuildError: The spec is wrong; or it cannot be told whether the image is there,
                and ``FLYTE_IMG_FAST_FAIL`` is not off.
        """
        name = plain_name(spec)
        self._bases[name] = spec
        image = self._ahead.pop(name, None) or self._look_up([spec, *companions(spec)])
        self._current[name] = image
        if isinstance(image.outcome, Exception) and image.ours is None:
            raise _flyte_error(image.outcome)
        if image.is_forced and image.found is not None:
            click.secho(f"Overwriting existing image {name}.", fg="blue")
            return True
        if image.is_wanted or image.outcome is not None:
            click.secho(f"Image {name} not found. building...", fg="blue")
            return True
        if image.doubt is not None:
            _doubt(name, image.doubt)
            return False
        click.secho(f"Image {name} found. Skip building.", fg="blue")
        self._tell_foreign(image)
        return not is_base(spec)

    def build_image(self, spec: Any) -> str | None:
        """Build and push the image, unless `should_build` found it.

        Returns:
            The image's name with tag and digest; None for one that is in no registry.

        Raises:
            FlyteBuildError: The spec is wrong, or the build failed.
        """
        name = plain_name(spec)
        image = self._current.pop(name, None)
        if image is None:  # nobody asked whether to build it
            image = _Image(spec, name)
            self._prepare(image)
        if image.is_wanted:
            self._build([image, *(one for one in self._ahead.values() if one.is_wanted)])
        if isinstance(image.outcome, BuildResult):
            result = image.outcome
            took = f"{sum(result.timings_s.values()):.1f} s"
            steps = f"{len(result.cached_steps)} of {len(result.steps)} steps cached"
            click.secho(f"Image {name} built in {took}; {steps}.", fg="blue")
            digest = result.digest if result.was_pushed or not result.was_built else None
            return f"{name}@{digest}" if digest and not is_base(spec) else None
        if image.outcome is not None:
            raise _flyte_error(image.outcome)
        return f"{name}@{image.found.digest}" if image.found is not None else None

    def _look_up(self, specs: Sequence[Any]) -> _Image:
        """Return the image of the first spec; those of the others are kept."""
        images: dict[str, _Image] = {}
        for spec in specs:
            image = _Image(spec, plain_name(spec), bool(getattr(spec, "_is_force_push", False)))
            images.setdefault(image.name, image)
        first, *others = images.values()
        in_parallel(self._find, list(images.values()))
        for image in images.values():
            if image.is_wanted:
                self._prepare(image)
        self._ahead.update({one.name: one for one in others})
        return first

    def _find(self, image: _Image) -> None:
        if image.theirs.registry is None:
            return
        try:
            reference = Reference.parse(image.name)
            digest = self._registry_of(image).digest(reference, platforms=image.platforms)
            image.found = reference.with_digest(digest) if digest is not None else None
        except BuildkitSpecError as error:
            image.doubt = error

    def _registry_of(self, image: _Image) -> Registry:
        if not image.theirs.registry_config:
            return self._builder.registry
        from buildkit_spec.plugins.flytekit_spec import to_ours

        return self._builder.registry_for(to_ours(image.theirs, self._bases))

    def _prepare(self, image: _Image) -> None:
        from buildkit_spec.plugins.flytekit_spec import to_ours

        try:
            image.ours = to_ours(image.theirs, self._bases, image.warn)
        except BuildkitSpecError as error:
            image.outcome = error

    def _tell_foreign(self, image: _Image) -> None:
        assert image.found is not None
        with suppress(BuildkitSpecError):
            labels = self._registry_of(image).labels(image.found, image.platforms[0])
            if LABEL not in labels:
                click.secho(
                    f"Image {image.name} was built by another builder and is used as it is; "
                    "FLYTE_FORCE_PUSH_IMAGE_SPEC=True builds it anew.",
                    fg="yellow",
                )

    def _build(self, images: Sequence[_Image]) -> None:
        from buildkit_spec.engine import DEFAULT_BUILDER, ImageBuildEngine
        from buildkit_spec.progress import open_display

        ImageBuildEngine.register(DEFAULT_BUILDER, self._builder, priority=1)
        with _told():
            is_pushing = flag(PUSH, default=True)
        pushed = [one for one in images if is_pushing and one.theirs.registry]
        local = [one for one in images if one not in pushed]
        labels = _labels(images)
        with open_display("auto", sys.stderr) as display:

            def build(group: Sequence[_Image], **wishes: Any) -> None:
                specs = [one.ours for one in group if one.ours is not None]
                outcomes = ImageBuildEngine.build_many(
                    specs,
                    on_status=[display.for_build(labels[one.name]).update for one in group],
                    **wishes,
                )
                for image, outcome in zip(group, outcomes, strict=True):
                    image.outcome = outcome

            if pushed:
                build(pushed, push=True)
            if local:
                build(local, push=False, outputs=[LoadOutput()] if _has_engine() else None)


def _labels(images: Sequence[_Image]) -> dict[str, str]:
    """Return what each image is called in the display, as short as it can be."""
    if len(images) == 1:
        return {images[0].name: ""}
    names = [str(one.theirs.name) for one in images]
    return {
        one.name: name if names.count(name) == 1 else one.name.rpartition("/")[2]
        for one, name in zip(images, names, strict=True)
    }


def _has_engine() -> bool:
    """Whether a Docker Engine is at hand, where an image that is not pushed can be used."""
    return bool(os.environ.get("DOCKER_HOST")) or Path("/var/run/docker.sock").exists()


def _doubt(name: str, error: BuildkitSpecError) -> None:
    """Raise, or take the image for there as flytekit does, when that is asked for."""
    if not os.environ.get(FAST_FAIL) or flag(FAST_FAIL):
        raise _flyte_error(error)
    click.secho(f"Failed to check if the image exists with error:\n {error}", fg="red")
    click.secho(f"Flytekit assumes the image {name} already exists.", fg="blue")


def _flyte_error(error: Exception) -> FlyteBuildError:
    from buildkit_spec.progress import failure_text

    text = failure_text(error) if isinstance(error, BuildkitSpecError) else repr(error)
    made = FlyteBuildError(text)
    made.__cause__ = error
    return made


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BuildkitSpecError as error:
        raise _flyte_error(error) from error
