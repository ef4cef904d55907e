"""From Flyte 2's image, a sequence of layers, to our specs: one on another, each a part of it.

What a spec does at once or in any order goes into one spec; where the order matters, the next spec
begins, with the one before as its base image. All of them make one graph.

Source: flyte 2.12 ``_image.py``, ``_internal/imagebuild/docker_builder.py`` (what a layer means).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte import _image as layers
from flyte._utils import parse_uv_script_file

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.plugins import flyte2_files, flyte2_python, flyte2_words
from buildkit_spec.plugins.flyte2_secrets import step_secrets
from buildkit_spec.plugins.flyte2_stages import Rank, Stages
from buildkit_spec.spec.environment import IMAGE_ID

if TYPE_CHECKING:
    from flyte import Image

    from buildkit_spec.plan.image_config import ImageConfig
    from buildkit_spec.spec import ImageSpec

_HOME = "/home/flyte"
_UV = "/usr/bin/uv"
"""Where Flyte's own builder puts it."""

_MADE_BY_FLYTE = {IMAGE_ID, "UV_PYTHON", "VIRTUALENV"}
"""What is set in images that a builder of Flyte 2 made, its released ones among them."""

_VARIABLE = re.compile(r"\\(?P<plain>\$)|\$(?:\{(?P<braced>\w+)\}|(?P<name>[A-Za-z_]\w*))")
_SEVERAL_WORDS = re.compile(r"\s*LABEL\s+(.*)", re.IGNORECASE | re.DOTALL)


def base_of(image: Image) -> str:
    """Return the reference of the image's base.

    Raises:
        SpecValidationError: It has none that we can build on.
    """
    if image.dockerfile:
        raise SpecValidationError(
            [
                Problem(
                    "dockerfile",
                    f"{image.dockerfile} is a Dockerfile, which this builder does not read",
                    "say it with Image.from_base(…) and layers, or build with --builder local",
                )
            ]
        )
    if not image.base_image:
        raise SpecValidationError([Problem("base_image", "is missing", "Image.from_base(…)")])
    return str(image.base_image)


def spec_of(image: Image, base: ImageConfig) -> ImageSpec:
    """Return the spec of an image.

    Args:
        image: Flyte's image; its code bundles are resolved already.
        base: The config of its base image.

    Raises:
        SpecValidationError: A layer cannot be built; the field names it.
    """
    reading = _Reading(image, base)
    for number, layer in enumerate(image._layers):
        reading.read(layer, f"layers[{number}]")
    return reading.finish()


def expanded(text: str, env: Mapping[str, str]) -> str:
    """Return a text with its ``$NAME`` and ``${NAME}`` replaced, as Dockerfiles do."""

    def value(match: re.Match[str]) -> str:
        if match["plain"]:
            return "$"
        return env.get(match["braced"] or match["name"], "")

    return _VARIABLE.sub(value, text)


