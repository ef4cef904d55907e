"""Outputs as users of BuildKit write them: ``type=oci,dest=image.tar``.

Source: ``cmd/buildctl/build/output.go``, buildx ``util/buildflags/export.go`` (what is written);
``exporter/containerimage/exptypes/keys.go``, ``exporter/local/fs.go`` (the attributes).
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from buildkit_spec.errors import InvalidReferenceError, InvalidValueError
from buildkit_spec.values.outputs import (
    ArchiveKind,
    ArchiveOutput,
    ImageOutput,
    LoadOutput,
    LocalOutput,
    Output,
)
from buildkit_spec.values.reference import Reference

_KINDS = ("image", "registry", "oci", "docker", "tar", "local", "load")
_FLAGS = {
    "push": "is_pushed",
    "push-by-digest": "is_by_digest",
    "registry.insecure": "is_insecure",
    "unpack": "is_unpacked",
}
_IMAGE = frozenset(
    {
        "attestation-inline",
        "compression",
        "compression-level",
        "force-compression",
        "oci-artifact",
        "oci-mediatypes",
        "prefer-nondist-layers",
        "rewrite-timestamp",
        "source-date-epoch",
    }
)
_FILES = frozenset({"attestation-prefix", "source-date-epoch"})
_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "image": _IMAGE | {"dangling-name-prefix", "name-canonical", "store"},
    "oci": _IMAGE,
    "docker": _IMAGE,
    "tar": _FILES,
    "local": _FILES | {"platform-split"},
    "load": frozenset(),
}
_YES, _NO = {"", "1", "t", "true"}, {"0", "f", "false"}


def parse_output(text: str) -> Output:
    """Read one output.

    Args:
        text: ``type=TYPE,key=value,…`` with CSV's quotes around a pair that has a comma; or a
            directory alone, for its files there; or ``-``, for a tar on standard output. Types are
            ``image``, ``registry`` (an image that is pushed), ``oci``, ``docker``, ``tar``,
            ``local`` and ``load``. ``name`` may come several times.

    Raises:
        InvalidValueError: It has another form, an unknown type or attribute, or lacks one.
    """
    fields = _Fields(text)
    kind = fields.kind
    if kind in {"image", "registry"}:
        flags = {name: fields.flag(key) for key, name in _FLAGS.items()}
        flags["is_pushed"] |= kind == "registry"
        if flags["is_by_digest"] and not flags["is_pushed"]:
            raise InvalidValueError(text, "push-by-digest needs push=true")
        return ImageOutput(fields.names(), **flags, attrs=fields.rest("image"))
    if kind == "load":
        found = LoadOutput(fields.names())
        fields.rest(kind)
        return found
    path = fields.pop("dest")
    if kind == "local":
        if not path or path == "-":
            raise InvalidValueError(text, "local needs a directory", remedy="type=local,dest=DIR")
        return LocalOutput(Path(path), fields.rest(kind))
    if not fields.flag("tar", default=True):
        raise InvalidValueError(
            text, "an image layout is written as an archive", remedy="leave tar=false out"
        )
    names = fields.names() if kind != "tar" else ()
    place = None if path in {"", "-"} else Path(path)
    return ArchiveOutput(cast("ArchiveKind", kind), place, names, fields.rest(kind))


class _Fields:
    """The parts of one text, taken out one by one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._names: list[str] = []
        self._found: dict[str, str] = {}
        if "=" not in text and "," not in text and text:
            self._found = {"type": "tar" if text == "-" else "local", "dest": text}
        else:
            for part in next(csv.reader([text]), []):
                key, sign, value = part.partition("=")
                key = key.strip().lower()
                if not sign:
                    raise InvalidValueError(text, f"{part!r} is no key=value")
                if key == "name":
                    self._names += filter(None, value.split(","))
                elif key in self._found:
                    raise InvalidValueError(text, f"it says {key} twice")
                else:
                    self._found[key] = value
        self.kind = self.pop("type")
        if self.kind not in _KINDS:
            said = f"no type is called {self.kind!r}" if self.kind else "it has no type"
            raise InvalidValueError(text, said, remedy=f"type= one of: {', '.join(_KINDS)}")

    def pop(self, key: str) -> str:
        return self._found.pop(key, "")

    def flag(self, key: str, *, default: bool = False) -> bool:
        if key not in self._found:
            return default
        value = self._found.pop(key).lower()
        if value not in _YES | _NO:
            raise InvalidValueError(self._text, f"{key} is neither true nor false")
        return value in _YES

    def names(self) -> tuple[Reference, ...]:
        names, self._names = self._names, []
        references = tuple(map(Reference.parse, names))
        for reference in references:
            if reference.digest is not None:
                raise InvalidReferenceError(str(reference), "what is to be made has no digest yet")
        return references

    def rest(self, kind: str) -> dict[str, str]:
        """Return what is left; a daemon would pass over in silence what it does not know."""
        if self._names:
            raise InvalidValueError(self._text, f"a {kind} output has no name")
        known = _ATTRIBUTES[kind]
        for key in self._found:
            if key in known or (known >= _IMAGE and key.startswith("annotation")):
                continue
            near = difflib.get_close_matches(key, [*known, "dest", "name", *_FLAGS], 1)
            raise InvalidValueError(
                self._text,
                f"a {kind} output has no {key}",
                remedy=f"did you mean {near[0]}?" if near else "",
            )
        return self._found
