"""Files of Flyte 2's layers: which ones they are, by Flyte's own rules, and where they go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.spec import CopyMode
from buildkit_spec.spec.origin import Origin

if TYPE_CHECKING:
    from flyte import Image
    from flyte._image import CodeBundleLayer


@dataclass(frozen=True, slots=True)
class Files:
    """What a spec says of the files of one layer.

    Attributes:
        fields: Fields.
        options: Builder options.
        origin: Where they are.
    """

    fields: dict[str, Any]
    options: dict[str, Any]
    origin: Origin


def ignored(image: Image) -> list[str]:
    """Return the patterns of the ``.dockerignore`` that counts for the image's files.

    Raises:
        SpecValidationError: The one beside the workflow cannot be read: it may keep secrets out.
    """
    from flyte._initialize import _get_init_config
    from flyte._internal.imagebuild.utils import get_and_list_dockerignore

    settings = _get_init_config()
    usual = Path(settings.root_dir) / ".dockerignore" if settings and settings.root_dir else None
    if usual is not None and usual.is_file():
        check_readable(usual)
    return list(get_and_list_dockerignore(image))


def check_readable(ignore: Path) -> None:
    """Refuse a ``.dockerignore`` that Flyte would pass over: all files would be copied.

    Raises:
        SpecValidationError: It is not there, or cannot be read.
    """
    if not ignore.is_file():
        message, remedy = f"there is no file {ignore}", "correct the path in with_dockerignore(…)"
        raise SpecValidationError([Problem("path", message, remedy)])
    try:
        ignore.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SpecValidationError([Problem("path", f"{ignore} cannot be read: {why}")]) from error


def copied(source: Path, place: str, patterns: Sequence[str]) -> Files | None:
    """Return the file, or the folder's files that are not ignored; None when there is none.

    Args:
        source: File or folder.
        place: Absolute destination; a folder when it ends with ``/``.
        patterns: Patterns of a ``.dockerignore``.
    """
    whole = Path.cwd() / source
    if whole.is_file():
        real = whole.resolve()  # what a link points to is copied, under the link's name
        destination = place + whole.name if place.endswith("/") else place
        return Files({"copy": [real.name]}, {"copy_to": destination}, Origin(real.parent))
    from flyte._internal.imagebuild.docker import PatternMatcher

    names = PatternMatcher(list(patterns)).walk(str(whole))
    return _listed(whole, (whole / name for name in names), place)


def bundled(layer: CodeBundleLayer, place: str) -> Files | None:
    """Return the files of the modules that this process has loaded; None when there is none.

    Args:
        layer: Says whether it is these modules or all files of a folder.
        place: Absolute destination.
    """
    from flyte._code_bundle._ignore import IgnoreGroup, StandardIgnore
    from flyte._code_bundle._utils import ls_files

    assert layer.root_dir is not None
    root = layer.root_dir.resolve()
    group = IgnoreGroup(root, StandardIgnore)
    names, _ = ls_files(root, layer.copy_style, deref_symlinks=False, ignore_group=group)
    return _listed(root, map(Path, names), place)


def _listed(folder: Path, files: Iterable[Path], place: str) -> Files | None:
    root = folder.resolve()
    found = tuple(root / file.relative_to(folder) for file in files if file.is_file())
    if not found:
        return None
    fields = {"source_root": str(root), "source_copy_mode": CopyMode.LOADED_MODULES}
    return Files(fields, {"copy_to": place}, Origin(root, modules=found))
