"""Entry point of flytekit 1: registers the image builder ``buildkit``.

flytekit loads this module at the end of ``import flytekit``, in every task's container too. So it
imports nothing that it can do without, and nothing that goes wrong here leaves it.

- ``builder="buildkit"`` on a spec always builds with us.
- Specs that name no builder do when ``BUILDKIT_SPEC_FLYTE_DEFAULT`` is true, or the user's
  configuration file says ``flyte_default = true``; else flytekit's choice stands.

Source: flytekit ``__init__.py``, ``load_implicit_plugins``; ``image_spec/image_spec.py``.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildkit_spec.plugins.flytekit_images import Images

BUILDER = "buildkit"
"""What a spec's ``builder`` says."""

DEFAULT = "BUILDKIT_SPEC_FLYTE_DEFAULT"
"""Whether we build specs that name no builder."""

LABEL = "org.buildkit-spec.builder"
"""Label of every image built for flytekit, by which ours are told from other builders'."""

_TRUE = ("1", "true", "yes", "on")

_SAID = re.compile(
    r"""(?:(?:[^\['"\n]|"[^\\"\n]*")*\n)*?"""
    r"""flyte_default *= *(true|false) *(?:#[^\n]*)?(?:\n|$)"""
)
"""The way that most write it: a line of its own, before all tables."""

_ABOVE_ALL = 10
"""A priority above those of flytekit's own builders and envd's, which has 5."""

_BELOW_ALL = -1
"""A priority below flytekit's own builders': never chosen, but there."""


class FlytekitBuilder:
    """Builds flytekit's image specs; the rest is loaded when the first one comes.

    Has the methods of flytekit's ``ImageSpecBuilder``, which ask for no more.
    """

    builder_type = BUILDER

    def __init__(self) -> None:
        self._images: Images | None = None

    def should_build(self, image_spec: Any) -> bool:
        """Whether `build_image` is to be called: see `Images.should_build`.

        Raises:
            FlyteBuildError: The spec is wrong, or it cannot be told whether its image is there.
        """
        return self._loaded().should_build(image_spec)

    def build_image(self, image_spec: Any) -> str | None:
        """Build and push the image of a spec: see `Images.build_image`.

        Raises:
            FlyteBuildError: The spec is wrong, or its build failed.
        """
        return self._loaded().build_image(image_spec)

    def _loaded(self) -> Images:
        if self._images is None:
            from buildkit_spec.plugins.flytekit_images import Images

            self._images = Images()
        return self._images


def register(env: Mapping[str, str] = os.environ) -> None:
    """Register the builder with flytekit's engine; of a failure nothing but a warning is left.

    Args:
        env: The environment.
    """
    try:
        from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec

        if not hasattr(ImageSpec, "id"):  # what its images are recognised by, since 1.14
            logging.getLogger("buildkit_spec").warning(
                "buildkit-spec needs a newer flytekit: pip install 'flytekit>=1.14'"
            )
            return
        builder = FlytekitBuilder()
        ImageBuildEngine.register(BUILDER, builder, _BELOW_ALL)
        if _is_default(env):
            ImageBuildEngine.register(BUILDER, builder, _ABOVE_ALL)
    except Exception as error:  # noqa: BLE001 - `import flytekit` must survive
        logging.getLogger("buildkit_spec").warning(
            "buildkit-spec cannot be flytekit's image builder as configured: %s", error
        )


def _is_default(env: Mapping[str, str]) -> bool:
    said = env.get(DEFAULT, "").strip().lower()
    if said:
        return said in _TRUE
    base = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME") or Path.home()) / ".config")
    try:
        text = (Path(base) / "buildkit-spec" / "config.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    if "flyte_default" not in text:
        return False
    plain = _SAID.match(text)  # reading TOML takes longer than all the rest
    if plain is not None:
        return plain[1] == "true"
    from buildkit_spec.client.configuration import load_configuration

    return load_configuration(env).is_flyte_default


register()
