"""`NamedBuilder`: a daemon, or several that stand in for each other, under a name of the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit_spec.client.address import Address
from buildkit_spec.errors import InvalidValueError, Problem
from buildkit_spec.spec.problems import Problems, Refusal, known_fields
from buildkit_spec.spec.scalars import kind_of, line, list_of, path, switch
from buildkit_spec.values import Platform

if TYPE_CHECKING:
    from buildkit_spec.client.tls import Tls

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_FIELDS = ("address", "tls", "platform", "insecure")
_TLS_FIELDS = ("ca", "cert", "key", "server_name", "directory")
_WANT_NODE = 'write {address = "tcp://HOST:1234", platform = "linux/arm64"}'
_WANT_ADDRESS = 'write address = "tcp://HOST:1234", or a list of them'


@dataclass(frozen=True, slots=True)
class NamedBuilder:
    """What a configuration file says of one builder.

    Attributes:
        name: Letters, digits, ``_`` and ``-``.
        addresses: At least one.
        tls: Certificates for ``tcp://``; None for none, or for those in `tls_directory`.
        tls_directory: Where they lie as ``ca.pem``, ``cert.pem`` and ``key.pem``; or None. Of `tls`
            only the server's name counts then.
        platforms: What it is to be used for; empty for all that it can build.
        is_insecure: Whether plain TCP may leave this machine.
        own_platforms: What single addresses are to be used for, where that is something else.
    """

    name: str
    addresses: tuple[Address, ...]
    tls: Tls | None = None
    tls_directory: Path | None = None
    platforms: tuple[Platform, ...] = ()
    is_insecure: bool = False
    own_platforms: tuple[tuple[Address, tuple[Platform, ...]], ...] = ()

    def certificates(self) -> Tls | None:
        """Return the certificates, those of a directory as they are there now.

        Raises:
            ConnectionFailedError: The directory has none.
        """
        from buildkit_spec.client.tls import Tls

        if self.tls_directory is None:
            return self.tls
        name = self.tls.server_name if self.tls is not None else ""
        return replace(Tls.from_directory(self.tls_directory), server_name=name)


def check_name(name: str) -> str:
    """Return a builder's name.

    Raises:
        InvalidValueError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValueError(name, "a builder's name is of letters, digits, _ and -")
    return name


def decode(name: str, entry: object, folder: Path) -> NamedBuilder:
    """Return a builder from its table.

    Args:
        name: The table's key.
        entry: What is in it.
        folder: Where relative paths begin.

    Raises:
        Refusal: With every problem of the table.
    """
    if not isinstance(entry, Mapping):
        raise Refusal(f"is {kind_of(entry)}, not a table", f"write [builders.{name}]")
    given, unknown = known_fields(entry, _FIELDS)
    problems, checked = Problems(unknown), dict[str, Any]()
    try:
        check_name(name)
    except InvalidValueError as error:
        problems.append(Problem("", error.rule))
    if "address" not in given:
        problems.append(Problem("address", "is missing", _WANT_ADDRESS))
    for key, value in given.items():
        with problems.under(key):
            if key == "insecure":
                checked[key] = switch(value)
            elif key == "tls":
                checked[key] = _tls(value, folder)
            elif key == "platform":
                checked[key] = one_or_more(value, Platform.parse)
            else:
                checked[key] = _addresses(value)
    problems.refuse()
    tls, tls_directory = checked.get("tls", (None, None))
    return NamedBuilder(
        name,
        tuple(checked["address"]),
        tls=tls,
        tls_directory=tls_directory,
        platforms=checked.get("platform", ()),
        is_insecure=checked.get("insecure", False),
        own_platforms=tuple((one, own) for one, own in checked["address"].items() if own),
    )


def _addresses(value: object) -> dict[Address, tuple[Platform, ...]]:
    """Return addresses with what each is to be used for, where that is said.

    Raises:
        Refusal: It is neither text, nor a table with an address, nor a list of those.
    """
    found: dict[Address, tuple[Platform, ...]] = {}
    problems = Problems()
    for at, one in enumerate(value if isinstance(value, list) else [value]):
        with problems.under(f"[{at}]" if isinstance(value, list) else ""):
            if isinstance(one, Mapping):
                given, unknown = known_fields(one, ("address", "platform"))
                if unknown or len(given) < 2:
                    raise Refusal("is a table", _WANT_NODE)
                own = one_or_more(given["platform"], Platform.parse)
                found |= dict.fromkeys(one_or_more(given["address"], Address.parse), own)
            else:
                found |= dict.fromkeys(one_or_more(one, Address.parse), ())
    problems.refuse()
    if not found:
        raise Refusal("is empty", _WANT_ADDRESS)
    return found


def one_or_more(value: object, parse: Any) -> tuple[Any, ...]:
    """Return text, or a list of texts, parsed.

    Raises:
        Refusal: It is neither, is empty, or an item does not parse.
    """

    def item(one: object) -> object:
        try:
            return parse(line(one))
        except InvalidValueError as error:
            raise Refusal(f"{error.value!r}: {error.rule}", error.remedy) from error

    if isinstance(value, str):
        return (item(value),)
    found = list_of(item)(value)
    if not found:
        raise Refusal("is empty", "leave it out, or name one")
    return found


def _tls(value: object, folder: Path) -> tuple[Tls | None, Path | None]:
    from buildkit_spec.client.tls import Tls

    if isinstance(value, str):
        return None, _place(value, folder)
    if not isinstance(value, Mapping):
        raise Refusal(f"is {kind_of(value)}", 'write a directory, or {ca = "…", cert = "…", …}')
    given, unknown = known_fields(value, _TLS_FIELDS)
    problems, checked = Problems(unknown), dict[str, Any]()
    for key, one in given.items():
        with problems.under(key):
            checked[key] = line(one) if key == "server_name" else _place(one, folder)
    for key, other in (("cert", "key"), ("key", "cert")):
        if key in given and other not in given:
            problems.append(Problem(key, f"is of no use without {other}"))
    directory = checked.pop("directory", None)
    if directory is not None and set(checked) - {"server_name"}:
        problems.append(Problem("directory", "names all files: leave it, or the others, out"))
    problems.refuse()
    return Tls(**checked), directory


def _place(value: object, folder: Path) -> Path:
    return folder / Path(path(value)).expanduser()
