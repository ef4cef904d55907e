"""The ``uv`` binary for a platform, taken from its wheel and kept.

The wheel is fetched with this machine's own pip or uv, so that its mirrors, proxies and logins
count. It is always the same version, statically linked, so it runs in any Linux base image and the
cache key of a build is the same on every machine.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from buildkit_spec.errors import ToolUnavailableError
from buildkit_spec.values import Platform
from buildkit_spec.values.user import home_directory, private_folder

_WHEEL_TAGS = {
    "amd64": "musllinux_1_1_x86_64",
    "arm64": "musllinux_1_1_aarch64",
    "arm": "musllinux_1_1_armv7l",
}
_TIMEOUT_S = 300


def uv_directory(version: str, platform: Platform, env: Mapping[str, str]) -> Path:
    """Return a directory that holds nothing but the program ``uv`` for *platform*.

    It is fetched the first time and kept in the user's cache directory; in a folder for temporary
    files when that cannot be written to.

    Args:
        version: Exact version of the wheel.
        platform: What the program is to run on.
        env: The environment.

    Raises:
        ToolUnavailableError: There is no wheel for the platform, neither pip nor uv is here to
            fetch it, it can be kept nowhere, or the fetch failed; the message holds what the
            program said.
    """
    cache = Path(env.get("XDG_CACHE_HOME") or home_directory(env) / ".cache")
    name = Path("buildkit-spec", "uv", f"{version}-{platform.architecture}")
    if (cache / name / "uv").is_file():
        return cache / name
    if platform.architecture not in _WHEEL_TAGS:
        raise ToolUnavailableError(
            f"there is no uv wheel for {platform}",
            tool="uv",
            remedy="set builder_config: {uv: base} and use a base image that holds uv",
        )
    directory = _writable(cache, name)
    if (directory / "uv").is_file():
        return directory
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        wheel = _download(version, platform.architecture, Path(scratch))
        staged = Path(scratch) / "staged"
        staged.mkdir(mode=0o755)
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
            with archive.open(member) as source, (staged / "uv").open("wb") as target:
                shutil.copyfileobj(source, target)
        (staged / "uv").chmod(0o755)
        # One time for all machines: the daemon compares times to see whether a file is new.
        os.utime(staged / "uv", (0, 0))
        try:
            staged.rename(directory)
        except OSError:
            if not (directory / "uv").is_file():  # else another build was faster
                raise
    return directory


def _writable(cache: Path, name: Path) -> Path:
    """Return where *name* can be made: in the cache, or in the user's folder of temporary files."""
    directory = cache / name
    with suppress(OSError):
        directory.parent.mkdir(parents=True, exist_ok=True)
    if os.access(directory.parent, os.W_OK):
        return directory
    folder = private_folder()
    if folder in {None, cache}:
        raise ToolUnavailableError(
            f"uv can be kept nowhere: {directory.parent} cannot be written to",
            tool="uv",
            remedy="export XDG_CACHE_HOME=… with a folder that can",
        )
    assert folder is not None
    return _writable(folder, name)


def _download(version: str, architecture: str, target: Path) -> Path:
    arguments = ["download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    arguments += ["--platform", _WHEEL_TAGS[architecture], "--python-version", "3.12"]
    arguments += ["--dest", str(target), f"uv=={version}"]
    programs = _pips()
    if not programs:
        raise ToolUnavailableError(
            f"uv {version} cannot be fetched: there is no pip here",
            tool="uv",
            remedy=f"{sys.executable} -m ensurepip",
        )
    said = ""
    for program in programs:
        done = subprocess.run(  # noqa: S603 - our own words
            [*program, *arguments],
            env={**os.environ, "HOME": str(home_directory())},  # pip fails where it finds none
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        wheels = sorted(target.glob("uv-*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
        said = (done.stderr or done.stdout).strip() or "no wheel came"
    raise ToolUnavailableError(
        f"uv {version} for {architecture} cannot be fetched with pip: {said.splitlines()[-1]}",
        tool="uv",
        remedy=f"try it by hand: {' '.join([*programs[-1], *arguments])}",
    )


def _pips() -> list[list[str]]:
    """Return the ways to call pip here: this interpreter's own first."""
    own = [[sys.executable, "-m", "pip"]] if importlib.util.find_spec("pip") else []
    return own + [[path] for name in ("pip3", "pip") if (path := shutil.which(name))]
