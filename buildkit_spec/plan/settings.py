"""What the plan needs to know of the machine that builds: passed in, never looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RUN_DIR = "/dev/buildkit-spec"
"""Where everything that is mounted into a step, and not part of the image, stands.

Below ``/dev``, which is each step's own: an older daemon (Docker Engine 20.10) leaves what it makes
to mount on in the image.
"""

CA_SECRET = "buildkit-spec.ca"  # noqa: S105 - an id
CA_PATH_SECRET = "buildkit-spec.ca-path"  # noqa: S105 - an id
UV_CONFIG_SECRET = "buildkit-spec.uv-config"  # noqa: S105 - an id
CA_PATH = f"{RUN_DIR}/ca.crt"

CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)

EPOCH_S = 315_619_200
"""2 January 1980: the earliest day that zip archives can hold in every time zone."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The builder's side of a plan.

    Attributes:
        network: ``default``, ``host`` or ``none``: network of a step whose spec does not say.
        ca_bundle: Path of the CA bundle (PEM) to serve to the steps; empty for none.
        proxies: Proxy variables by name, lower case (``http_proxy`` …); never in a cache key.
        index: Python package index for a spec that names none; empty for uv's own default.
        extra_indexes: Indexes asked beside it, likewise.
        epoch_s: ``SOURCE_DATE_EPOCH``: every timestamp of the image, Unix time in seconds.
        is_upgrade: Whether indexes are asked anew, whatever they said before.
    """

    network: str = "default"
    ca_bundle: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    index: str = field(default="", repr=False)
    extra_indexes: tuple[str, ...] = field(default=(), repr=False)
    epoch_s: int = EPOCH_S
    is_upgrade: bool = False
