"""What the caller of a builder and the environment say of builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from buildkit_spec.errors import InvalidValueError
from buildkit_spec.values import ImageOutput

if TYPE_CHECKING:
    from buildkit_spec.plan import Settings
    from buildkit_spec.reach import Embedded
    from buildkit_spec.spec import ImageSpec
    from buildkit_spec.values import Output, StatusUpdate

_NETWORKS = ("default", "host", "none")
_EMBEDDED = ("keep", "stop", "never")
_LAST_EPOCH_S = 2**63 // 10**9
"""A timestamp goes to the daemon as 64 bits of nanoseconds."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What holds for all builds of a builder.

    Attributes:
        network: Network of steps whose spec does not say; empty for what suits the daemon.
        embedded: What is done where no daemon is set and none runs.
        epoch_s: Time of images, Unix time in seconds; None for our own default.
    """

    network: str
    embedded: Embedded
    epoch_s: int | None


def read_arguments(network: str, embedded: str, env: Mapping[str, str]) -> Arguments:
    """Return what is said, the environment's word where the caller says nothing.

    Args:
        network: ``default``, ``host``, ``none``; or empty.
        embedded: ``keep``, ``stop``, ``never``; or empty.
        env: ``BUILDKIT_SPEC_NETWORK``, ``BUILDKIT_SPEC_DAEMON`` and ``SOURCE_DATE_EPOCH`` are read.

    Raises:
        InvalidValueError: One of them is something else.
    """
    network = network or env.get("BUILDKIT_SPEC_NETWORK") or ""
    if network and network not in _NETWORKS:
        wanted = ", ".join(_NETWORKS)
        raise InvalidValueError(network, f"the steps' network must be one of {wanted}")
    embedded = embedded or env.get("BUILDKIT_SPEC_DAEMON") or "keep"
    if embedded not in _EMBEDDED:
        raise InvalidValueError(embedded, f"daemon must be one of {', '.join(_EMBEDDED)}")
    epoch = env.get("SOURCE_DATE_EPOCH")
    return Arguments(network, cast("Embedded", embedded), _epoch_s(epoch) if epoch else None)


def settings_of(arguments: Arguments, network: str, env: Mapping[str, str]) -> Settings:
    """Return the builder's side of a plan.

    Args:
        arguments: What is said.
        network: What suits the daemon; or empty.
        env: Certificates, proxies and package indexes are found from it.
    """
    from buildkit_spec.host import find_ca_bundle, find_indexes, find_proxies
    from buildkit_spec.plan import EPOCH_S, Settings

    indexes = find_indexes(env)
    return Settings(
        network=arguments.network or network or "default",
        ca_bundle=str(find_ca_bundle(env) or ""),
        proxies=find_proxies(env),
        index=indexes.default,
        extra_indexes=indexes.extra,
        epoch_s=EPOCH_S if arguments.epoch_s is None else arguments.epoch_s,
    )


def _epoch_s(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > _LAST_EPOCH_S:
        raise InvalidValueError(
            text,
            "SOURCE_DATE_EPOCH must be a Unix time in seconds",
            remedy="export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
        )
    return int(text)


def wanted_outputs(
    spec: ImageSpec, push: bool | None, outputs: Sequence[Output] | None
) -> tuple[Output, ...]:
    """Return what is to become of an image: see `BuildkitBuilder.build`."""
    if outputs is None:
        return (ImageOutput(is_pushed=bool(spec.registry) if push is None else push),)
    return (*outputs, ImageOutput(is_pushed=True)) if push else tuple(outputs)


def tell_nobody(_: StatusUpdate) -> None:
    """Take what happens in a build whose caller asks for none of it."""
