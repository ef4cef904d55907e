"""What comes out of a build, as `builder_options` say: compression, attestations, caches."""

from __future__ import annotations

import json
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec
from buildkit_spec.values import Reference

ACCEPT = ", ".join(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("index", "manifest"))

SCAN = """cat > /scan.sh <<'END'
#!/bin/sh
files=$(find "$BUILDKIT_SCAN_SOURCE" -type f | wc -l)
printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document",' \
  > "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
printf '"predicate":{"SPDXID":"SPDXRef-DOCUMENT","comment":"%s files"}}' "$files" \
  >> "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
END
chmod +x /scan.sh"""
"""A scanner. Source of the protocol: BuildKit, ``docs/attestations/sbom-protocol.md``."""


def fetched(reference: Reference, what: str) -> dict[str, Any]:
    """Read a manifest or a blob of the image's repository."""
    url = f"http://{reference.registry}/v2/{reference.repository}/{what}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": ACCEPT})) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def manifest(result: BuildResult) -> dict[str, Any]:
    """Read what the result's digest stands for."""
    return fetched(result.reference, f"manifests/{result.digest}")


def attested(result: BuildResult) -> list[dict[str, Any]]:
    """Read the statements that stand beside the image in its index."""
    found = []
    for entry in manifest(result)["manifests"]:
        if entry.get("annotations", {}).get("vnd.docker.reference.type") == "attestation-manifest":
            layers = fetched(result.reference, f"manifests/{entry['digest']}")["layers"]
            found += [fetched(result.reference, f"blobs/{one['digest']}") for one in layers]
    return found


def unique(spec: MakeSpec, **options: Any) -> ImageSpec:
    """A spec with one layer that no other build has."""
    return spec(commands=[f"echo {uuid.uuid4()} > /made"], builder_options=options)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("uncompressed", "application/vnd.oci.image.layer.v1.tar"),
    ],
)
def test_layers_are_compressed_as_asked(
    builder: BuildkitBuilder, spec: MakeSpec, kind: str, media_type: str
) -> None:
    """New layers have the media type of their kind."""
    result = builder.build(unique(spec, compression=kind))

    assert manifest(result)["layers"][-1]["mediaType"] == media_type


def test_annotations_are_in_the_manifest(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """They are not labels: the config has none of them."""
    result = builder.build(unique(spec, annotations={"org.example.team": "data"}))

    assert manifest(result)["annotations"] == {"org.example.team": "data"}


def test_nothing_is_attested_unless_asked(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """The digest is that of the image's own manifest."""
    assert "layers" in manifest(builder.build(unique(spec)))


def test_provenance_names_the_base_image(
    builder: BuildkitBuilder, spec: MakeSpec, base_image: str
) -> None:
    """An SLSA statement stands beside the image."""
    result = builder.build(unique(spec, provenance="max"))

    (statement,) = attested(result)
    assert statement["predicateType"].startswith("https://slsa.dev/provenance/")
    digest = builder.registry.digest(Reference.parse(base_image))
    assert digest is not None
    assert digest.hex in json.dumps(statement)


def test_sbom_is_made_by_the_scanner_named(
    builder: BuildkitBuilder, spec: MakeSpec, base_image: str
) -> None:
    """The scanner is an image that runs in the build and sees the file system."""
    scanner = builder.build(spec(commands=[SCAN], entrypoint=["/scan.sh"]))
    result = builder.build(unique(spec, sbom=str(scanner.reference)))

    (statement,) = attested(result)
    assert statement["predicateType"] == "https://spdx.dev/Document"
    assert int(statement["predicate"]["comment"].split()[0]) > 1000


def test_cache_in_the_registry_is_written_and_read(
    builder: BuildkitBuilder, spec: MakeSpec, registry: str
) -> None:
    """Whoever names it gets the steps that somebody else built."""
    place = f"{registry}/caches/{uuid.uuid4().hex}:main"
    wanted = unique(spec, cache_to=[f"type=registry,ref={place},mode=max"])
    builder.build(wanted)
    reads = wanted.with_builder_options({"cache_to": [], "cache_from": [place]})

    assert fetched(Reference.parse(place), "manifests/main")["schemaVersion"] == 2
    assert all(step.is_cached for step in builder.build(reads, force=True).steps)


def test_cache_that_is_not_there_does_no_harm(
    builder: BuildkitBuilder, spec: MakeSpec, registry: str
) -> None:
    """The first build of a pipeline has nothing to read."""
    wanted = unique(spec, cache_from=[f"{registry}/caches/{uuid.uuid4().hex}:none"])

    assert builder.build(wanted).was_built


def test_folder_of_a_cache_mount_is_found_as_it_was_left(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """It is on the daemon, and not in the image."""
    place = f"/var/cache/{uuid.uuid4().hex}"
    options = {"cache_mounts": [place]}
    builder.build(spec(commands=[f"echo kept > {place}/note"], builder_options=options))
    image = pulled(builder.build(spec(commands=[f"cp {place}/note /"], builder_options=options)))

    assert image.path("/note").read_text() == "kept\n"
    assert not image.path(f"{place}/note").exists()


def test_further_certificates_are_trusted_by_steps(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """They come behind the machine's own, for the build alone."""
    (tmp_path / "own.pem").write_text("# a certificate of the company\n")
    options = {"ca_bundle": str(tmp_path / "own.pem")}
    wanted = spec(commands=['tail -1 "$SSL_CERT_FILE" > /last'])
    image = pulled(builder.build(wanted.with_builder_options(options)))

    assert image.path("/last").read_text() == "# a certificate of the company\n"
    assert "SSL_CERT_FILE" not in image.env


def test_environment_of_the_build_is_not_the_image_s(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """Commands see it; containers do not."""
    wanted = spec(
        commands=['echo "$STAGE" > /stage'], builder_options={"build_env": {"STAGE": "b"}}
    )
    image = pulled(builder.build(wanted))

    assert image.path("/stage").read_text() == "b\n"
    assert "STAGE" not in image.env


def test_commands_run_again_for_variables_that_they_name(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Another value of one that no command names runs nothing."""
    wanted = spec(commands=[f"echo $MODE {uuid.uuid4()} > /mode"], env={"MODE": "a", "OTHER": "a"})
    builder.build(wanted)
    other = builder.build(wanted.with_env({"OTHER": "b"}))
    mode = builder.build(wanted.with_env({"MODE": "b"}))

    assert [step.name for step in other.steps if not step.is_cached] == []
    assert any("commands[0]" in step.name for step in mode.steps if not step.is_cached)
