"""`Delivery`: what becomes of one build, for the daemon and for the session.

For each output there is an exporter, which the daemon is asked for; and for each one that comes
back here something that takes it: a file, a directory, a Docker Engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

from buildkit_spec.client.address import Address
from buildkit_spec.client.engine_load import EngineLoad
from buildkit_spec.client.engine_store import STORE, STORE_REMEDY, engine_exporter, refuse_deadly
from buildkit_spec.client.exporters import (
    BY_DIGEST,
    DIGEST,
    UNPACK,
    CacheEntry,
    Exporter,
    image_exporter,
)
from buildkit_spec.errors import InvalidValueError, UnsupportedCapabilityError
from buildkit_spec.session import ArchiveFile, FileSend, ReceivedDirectory
from buildkit_spec.session.filesend import Target
from buildkit_spec.values import (
    ArchiveOutput,
    ImageOutput,
    LoadOutput,
    LocalOutput,
    Output,
    Reference,
)
from buildkit_spec.values.result import CONFIG_DIGEST


class _Place(Protocol):
    """Where a result goes on this machine, once the build went well."""

    def commit(self) -> None: ...

    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is to become of a build, and what its images are like.

    Attributes:
        outputs: What is to become of it.
        reference: What an image is called whose output does not say.
        platform_count: How many platforms it is for.
        is_insecure: Whether plain http may be spoken to a registry; asked with its host.
        compression: Attributes about the compression of layers.
        annotations: See `image_exporter`.
        epoch_s: Time of images, Unix time in seconds.
        frontend_attrs: The build's; attestations are asked for there.
        cache_exports: The build's.
        env: The environment, which says where a Docker Engine is.
    """

    outputs: Sequence[Output]
    reference: Reference
    platform_count: int
    is_insecure: Callable[[str], bool]
    compression: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    epoch_s: int | None = None
    frontend_attrs: Mapping[str, str] = field(default_factory=dict)
    cache_exports: Sequence[CacheEntry] = ()
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)