class _Reading:
    """Goes through the layers in their order, as a Dockerfile would be gone through."""

    def __init__(self, image: Image, base: ImageConfig) -> None:
        self._image = image
        self._env = dict(base.env)
        self._workdir = base.workdir or "/"
        self._labels: dict[str, str] = {}
        self._is_flytes_user = False
        self._ignored = flyte2_files.ignored(image)
        self._stages = Stages(base_of(image), image.name, ",".join(image.platform))
        self._begin()

    def _begin(self) -> None:
        """Bring ``uv`` and the virtual environment, as every image of Flyte's has them."""
        env = self._env
        if env.keys() >= _MADE_BY_FLYTE:
            return
        env.setdefault("VIRTUALENV", "/opt/venv")
        env.setdefault("UV_PYTHON", f"{env['VIRTUALENV']}/bin/python")
        path = env.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        env.update(
            UV_COMPILE_BYTECODE="1",
            UV_LINK_MODE="copy",
            PATH=f"{env['VIRTUALENV']}/bin:{path}:/usr/local/nvidia/bin:/usr/local/cuda/bin",
            LD_LIBRARY_PATH="/usr/local/nvidia/lib64",
        )
        version = ".".join(map(str, self._image.python_version))
        python, home = shlex.quote(env["UV_PYTHON"]), shlex.quote(env["VIRTUALENV"])
        make = f"test -f {python} || uv venv --quiet --no-cache --python={version} {home}"
        self._stages.add(
            Rank.COMMANDS,
            {"commands": [make], "env": dict(env), "python_version": version},
            options={"uv_path": _UV},
        )
        self._stages.close()

    def finish(self) -> ImageSpec:
        """Return the whole, the config being the last spec's."""
        if self._is_flytes_user:
            self._workdir = _HOME
        return self._stages.finish(
            env=self._env,
            image_id=self._image.uri,
            workdir=self._workdir,
            labels=self._labels,
        )

    def read(self, layer: Any, field: str) -> None:
        """Take one layer.

        Raises:
            SpecValidationError: It cannot be built.
        """
        for kind, take in self._kinds:
            if isinstance(layer, kind):
                try:
                    take(self, layer)
                except SpecValidationError as error:
                    raise SpecValidationError(
                        [flyte2_words.problem(one, layer, field) for one in error.problems]
                    ) from error
                except (OSError, ValueError) as error:  # Flyte's own reading of its files
                    raise SpecValidationError([Problem(field, str(error))]) from error
                return
        raise SpecValidationError(
            [
                Problem(
                    field,
                    f"{type(layer).__name__} is a layer that this builder does not know",
                    "build with --builder local",
                )
            ]
        )

    # --- kinds of layers

    def _pip(self, layer: layers.PipPackages) -> None:
        self._python(flyte2_python.packages(layer), layer.secret_mounts)

    def _requirements(self, layer: layers.Requirements) -> None:
        self._python(flyte2_python.requirements(layer), layer.secret_mounts)

    def _wheels(self, layer: layers.PythonWheels) -> None:
        self._python(flyte2_python.wheel(layer), layer.secret_mounts)

    def _uv_project(self, layer: layers.UVProject) -> None:
        self._python(flyte2_python.uv_project(layer), layer.secret_mounts, is_active=True)

    def _poetry_project(self, layer: layers.PoetryProject) -> None:
        self._python(flyte2_python.poetry_project(layer), layer.secret_mounts, is_active=True)

    def _uv_script(self, layer: layers.UVScript) -> None:
        header = parse_uv_script_file(layer.script)
        if header.dependencies:
            self._python(
                flyte2_python.packages(layer, tuple(header.dependencies)), layer.secret_mounts
            )
        if header.pyprojects:
            self._stages.add(Rank.APT, {"apt_packages": ["git"]})  # tells a project's version
            for project in header.pyprojects:
                fields = flyte2_python.uv_project_of_script(layer, project)
                self._python(fields, layer.secret_mounts, is_active=True)

    def _apt(self, layer: layers.AptPackages) -> None:
        fields = {"apt_packages": list(layer.packages)}
        self._stages.add(Rank.APT, fields, secrets=step_secrets(layer.secret_mounts))

    def _commands(self, layer: layers.Commands) -> None:
        self._stages.add(
            Rank.COMMANDS,
            {"commands": list(layer.commands)},
            options={"run_in": self._workdir},
            secrets=step_secrets(layer.secret_mounts),
        )
        if layers._CREATE_FLYTE_USER_CMD in layer.commands:
            self._is_flytes_user = True
            self._stages.close()
            self._stages.set_user("flyte", _HOME)

    def _set_env(self, layer: layers.Env) -> None:
        given = {name: expanded(str(value), self._env) for name, value in layer.env_vars}
        self._env.update(given)
        self._stages.set_env(given)

    def _set_workdir(self, layer: layers.WorkDir) -> None:
        folder = expanded(layer.workdir, self._env)
        self._workdir = posixpath.normpath(posixpath.join(self._workdir, folder))

    def _copy(self, layer: layers.CopyConfig) -> None:
        place = self._place(layer.dst)
        found = flyte2_files.copied(layer.src, place, self._ignored)
        if found is not None:
            self._stages.add(Rank.FILES, found.fields, options=found.options, origin=found.origin)

    def _bundle(self, layer: layers.CodeBundleLayer) -> None:
        found = flyte2_files.bundled(layer, self._place(layer.dst))
        if found is not None:
            self._stages.add(Rank.FILES, found.fields, options=found.options, origin=found.origin)

    def _lines(self, layer: layers._DockerLines) -> None:
        for line in layer.lines:
            match = _SEVERAL_WORDS.fullmatch(line)
            if match is None:
                problem = f"{line.split(maxsplit=1)[0]} is a line of a Dockerfile, not a label"
                raise SpecValidationError([Problem("lines", problem)])
            for word in shlex.split(match[1]):
                name, _, value = word.partition("=")
                self._labels[name] = value

    def _ignore(self, layer: layers.DockerIgnore) -> None:
        flyte2_files.check_readable(Path(layer.path))  # what it says was asked before

    # --- parts

    def _python(self, fields: dict[str, Any], secrets: Any, *, is_active: bool = False) -> None:
        home = self._env.get("VIRTUAL_ENV", "/opt/venv")
        python = f"{home}/bin/python" if is_active else self._env["UV_PYTHON"]
        options = fields.pop("builder_options", {})
        self._stages.add(
            Rank.PYTHON,
            {"python_exec": python, **fields},
            options=options,
            secrets=step_secrets(secrets),
        )

    def _place(self, destination: str) -> str:
        """Return a destination as an absolute one; of a folder it keeps the ``/`` at its end."""
        written = expanded(destination, self._env)
        whole = posixpath.normpath(posixpath.join(self._workdir, written))
        is_folder = written.endswith(("/", "/.")) or written in {"", "."}
        return whole.rstrip("/") + "/" if is_folder else whole

    # The most special first: a class may be a kind of another one.
    _kinds: tuple[tuple[type, Callable[[Any, Any], None]], ...] = (
        (layers.Requirements, _requirements),
        (layers.PipPackages, _pip),
        (layers.PythonWheels, _wheels),
        (layers.UVProject, _uv_project),
        (layers.PoetryProject, _poetry_project),
        (layers.UVScript, _uv_script),
        (layers.AptPackages, _apt),
        (layers.Commands, _commands),
        (layers.Env, _set_env),
        (layers.WorkDir, _set_workdir),
        (layers.CopyConfig, _copy),
        (layers.CodeBundleLayer, _bundle),
        (layers.DockerIgnore, _ignore),
        (layers._DockerLines, _lines),
    )
