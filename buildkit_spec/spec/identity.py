"""`id` and `tag`: what a spec says, and what it will hold, as short hashes.

Both are sha256 over canonical JSON, cut to 130 bits, in base32: lower-case letters and digits, so
that they are valid as tags. The JSON's keys are sorted and everything whose order means nothing is
sorted too; empty lists count as absent.

- `id` stands for what is declared. It is baked into the image and compared inside the container,
  where neither the files nor the folder are the same: so it covers no contents, no absolute path,
  and nothing that a registration changes.
- `tag` covers the id, so an image never carries another id than its tag's, and all contents.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec.defaults import UV_VERSION
from buildkit_spec.spec.dump import plain
from buildkit_spec.spec.local_requirements import digest as local_digest
from buildkit_spec.spec.logins import without_logins
from buildkit_spec.spec.materials import local_requirements, material_problems, requirement_files
from buildkit_spec.spec.packages import canonical_python_package
from buildkit_spec.spec.requirements import RequirementFile, RequirementKind

if TYPE_CHECKING:
    from buildkit_spec.spec.model import ImageSpec
    from buildkit_spec.spec.options import BuilderOptions

BUILDER_EPOCH = 3
"""Part of every tag. It goes up when a release makes other bytes of the same spec."""

_LENGTH = 26


def short_hash(document: Mapping[str, Any]) -> str:
    """Return 26 letters and digits for a JSON document."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(canonical.encode("ascii")).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:_LENGTH]


def declared(spec: ImageSpec) -> dict[str, Any]:
    """Return what counts of what a spec declares.

    Left out: where the image goes and on what it runs (``registry``, ``tag_format``,
    ``platform``, the last of which `contents` covers), who builds it and how
    (``builder``, tools, network, secrets, logins, ``registry_config``), what is installed later
    (``runtime_packages``), and what a registration fills in (``source_root`` and its copy mode).
    """
    base = spec.base_image
    options, config = spec.builder_options, spec.builder_config
    document = {
        "name": spec.name,
        "python_version": spec.python_version,
        "base_image": base if base is None or isinstance(base, str) else {"id": base.id},
        "packages": _set(spec.packages, canonical_python_package),
        "requirements": _portable(spec.requirements),
        "conda_packages": _set(spec.conda_packages),
        "conda_channels": _list(spec.conda_channels),
        "apt_packages": _set(spec.apt_packages),
        "cuda": spec.cuda,
        "cudnn": spec.cudnn,
        "pip_index": without_logins(spec.pip_index or "") or None,
        "pip_extra_index_url": _list(spec.pip_extra_index_url, without_logins),
        "pip_extra_args": spec.pip_extra_args,
        "env": dict(spec.env or {}) or None,
        "commands": _list(spec.commands),
        # Here an empty list says something: clear what the base has.
        "entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "copy": _set(spec.copy),
        "python_exec": spec.python_exec,
        "user": options.user or None,
        "workdir": options.workdir or None,
        "plain": options.plain or None,
        "like_flyte": options.like_flyte or None,
        "image_id": options.image_id or None,
        "run_in": options.run_in or None,
        "copy_to": options.copy_to or None,
        "uv_path": options.uv_path or None,
        "labels": dict(options.labels) or None,
        "build_env": dict(options.build_env) or None,
        "layers": _given(options, "layers"),
        "compression": _given(options, "compression", "compression_level", "force_compression"),
        "attestations": _given(options, "sbom", "provenance"),
        "annotations": dict(options.annotations) or None,
        "dependency_groups": _set(options.dependency_groups),
        "extras": _set(options.extras),
        "install_project": _given(options, "install_project"),
        "apt_snapshot": options.apt_snapshot or None,
        "cuda_options": _given(options, "cuda_from", "cuda_libraries"),
        "uv_version": None if config.uv_version == UV_VERSION else config.uv_version,
    }
    return {key: value for key, value in document.items() if value is not None}


def contents(spec: ImageSpec) -> dict[str, Any]:
    """Return what counts of what the image will hold: the id, all files, and what is below.

    Raises:
        SpecValidationError: Files are missing; all of them.
        SpecError: A file cannot be read.
    """
    problems = material_problems(spec)
    if problems:
        raise SpecValidationError(problems)
    base: Any = spec.base_image or spec.default_base_image()
    if not isinstance(base, str):
        base = {"contents": contents(base)}  # not its tag, which tag_format may have fixed
    copied, source = spec.copy_selection(), spec.source_selection()
    lock = spec.lock_text()
    projects = local_digest(local_requirements(spec))
    files = requirement_files(spec)
    return {
        "epoch": BUILDER_EPOCH,
        "id": spec.id,
        "base": base,
        "platform": sorted(spec.platform.split(",")) if spec.platform else None,
        "requirements": [[file.path, hashlib.sha256(file.content).hexdigest()] for file in files],
        "lock": None if lock is None else hashlib.sha256(lock).hexdigest(),
        "copy": copied.digest() if copied else None,
        "source": source.digest() if source else None,
        **({"projects": projects} if projects else {}),
        **({"groups": "as asked for"} if _had_other_groups(spec, files) else {}),
    }


def _had_other_groups(spec: ImageSpec, files: Sequence[RequirementFile]) -> bool:
    """Whether images of an earlier release have other groups than the spec asks for.

    They went without the group ``dev`` of a ``uv.lock``, and had the project's default ones.
    """
    if RequirementKind.of(spec.requirements or "") is not RequirementKind.UV_LOCK:
        return False
    has_defaults = any(b"default-groups" in file.content for file in files)
    return has_defaults or "dev" in spec.builder_options.dependency_groups


def _given(options: BuilderOptions, *names: str) -> Any:
    """Return the options of *names* that are not as by default, as plain data; None for none."""
    given, usual = plain(options), type(options)()
    return {
        name: given[name]
        for name in names
        if name in given and getattr(options, name) != getattr(usual, name)
    } or None


def _list(values: Sequence[str] | None, form: Callable[[str], str] = str) -> list[str] | None:
    return [form(value) for value in values] if values else None


def _set(values: Sequence[str] | None, form: Callable[[str], str] = str) -> list[str] | None:
    return sorted({form(value) for value in values}) if values else None


def _portable(path: str | None) -> str | None:
    """Return a path without what differs inside the container: of an absolute one, its name."""
    if path is None:
        return None
    normal = posixpath.normpath(path.replace("\\", "/"))
    return posixpath.basename(normal) if normal.startswith("/") else normal
