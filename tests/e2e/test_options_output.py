"""What comes out of a build, as `builder_options` say: compression, attestations, caches."""

from __future__ import annotations

import json
import os
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec
from buildkit_spec.errors import UnsupportedCapabilityError
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


def forget(builder: BuildkitBuilder, mark: str) -> None:
    """Make the daemon forget the steps whose command holds a mark, and no others."""
    with builder.connect() as client:
        assert list(client.prune([f"description~={mark}"], all=True))


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


def test_compression_of_the_base_image_is_kept_unless_forced(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Forced, its layers are made anew."""
    zstd = {"compression": "zstd", "compression_level": 19}
    kept = manifest(builder.build(unique(spec, **zstd)))["layers"]
    forced = manifest(builder.build(unique(spec, **zstd, force_compression=True)))["layers"]

    assert [one["mediaType"].rpartition("+")[2] for one in kept] == ["gzip", "zstd"]
    assert [one["mediaType"].rpartition("+")[2] for one in forced] == ["zstd", "zstd"]


def test_levels_make_layers_of_other_sizes(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """Level 0 of gzip stores. A layer that the daemon has of another level is taken as it is."""
    sizes = []
    for options in ({"compression_level": 0}, {"compression_level": 1}, {"compression_level": 9}):
        command = f"seq 100000 > /made # {uuid.uuid4()}"
        result = builder.build(spec(commands=[command], builder_options=options))
        sizes.append(manifest(result)["layers"][-1]["size"])

    stored, fast, best = sizes
    assert stored > 588_895  # what seq writes
    assert stored / 2 > fast > best


def test_estargz_is_not_asked_of_an_engine(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """Nothing is built: some Engines end when they are asked."""
    with pytest.raises(UnsupportedCapabilityError, match="estargz") as caught:
        builder.build(unique(spec, compression="estargz"))

    assert "zstd" in caught.value.remedy


def test_annotations_are_in_the_manifest(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """They are not labels: the config has none of them."""
    result = builder.build(unique(spec, annotations={"org.example.team": "data"}))

    assert manifest(result)["annotations"] == {"org.example.team": "data"}


def test_annotations_of_the_index_are_there(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """The manifest in it has its own."""
    result = builder.build(
        unique(spec, annotations={"index:org.a": "index", "org.b": "image"}, provenance="min")
    )
    index = manifest(result)
    image = fetched(result.reference, f"manifests/{index['manifests'][0]['digest']}")

    assert index["annotations"] == {"org.a": "index"}
    assert image["annotations"] == {"org.b": "image"}


def test_nothing_is_attested_unless_asked(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """The digest is that of the image's own manifest."""
    assert "layers" in manifest(builder.build(unique(spec)))


def test_provenance_names_the_base_image(
    builder: BuildkitBuilder, spec: MakeSpec, base_image: str
) -> None:
    """An SLSA statement stands beside the image, in the form that the daemon writes."""
    result = builder.build(unique(spec, provenance="max"))

    (statement,) = attested(result)
    told = statement["predicate"]
    if statement["predicateType"] == "https://slsa.dev/provenance/v1":
        told = told["buildDefinition"]
    else:
        assert statement["predicateType"] == "https://slsa.dev/provenance/v0.2"
    assert "buildkit" in told["buildType"]
    (base,) = told.get("materials") or told["resolvedDependencies"]
    digest = builder.registry.digest(Reference.parse(base_image))
    assert digest is not None
    assert base["digest"] == {"sha256": digest.hex}
    assert base["uri"].startswith("pkg:docker/")
    subjects = {subject["digest"]["sha256"] for subject in statement["subject"]}
    assert subjects == {manifest(result)["manifests"][0]["digest"].removeprefix("sha256:")}


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
    """Whoever names it gets the steps that somebody else built; without it they run."""
    mark = uuid.uuid4().hex
    place = f"{registry}/caches/{mark}:main"
    plain = spec(commands=[f"echo {mark} > /made"])
    writes = plain.with_builder_options({"cache_to": [f"type=registry,ref={place},mode=max"]})
    builder.build(writes)

    forget(builder, mark)
    runs = builder.build(plain, force=True)
    forget(builder, mark)
    reads = builder.build(plain.with_builder_options({"cache_from": [place]}), force=True)

    assert fetched(Reference.parse(place), "manifests/main")["schemaVersion"] == 2
    assert [step.is_cached for step in runs.steps] == [False]
    assert [step.is_cached for step in reads.steps] == [True]


def test_cache_in_an_image_is_found_by_its_name(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """An inline cache needs no place of its own."""
    mark = uuid.uuid4().hex
    plain = spec(commands=[f"echo {mark} > /made"])
    builder.build(plain.with_builder_options({"cache_to": ["type=inline"]}))
    forget(builder, mark)
    cache = {"cache_from": [plain.image_name()]}
    reads = builder.build(plain.with_builder_options(cache), force=True)

    assert [step.is_cached for step in reads.steps] == [True]


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
    buildkit_host: str, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """They come behind the machine's own, for the build alone; other ones run nothing again."""
    machine = tmp_path / "machine.pem"
    machine.write_text("# of the machine\n")
    own = tmp_path / "own.pem"
    own.write_text("# of the company\n")
    wanted = spec(
        commands=[f'cp "$SSL_CERT_FILE" /seen # {uuid.uuid4()}'],
        builder_options={"ca_bundle": str(own)},
    )
    builder = BuildkitBuilder(buildkit_host, env={**os.environ, "SSL_CERT_FILE": str(machine)})
    image = pulled(builder.build(wanted))
    own.write_text("# of another company\n")
    again = builder.build(wanted, force=True)

    assert image.path("/seen").read_text() == "# of the machine\n\n# of the company\n"
    assert "SSL_CERT_FILE" not in image.env
    assert [step.is_cached for step in again.steps] == [True]


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
