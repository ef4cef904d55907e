"""Optional secrets, and results that come back as archives: as a real daemon asks for them."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest
from graphs import AMD64, building

from buildkit_spec import llb
from buildkit_spec.client import Address, Client, Exporter
from buildkit_spec.errors import SessionError, SolveError
from buildkit_spec.registry import Logins
from buildkit_spec.session import Auth, FileSend, Health, Secrets, Session
from buildkit_spec.values import BytesSecret


@pytest.fixture(scope="module", name="client")
def _client(buildkit_host: str) -> Iterator[Client]:
    with Client(Address.parse(buildkit_host)) as client:
        yield client


def _secret_step(base_image: str, *, is_optional: bool) -> llb.Definition:
    """See that `there` is mounted, and `absent` is not."""
    there = llb.Secret("/run/there", "there")
    absent = llb.Secret("/run/absent", "absent", optional=is_optional)
    script = f'test "$(cat /run/there)" = value && test ! -e /run/absent # {uuid.uuid4()}'
    step = llb.image(base_image).run(["/bin/sh", "-c", script], mounts=[there, absent])
    return step.root.marshal(platform=AMD64)


def test_optional_secret_that_nobody_has_is_left_out(client: Client, base_image: str) -> None:
    """The step runs without it, and with the one that is there."""
    secrets = Secrets({"there": BytesSecret(b"value")})
    with Session([Auth(Logins()), Health(), secrets]) as session:
        client.build(building(_secret_step(base_image, is_optional=True)), session=session)

        assert session.failure is None


def test_needed_secret_that_nobody_has_fails_the_build(client: Client, base_image: str) -> None:
    """The daemon's error names it; an answer that it does not exist is no failure of ours."""
    secrets = Secrets({"there": BytesSecret(b"value")})
    with Session([Auth(Logins()), Health(), secrets]) as session:
        with pytest.raises(SolveError, match="absent"):
            client.build(building(_secret_step(base_image, is_optional=False)), session=session)

        assert session.failure is None


def _file(size_bytes: int) -> tuple[llb.Definition, str]:
    """A graph of one file of random bytes, and their digest."""
    data = os.urandom(size_bytes)
    made = llb.scratch().file(llb.mkfile("/made", data))
    return made.marshal(platform=AMD64), hashlib.sha256(data).hexdigest()


def test_results_come_back_as_an_archive(client: Client, tmp_path: Path) -> None:
    """A tar of 6 MB, more than a message or a window holds, has the file that was made."""
    definition, digest = _file(6_000_000)
    session = Session([Health(), FileSend({0: lambda said: (tmp_path / "out.tar").open("wb")})])
    with session:
        client.build(building(definition), exporters=[Exporter("tar")], session=session)

    with tarfile.open(tmp_path / "out.tar") as archive:
        made = archive.extractfile("made")
        assert made is not None
        assert hashlib.sha256(made.read()).hexdigest() == digest


def test_results_of_an_image_say_their_digest(client: Client, tmp_path: Path) -> None:
    """An oci archive is whole, and what opened its file was told the digest of the image in it."""
    heard: list[Mapping[str, str]] = []

    def target(said: Mapping[str, str]) -> BinaryIO:
        heard.append(said)
        return (tmp_path / "oci.tar").open("wb")

    definition, _ = _file(1000)
    with Session([Health(), FileSend({0: target})]) as session:
        result = client.build(building(definition), exporters=[Exporter("oci")], session=session)

    with tarfile.open(tmp_path / "oci.tar") as archive:
        index = archive.extractfile("index.json")
        assert index is not None
        (image,) = json.load(index)["manifests"]
        for member in archive.getmembers():
            if member.isfile() and member.name.startswith("blobs/sha256/"):
                blob = archive.extractfile(member)
                assert blob is not None
                assert hashlib.sha256(blob.read()).hexdigest() == Path(member.name).name
    assert heard[0]["containerimage.digest"] == image["digest"] == str(result.digest)


def test_results_that_cannot_be_written_are_our_own_error(client: Client, tmp_path: Path) -> None:
    """The path is named, instead of what the daemon makes of it."""
    definition, _ = _file(1000)
    session = Session([Health(), FileSend({0: lambda said: (tmp_path / "no" / "out").open("wb")})])
    with (
        session,
        pytest.raises(SessionError, match="cannot write the result of exporter 0") as caught,
    ):
        client.build(building(definition), exporters=[Exporter("tar")], session=session)

    assert str(tmp_path / "no" / "out") in caught.value.message
