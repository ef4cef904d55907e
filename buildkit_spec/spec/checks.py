"""The rules of single fields. Each check returns the value as the spec keeps it, or refuses it."""

from __future__ import annotations

import posixpath
import re
from string import Formatter
from urllib.parse import urlsplit

from buildkit_spec.errors import InvalidPlatformError, InvalidReferenceError
from buildkit_spec.spec.installer_args import divide
from buildkit_spec.spec.logins import has_login
from buildkit_spec.spec.options import absolute_path
from buildkit_spec.spec.problems import Problems, Refusal
from buildkit_spec.spec.scalars import Unquoted, any_text, kind_of, line, list_of, path
from buildkit_spec.values import Platform, Reference

_PYTHON = re.compile(r"^[23](\.(0|[1-9]\d*)){1,2}((a|b|rc)\d+|t)?$")
_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
_SLICE = re.compile(r"^(\.[1-9]\d?)?$")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_VARIABLE = re.compile(r"^[^=\x00-\x20\x7f]+$")
_REGISTRY_FORMS = "as in localhost:30000, ghcr.io/username or docker.io/username"
_MAX_PORT = 65535
SAMPLE_HASH = "a" * 26


def name(value: object) -> str:
    """Return the repository's name in lower case.

    Raises:
        Refusal: It is no path of the OCI distribution spec, or says more than a name.
    """
    written = line(value).lower()
    if ":" in written or "@" in written:
        host, _, last = written.partition("@")[0].rpartition("/")
        bare = last.partition(":")[0]
        where = f"registry: {host}, name: {bare}" if host else f"name: {bare}"
        raise Refusal("holds more than a name", f"write {where}; the tag is computed")
    _parsed(f"docker.io/{written}:tag", written, "a-z, 0-9 and single . _ - between, parts with /")
    return written


def registry(value: object) -> str:
    """Return registry and account in lower case.

    Raises:
        Refusal: It is not a host with optional port, an account, or both.

    Source: flytekit ``image_spec.py``, ``validate_container_registry_name``.
    """
    written = line(value).lower()
    if "@" in written:
        raise Refusal("holds a login or a digest", f"name the registry only, {_REGISTRY_FORMS}")
    if "://" in written:
        bare = written.partition("://")[2].rstrip("/")
        raise Refusal(f"{written!r} has a scheme", f"write {bare}" if bare else _REGISTRY_FORMS)
    if written.endswith("/"):
        raise Refusal(f"{written!r} ends with /", f"write {written.rstrip('/')}")
    host, _, account = written.partition("/")
    port = re.search(r":(\d+)$", host)
    if ":" in account or (":" in host and not port and not host.startswith("[")):
        raise Refusal(f"{written!r} holds a tag", f"name the registry only, {_REGISTRY_FORMS}")
    if port and not 0 < int(port[1][:6]) <= _MAX_PORT:
        raise Refusal(f"{written!r} has no valid port", f"1 to {_MAX_PORT}")
    _parsed(f"{written}/name:tag", written, _REGISTRY_FORMS)
    return written


def _parsed(reference: str, written: str, forms: str) -> None:
    try:
        Reference.parse(reference)
    except InvalidReferenceError as error:
        raise Refusal(f"{written!r} makes no image name: {error.rule}", forms) from error


def python_version(value: object) -> str:
    """Return a Python version; an unquoted YAML number stands for its own digits.

    Raises:
        Refusal: It is no version, or a number, which cannot tell 3.10 from 3.1.
    """
    if isinstance(value, float) and not isinstance(value, bool):
        raise Refusal(
            f"is the number {value}, and as numbers 3.10 and 3.1 are the same",
            'quote it: "3.10"',
        )
    version = line(value.text if isinstance(value, Unquoted) else value)
    if not _PYTHON.match(version):
        raise Refusal(f"{version!r} is no Python version", 'write "3.12" or "3.12.4"')
    return version


def version(value: object) -> str:
    """Return the version of a program; an unquoted YAML number stands for its own digits.

    Raises:
        Refusal: It is no version.
    """
    written = line(value.text if isinstance(value, Unquoted) else value)
    if not re.match(r"^\d[\w.+-]*$", written):
        raise Refusal(f"{written!r} is no version", 'write "12.1"')
    return written


def index_url(value: object) -> str:
    """Return the URL of a package index; it may hold a login.

    Raises:
        Refusal: It is no http or https URL.
    """
    url = line(value)
    refusal = Refusal(f"{url!r} is no index URL", "write https://host/path/simple")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise refusal from error
    if parts.scheme not in {"http", "https"} or not parts.netloc or " " in url:
        raise refusal
    return url


