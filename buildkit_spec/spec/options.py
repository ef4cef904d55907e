"""`BuilderOptions` and `BuilderConfig`: what a spec says to the builder itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.spec.defaults import MICROMAMBA_IMAGE, UV_VERSION
from buildkit_spec.spec.frozen import FrozenDict
from buildkit_spec.spec.images import image_reference
from buildkit_spec.spec.logins import has_login, hidden_logins
from buildkit_spec.spec.output_options import (
    COMPRESSION_LEVELS,
    annotation_key,
    cache_sources,
    cache_targets,
    number,
    provenance_mode,
    scanner,
    whole_number,
)
from buildkit_spec.spec.problems import Refusal, key_text, known_fields, problems_of
from buildkit_spec.spec.scalars import (
    any_text,
    choice,
    kind_of,
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


_M = TypeVar("_M", bound="_Model")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    if not TYPE_CHECKING:  # the fields give the signature

        def __init__(self, **data: Any) -> None:
            given, problems = known_fields(data, type(self).model_fields)
            try:
                super().__init__(**given)
            except ValidationError as error:
                problems = problems_of(error) + problems
            if problems:
                raise SpecValidationError(problems)

    @classmethod
    def read(cls: type[_M], value: object) -> _M:
        """Read a mapping, or take an instance as it is.

        Raises:
            Refusal: A key is unknown or a value is wrong; all of them at once.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise Refusal(f"is {kind_of(value)}, not a mapping", "write {key: value}")
        try:
            return cls(**{key_text(key): one for key, one in value.items()})
        except SpecValidationError as error:
            raise Refusal(problems=error.problems) from error


class LayerOptions(_Model):
    """How Python packages are divided into layers: ``layers`` of the builder options.

    Attributes:
        heavy_mib: A wheel of at least this size, in MiB, has a layer of its own.
        buckets: How many layers the others share.
        max_layers: How many layers there may be of Python packages at all.
        is_single: Whether all packages share one layer.

    Raises:
        SpecValidationError: A key is unknown or a value is wrong; all problems at once.
    """

    heavy_mib: Annotated[float, PlainValidator(number(0.0))] = 1.0
    buckets: Annotated[int, PlainValidator(whole_number(1, 64))] = 16
    max_layers: Annotated[int, PlainValidator(whole_number(1, 120))] = 100
    is_single: Annotated[bool, PlainValidator(switch)] = False


def _layers(value: object) -> LayerOptions:
    if value == "single":
        return LayerOptions(is_single=True)
    if isinstance(value, str):
        raise Refusal(f"{value!r} is no grouping", "write single, or {heavy_mib: 1}")
    return LayerOptions.read(value)


class BuilderOptions(_Model):
    """What else the image holds and how its steps run: ``builder_options`` of a spec.

    Attributes:
        user: User the image runs as, name or number, with ``:group`` or not; made when the base
            has none of that name; owns the copied files. By default the base image's.
        workdir: Working directory of the image, absolute; by default ``/root``.
        plain: Whether the image gets nothing but what the spec says: no ``PYTHONPATH``, no id but
            `image_id`, and the base image's working directory where none is given.
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
        ssh: Whether ``commands`` may use this machine's ssh agent.
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

    Raises:
        SpecValidationError: A key is unknown or a value is wrong; all problems at once.
    """

    user: Annotated[str, PlainValidator(_user)] = ""
    workdir: Annotated[str, PlainValidator(absolute_path)] = ""
    plain: Annotated[bool, PlainValidator(switch)] = False
    image_id: Annotated[str, PlainValidator(line)] = ""
    labels: Annotated[Mapping[str, str], PlainValidator(mapping_of(line, any_text))] = FrozenDict()
    network: Annotated[
        Literal["", "default", "host", "none"], PlainValidator(choice("default", "host", "none"))
    ] = ""
    secrets: Annotated[
        Mapping[str, SecretSource], PlainValidator(mapping_of(_secret_id, secret_source))
    ] = FrozenDict()
    step_secrets: Annotated[
        Mapping[str, SecretSource], PlainValidator(mapping_of(_secret_place, secret_source))
    ] = FrozenDict()
    run_in: Annotated[str, PlainValidator(absolute_path)] = ""
    copy_to: Annotated[str, PlainValidator(absolute_path)] = ""
    ssh: Annotated[bool, PlainValidator(switch)] = False
    no_cache: Annotated[bool, PlainValidator(switch)] = False
    build_env: Annotated[
        Mapping[str, str], PlainValidator(mapping_of(_build_variable, any_text))
    ] = FrozenDict()
    ca_bundle: Annotated[str, PlainValidator(path)] = ""
    cache_mounts: Annotated[Mapping[str, str], PlainValidator(_cache_mounts)] = FrozenDict()
    compression: Annotated[
        Literal["gzip", "zstd", "estargz", "uncompressed"],
        PlainValidator(choice(*COMPRESSION_LEVELS)),
    ] = "gzip"
    compression_level: Annotated[int | None, PlainValidator(whole_number(0, 22))] = None
    force_compression: Annotated[bool, PlainValidator(switch)] = False
    layers: Annotated[LayerOptions, PlainValidator(_layers)] = LayerOptions()
    sbom: Annotated[str, PlainValidator(scanner)] = ""
    provenance: Annotated[Literal["", "min", "max"], PlainValidator(provenance_mode)] = ""
    annotations: Annotated[
        Mapping[str, str], PlainValidator(mapping_of(annotation_key, any_text))
    ] = FrozenDict()
    cache_from: Annotated[tuple[Mapping[str, str], ...], PlainValidator(cache_sources)] = ()
    cache_to: Annotated[tuple[Mapping[str, str], ...], PlainValidator(cache_targets)] = ()
    dependency_groups: Annotated[tuple[str, ...], PlainValidator(list_of(_group))] = ()
    extras: Annotated[tuple[str, ...], PlainValidator(list_of(_group))] = ()
    install_project: Annotated[
        Literal["none", "normal", "editable"],
        PlainValidator(choice("none", "normal", "editable")),
    ] = "none"
    cuda_from: Annotated[Literal["pip", "apt"], PlainValidator(choice("pip", "apt"))] = "pip"
    cuda_libraries: Annotated[tuple[str, ...], PlainValidator(list_of(_group))] = _CUDA_LIBRARIES

    def model_post_init(self, _context: Any) -> None:
        """Look at what binds several fields; what is switched off counts as not given.

        Raises:
            Refusal: The compression has no such level.
        """
        for name in ("sbom", "provenance"):
            if not getattr(self, name):
                self.model_fields_set.discard(name)
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


class BuilderConfig(_Model):
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

    uv: Annotated[
        Literal["wheel", "image", "base"], PlainValidator(choice("wheel", "image", "base"))
    ] = "wheel"
    uv_image: Annotated[str, PlainValidator(image_reference)] = ""
    uv_version: Annotated[str, PlainValidator(_version)] = UV_VERSION
    micromamba_image: Annotated[str, PlainValidator(image_reference)] = MICROMAMBA_IMAGE
    python_mirror: Annotated[str, PlainValidator(_url)] = ""
    python_downloads: Annotated[str, PlainValidator(_url)] = ""

    def model_post_init(self, _context: Any) -> None:
        """Take the image as soon as one is named."""
        if self.uv_image and "uv" not in self.model_fields_set:
            self.__dict__["uv"] = "image"
