"""`BuilderOptions` and `BuilderConfig`: what a spec says to the builder itself."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Literal

from buildkit_spec.errors import Problem
from buildkit_spec.spec.caches import cache_sources, cache_targets
from buildkit_spec.spec.checked import Checked, checked
from buildkit_spec.spec.defaults import MICROMAMBA_IMAGE, UV_VERSION
from buildkit_spec.spec.frozen import FrozenDict
from buildkit_spec.spec.images import image_reference
from buildkit_spec.spec.logins import has_login, hidden_logins
from buildkit_spec.spec.output_options import (
    COMPRESSION_LEVELS,
    annotation_key,
    number,
    provenance_mode,
    scanner,
    whole_number,
)
from buildkit_spec.spec.problems import Refusal
from buildkit_spec.spec.scalars import (
    any_text,
    choice,
    line,
    list_of,
    mapping_of,
    path,
    switch,
)
from buildkit_spec.values.secret import EnvSecret, FileSecret, SecretSource

_USER = re.compile(r"^[a-z_0-9][a-z0-9_.-]*(:[a-z_0-9][a-z0-9_.-]*)?$", re.IGNORECASE)
_SECRET_ID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_SNAPSHOT = re.compile(r"^[\w:/.~%+{}-]+$", re.ASCII)
_GROUP = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$")
_GZIP_LEVEL = 4
"""A third less work than BuildKit's own default, for 3 % more bytes."""

_CUDA_LIBRARIES = (
    "cublas",
    "cudart",
    "cufft",
    "curand",
    "cusolver",
    "cusparse",
    "nvjitlink",
    "nvrtc",
)
"""What torch, jax and tensorflow load."""

_VERSION = re.compile(r"^\d+\.\d+\.\d+$")


def absolute_path(value: object) -> str:
    """Return a path inside the image.

    Raises:
        Refusal: It is not absolute.
    """
    written = path(value)
    if not written.startswith("/") or ".." in written.split("/"):
        raise Refusal(f"{written!r} is no absolute path", f"write /root/{written.lstrip('./')}")
    return written


def secret_source(value: object) -> SecretSource:
    """Read where a secret comes from: ``file:path`` or ``env:NAME``.

    Raises:
        Refusal: It is neither; what was written is not shown, it may be the secret itself.
    """
    if isinstance(value, (FileSecret, EnvSecret)):
        return value
    kind, _, rest = line(value).partition(":")
    if kind == "file" and rest:
        return FileSecret(rest)
    if kind == "env" and _VARIABLE.match(rest):
        return EnvSecret(rest)
    raise Refusal("says no source", "write file:path or env:NAME; never the secret itself")


def _secret_id(value: object) -> str:
    name = line(value)
    if not _SECRET_ID.match(name):
        raise Refusal("is no secret id", "letters, digits and _ . - only, as NPM_TOKEN")
    if name.startswith(("pip-", "buildkit-spec")):
        raise Refusal("begins with a word the builder uses itself", "take another id")
    return name


def _secret_place(value: object) -> str:
    return absolute_path(value) if line(value).startswith("/") else _variable(value)


def _user(value: object) -> str:
    name = line(value)
    if not _USER.match(name):
        raise Refusal(f"{name!r} is no user", "write a name or number, with :group if need be")
    return name


def _version(value: object) -> str:
    version = line(value)
    if not _VERSION.match(version):
        raise Refusal(f"{version!r} is no exact version", f"write {UV_VERSION}")
    return version


def _variable(value: object) -> str:
    name = line(value)
    if not _VARIABLE.match(name):
        raise Refusal(f"{name!r} is no name of a variable", "letters, digits and _ only")
    return name


def _url(value: object) -> str:
    url = line(value)
    if not url.startswith(("https://", "http://", "file://")):
        raise Refusal(f"{hidden_logins(url)!r} is no URL", "write https://…")
    if has_login(url):
        raise Refusal("holds a login, which would stay in the build's history", "write it without")
    return url


def _snapshot(value: object) -> str:
    url = _url(value)
    if "{archive}" not in url or not _SNAPSHOT.match(url):
        raise Refusal(
            f"{url!r} is no snapshot's URL",
            "write {archive} where debian, debian-security or ubuntu stands in it:"
            " https://host/archive/{archive}/20260101T000000Z",
        )
    return url


def _group(value: object) -> str:
    name = line(value)
    if not _GROUP.match(name):
        raise Refusal(f"{name!r} is no name of a group or an extra", "letters, digits and - _ .")
    return name


def _build_variable(value: object) -> str:
    name = _variable(value)
    if name == "SOURCE_DATE_EPOCH":
        raise Refusal("is set by the builder", "set it where the build is started")
    return name


def _mounted_folder(value: object) -> str:
    folder = absolute_path(value)
    if not folder.strip("/"):
        raise Refusal("is the whole file system, not a folder in it", "write /root/.cache")
    return folder


