"""Options about what becomes of an image, and the files that tell of it."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from buildkit_spec.cli.files import replace_text

if TYPE_CHECKING:
    from buildkit_spec.builder import BuildkitBuilder
    from buildkit_spec.spec import ImageSpec
    from buildkit_spec.values import BuildResult, Output

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Outputs:
    """What a command line says of it.

    Attributes:
        wanted: What becomes of each image; None when nothing is said.
        metadata_file: Where to write what came of it; or None.
        id_file: Where to write the image's id; or None.
    """

    wanted: tuple[Output, ...] | None
    metadata_file: Path | None
    id_file: Path | None

    @property
    def is_stdout_taken(self) -> bool:
        """Whether an archive goes to standard output."""
        from buildkit_spec.values import ArchiveOutput

        archives = [one for one in self.wanted or () if isinstance(one, ArchiveOutput)]
        return any(one.path is None for one in archives)

    def refuse_for(self, count: int) -> None:
        """Make sure that the outputs fit this many images.

        Raises:
            InvalidValueError: They do not.
        """
        from buildkit_spec.errors import InvalidValueError
        from buildkit_spec.values import ArchiveOutput, ImageOutput, LoadOutput, LocalOutput

        wanted = self.wanted or ()
        has_image = self.wanted is None or any(
            isinstance(one, (ImageOutput, LoadOutput))
            or (isinstance(one, ArchiveOutput) and one.kind != "tar")
            for one in wanted
        )
        has_place = any(isinstance(one, (ArchiveOutput, LocalOutput)) for one in wanted)
        if count > 1 and (has_place or self.id_file is not None):
            raise InvalidValueError(
                str(count), "a file or a directory is for one image", remedy="build one by one"
            )
        if self.id_file is not None and not has_image:
            raise InvalidValueError(str(self.id_file), "files alone are no image and have no id")

    def tell(
        self,
        outcomes: Sequence[tuple[str, ImageSpec, BuildResult | Exception]],
        builder: BuildkitBuilder,
    ) -> None:
        """Write the files that tell of what was built; of a build that failed none does.

        Raises:
            SpecError: One cannot be written.
            RegistryError: The id of an image that was there cannot be told.
        """
        done = [(name, spec, one) for name, spec, one in outcomes if not isinstance(one, Exception)]
        if not done:
            return
        if self.metadata_file is not None:
            told = {name: metadata(result) for name, _, result in done}
            document = told if len(outcomes) > 1 else told[done[0][0]]
            replace_text(self.metadata_file, json.dumps(document, indent=2, sort_keys=True) + "\n")
        if self.id_file is not None:
            _, spec, result = done[0]
            replace_text(self.id_file, str(builder.image_id(spec, result) or ""))


def output_options(function: _F) -> _F:
    """Add what says what becomes of an image; the command gets it as ``outputs``."""

    @functools.wraps(function)
    def command(
        *args: Any,
        output: tuple[str, ...],
        oci: str | None,
        is_loaded: bool,
        metadata_file: Path | None,
        id_file: Path | None,
        **options: Any,
    ) -> Any:
        wanted: list[Output] = []
        if output or oci or is_loaded:
            from buildkit_spec.values import ArchiveOutput, LoadOutput, parse_output

            wanted += map(parse_output, output)
            if oci:
                wanted.append(ArchiveOutput("oci", None if oci == "-" else Path(oci)))
            if is_loaded:
                wanted.append(LoadOutput())
        outputs = Outputs(tuple(wanted) if wanted else None, metadata_file, id_file)
        return function(*args, outputs=outputs, **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return cast("_F", command)


_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "-o",
        "--output",
        metavar="OUTPUT",
        multiple=True,
        help="What becomes of the image, in place of a push: type=oci|docker|tar,dest=FILE|-, "
        "type=local,dest=DIR, type=image,name=…,push=true; DIR alone, or -.",
    ),
    click.option("--oci", metavar="FILE", help="The same as --output type=oci,dest=FILE."),
    click.option("--load", "is_loaded", is_flag=True, help="Load it into the Docker Engine."),
    click.option(
        "--metadata-file",
        metavar="FILE",
        type=_PATH,
        help="Write digests and names there, as JSON.",
    ),
    click.option(
        "--iidfile", "id_file", metavar="FILE", type=_PATH, help="Write the image's id there."
    ),
)


def metadata(result: BuildResult) -> dict[str, Any]:
    """Return what came of a build, by the names that buildx has for it.

    Source: buildx ``commands/build.go``, ``decodeExporterResponse``.
    """
    found: dict[str, Any] = {"image.name": str(replace(result.reference, digest=None))}
    found |= {key: _decoded(value) for key, value in result.metadata.items()}
    if result.digest is not None:
        found["containerimage.digest"] = str(result.digest)
    if result.ref:
        found["buildkit-spec.ref"] = result.ref
    return found


def _decoded(value: str) -> object:
    """Return an answer that is JSON, or base64 of JSON, as what it holds."""
    for read in (str.encode, lambda text: base64.b64decode(text, validate=True)):
        try:
            document = json.loads(read(value))
        except ValueError:
            continue
        if isinstance(document, (Mapping, list)):
            return document
    return value
