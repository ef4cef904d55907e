"""Runs inside a build: packages of other indexes than those that all packages are looked up in.

It runs with the image's own interpreter, Python 3.8 or newer, and nothing but its standard library.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

from uv_indexes import public_index

_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/\s'\"]*)@")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_CONFIGURED = re.compile(r'^url = "([^"]+)"', re.MULTILINE)
_PINNED = re.compile(r'^name = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE)
_NAMED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==")
_FROM = re.compile(r"^\s+# from (\S+)")


def roots(located: list[dict[str, Any]], command: list[str], scratch: str) -> list[list[str]]:
    """Return what else is resolved, in the ways that are tried in turn.

    An index that nothing else is looked up in is asked for the packages that a lock has from it.
    What a lock has from the public index comes from the one that stands in for that here; and so
    does everything whose index does not answer: hashes tell whether it is the same.

    Args:
        located: Packages of a lock, with their index, pinned line and hashes.
        command: The resolver's, with the indexes that it asks.
        scratch: Folder for the files.
    """
    if not located:
        return [[]]
    known = {*configured(), *given(command), plain(public_index(command[0]))}
    others = [one for one in located if plain(one["index"]) not in known]
    if not others:
        return [[requirements(located, f"{scratch}/located.txt")]]
    rest = [one for one in located if one not in others]
    listed = requirements(rest, f"{scratch}/located.txt")
    return [
        [listed, project(others, f"{scratch}/located")],
        [listed, project(others, f"{scratch}/located-flat", 'format = "flat"\n')],
        [requirements(located, f"{scratch}/located-all.txt")],
    ]


def requirements(located: list[dict[str, Any]], path: str) -> str:
    """Write a requirements file; return its path."""
    with open(path, "w", encoding="utf-8") as file:
        for one in located:
            file.write(" ".join([one["line"], *(f"--hash={h}" for h in one["hashes"])]) + "\n")
    return path


def project(located: list[dict[str, Any]], folder: str, kind: str = "") -> str:
    """Write a project that needs packages, each from its own index; return its file's path."""
    urls = sorted({one["index"] for one in located})
    names = {one["name"]: [o for o in located if o["name"] == one["name"]] for one in located}
    lines = ["[project]", 'name = "buildkit-spec-located"', 'version = "0"']
    lines += [f"dependencies = {json.dumps([one['line'] for one in located])}"]
    lines += ["[tool.uv.sources]"]
    for name, entries in names.items():
        sources = []
        for one in entries:
            marker = one["line"].partition(" ; ")[2] if len(entries) > 1 else ""
            told = f", marker = {json.dumps(marker)}" if marker else ""
            sources.append(f'{{ index = "index-{urls.index(one["index"])}"{told} }}')
        lines.append(f"{json.dumps(name)} = [{', '.join(sources)}]")
    for number, url in enumerate(urls):
        lines += ["[[tool.uv.index]]", f'name = "index-{number}"', "explicit = true"]
        lines += [f"url = {json.dumps(expanded(url))}", kind]
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/pyproject.toml", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return f"{folder}/pyproject.toml"


def found(resolve: list[str], lock: str, command: list[str], scratch: str) -> dict[str, str]:
    """Return the index of every package that is not from one that all packages are looked up in.

    A lock of one interpreter does not tell. So uv lists once more what it just found, with the
    index beside it.

    Args:
        resolve: The command that made the lock.
        lock: Its text.
        command: The part of it that installing has too.
        scratch: Folder for the list.
    """
    path = f"{scratch}/indexes.txt"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{name}=={version}\n" for name, version in _PINNED.findall(lock))
    annotate = [*resolve, "--emit-index-annotation", "--no-header", "--output-file", path]
    for more in (["--offline"], []):
        done = subprocess.run([*annotate, *more], capture_output=True, check=False)
        if done.returncode == 0:
            break
    known = {*configured(), *given(command)}
    indexes: dict[str, str] = {}
    name = ""
    with open(path, encoding="utf-8") as file:
        for line in file:
            named, origin = _NAMED.match(line), _FROM.match(line)
            if named:
                name = named.group(1)
            elif origin and name and plain(origin.group(1)) not in known:
                indexes[name] = without_secrets(origin.group(1))
    return indexes


def configured() -> set[str]:
    """Return the indexes of uv's configuration."""
    try:
        with open(os.environ["UV_CONFIG_FILE"], encoding="utf-8") as file:
            return set(map(plain, _CONFIGURED.findall(file.read())))
    except (OSError, KeyError):
        return set()


def given(command: list[str]) -> set[str]:
    """Return the URLs and folders among a command's arguments, as URLs."""
    values = [word.partition("=")[2] if word.startswith("-") else word for word in command]
    folders = {plain(f"file://{value}") for value in values if value.startswith("/")}
    return folders | {plain(value) for value in values if "://" in value}


def plain(url: str) -> str:
    """Return a URL as it is compared: without login and closing slash."""
    return _LOGIN.sub(r"\1", url).rstrip("/")


def without_secrets(text: str) -> str:
    """Return a text with no password or token in its URLs; the name of an ssh user is none."""
    return _LOGIN.sub(_without_secret, text)


def _without_secret(match: re.Match[str]) -> str:
    scheme, login = match.group(1), match.group(2)
    is_secret = ":" in login or scheme.lower().endswith(("http://", "https://"))
    return scheme if is_secret else match.group(0)


def expanded(url: str) -> str:
    """Return a URL with its variables filled in, as uv does in requirements files."""
    return _VARIABLE.sub(lambda match: os.environ.get(match.group(1), match.group(0)), url)