def _cache_mounts(value: object) -> Mapping[str, str]:
    if isinstance(value, Mapping):
        return mapping_of(_mounted_folder, line)(value)
    return FrozenDict({target: target for target in list_of(_mounted_folder)(value)})


class LayerOptions(Checked):
    """How Python packages are divided into layers: ``layers`` of the builder options.

    Attributes:
        heavy_mib: A wheel of at least this size, in MiB, has a layer of its own.
        buckets: How many layers the others share.
        max_layers: How many layers there may be of Python packages at all.
        is_single: Whether all packages share one layer.

    Raises:
        SpecValidationError: A key is unknown or a value is wrong; all problems at once.
    """

    heavy_mib: float = checked(number(0.0), default=1.0)
    buckets: int = checked(whole_number(1, 64), default=16)
    max_layers: int = checked(whole_number(1, 120), default=100)
    is_single: bool = checked(switch, default=False)


def _layers(value: object) -> LayerOptions:
    if value == "single":
        return LayerOptions(is_single=True)
    if isinstance(value, str):
        raise Refusal(f"{value!r} is no grouping", "write single, or {heavy_mib: 1}")
    return LayerOptions.read(value)


class BuilderOptions(Checked):
    """What else the image holds and how its steps run: ``builder_options`` of a spec.

    Attributes:
        user: User the image runs as, name or number, with ``:group`` or not; made when the base
            has none of these names; owns the copied files. By default the base image's.
        workdir: Working directory of the image, absolute; by default ``/root``.
        plain: Whether the image gets nothing but what the spec says: no ``PYTHONPATH``, no id but
            `image_id`, and the base image's working directory where none is given.
        like_flyte: Whether the image gets what flytekit's own builder gives every image: see
            `buildkit_spec.plan.flyte`. On for specs that come from flytekit.
        image_id: What ``_F_IMG_ID`` says inside the image, in place of the spec's own id.
        labels: Labels of the image, by key.
        network: Network of the build steps: ``default`` (a network of the build's own), ``host``
            or ``none``. By default what the builder is set to.
        secrets: What ``commands`` find at ``/run/secrets/<id>``, by id, while they run:
            ``file:path`` or ``env:NAME``. Not part of the image or of its tag.
        step_secrets: What all build steps find while they run, likewise: a variable by its name, a
            file by its absolute path.
        run_in: Folder that ``commands`` run in, absolute; by default ``/``.
        copy_to: Where ``copy`` and the source files go, absolute; by default ``/root``. When
            ``copy`` is one file, it is that file's path, or its folder when that is there or a
            ``/`` ends it, as for ``COPY`` of a Dockerfile.
        uv_path: Where the program ``uv`` is put in the image, absolute, with a Python of
            ``python_version`` beside it; by default it is in no image.
        ssh: Whether ``commands``, and what builds packages, may use this machine's ssh agent.
        no_cache: Whether to run every step anew.
        build_env: Environment of all build steps; not of the image. It goes before what the base
            image sets.
        ca_bundle: File with further certificates (PEM) that build steps trust. Not part of the
            image or of its tag.
        cache_mounts: Folders, absolute, that ``commands`` find as they left them the last time, by
            the name under which the daemon keeps them; a list names them by their path.
        compression: Of new layers: ``gzip``, ``zstd``, ``estargz`` or ``uncompressed``.
        compression_level: 0 to 9 of gzip and estargz, 0 to 22 of zstd; by default 4 of gzip, and of
            the others what BuildKit takes.
        force_compression: Whether the base image's layers are compressed anew likewise.
        layers: See `LayerOptions`, or ``single``.
        sbom: Image of the scanner that lists what the image holds, or true for BuildKit's own.
        provenance: ``min`` or ``max``: attest how the image was built.
        annotations: Annotations of the image's manifest, by key; ``index:`` before a key for the
            index, where there is one.
        cache_from: Where results of earlier builds come from: references, ``type=…,…`` or mappings.
        cache_to: Where results go to, likewise.
        dependency_groups: Groups of the project in ``requirements`` that are installed too.
        extras: Extras of that project, likewise.
        install_project: Whether the project that ``requirements`` is the lock or the
            ``pyproject.toml`` of is installed too: ``none``, ``normal`` or ``editable``.
        cuda_from: Whether ``cuda`` and ``cudnn`` come as wheels (``pip``) or from the base image's
            apt sources (``apt``).
        cuda_libraries: Which libraries of CUDA come as wheels, by their names in ``cuda-toolkit``.
        apt_snapshot: URL that stands in place of the distribution's archives while packages are
            installed, with ``{archive}`` for ``debian``, ``debian-security``, ``ubuntu``.

    Raises:
        SpecValidationError: A key is unknown or a value is wrong; all problems at once.
    """

    user: str = checked(_user, default="")
    workdir: str = checked(absolute_path, default="")
    plain: bool = checked(switch, default=False)
    like_flyte: bool = checked(switch, default=False)
    image_id: str = checked(line, default="")
    labels: Mapping[str, str] = checked(mapping_of(line, any_text), default=FrozenDict())
    network: Literal["", "default", "host", "none"] = checked(
        choice("default", "host", "none"), default=""
    )
    secrets: Mapping[str, SecretSource] = checked(
        mapping_of(_secret_id, secret_source), default=FrozenDict()
    )
    step_secrets: Mapping[str, SecretSource] = checked(
        mapping_of(_secret_place, secret_source), default=FrozenDict()
    )
    run_in: str = checked(absolute_path, default="")
    copy_to: str = checked(absolute_path, default="")
    uv_path: str = checked(absolute_path, default="")
    ssh: bool = checked(switch, default=False)
    no_cache: bool = checked(switch, default=False)
    build_env: Mapping[str, str] = checked(
        mapping_of(_build_variable, any_text), default=FrozenDict()
    )
    ca_bundle: str = checked(path, default="")
    cache_mounts: Mapping[str, str] = checked(_cache_mounts, default=FrozenDict())
    compression: Literal["gzip", "zstd", "estargz", "uncompressed"] = checked(
        choice(*COMPRESSION_LEVELS), default="gzip"
    )
    compression_level: int | None = checked(whole_number(0, 22), default=None)
    force_compression: bool = checked(switch, default=False)
    layers: LayerOptions = checked(_layers, default=LayerOptions())
    sbom: str = checked(scanner, default="")
    provenance: Literal["", "min", "max"] = checked(provenance_mode, default="")
    annotations: Mapping[str, str] = checked(
        mapping_of(annotation_key, any_text), default=FrozenDict()
    )
    cache_from: tuple[Mapping[str, str], ...] = checked(cache_sources, default=())
    cache_to: tuple[Mapping[str, str], ...] = checked(cache_targets, default=())
    dependency_groups: tuple[str, ...] = checked(list_of(_group), default=())
    extras: tuple[str, ...] = checked(list_of(_group), default=())
    install_project: Literal["none", "normal", "editable"] = checked(
        choice("none", "normal", "editable"), default="none"
    )
    cuda_from: Literal["pip", "apt"] = checked(choice("pip", "apt"), default="pip")
    cuda_libraries: tuple[str, ...] = checked(list_of(_group), default=_CUDA_LIBRARIES)
    apt_snapshot: str = checked(_snapshot, default="")

    def _settle(self) -> None:
        for name in ("sbom", "provenance"):
            if not getattr(self, name):
                self._forget(name)  # switched off is not given
        level, most = self.compression_level, COMPRESSION_LEVELS[self.compression]
        if level is not None and level > most:
            message = f"{self.compression} has no level {level}"
            remedy = f"from 0 to {most}" if most > 0 else "leave it out"
            raise Refusal(problems=[Problem("compression_level", message, remedy)])

    @property
    def wire_compression(self) -> dict[str, str]:
        """The attributes of an exporter. Source: ``util/compression/attrs.go``."""
        level = self.compression_level
        if level is None and self.compression == "gzip":
            level = _GZIP_LEVEL
        attrs: dict[str, str] = {"compression": self.compression}
        if level is not None:
            attrs["compression-level"] = str(level)
        if self.force_compression:
            attrs["force-compression"] = "true"
        return attrs


