"""The file of registry settings: what is right in it, and everything that is wrong at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec import ImageSpec, registries_of
from buildkit_spec.spec.registry_config import read_config
from buildkit_spec.values import RegistrySettings

_KEYS = st.sampled_from(["registries", "name", "ca", "cert", "key", "use_http", "mirror"])
_JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | _KEYS, inner),
)


def written(folder: Path, *registries: object, name: str = "registries.json") -> Path:
    """Write a file of settings beside three files that it may name."""
    for other in ("ca.pem", "me.pem", "me.key"):
        (folder / other).write_text("")
    file = folder / name
    file.write_text(json.dumps({"registries": registries}))
    return file


def wrong(file: Path) -> list[str]:
    """What is wrong with a file, as it is told."""
    return [problem.message.removeprefix(file.name) for problem in read_config(file)[1]]


def test_settings_are_read_as_envd_reads_them(tmp_path: Path) -> None:
    """All keys; empty texts stand for nothing; paths start from the file's folder."""
    file = written(
        tmp_path,
        {"name": "a.tests:5000", "ca": "ca.pem", "cert": "me.pem", "key": str(tmp_path / "me.key")},
        {"name": "B.tests", "use_http": True, "ca": "", "cert": "", "key": "", "mirror": ""},
        {"name": "index.docker.io", "use_http": False, "mirror": "m.tests/hub/"},
    )

    config, problems = read_config(file)

    assert problems == []
    assert config.registries == (
        RegistrySettings(
            "a.tests:5000",
            ca_file=str(tmp_path / "ca.pem"),
            cert_file=str(tmp_path / "me.pem"),
            key_file=str(tmp_path / "me.key"),
        ),
        RegistrySettings("b.tests", is_http=True),
        RegistrySettings("docker.io", mirror="m.tests/hub"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", " is no JSON at line 1 column 1"),
        ('{\n"registries": ]}', " is no JSON at line 2 column 15"),
        ("[" * 100_000, " is no JSON that can be read"),
        ("9" * 10_000, " is no JSON that can be read"),
        ("[]", " holds a list, not an object"),
        ('{"registry": []}', ": registry: unknown field"),
        ('{"registries": {}}', ": registries: is a mapping, not a list"),
        ('{"registries": ["ghcr.io"]}', ": registries[0]: is text, not an object"),
    ],
)
def test_file_of_another_form_is_told(tmp_path: Path, text: str, told: str) -> None:
    """What it is, and where."""
    file = tmp_path / "r.json"
    file.write_text(text)

    assert wrong(file) == [told]


def test_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Neither a certificate in its place nor a folder is a crash."""
    file = tmp_path / "r.json"
    file.write_bytes(b"\xff\xfe\x00")

    assert wrong(file) == [" is not UTF-8 text"]
    assert wrong(tmp_path) == [" cannot be read: is a directory"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({}, ["name: is missing"]),
        ({"name": "https://a.tests/"}, ["name: 'https://a.tests/' is no registry: must not have"]),
        ({"name": "a.tests/team"}, ["name: 'a.tests/team' is no registry's host"]),
        ({"name": "my_registry_1"}, ["name: 'my_registry_1' is no registry's host"]),
        ({"name": "a.tests", "mirror": "mirror"}, ["mirror: 'mirror' is no registry's host"]),
        ({"name": "a.tests", "use_http": "true"}, ["use_http: is text, not a boolean"]),
        ({"name": "a.tests", "http": True}, ["http: unknown field"]),
        ({"name": "a.tests", "ca": 1}, ["ca: is a number, not text"]),
        ({"name": "a.tests", "cert": "me.pem"}, ["cert: is of no use without key"]),
        ({"name": "a.tests", "key": "me.key"}, ["key: is of no use without cert"]),
        ({"name": "a.tests", "use_http": True, "ca": "ca.pem"}, ["ca: is of no use over plain"]),
        (
            {"mirrors": [], "ca": "no.pem", "use_http": 1},
            [
                "mirrors: unknown",
                "name: is missing",
                "ca: 'no.pem' does not",
                "use_http: is a number",
            ],
        ),
    ],
)
def test_what_is_wrong_with_an_entry_is_told(
    tmp_path: Path, entry: dict[str, object], told: list[str]
) -> None:
    """Every problem, each with its place; what is right beside it is kept."""
    file = written(tmp_path, {"name": "right.tests"}, entry)

    messages = wrong(file)

    assert len(messages) == len(told)
    for message, begin in zip(messages, told, strict=True):
        assert message.startswith(f": registries[1].{begin}")
    assert [one.host for one in read_config(file)[0].registries] == ["right.tests"]


def test_registry_told_of_twice_is_refused(tmp_path: Path) -> None:
    """Also by two names of the same one."""
    file = written(tmp_path, {"name": "docker.io"}, {"name": "Index.Docker.io"})

    assert wrong(file) == [": registries: docker.io is there twice"]


@given(document=_JSON)
def test_no_json_is_a_crash(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    """Whatever stands in the file, it is settings or problems."""
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(document))

    config, problems = read_config(file)

    assert problems or all(one.host for one in config.registries)


def test_problems_stand_where_the_spec_names_the_file(tmp_path: Path) -> None:
    """In a YAML file with its line; for the tag of a spec made in Python as well."""
    written(tmp_path, {"ca": "ca.pem"}, name="r.json")
    (tmp_path / "image.yaml").write_text("name: a\nregistry_config: r.json\n")

    with pytest.raises(SpecValidationError) as caught:
        ImageSpec.from_yaml(tmp_path / "image.yaml")
    with pytest.raises(SpecValidationError) as asked:
        ImageSpec(base_image="scratch", registry_config=tmp_path / "r.json").image_name()

    (problem,) = caught.value.problems
    assert (problem.field, problem.line) == ("registry_config", 2)
    assert problem.message == "r.json: registries[0].name: is missing"
    assert asked.value.problems[0].message == problem.message


def test_base_specs_bring_their_settings(tmp_path: Path) -> None:
    """What the outer spec says of a registry holds for its base specs too."""
    inner_file = written(
        tmp_path, {"name": "a.tests", "use_http": True}, {"name": "b.tests"}, name="inner.json"
    )
    outer_file = written(tmp_path, {"name": "a.tests", "mirror": "m.tests"}, name="outer.json")
    inner = ImageSpec(base_image="scratch", registry_config=inner_file)

    config = registries_of(ImageSpec(base_image=inner, registry_config=outer_file))

    assert config.of("a.tests") == RegistrySettings("a.tests", mirror="m.tests")
    assert config.of("b.tests") in config.registries
    assert registries_of(ImageSpec(base_image="scratch")).registries == ()


def test_settings_change_neither_id_nor_tag(tmp_path: Path) -> None:
    """How a registry is reached is no part of the image."""
    bare = ImageSpec(base_image="scratch")
    told = bare.replace(registry_config=written(tmp_path, {"name": "a.tests"}))

    assert (told.id, told.tag) == (bare.id, bare.tag)
