"""How a folder of certificates is told to others: flags, TOML, a Kubernetes secret."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path

from buildkit_spec.certs.files import read_file
from buildkit_spec.errors import InvalidValueError

PORT = 1234
_FILES = ("ca.pem", "cert.pem", "key.pem")


def daemon_command(folder: Path) -> str:
    """Return a ``buildkitd`` with a server's certificates, as a shell takes it.

    Without ``--tlscacert`` it would let everybody in.

    Args:
        folder: Where they are on the machine that runs it.
    """
    ca, cert, key = (str((folder / name).absolute()) for name in _FILES)
    words = ["buildkitd", "--addr", f"tcp://0.0.0.0:{PORT}"]
    return shlex.join([*words, "--tlscacert", ca, "--tlscert", cert, "--tlskey", key])


def daemon_toml(folder: Path) -> str:
    """Return the same as lines of ``buildkitd.toml``.

    Args:
        folder: Where they are on the machine that runs it.

    Source: ``docs/buildkitd.toml.md``.
    """
    import tomli_w

    ca, cert, key = (str((folder / name).absolute()) for name in _FILES)
    tls = {"ca": ca, "cert": cert, "key": key}
    return tomli_w.dumps({"grpc": {"address": [f"tcp://0.0.0.0:{PORT}"], "tls": tls}})


def client_command(folder: Path, host: str) -> str:
    """Return a ``buildkit-spec info`` with a client's certificates, as a shell takes it."""
    place = f"[{host}]" if ":" in host else host
    address = f"tcp://{place}:{PORT}"
    return shlex.join(["buildkit-spec", "info", "--addr", address, "--tlsdir", str(folder)])


def kubernetes_secret(folder: Path, name: str, namespace: str = "") -> str:
    """Return a secret with the files of a folder, as YAML.

    Args:
        folder: Has ``ca.pem``, ``cert.pem`` and ``key.pem``.
        name: The secret's.
        namespace: Where it goes; empty for the one of whoever applies it.

    Raises:
        CertificateError: A file cannot be read.
        InvalidValueError: A name is none that Kubernetes takes.
    """
    import re

    import yaml

    for text in filter(None, (name, namespace)):
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", text):
            raise InvalidValueError(text, "Kubernetes takes lower-case letters, digits, - and .")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    data = {one: base64.b64encode(read_file(folder / one)).decode() for one in _FILES}
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": data,
    }
    return yaml.safe_dump(document, sort_keys=False, width=1_000_000)
