"""`builder_options`: what each key takes, what it refuses, and what it does to the tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.spec import BuilderOptions, ImageSpec
from buildkit_spec.spec.caches import CACHE_LOGINS, caches_with_logins, missing_login
from buildkit_spec.spec.options import LayerOptions
from buildkit_spec.spec.output_options import DEFAULT_SCANNER

REFERENCE = "ghcr.io/me/cache"
FULL: dict[str, Any] = {
    "build_env": {"STAGE": "ci", "EMPTY": ""},
    "cache_mounts": {"/root/.cache/huggingface": "models"},
    "compression": "zstd",
    "compression_level": 19,
    "force_compression": True,
    "layers": {"heavy_mib": 1.5, "buckets": 4, "max_layers": 20},
    "sbom": "ghcr.io/me/scanner:1",
    "provenance": "max",
    "annotations": {"org.example.team": "data", "index:org.example.team": "data"},
    "cache_from": [REFERENCE, "type=s3,bucket=b,region=r"],
    "cache_to": [{"type": "registry", "ref": REFERENCE, "mode": "max", "image-manifest": True}],
    "dependency_groups": ["dev"],
    "extras": ["gpu"],
}


@pytest.fixture(autouse=True)
def _no_flyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_INTERNAL_IMAGE", "python:3.12-slim")


def problem_of(**options: Any) -> Problem:
    """The one problem that a spec with these options has."""
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec(builder_options=options)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("options", "field", "message", "remedy"),
    [
        ({"build_env": {"A-B": "x"}}, "build_env.A-B", "no name of a variable", "letters"),
        ({"apt_snapshot": "https://h.test/x"}, "apt_snapshot", "no snapshot's URL", "{archive}"),
        ({"apt_snapshot": "https://u:p@h.test/{archive}"}, "apt_snapshot", "holds a login", ""),
        ({"build_env": {"A": 1}}, "build_env.A", "is a number", "quote it"),
        ({"build_env": {"SOURCE_DATE_EPOCH": "0"}}, "build_env.SOURCE", "set by the builder", ""),
        ({"ca_bundle": "a\nb"}, "ca_bundle", "line break", "one line"),
        ({"cache_mounts": ["cache"]}, "cache_mounts[0]", "no absolute path", "/root/cache"),
        ({"cache_mounts": ["/"]}, "cache_mounts[0]", "whole file system", "/root/.cache"),
        ({"cache_mounts": {"/a": ""}}, "cache_mounts./a", "is empty", ""),
        ({"compression": "lz4"}, "compression", "none of the choices", "gzip, zstd, estargz"),
        ({"compression_level": 10}, "compression_level", "gzip has no level 10", "0 to 9"),
        ({"compression_level": -1}, "compression_level", "out of range", "0 to 22"),
        ({"compression_level": True}, "compression_level", "is a boolean", "write 0"),
        ({"compression": "estargz", "compression_level": 22}, "compression_level", "no level", ""),
        ({"compression": "zstd", "compression_level": 23}, "compression_level", "out of range", ""),
        (
            {"compression": "uncompressed", "compression_level": 0},
            "compression_level",
            "no level 0",
            "leave it out",
        ),
        ({"force_compression": "yes"}, "force_compression", "not a boolean", "true or false"),
        ({"layers": "double"}, "layers", "no grouping", "single"),
        ({"layers": {"heavy": 4}}, "layers.heavy", "unknown field", "heavy_mib"),
        ({"layers": {"heavy_mib": -1}}, "layers.heavy_mib", "out of range", "at least 0"),
        ({"layers": {"heavy_mib": float("nan")}}, "layers.heavy_mib", "out of range", ""),
        ({"layers": {"buckets": 0}}, "layers.buckets", "out of range", "from 1 to 64"),
        ({"layers": {"max_layers": 1.5}}, "layers.max_layers", "not a whole number", ""),
        ({"sbom": "A B"}, "sbom", "no image", ""),
        ({"provenance": "full"}, "provenance", "none of the choices", "min, max"),
        ({"annotations": {"a b": "c"}}, "annotations.a b", "no key", "index:"),
        ({"annotations": {"layer:a": "c"}}, "annotations.layer:a", "no key", "index:"),
        ({"annotations": {"index:a": "c"}}, "annotations.index:a", "one platform", "write a,"),
        ({"cache_from": REFERENCE}, "cache_from", "letter by letter", f'["{REFERENCE}"]'),
        ({"cache_from": ["A B"]}, "cache_from[0]", "no image", ""),
        ({"cache_from": ["type=registry"]}, "cache_from[0]", "needs ref", "ref="),
        ({"cache_from": ["type=registry,ref"]}, "cache_from[0]", "key=value", "type=registry"),
        ({"cache_from": ["type=inline"]}, "cache_from[0]", "is in an image", "the image's name"),
        ({"cache_to": ["type=local,src=/x"]}, "cache_to[0]", "needs dest", "dest="),
        ({"cache_from": ["type=local,dest=/x"]}, "cache_from[0]", "needs src", "src="),
        ({"cache_to": ["type=ftp,ref=x"]}, "cache_to[0]", "no type of cache", "azblob"),
        ({"cache_to": ["type=s3,bucket=b"]}, "cache_to[0]", "needs region", "region="),
        ({"cache_to": ["type=azblob"]}, "cache_to[0]", "needs account_url", ""),
        ({"cache_to": [f"ref={REFERENCE},mode=all"]}, "cache_to[0]", "mode is 'all'", "min, max"),
        ({"cache_to": [f"ref={REFERENCE},mdoe=max"]}, "cache_to[0]", "'mdoe' is no", "mean mode?"),
        (
            {"cache_to": [f"ref={REFERENCE},image_manifest=true"]},
            "cache_to[0]",
            "'image_manifest' is no attribute of a cache of type registry",
            "did you mean image-manifest?",
        ),
        (
            {"cache_to": [f"ref={REFERENCE},image-manifest=maybe"]},
            "cache_to[0]",
            "image-manifest is 'maybe'",
            "one of: true, false",
        ),
        (
            {"cache_to": [f"ref={REFERENCE},compression=zzz"]},
            "cache_to[0]",
            "compression is 'zzz'",
            "gzip, zstd, estargz, uncompressed",
        ),
        (
            {"cache_to": [f"ref={REFERENCE},compression-level=23"]},
            "cache_to[0]",
            "compression-level is '23'",
            "from 0 to 22",
        ),
        ({"cache_to": ["type=local,dest=x,ref=y"]}, "cache_to[0]", "'ref' is no attribute", "dest"),
        ({"cache_from": ["type=local,src=x,digest=1"]}, "cache_from[0]", "digest is '1'", "64 hex"),
        ({"cache_to": ["type=inline,mode=max"]}, "cache_to[0]", "mode is 'max'", "one of: min"),
        ({"cache_to": ["type=gha,timeout=10"]}, "cache_to[0]", "timeout is '10'", "10m"),
        (
            {"cache_to": ["type=s3,bucket=b,region=r,endpoint_url=minio:9000"]},
            "cache_to[0]",
            "endpoint_url is 'minio:9000'",
            "https://",
        ),
        (
            {"cache_to": ["type=s3,bucket=b,region=r,upload_parallelism=0"]},
            "cache_to[0]",
            "upload_parallelism is '0'",
            "from 1",
        ),
        (
            {"cache_to": ["type=azblob,account_url=https://a,bucket=b"]},
            "cache_to[0]",
            "'bucket' is no attribute of a cache of type azblob",
            "container",
        ),
        ({"dependency_groups": ["a b"]}, "dependency_groups[0]", "no name of a group", "letters"),
        ({"extras": ["-x"]}, "extras[0]", "no name of a group", "letters"),
        ({"extras": "gpu"}, "extras", "letter by letter", '["gpu"]'),
    ],
    ids=str,
)
def test_wrong_option_says_what_and_what_instead(
    options: dict[str, Any], field: str, message: str, remedy: str
) -> None:
    """Each is refused before anything is built."""
    problem = problem_of(**options)

    assert problem.field.startswith(f"builder_options.{field}")
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, names in CACHE_LOGINS.items() for name in names if "url" not in name],
)
def test_login_of_a_cache_is_not_kept_in_a_spec(kind: str, name: str) -> None:
    """It would be in YAML files, and in what `repr` shows; the remedy names its variable."""
    needed = {"s3": {"bucket": "b", "region": "r"}, "azblob": {"account_url": "https://a"}}
    problem = problem_of(cache_to=[{"type": kind, **needed.get(kind, {}), name: "hunter2"}])

    assert CACHE_LOGINS[kind][name] in problem.remedy
    assert "hunter2" not in f"{problem}"


def test_all_that_is_wrong_with_caches_is_told_at_once() -> None:
    """Of every cache, and of one cache every attribute."""
    with pytest.raises(SpecValidationError) as caught:
        BuilderOptions(
            cache_to=["type=s3,mdoe=max,mode=all", f"ref={REFERENCE},oci-mediatypes=no"],
            cache_from=["type=local,tag=a"],
        )

    assert sorted((one.field, one.message) for one in caught.value.problems) == [
        ("cache_from[0]", "a cache of type local needs src"),
        ("cache_to[0]", "'mdoe' is no attribute of a cache of type s3"),
        ("cache_to[0]", "a cache of type s3 needs bucket"),
        ("cache_to[0]", "a cache of type s3 needs region"),
        ("cache_to[0]", "mode is 'all'"),
        ("cache_to[1]", "oci-mediatypes is 'no'"),
    ]


def test_every_attribute_of_a_cache_is_taken() -> None:
    """One of each kind; those of a target may stand in a source, which does nothing."""
    entries = [
        f"type=registry,ref={REFERENCE},mode=max,image-manifest=true,oci-mediatypes=true,"
        "compression=zstd,compression-level=3,force-compression=true,ignore-error=true,"
        "registry.insecure=false",
        "type=local,dest=a,src=a,tag=main,mode=max",
        "type=gha,scope=main,timeout=1h30m,version=2,mode=max",
        "type=s3,bucket=b,region=r,prefix=p/,manifests_prefix=m/,blobs_prefix=b/,name=a;b,"
        "endpoint_url=http://minio:9000,use_path_style=true,touch_refresh=24h,retry_mode=standard",
        "type=azblob,account_url=https://a.blob.core.windows.net,container=c,name=n,prefix=p",
    ]
    options = BuilderOptions(cache_to=entries, cache_from=entries)

    assert options.cache_to == options.cache_from
    assert options.cache_to[3]["name"] == "a;b"


def test_login_of_a_cache_comes_from_the_environment() -> None:
    """A spec's own attributes go first; GitHub's caches are for its runners alone."""
    options = BuilderOptions(cache_to=["type=s3,bucket=b,region=r", "type=gha,url=u", REFERENCE])
    env = {"AWS_ACCESS_KEY_ID": "id", "AWS_SESSION_TOKEN": "", "ACTIONS_CACHE_URL": "other"}
    s3 = {"type": "s3", "bucket": "b", "region": "r", "access_key_id": "id"}
    registry = {"type": "registry", "ref": REFERENCE}

    assert list(caches_with_logins(options.cache_to, env)) == [s3, registry]
    assert list(caches_with_logins(options.cache_to, env | {"ACTIONS_RUNTIME_TOKEN": "t"})) == [
        s3,
        {"type": "gha", "url": "u", "token": "t"},
        registry,
    ]


def test_cache_of_github_needs_token_and_address() -> None:
    """The variable that is missing is named; either address will do."""
    (entry,) = BuilderOptions(cache_to=["type=gha"]).cache_to
    token = {"ACTIONS_RUNTIME_TOKEN": "t"}

    assert missing_login(entry, {}) == "ACTIONS_RUNTIME_TOKEN"
    assert missing_login(entry, token) == "ACTIONS_RESULTS_URL"
    assert missing_login(entry, {**token, "ACTIONS_CACHE_URL": "https://a"}) == ""
    assert missing_login({**entry, "url_v2": "https://a"}, token) == ""


def test_forms_of_the_same_option_are_equal() -> None:
    """References, texts and mappings; lists and mappings; true and what it stands for."""
    assert BuilderOptions(cache_to=[REFERENCE]) == BuilderOptions(
        cache_to=[f"type=registry,ref={REFERENCE}"]
    )
    assert BuilderOptions(cache_to=[{"ref": REFERENCE}]) == BuilderOptions(cache_to=[REFERENCE])
    assert BuilderOptions(cache_mounts=["/a"]) == BuilderOptions(cache_mounts={"/a": "/a"})
    assert BuilderOptions(layers="single").layers == LayerOptions(is_single=True)
    assert BuilderOptions(sbom=True).sbom == DEFAULT_SCANNER
    assert BuilderOptions(provenance=True).provenance == "min"


def test_what_is_switched_off_is_as_not_given() -> None:
    """Also after it was on."""
    usual = ImageSpec()
    off = {"sbom": False, "provenance": False}
    spec = ImageSpec(builder_options={"sbom": True, "provenance": "max"})

    for one in (ImageSpec(builder_options=off), spec.with_builder_options(off)):
        assert (one, one.id) == (usual, usual.id)
        assert ImageSpec.from_yaml(one.to_yaml()) == usual


def test_every_option_comes_back_from_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same identity."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    spec = ImageSpec(requirements="pyproject.toml", builder_options=FULL)
    again = ImageSpec.from_yaml(spec.to_yaml())

    assert again == spec
    assert again.id == spec.id
    assert set(FULL) <= set(BuilderOptions.fields())


def test_options_cannot_be_changed() -> None:
    """Like all of a spec."""
    options = BuilderOptions(**FULL)

    for value in (options.build_env, options.annotations, options.cache_to[0]):
        with pytest.raises(TypeError):
            value["A"] = "b"  # type: ignore[index]
    hash(options)


@pytest.mark.parametrize(
    "options",
    [
        {"build_env": {"A": "b"}},
        {"compression": "zstd"},
        {"compression_level": 9},
        {"force_compression": True},
        {"layers": "single"},
        {"layers": {"buckets": 4}},
        {"sbom": True},
        {"provenance": "min"},
        {"annotations": {"a": "b"}},
        {"dependency_groups": ["dev"]},
        {"extras": ["gpu"]},
    ],
    ids=str,
)
def test_id_covers_what_is_in_the_image(options: dict[str, Any]) -> None:
    """Otherwise the registry's older image would be taken for this one."""
    fields = {"requirements": "pyproject.toml"}
    assert ImageSpec(builder_options=options, **fields).id != ImageSpec(**fields).id