def tag_format(value: object) -> str:
    """Return a format that makes a tag of the spec's hash: ``{spec_hash}-dev``.

    Raises:
        Refusal: It is no format, asks for something else, or what it makes is no tag.
    """
    written = line(value)
    remedy = 'write "{spec_hash}-dev"'
    try:
        fields = [part[1:] for part in Formatter().parse(written) if part[1] is not None]
    except ValueError as error:
        raise Refusal(f"{written!r} is no format: {error}", remedy) from error
    for field, form, conversion in fields:
        if field != "spec_hash" or conversion or not _SLICE.match(form or ""):
            raise Refusal(f"{written!r} asks for something else than {{spec_hash}}", remedy)
    if not _TAG.match(written.format(spec_hash=SAMPLE_HASH)):
        raise Refusal(
            f"{written!r} makes no tag (1 to 128 of A-Z a-z 0-9 _ . -, not . or - first)", remedy
        )
    return written


def platform(value: object) -> str:
    """Return platforms, joined with commas, each normalised and none twice.

    Args:
        value: One platform, a comma-separated list, or a list.

    Raises:
        Refusal: One is not ``os/architecture[/variant]``.
    """
    parts = (
        list_of(line)(value)
        if isinstance(value, (list, tuple))
        else dict.fromkeys(line(value).split(","))
    )
    problems, platforms = Problems(), dict[str, None]()
    for index, part in enumerate(parts):
        with problems.under(f"[{index}]" if isinstance(value, (list, tuple)) else ""):
            try:
                platforms[str(Platform.parse(part))] = None
            except InvalidPlatformError as error:
                raise Refusal(f"{part.strip()!r} is no platform", "write linux/amd64") from error
    problems.refuse()
    if not platforms:
        raise Refusal("is empty", "write linux/amd64, or leave it out")
    return ",".join(platforms)


def variable(value: object) -> str:
    """Return the name of an environment variable.

    Raises:
        Refusal: It is not one, or the builder sets it itself.
    """
    written = line(value)
    if not _VARIABLE.match(written):
        raise Refusal("is no name of a variable", "letters, digits and _ only")
    if written == "_F_IMG_ID":
        raise Refusal("is set by the builder", "leave it out")
    return written


def variable_value(value: object) -> str:
    """Return the value of an environment variable, which may be empty.

    A whole number is what it says. Nothing else is turned into text: YAML's ``yes`` would be
    ``True``, and ``3.10`` be ``3.1``.

    Raises:
        Refusal: It is no text.
    """
    if value is None:
        raise Refusal("has no value", 'write "" for an empty one')
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Unquoted) and _WHOLE.fullmatch(value.text):
        return value.text
    return any_text(value)


def copy_path(value: object) -> str:
    """Return a path to copy, relative and without detours.

    Raises:
        Refusal: It is absolute or leads outside.
    """
    written = path(value).replace("\\", "/")
    if written.startswith("/") or re.match(r"^[A-Za-z]:/", written):
        raise Refusal(f"{written!r} is absolute", "write it relative to the spec's folder")
    normal = posixpath.normpath(written)
    if normal == ".." or normal.startswith("../"):
        raise Refusal(f"{written!r} leads out of the spec's folder", "copy it there first")
    return normal


def secret_mount(value: object) -> tuple[str, str]:
    """Return a file of this machine and where the installer finds it.

    Raises:
        Refusal: It is no pair of paths, or the second is not absolute.
    """
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise Refusal(
            f"is {kind_of(value)}, not a pair"
            if not isinstance(value, (list, tuple))
            else f"has {len(value)} items, not two",
            "write [path here, path in the build]: [.netrc, /root/.netrc]",
        )
    problems = Problems()
    source = target = ""
    with problems.under("[0]"):
        source = path(value[0])
    with problems.under("[1]"):
        target = absolute_path(value[1])
    problems.refuse()
    return source, target


def shell_words(value: object) -> str:
    """Return arguments of uv as one text, quoted as in a shell.

    Raises:
        Refusal: A quote is not closed, an option is not known, or a URL holds a login.
    """
    written = line(value)
    try:
        arguments = divide(written)
    except ValueError as error:
        raise Refusal(f"cannot be split into words: {str(error).lower()}", "close it") from error
    if arguments.unknown:
        raise Refusal(
            f"{arguments.unknown[0]} is no option that resolves or installs packages",
            "uv pip install --help tells the options there are",
        )
    if has_login(written):
        raise Refusal(
            "holds a login, which would stay in the build's history",
            "write the URL into pip_index or pip_extra_index_url",
        )
    for flag, place in arguments.files:
        is_list = flag in {"-c", "--constraint", "--constraints"}
        raise Refusal(
            f"{flag} {place} is not sent to the build",
            f"write -c {place} into a requirements file"
            if is_list
            else "name a URL or a path in the base image; wheels go into packages: [./a.whl]",
        )
    return written
