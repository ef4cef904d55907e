"""A folder of wheels, of which Flyte 2 installs one package: which files that takes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from buildkit_spec.errors import Problem, SpecValidationError

_Wheels = dict[str, list[tuple[Version, bool, Path]]]
"""By package: version, whether every machine can use it, and the file."""


def chosen(folder: Path, package: str) -> list[Path]:
    """Return the newest wheel of a package, and the folder's wheels of what that needs.

    What it needs is taken from the folder where a version fits; otherwise the index is asked.

    Args:
        folder: Holds wheels; files with other names are passed over.
        package: Name of the package.

    Raises:
        SpecValidationError: There is none, or only the platform tells several apart.
    """
    wheels, badly_named = _wheels(folder)
    own = _newest(wheels, package, "")
    if len(own) != 1:
        message = f"{folder} has {'several wheels' if own else 'no wheel'} of {package}"
        remedy = "leave one there" if own else f"build it: uv build --wheel --out-dir {folder}"
        if badly_named and not own:
            message += f"; {badly_named[0]} is not named as wheels are"
        raise SpecValidationError([Problem("wheel_dir", message, remedy)])
    taken = {canonicalize_name(package): own[0]}
    waiting = [own[0]]
    while waiting:
        for needed in _needs(waiting.pop()):
            found = _newest(wheels, needed.name, str(needed.specifier))
            if canonicalize_name(needed.name) not in taken and len(found) == 1:
                taken[canonicalize_name(needed.name)] = found[0]
                waiting.append(found[0])
    return list(taken.values())


def _wheels(folder: Path) -> tuple[_Wheels, list[str]]:
    wheels: _Wheels = {}
    badly_named = []
    for file in sorted(folder.glob("*.whl")):
        try:
            name, version, _, tags = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            badly_named.append(file.name)
            continue
        is_any = any(tag.platform == "any" for tag in tags)
        wheels.setdefault(name, []).append((version, is_any, file))
    return wheels, badly_named


def _newest(wheels: _Wheels, name: str, versions: str) -> list[Path]:
    fitting = [
        one
        for one in wheels.get(canonicalize_name(name), ())
        if Requirement(f"x{versions}").specifier.contains(one[0], prereleases=True)
    ]
    newest = [one for one in fitting if one[0] == max(fitting)[0]]
    return [one[2] for one in newest if one[1]] or [one[2] for one in newest]


def _needs(wheel: Path) -> Iterator[Requirement]:
    """Yield what a wheel needs, of its extras nothing; nothing at all when it cannot be read."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = next(
                name for name in archive.namelist() if name.endswith(".dist-info/METADATA")
            )
            text = archive.read(inside).decode("utf-8", errors="replace")
    except (OSError, zipfile.BadZipFile, StopIteration):
        return  # the installer says what is wrong with it
    for line in HeaderParser().parsestr(text).get_all("Requires-Dist", []):
        try:
            needed = Requirement(line)
        except InvalidRequirement:
            continue
        if "extra" not in str(needed.marker or ""):
            yield needed
