"""The image builder that Flyte 2 finds through ``flyte.plugins.image_builders``.

Flyte loads it when an image is to be built by the builder called ``buildkit``, and not before:
``import flyte`` never sees this module.

Source: flyte 2.12 ``_internal/imagebuild/image_builder.py``.
"""

from __future__ import annotations

import sys
import threading
from functools import cache
from typing import TYPE_CHECKING

from flyte._build import ImageBuild
from flyte.errors import ImageBuildError

from buildkit_spec.builder import BuildkitBuilder
from buildkit_spec.errors import BuildkitSpecError
from buildkit_spec.plugins.flyte2_threads import in_thread
from buildkit_spec.under_way import UnderWay
from buildkit_spec.values import ImageOutput, Platform, Reference

if TYPE_CHECKING:
    from flyte import Image
    from flyte.extend import Architecture, ImageChecker

    from buildkit_spec.spec import ImageSpec

_AT_ONCE = 16
"""Images that are built at the same time; Flyte asks for all of them at once."""


@cache
def image_builder() -> Flyte2Builder:
    """Return the builder; the same one each time, as Flyte asks for it twice for every image."""
    return Flyte2Builder(BuildkitBuilder())


class RegistryChecker:
    """Tells Flyte whether an image is there, by one request to its registry."""

    @classmethod
    async def image_exists(
        cls, repository: str, tag: str, arch: tuple[Architecture, ...] = ("linux/amd64",)
    ) -> str | None:
        """Return the image's name, pinned to its digest; None when it is to be built.

        What cannot be told is to be built as well: the build asks the registry again, and fails
        with the reason. Flyte itself would take it for there.
        """
        if "/" not in repository:
            return None  # no registry yet: `build_image` finds one
        name = f"{repository}:{tag}"
        registry = image_builder().builder.registry

        def ask() -> str | None:
            platforms = [Platform.parse(one) for one in arch]
            digest = registry.digest(Reference.parse(name), platforms=platforms)
            return f"{name}@{digest}" if digest else None

        try:
            return await in_thread(ask)
        except Exception:  # noqa: BLE001 - whatever it is, the build meets it too, and tells
            return None


class Flyte2Builder:
    """Flyte's ``ImageBuilder``, on one `BuildkitBuilder`.

    Args:
        builder: Builds the images.
    """

    def __init__(self, builder: BuildkitBuilder) -> None:
        self.builder = builder
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def __str__(self) -> str:
        return "buildkit"

    def get_checkers(self) -> list[type[ImageChecker]]:
        """Return who tells whether an image is there: the registry alone, never a memory of it."""
        return [RegistryChecker]

    async def build_image(
        self, image: Image, dry_run: bool, wait: bool = True, force: bool = False
    ) -> ImageBuild:
        """Build the image and push it under Flyte's own name for it.

        Args:
            image: What it is to hold.
            dry_run: Show what would be built, as specs; only the base image's registry is asked.
            wait: Whether to return when the image is there; otherwise it is built on a thread that
                this process waits for as it ends, and a failure is only logged.
            force: Build and push even when it is there.

        Returns:
            The image's name; pinned to its digest, unless it is not built yet.

        Raises:
            ImageBuildError: It cannot be built; with the reason, and what to do about it.
        """
        if not image._is_cloned:
            return ImageBuild(uri=image.uri, remote_run=None)  # somebody else's, as it is
        image = _with_registry(image)
        if dry_run:
            await in_thread(lambda: self._show(image))
            return ImageBuild(uri=image.uri, remote_run=None)
        if not wait:
            self._build_behind(image, force)
            return ImageBuild(uri=image.uri, remote_run=None)
        under_way = UnderWay()
        uri = await in_thread(
            lambda: self._build(image, force, under_way), on_cancel=under_way.cancel
        )
        return ImageBuild(uri=uri, remote_run=None)

    def _build_behind(self, image: Image, force: bool) -> None:
        from flyte._logging import logger

        def work() -> None:
            try:
                self._build(image, force, UnderWay())
            except Exception as error:  # noqa: BLE001 - nobody else is told of it
                logger.error(str(error))

        threading.Thread(target=work, name=f"build {image.name}", daemon=False).start()

    def _spec(self, image: Image) -> ImageSpec:
        from buildkit_spec.plan.image_config import ImageConfig
        from buildkit_spec.plugins.flyte2_layers import base_of, spec_of

        base = base_of(image)
        resolved = self.builder.registry.image(
            Reference.parse(base), Platform.parse(image.platform[0])
        )
        return spec_of(image, ImageConfig.parse(resolved.config, origin=base))

    def _build(self, image: Image, force: bool, under_way: UnderWay) -> str:
        from buildkit_spec.progress import open_display

        name = f"{image.name}:{image._final_tag[:12]}"
        # Lines, as other images are built at the same time.
        with self._slots, open_display("plain", sys.stderr) as display:
            try:
                reference = Reference.parse(image.uri)
                result = self.builder.build(
                    self._spec(image),
                    force=force,
                    on_status=display.for_build(name).update,
                    outputs=[ImageOutput((reference,), is_pushed=True)],
                    under_way=under_way,
                )
            except BuildkitSpecError as error:
                raise _as_flytes(image, error) from error
        return f"{image.uri}@{result.digest}"

    def _show(self, image: Image) -> None:
        try:
            specs = [self._spec(image)]
        except BuildkitSpecError as error:
            raise _as_flytes(image, error) from error
        while (base := specs[0].base_image) is not None and not isinstance(base, str):
            specs.insert(0, base)
        texts = [f"# {image.uri}, step {number}\n" for number in range(1, len(specs) + 1)]
        for text, spec in zip(texts, specs, strict=True):
            base = spec.base_image
            own = spec if isinstance(base, str) else spec.replace(base_image=None)
            print(text + own.to_yaml())


def _with_registry(image: Image) -> Image:
    """Return the image with where it is pushed to: its own registry, else the configured one.

    Raises:
        ImageBuildError: There is none.
    """
    if image.registry:
        return image
    from flyte._image import _get_push_registry

    registry = _get_push_registry()
    if not registry:
        raise ImageBuildError(
            f"image {image.name} has no registry to be pushed to\n"
            "  → image: {registry: ghcr.io/me} in Flyte's configuration file,"
            " export FLYTE_IMAGE_REGISTRY=ghcr.io/me, or clone(registry=…)"
        )
    return image.clone(registry=registry)


def _as_flytes(image: Image, error: BuildkitSpecError) -> ImageBuildError:
    from buildkit_spec.progress import failure_text

    return ImageBuildError(f"{image.uri}: {failure_text(error)}")