class BuilderConfig(Checked):
    """Where the builder's own tools come from: ``builder_config`` of a spec.

    Attributes:
        uv: ``wheel`` (fetched on this machine and sent), ``image`` (`uv_image`) or ``base`` (the
            base image holds it). By default ``image`` when `uv_image` is set, else ``wheel``.
        uv_image: Image that holds the program at ``/uv``.
        uv_version: Version of the wheel, exact.
        micromamba_image: Image that holds ``/usr/bin/micromamba``, for conda packages.
        python_mirror: URL that stands in place of where uv fetches interpreters from.
        python_downloads: URL of a list of interpreters in place of uv's own (JSON).

    Raises:
        SpecValidationError: A key is unknown or a value is wrong; all problems at once.
    """

    uv: Literal["wheel", "image", "base"] = checked(
        choice("wheel", "image", "base"), default="wheel"
    )
    uv_image: str = checked(image_reference, default="")
    uv_version: str = checked(_version, default=UV_VERSION)
    micromamba_image: str = checked(image_reference, default=MICROMAMBA_IMAGE)
    python_mirror: str = checked(_url, default="")
    python_downloads: str = checked(_url, default="")

    def with_images(self, images: Mapping[str, str]) -> BuilderConfig:
        """Return it with other images, by their fields."""
        config = copy.copy(self)
        vars(config).update(images)
        return config

    def _settle(self) -> None:
        if self.uv_image and "uv" not in self.given:
            vars(self)["uv"] = "image"
