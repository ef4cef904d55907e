"""What a build of a spec may ask back from this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildkit_spec import ImageSpec
from buildkit_spec.errors import SpecError
from buildkit_spec.plan import Settings, what_to_serve
from buildkit_spec.plan.settings import CA_SECRET
from buildkit_spec.values import BytesSecret, FileSecret


@pytest.fixture(name="own")
def _own(tmp_path: Path) -> Path:
    (tmp_path / "own.pem").write_text("own\n")
    return tmp_path / "own.pem"


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Settings:
    (tmp_path / "machine.pem").write_text("machine\n")
    return Settings(ca_bundle=str(tmp_path / "machine.pem"))


def spec(**options: Any) -> ImageSpec:
    return ImageSpec(name="a", base_image="debian:12", builder_options=options)


def test_certificates_of_a_spec_come_behind_those_of_the_machine(
    own: Path, machine: Settings
) -> None:
    """Steps trust both; of one alone the file is read when it is asked for."""
    both = what_to_serve(spec(ca_bundle=str(own)), machine, {}).secrets
    one = what_to_serve(spec(), machine, {}).secrets
    none = what_to_serve(spec(), Settings(), {}).secrets

    assert both[CA_SECRET] == BytesSecret(b"machine\n\nown\n")
    assert one[CA_SECRET] == FileSecret(machine.ca_bundle)
    assert CA_SECRET not in none


def test_certificates_of_a_base_spec_are_trusted_too(own: Path, machine: Settings) -> None:
    """Its steps are of the same build."""
    base = ImageSpec(name="b", base_image="debian:12", builder_options={"ca_bundle": str(own)})
    served = what_to_serve(ImageSpec(name="a", base_image=base), machine, {})

    assert served.secrets[CA_SECRET] == BytesSecret(b"machine\n\nown\n")


def test_certificates_that_cannot_be_read_are_named(own: Path, machine: Settings) -> None:
    """Before the build begins."""
    own.unlink()
    own.mkdir()

    with pytest.raises(SpecError, match=r"own\.pem cannot be read"):
        what_to_serve(spec(ca_bundle=str(own)), machine, {})
