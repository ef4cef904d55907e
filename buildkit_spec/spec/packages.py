"""Names of packages: Python, Debian and conda."""

from __future__ import annotations

import re

from buildkit_spec.spec.logins import has_login
from buildkit_spec.spec.problems import Refusal
from buildkit_spec.spec.scalars import line

_PLAIN = re.compile(
    r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:(?:==|>=|<=|!=|<|>)[0-9]+(?:\.[0-9]+)*)?$"
)
_VCS = re.compile(r"^(git|hg|svn|bzr)\+[a-z]+://", re.IGNORECASE)
_URL = re.compile(r"^https?://", re.IGNORECASE)
_LOCAL = re.compile(
    r"^(?:(?:-e|--editable)[\s=]+)?(?:[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?\s*@\s*)?"
    r"(?:\.{1,2}(?=[/\[\s;]|$)|[/~]|file:)"
)
_SINGLE_EQUALS = re.compile(r"^([A-Za-z0-9._-]+(?:\[[^\]]*\])?)\s*=\s*([0-9][^=\s]*)$")
_BLANK_VERSION = re.compile(r"^([A-Za-z0-9._-]+)\s+([0-9][\w.]*)$")
_DEBIAN = re.compile(r"^[a-z0-9][a-z0-9+.*?-]+(:[a-z0-9-]+)?([=/][A-Za-z0-9.+:~_*?-]+)?-?$")
_CONDA = re.compile(
    r"^(?:[A-Za-z0-9_./-]+::)?[A-Za-z0-9_][A-Za-z0-9_.-]*"
    r"(?:\[[^\]\s]*\]|[ =<>!~,|0-9A-Za-z_.*+-]*)$"
)
_CHANNEL = re.compile(r"^(?!-)[^\s,]+$")
_CHANNEL_TOKEN = re.compile(r"://[^/]*/t/[^/]+/.")
_BLANKS = re.compile(r"\s+")


def python_package(value: object) -> str:
    """Return a requirement as pip and uv take it in a requirements file.

    Raises:
        Refusal: It is neither a PEP 508 requirement nor the URL of an archive or repository nor a
            path, or holds a login.
    """
    requirement = line(value)
    if _LOCAL.match(requirement):
        return requirement
    refuse_option(requirement)
    if has_login(requirement):
        raise Refusal(
            "holds a login, which would stay in the build's history",
            "write it without, and mount a .netrc with pip_secret_mounts",
        )
    if _VCS.match(requirement) or _URL.match(requirement):
        return requirement
    if not _PLAIN.match(requirement):
        _parse(requirement)
    if requirement.endswith((".txt", ".lock", ".toml", ".in")):
        raise Refusal(f"{requirement!r} is a file, not a package", f"requirements: {requirement}")
    return requirement


def _parse(requirement: str) -> None:
    """Refuse what is no PEP 508 requirement."""
    from packaging.requirements import InvalidRequirement, Requirement  # heavy, and often unused

    try:
        Requirement(requirement)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0].strip().rstrip(".")
        raise Refusal(f"{requirement!r} is no package: {reason}", _meant(requirement)) from error


def refuse_option(requirement: str) -> None:
    """Refuse options in place of a package.

    Raises:
        Refusal: It is one.
    """
    if requirement.startswith("-"):
        raise Refusal(
            f"{requirement.split()[0]!r} is an option, not a package",
            "options go into pip_extra_args, pip_index or a requirements file",
        )


def _meant(requirement: str) -> str:
    single = _SINGLE_EQUALS.match(requirement) or _BLANK_VERSION.match(requirement)
    if single:
        return f"did you mean {single[1]}=={single[2]}?"
    if "," in requirement or " " in requirement.strip():
        return "one package an item: [pandas, numpy>=1.26]"
    return "write a name and what versions it may have: pandas>=2.1"


def debian_package(value: object) -> str:
    """Return the name of a Debian package, with ``:arch``, ``=version`` or ``/release`` or not.

    ``*`` and ``?`` stand for what apt takes them for; no shell sees them.

    Raises:
        Refusal: It is not one.

    Source: Debian policy 5.6.1; apt-get(8), *install*.
    """
    name = line(value)
    if not _DEBIAN.match(name):
        words = name.split()
        remedy = f"one package an item: [{', '.join(words)}]" if len(words) > 1 else ""
        rule = "lower-case letters, digits and + - . only, then =version if need be"
        raise Refusal(f"{name!r} is no Debian package ({rule})", remedy)
    return name


def conda_package(value: object) -> str:
    """Return a conda match specification, such as ``conda-forge::numpy>=1.26``.

    Raises:
        Refusal: It is not one.
    """
    name = line(value)
    if not _CONDA.match(name):
        raise Refusal(f"{name!r} is no conda package", "write a name and a version: numpy>=1.26")
    return name


def conda_channel(value: object) -> str:
    """Return a conda channel: a name, a URL or a path.

    Raises:
        Refusal: It is not one, or holds a login or a token.

    Source: conda documentation, *Managing channels*; *Using tokens* for ``/t/``.
    """
    channel = line(value)
    if has_login(channel) or _CHANNEL_TOKEN.search(channel):
        raise Refusal(
            "holds a login, which would stay in the build's history",
            "write it without, and a .netrc or micromamba's authentication.json as step_secrets:"
            " {/root/.netrc: file:.netrc}",
        )
    if not _CHANNEL.match(channel):
        raise Refusal(f"{channel!r} is no conda channel", "write a name or a URL: conda-forge")
    return channel


def canonical_python_package(requirement: str) -> str:
    """Return one spelling for all spellings of a requirement, for the identity of a spec.

    Not through ``packaging``, whose text form may change from version to version.

    Source: PEP 503, *Normalized Names*.
    """
    if "://" in requirement or ";" in requirement or "@" in requirement:
        return _BLANKS.sub(" ", requirement)
    bare = _BLANKS.sub("", requirement)
    name = re.match(r"[A-Za-z0-9._-]*[A-Za-z0-9]", bare)
    if name is None:
        return bare
    return re.sub(r"[-_.]+", "-", name[0]).lower() + bare[name.end() :]
