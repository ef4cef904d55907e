"""The Python package indexes that this machine is set up for."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildkit_spec.values.user import home_directory


@dataclass(frozen=True, slots=True)
class PackageIndexes:
    """Index URLs. They may hold a password, so their text form never shows them.

    Attributes:
        default: The index used instead of the public one; empty for the public one.
        extra: Indexes asked beside it.
    """

    default: str = field(default="", repr=False)
    extra: tuple[str, ...] = field(default=(), repr=False)


def find_indexes(env: Mapping[str, str], home: Path | None = None) -> PackageIndexes:
    """Return the indexes that uv's variables, pip's variables or pip's files name, in this order.

    Only http and https count: a build cannot read this machine's folders.

    Args:
        env: The environment.
        home: The user's home directory; by default the one *env* tells.
    """
    home = home or home_directory(env)
    file_default, file_extra = _pip_files(env, home)
    default = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or env.get("PIP_INDEX_URL")
    extra = env.get("UV_INDEX") or env.get("UV_EXTRA_INDEX_URL") or env.get("PIP_EXTRA_INDEX_URL")
    urls = _remote((extra if extra is not None else file_extra).split())
    return PackageIndexes("".join(_remote([default or file_default])[:1]), tuple(urls))


def _pip_files(env: Mapping[str, str], home: Path) -> tuple[str, str]:
    """Return ``index-url`` and ``extra-index-url`` of pip's configuration; later files win.

    Source: pip documentation, *Configuration*, "Location".
    """
    config_home = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    places = [
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        config_home / "pip" / "pip.conf",
        home / "Library" / "Application Support" / "pip" / "pip.conf",
        Path(env.get("VIRTUAL_ENV") or "/nonexistent") / "pip.conf",
        Path(env.get("PIP_CONFIG_FILE") or "/nonexistent"),
    ]
    parser = configparser.RawConfigParser(strict=False)
    for place in places:
        try:
            parser.read(place, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # pip itself will complain; a build can go on without
    values = [parser.get("global", key, fallback="") for key in ("index-url", "extra-index-url")]
    return values[0], values[1]


def _remote(urls: list[str]) -> list[str]:
    # uv allows ``name=url``.
    bare = [url.split("=", 1)[1] if "=" in url.partition("://")[0] else url for url in urls]
    return [url for url in bare if url.startswith(("http://", "https://"))]