class Delivery:
    """The exporters of one build, and where their results go; a context manager.

    Until `commit` nothing on this machine changes, and leaving the block without it leaves all as
    it was; but an image that is loaded into an Engine is there when its exporter is done.

    Args:
        order: What is to become of the build.
        address: The daemon's, for messages.
        has_image_exporter: Whether it makes images; see `Client.has_image_exporter`.
        is_docker_engine: Whether it is the BuildKit inside a Docker Engine.

    Attributes:
        exporters: What to ask the daemon for.
        pushed: The names under which the image is pushed; without tags where it is by digest.
        is_left_to_engine: Whether the push is the Engine's own to do, after the build.

    Raises:
        InvalidValueError: Two outputs are for the same place, or one has names that exclude each
            other.
        UnsupportedCapabilityError: The daemon cannot make one of them, or not from this build.
        SessionError: One of the places cannot be written to.
        DaemonError: The image is to be loaded, and there is no Docker Engine.
    """

    def __init__(
        self, order: Order, address: Address, *, has_image_exporter: bool, is_docker_engine: bool
    ) -> None:
        self._order = order
        self._address = address
        self._is_engine = is_docker_engine
        self.is_left_to_engine = not has_image_exporter
        outputs = _joined([self._settled(one) for one in order.outputs])
        _refuse_same_place(outputs)
        self.pushed = tuple(
            dict.fromkeys(
                replace(name, tag="") if output.is_by_digest else name
                for output in outputs
                if isinstance(output, ImageOutput) and output.is_pushed
                for name in output.names
            )
        )
        if self.is_left_to_engine:
            outputs = _one_image(outputs)
        self.exporters = tuple(map(self._exporter, outputs))
        self._places: list[_Place] = []
        self._targets: dict[int, Target | ReceivedDirectory] = {}
        with ExitStack() as stack:  # what was opened is left as it was when a later one fails
            stack.push(self.__exit__)
            for index, output in enumerate(outputs):
                self._open(index, output)
            stack.pop_all()

    def __enter__(self) -> Delivery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for place in self._places:
            place.discard()

    def attachables(self) -> tuple[FileSend, ...]:
        """Return what takes the results in the build's session."""
        return (FileSend(self._targets),) if self._targets else ()

    def commit(self) -> None:
        """Put everything into its place: the build went well.

        Raises:
            SessionError: It cannot be put there.
        """
        for place in self._places:
            place.commit()

    def metadata(self, answers: Mapping[str, str]) -> dict[str, str]:
        """Return what the exporters answered, in the words of those of images.

        An Engine's own exporter calls the digest of the config that of the image.
        """
        found = dict(answers)
        if self.is_left_to_engine and DIGEST in found:
            found[CONFIG_DIGEST] = found.pop(DIGEST)
        return found

    @property
    def left_out(self) -> dict[Path, tuple[str, ...]]:
        """Devices that were not made, by the directory in which they are missing."""
        return {
            place.path: place.left_out
            for place in self._places
            if isinstance(place, ReceivedDirectory) and place.left_out
        }

    def _settled(self, output: Output) -> Output:
        """Return an output with its names; one that loads into the daemon's own Engine as such."""
        names = (self._order.reference,)
        if isinstance(output, LocalOutput):
            return output
        if isinstance(output, LoadOutput) and self._is_engine:
            return ImageOutput(output.names or names, is_unpacked=True)
        return replace(output, names=output.names or names)

    def _exporter(self, output: Output) -> Exporter:
        if isinstance(output, LocalOutput):
            return Exporter("local", dict(output.attrs))
        if isinstance(output, ImageOutput):
            return self._image(output)
        kind = "docker" if isinstance(output, LoadOutput) else output.kind
        attrs = {} if isinstance(output, LoadOutput) else output.attrs
        if kind == "tar":
            return Exporter(kind, dict(attrs))
        if self.is_left_to_engine:
            raise self._unsupported(f"{kind} archives")
        if kind == "docker" and self._order.platform_count > 1:
            raise UnsupportedCapabilityError(
                "a docker archive holds one platform, and the image is for"
                f" {self._order.platform_count}",
                capability="docker",
                remedy="write type=oci, or name one platform",
            )
        return self._checked(self._made(output.names, kind=kind, attrs=attrs))

    def _image(self, output: ImageOutput) -> Exporter:
        attrs, names = dict(output.attrs), output.names
        if output.is_by_digest:
            attrs[BY_DIGEST] = "true"
            names = tuple(replace(one, tag="") for one in names)
        if self.is_left_to_engine and attrs:
            raise self._unsupported(f"an image with {', '.join(sorted(attrs))}")
        if output.is_unpacked:
            attrs[UNPACK] = "true"
        exporter = self._made(
            names,
            push=output.is_pushed,
            insecure=output.is_insecure or (output.is_pushed and self._is_insecure(output)),
            attrs=attrs,
        )
        if not self.is_left_to_engine:
            return self._checked(exporter)
        return engine_exporter(
            exporter,
            self._address,
            platform_count=self._order.platform_count,
            frontend_attrs=self._order.frontend_attrs,
            cache_exports=self._order.cache_exports,
        )

    def _is_insecure(self, output: ImageOutput) -> bool:
        insecure = {name.registry: self._order.is_insecure(name.registry) for name in output.names}
        if len(set(insecure.values())) > 1:
            text = ", ".join(insecure)
            raise InvalidValueError(
                text,
                "an exporter speaks plain http to all of its registries or to none",
                remedy="write an output of its own for each registry",
            )
        return all(insecure.values())

    def _made(
        self,
        names: Sequence[Reference],
        *,
        kind: str = "image",
        push: bool = False,
        insecure: bool = False,
        attrs: Mapping[str, str],
    ) -> Exporter:
        order = self._order
        return image_exporter(
            names,
            push=push,
            insecure=insecure,
            compression=order.compression,
            annotations=order.annotations,
            epoch_s=order.epoch_s,
            kind=kind,
            attrs=attrs,
        )

    def _checked(self, exporter: Exporter) -> Exporter:
        if self._is_engine:
            refuse_deadly(exporter, self._address)
        return exporter

    def _unsupported(self, what: str) -> UnsupportedCapabilityError:
        return UnsupportedCapabilityError(
            f"the Docker Engine at {self._address} cannot make {what}:"
            " it has no containerd image store",
            capability=STORE,
            remedy=STORE_REMEDY,
        )

    def _open(self, index: int, output: Output) -> None:
        if isinstance(output, LocalOutput):
            directory = ReceivedDirectory(output.path)
            self._places.append(directory)
            self._targets[index] = directory
        elif not isinstance(output, ImageOutput):
            place = (
                ArchiveFile(output.path)
                if isinstance(output, ArchiveOutput)
                else EngineLoad(self._order.env)
            )
            self._places.append(place)
            self._targets[index] = place.open


def _joined(outputs: Sequence[Output]) -> list[Output]:
    """Let one image output do what two ask of the same names: not every daemon does several."""
    found: list[Output] = []
    for output in outputs:
        for index, other in enumerate(found):
            if (
                isinstance(output, ImageOutput)
                and isinstance(other, ImageOutput)
                and (other.names, other.is_by_digest) == (output.names, output.is_by_digest)
            ):
                found[index] = _both(other, output)
                break
        else:
            found.append(output)
    return found


def _one_image(outputs: Sequence[Output]) -> list[Output]:
    """Let one image output have all names: where the push comes later, nothing else is asked."""
    images = [one for one in outputs if isinstance(one, ImageOutput)]
    if not images:
        return list(outputs)
    image = images[0]
    for other in images[1:]:
        image = replace(_both(image, other), names=(*image.names, *other.names))
    names = tuple(dict.fromkeys(image.names))
    return [replace(image, names=names), *(one for one in outputs if one not in images)]


def _both(one: ImageOutput, other: ImageOutput) -> ImageOutput:
    return replace(
        one,
        is_pushed=one.is_pushed or other.is_pushed,
        is_by_digest=one.is_by_digest or other.is_by_digest,
        is_insecure=one.is_insecure or other.is_insecure,
        is_unpacked=one.is_unpacked or other.is_unpacked,
        attrs={**one.attrs, **other.attrs},
    )


def _refuse_same_place(outputs: Sequence[Output]) -> None:
    taken = set()
    for output in outputs:
        if isinstance(output, ImageOutput):
            continue
        path = None if isinstance(output, LoadOutput) else output.path
        place = "the Docker Engine" if isinstance(output, LoadOutput) else "standard output"
        place = str(path.resolve()) if path is not None else place
        if place in taken and place != os.devnull:
            raise InvalidValueError(place, "two outputs are for the same place")
        taken.add(place)