@pytest.mark.parametrize(
    "options",
    [
        {"ca_bundle": "company.pem"},
        {"cache_mounts": ["/root/.cache"]},
        {"cache_from": [REFERENCE]},
        {"cache_to": [REFERENCE]},
        {"compression": "gzip"},
        {"layers": {"heavy_mib": 1}},
        {"network": "host"},
        {"no_cache": True},
    ],
    ids=str,
)
def test_id_leaves_out_how_it_is_built_and_what_is_usual(options: dict[str, Any]) -> None:
    """Colleagues with other networks and caches share the image."""
    assert ImageSpec(builder_options=options).id == ImageSpec().id


def test_missing_ca_bundle_is_a_problem_of_the_build() -> None:
    """It is named by its field."""
    with pytest.raises(
        SpecValidationError, match=r"builder_options\.ca_bundle: none\.pem does not"
    ):
        _ = ImageSpec(builder_options={"ca_bundle": "none.pem"}).tag


@pytest.mark.parametrize(
    ("options", "attrs"),
    [
        ({}, {"compression": "gzip", "compression-level": "4"}),
        ({"compression_level": 0}, {"compression": "gzip", "compression-level": "0"}),
        ({"compression": "zstd"}, {"compression": "zstd"}),
        (
            {"compression": "estargz", "compression_level": 9, "force_compression": True},
            {"compression": "estargz", "compression-level": "9", "force-compression": "true"},
        ),
    ],
)
def test_compression_on_the_wire(options: dict[str, Any], attrs: dict[str, str]) -> None:
    """The names are those of BuildKit's exporters."""
    assert BuilderOptions(**options).wire_compression == attrs
