"""``pip_extra_args``: which of them are about finding packages, and which about installing them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

_BOTH = {
    "--allow-insecure-host": 1,
    "--config-setting": 1,
    "--config-settings": 1,
    "-C": 1,
    "--default-index": 1,
    "--exclude-newer": 1,
    "--extra-index-url": 1,
    "--find-links": 1,
    "-f": 1,
    "--index": 1,
    "--index-strategy": 1,
    "--index-url": 1,
    "-i": 1,
    "--keyring-provider": 1,
    "--native-tls": 0,
    "--no-binary": 1,
    "--no-build": 0,
    "--no-build-isolation": 0,
    "--no-index": 0,
    "--only-binary": 1,
    "--system-certs": 0,
    "--trusted-host": 1,
}
_RESOLVE = {
    "--constraint": 1,
    "--constraints": 1,
    "-c": 1,
    "--no-deps": 0,
    "--override": 1,
    "--overrides": 1,
    "--pre": 0,
    "--prerelease": 1,
    "--resolution": 1,
    "--torch-backend": 1,
    "--upgrade": 0,
    "-U": 0,
}
_INSTALL = {
    "--force-reinstall": 0,
    "--link-mode": 1,
    "--no-cache-dir": 0,
    "--no-verify-hashes": 0,
    "--reinstall": 0,
    "--strict": 0,
    "--system": 0,
    "--break-system-packages": 0,
    "--quiet": 0,
    "-q": 0,
}
_OF_FILES = {
    "--constraint",
    "--constraints",
    "-c",
    "--find-links",
    "-f",
    "--override",
    "--overrides",
}
_SAID_ALREADY = {"--break-system-packages", "--quiet", "-q", "--system", "--no-cache-dir"}
"""What every step does in any case, or what would undo the cache."""


@dataclass(frozen=True, slots=True)
class InstallerArgs:
    """The arguments, divided.

    Attributes:
        resolve: For ``uv pip compile``.
        install: For ``uv pip install`` of what was found.
        unknown: Options that are neither.
        files: Options that name a file or a folder of this machine, with it.
    """

    resolve: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


def divide(text: str) -> InstallerArgs:
    """Divide arguments that are quoted as in a shell.

    Raises:
        ValueError: A quotation mark has no partner.
    """
    resolve: list[str] = []
    install: list[str] = []
    unknown: list[str] = []
    files: list[tuple[str, str]] = []
    words = shlex.split(text)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        values = next((kind[flag] for kind in (_BOTH, _RESOLVE, _INSTALL) if flag in kind), None)
        if values is None:
            unknown.append(flag)
            continue
        taken = [word, *([words.pop(0)] if values and not equals and words else [])]
        value = value or taken[-1]
        if flag in _OF_FILES and not is_in_the_build(value):
            files.append((flag, value))
        if flag in _SAID_ALREADY:
            continue
        if flag not in _INSTALL:
            resolve += taken
        if flag not in _RESOLVE:
            install += taken
    return InstallerArgs(tuple(resolve), tuple(install), tuple(unknown), tuple(files))


def is_in_the_build(place: str) -> bool:
    """Whether a build step can find a place: a URL, or a path that the base image may have."""
    return place.startswith("/") or "://" in place
