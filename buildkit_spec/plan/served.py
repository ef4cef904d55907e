"""What a build of a spec asks back from this machine: known before the build begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildkit_spec.errors import SpecError
from buildkit_spec.plan import cuda, files, flyte, uv
from buildkit_spec.plan.projects import places_of
from buildkit_spec.plan.settings import (
    CA_PATH,
    CA_PATH_SECRET,
    CA_SECRET,
    UV_CONFIG_SECRET,
    Settings,
)
from buildkit_spec.spec import FileSelection, ImageSpec
from buildkit_spec.values import Reference
from buildkit_spec.values.secret import BytesSecret, FileSecret, SecretSource


@dataclass(frozen=True, slots=True)
class Served:
    """Names the daemon may ask for, and what they stand for. Nothing else is ever served.

    Attributes:
        directories: Files by the name of their local source.
        secrets: Secrets by id.
        uv_version: Version of the ``uv`` wheel to share, or empty when none is needed.
        has_ssh: Whether a step asks for the ssh agent.
    """

    directories: Mapping[str, FileSelection]
    secrets: Mapping[str, SecretSource]
    uv_version: str
    has_ssh: bool


def lineage(spec: ImageSpec, bases: Mapping[str, Reference]) -> list[tuple[str, ImageSpec]]:
    """Return the specs that make one graph, the innermost base first.

    Args:
        spec: The outermost spec.
        bases: Base images that are built already, by image name: the chain ends before them.

    Returns:
        Pairs of the prefix of a spec's names and the spec.
    """
    chain = [("", spec)]
    while isinstance(base := chain[-1][1].base_image, ImageSpec):
        if base.image_name() in bases:
            break
        chain.append((chain[-1][0] + "base.", base))
    return chain[::-1]


def what_to_serve(spec: ImageSpec, settings: Settings, bases: Mapping[str, Reference]) -> Served:
    """Return what the build of a spec may ask back.

    Args:
        spec: The outermost spec.
        settings: The builder's side.
        bases: Base images that are built already, by image name.
    """
    directories: dict[str, FileSelection] = {}
    secrets: dict[str, SecretSource] = {}
    uv_version = ""
    has_ssh = False
    chain = lineage(spec, bases)
    for prefix, member in chain:
        selections = {files.COPY: member.copy_selection(), files.SOURCE: member.source_selection()}
        for name, selection in selections.items():
            if selection is not None:
                directories[f"{prefix}{name}"] = selection
        for place in places_of(member):
            directories[f"{prefix}{place.local_name}"] = place.requirement.selection()
        for name, source in member.secret_sources().items():
            secrets[f"{prefix}{name}"] = source
        asks_uv = cuda.wants_python(member) or flyte.calls_uv(member)
        if asks_uv or member.builder_options.uv_path:
            index_url = member.pip_index or settings.index
            extra = member.pip_extra_index_url or settings.extra_indexes
            secrets[f"{prefix}{UV_CONFIG_SECRET}"] = BytesSecret(
                uv.config_file(index_url, extra, is_public=not member.pip_secret_mounts)
            )
            if member.builder_config.uv == "wheel":
                uv_version = member.builder_config.uv_version
        has_ssh = has_ssh or member.builder_options.ssh
    own = [str(member.resolve(bundle)) for _, member in chain if (bundle := _bundle(member))]
    bundles = [*([settings.ca_bundle] if settings.ca_bundle else []), *own]
    if bundles:
        secrets[CA_SECRET] = FileSecret(bundles[0]) if len(bundles) == 1 else _joined(bundles)
        secrets[CA_PATH_SECRET] = BytesSecret(CA_PATH.encode())
    return Served(directories, secrets, uv_version, has_ssh)


def _bundle(spec: ImageSpec) -> str:
    return spec.builder_options.ca_bundle


def _joined(bundles: Sequence[str]) -> BytesSecret:
    """Return certificates of several files as one.

    Raises:
        SpecError: One cannot be read.
    """
    found = []
    for bundle in bundles:
        try:
            found.append(Path(bundle).read_bytes())
        except OSError as error:
            raise SpecError(f"{bundle} cannot be read: {error.strerror}", source=bundle) from error
    return BytesSecret(b"\n".join(found))
