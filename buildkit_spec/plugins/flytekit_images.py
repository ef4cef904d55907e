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
from typing import TYPE_CHECKING, Any

import click

from buildkit_spec.builder import BuildkitBuilder
from buildkit_spec.client.engine_images import has_image, usable_engine
from buildkit_spec.errors import (
    BuildkitSpecError,
    FileChangedError,
    RegistryError,
    SolveCanceledError,
)
from buildkit_spec.parallel import in_parallel
from buildkit_spec.plugins.flytekit import LABEL
from buildkit_spec.plugins.flytekit_ahead import companions, fresh, is_base, plain_name
from buildkit_spec.spec.environment import PUSH, flag
from buildkit_spec.values import BuildResult, LoadOutput, Platform, Reference

if TYPE_CHECKING:
    from buildkit_spec.registry import Registry
    from buildkit_spec.spec import ImageSpec

FAST_FAIL = "FLYTE_IMG_FAST_FAIL"
"""Whether not to know if an image exists is an error: for flytekit when on, for us unless off."""


_REGISTRY = "Write registry=… in the spec."
_PUSHING = "export FLYTE_PUSH_IMAGE_SPEC=True"


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
        is_loaded: Whether the Docker Engine has it; only asked of one without a registry.
        doubt: Why it cannot be told whether it is there.
        ours: Our spec; only of an image that is to be built.
        outcome: What came of the build, or why there is none.
    """

    theirs: Any
    name: str
    is_forced: bool = False
    found: Reference | None = None
    is_loaded: bool = False
    doubt: BuildkitSpecError | None = None
    ours: ImageSpec | None = None
    outcome: BuildResult | Exception | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be built still."""
        is_there = self.found or self.is_loaded or self.doubt
        return self.outcome is None and (self.is_forced or not is_there)

    def warn(self, text: str) -> None:
        """Say what may go wrong with it later, in yellow."""
        click.secho(f"Image {self.name}: {text}", fg="yellow")

    def refuse_changed(self) -> None:
        """End it when its files are not those that its tag was made of."""
        if fresh(self.theirs).tag != self.theirs.tag:
            self.outcome = FileChangedError(
                f"files of {self.name} changed since its tag was made",
                path=self.theirs.source_root or "",
                remedy="start again; nothing was pushed",
            )

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
        if image.is_forced and (image.found is not None or image.is_loaded):
            click.secho(f"Overwriting existing image {name}.", fg="blue")
            return True
        if image.is_forced and image.doubt is not None:
            image.warn("it cannot be told whether it is there; built all the same.")
            return True
        if image.is_wanted or image.outcome is not None:
            click.secho(f"Image {name} not found. building...", fg="blue")
            return True
        if image.doubt is not None:
            _doubt(name, image.doubt)
            return False
        click.secho(f"Image {name} found. Skip building.", fg="blue")
        if image.is_loaded:
            return False
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
            image.is_loaded = _is_loaded(image.name)
            return
        try:
            reference = Reference.parse(image.name)
            digest = self._registry_of(image).digest(reference, platforms=image.platforms)
            image.found = reference.with_digest(digest) if digest is not None else None
        except RegistryError as error:
            image.doubt = error
        except BuildkitSpecError as error:
            image.outcome = error  # the spec is wrong: nothing is in doubt

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
        """Build the first of *images*, and the others beside it; when it fails, they wait."""
        from buildkit_spec.engine import DEFAULT_BUILDER, ImageBuildEngine
        from buildkit_spec.progress import open_display

        ImageBuildEngine.register(DEFAULT_BUILDER, self._builder, priority=1)
        with _told():
            is_pushing = flag(PUSH, default=True)
        wanted = images[0]
        for image in images:
            image.refuse_changed()
        if wanted.outcome is not None:
            return
        images = [one for one in images if one.outcome is None]
        pushed = [one for one in images if is_pushing and one.theirs.registry]
        local = [one for one in images if one not in pushed]
        engine = usable_engine(os.environ) if local else None
        outputs = [LoadOutput()] if engine is not None else None
        labels = _labels(images)
        with open_display("auto", sys.stderr) as display:

            def build(group: Sequence[_Image], **wishes: Any) -> None:
                if not group or isinstance(wanted.outcome, Exception):
                    return
                specs = [one.ours for one in group if one.ours is not None]
                outcomes = ImageBuildEngine.build_many(
                    specs,
                    on_status=[display.for_build(labels[one.name]).update for one in group],
                    essential=wanted.ours if wanted in group else None,
                    **wishes,
                )
                for image, outcome in zip(group, outcomes, strict=True):
                    image.outcome = outcome

            if wanted in pushed:
                build(pushed, push=True)
            build(local, push=False, outputs=outputs)
            if wanted not in pushed:
                build(pushed, push=True)
        _prepare_turns(wanted, images)
        if engine is None:
            _tell_unusable(local, _REGISTRY if is_pushing else _PUSHING)


def _tell_unusable(images: Sequence[_Image], remedy: str) -> None:
    for image in images:
        if isinstance(image.outcome, BuildResult):
            image.warn(
                "it is in no registry, and no Docker Engine is here to have it: nothing can start "
                f"it. {remedy}"
            )


def _prepare_turns(wanted: _Image, images: Sequence[_Image]) -> None:
    """Give those that were cancelled with *wanted* a turn, should flytekit come to them."""
    for image in images:
        if image is not wanted and isinstance(image.outcome, SolveCanceledError):
            image.outcome = None


def _labels(images: Sequence[_Image]) -> dict[str, str]:
    """Return what each image is called in the display, as short as it can be."""
    if len(images) == 1:
        return {images[0].name: ""}
    names = [str(one.theirs.name) for one in images]
    return {
        one.name: name if names.count(name) == 1 else one.name.rpartition("/")[2]
        for one, name in zip(images, names, strict=True)
    }


def _is_loaded(name: str) -> bool:
    """Whether the Docker Engine that a local image goes to has it; no when it cannot be asked."""
    engine = usable_engine(os.environ)
    with suppress(BuildkitSpecError):
        return engine is not None and has_image(engine, name)
    return False


def _doubt(name: str, error: BuildkitSpecError) -> None:
    """Raise, or take the image for there as flytekit does, when that is asked for."""
    with _told():
        is_error = not os.environ.get(FAST_FAIL) or flag(FAST_FAIL)
    if is_error:
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
