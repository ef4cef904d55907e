"""Malformed specs: every one ends in an error of ours that says where, never in a traceback."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from buildkit_spec.errors import SpecError, SpecValidationError
from buildkit_spec.spec import ImageSpec, apply_overrides, load_specs

GOOD: dict[str, Any] = {
    "name": "app",
    "python_version": "3.11",
    "registry": "ghcr.io/me",
    "packages": ["pandas>=2", "numpy"],
    "apt_packages": ["git"],
    "conda_packages": ["scipy"],
    "conda_channels": ["conda-forge"],
    "env": {"A": "b"},
    "commands": ["ls"],
    "copy": ["data"],
    "entrypoint": ["python"],
    "platform": "linux/amd64",
    "pip_index": "https://host/simple",
    "pip_extra_index_url": ["https://host/extra"],
    "pip_extra_args": "--pre",
    "pip_secret_mounts": [[".netrc", "/root/.netrc"]],
    "tag_format": "{spec_hash}-dev",
    "source_root": ".",
    "source_copy_mode": "all",
    "requirements": "requirements.txt",
    "builder_options": {"user": "app", "labels": {"a": "b"}, "secrets": {"T": "env:T"}},
    "builder_config": {"uv": "wheel"},
    "base_image": {"name": "base", "packages": ["requests"], "base_image": "python:3.11-slim"},
}

SETTINGS = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SIGNS = "-:{}[]&*!|>'\"#%@`?,\t\n ab1"

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\0", "\n", "a\nb", "../..", "/", "~nobody/x", ".", "..", "-r x", "--", "@",
         "git+https://u:p@h/x", "https://[", "x://u:p@h", "{spec_hash}", "{", "{0}", "{a[}", "%s",
         "\ud800", "é" * 300, "a" * 5000, "a/" * 300, "linux/amd64", "3.10", "[::1]:5000", ":::",
         "file:", "env:", "file:///x", "x @ file:./y", "a==1 ; b", "null", "true", "$(x)", "'"]
    ),
)  # fmt: skip
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=5), texts
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(texts, st.integers(), st.none()), inner, max_size=4),
        st.tuples(inner, inner),
    ),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[Any, Any]:
    """A good spec in which some fields, at any depth, are replaced, removed, renamed or added."""
    data = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        place: Any = data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            action = draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"]))
            if action == "replace":
                place[key] = draw(values)
            elif action == "remove":
                del place[key]
            elif isinstance(place, list):
                place.append(draw(values))
            else:
                new = draw(
                    st.one_of(texts, st.sampled_from([f"{key}s", f"{key} ", str(key).upper()]))
                )
                place[new] = place.pop(key) if action == "rename" else draw(values)
            break
    return data


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("specs")
    (folder / "data").mkdir()
    (folder / "data" / "x.txt").write_text("x")
    (folder / "requirements.txt").write_text("numpy\n")
    return folder


def check(error: SpecError) -> None:
    """Every error says something, and every problem where and what."""
    assert error.message
    if isinstance(error, SpecValidationError):
        assert error.problems
        assert all(problem.message for problem in error.problems)


def check_places(error: SpecValidationError, file: Path) -> None:
    """Every problem of a file has the file, a line and a column."""
    assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
    assert str(file) in str(error)


def use(spec: ImageSpec) -> None:
    """What a valid spec promises: a name, a text that reads back, a text for people."""
    assert spec.id
    repr(spec)
    hash(spec)
    assert ImageSpec.make(yaml.safe_load(spec.to_yaml()), spec.origin) == spec
    spec.platforms()
    spec.secret_sources()
    assert spec.image_name().startswith(f"{spec.registry}/" if spec.registry else spec.name)


@SETTINGS
@given(mutated())
@example({})
@example({"base_image": {"base_image": {"packages": 5}}})
@example({1: 2, None: 3})
def test_mutated_mapping_is_a_spec_or_a_spec_error(data):
    """A spec made in Python is valid, or refused with problems that name their fields."""
    try:
        spec = ImageSpec.make(data, ImageSpec().origin)
    except SpecError as error:
        check(error)
        return
    try:
        use(spec)
    except SpecError as error:
        check(error)


@SETTINGS
@given(mutated())
def test_mutated_yaml_is_a_spec_or_a_spec_error_with_places(folder, data):
    """A YAML file is a valid spec, or each problem has the line and column it stands at."""
    text = yaml.dump(data, allow_unicode=True, sort_keys=False)
    read(folder / "image.yaml", text)


@SETTINGS
@given(st.data())
def test_torn_yaml_is_a_spec_or_a_spec_error(folder, data):
    """Cut, doubled and sprinkled text is valid, or refused with a place."""
    text = yaml.dump(GOOD, sort_keys=False)
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        piece = data.draw(
            st.one_of(st.just(""), st.just(text[start:end] * 2), st.text(SIGNS, max_size=6))
        )  # fmt: skip
        text = text[:start] + piece + text[end:]
    read(folder / "image.yaml", text)


@SETTINGS
@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
@example("a: &a [*a, *a]")
@example("a: &a {b: *a}")
@example("packages: !!python/object/apply:os.system [ls]")
@example("[" * 5000)
@example("a: {" * 3000)
@example("a: !!float x")
@example("a: !!int ''")
@example("a: !!bool x")
@example("a: !!timestamp x")
@example("a: 2001-99-99")
@example("a: " + "9" * 6000)
@example("? [a]\n: b")
@example("? {a: b}\n: c")
@example("<<: [1, {a: b}]")
@example("<<: 5")
@example("a: =")
@example("%YAML 9.9\n---\na: b")
@example("a: b\n---\nc: d")
@example("a: *nowhere")
@example("\ufeffname: x")
@example("name: \x07")
@example(b"\xff\xfe\x00")
@example(b"name: \xe9")
@example("- a")
@example("")
@example("5")
def test_any_text_is_a_spec_or_a_spec_error(folder, text):
    """Whatever a file holds, reading it ends in a spec or a spec error."""
    read(folder / "image.yaml", text)


def test_aliases_cannot_explode(folder):
    """A billion laughs is refused before it is laughed."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    read(folder / "image.yaml", "\n".join(lines))


@SETTINGS
@given(st.lists(st.one_of(texts, st.builds("{}{}{}".format, st.sampled_from(
    ["env.A", "packages", "env", "builder_options.labels.a.b", "base_image.packages", "base_image",
     "builder_options", "copy", "name", "nope", "name.x", "packages.0", "", ".", "..", "env."]),
    st.sampled_from(["=", "+=", "", "==", "+"]), texts)), max_size=3))  # fmt: skip
def test_any_override_is_a_spec_or_a_spec_error(overrides):
    """Whatever ``--set`` says, it ends in a spec or a spec error."""
    spec = ImageSpec.make(GOOD, ImageSpec().origin)
    try:
        apply_overrides(spec, overrides)
    except SpecError as error:
        check(error)


@settings(SETTINGS, max_examples=100)
@given(texts)
def test_any_path_is_a_spec_error(path):
    """Whatever is asked for as a file, what is not one is a spec error."""
    with pytest.raises(SpecError):
        load_specs(path)


def read(file: Path, text: str | bytes) -> None:
    if isinstance(text, bytes):
        file.write_bytes(text)
    else:
        file.write_bytes(text.encode(errors="surrogatepass"))
    try:
        ((_, spec),) = load_specs(str(file))
    except SpecValidationError as error:
        check(error)
        check_places(error, file)
        return
    except SpecError as error:
        check(error)
        return
    use(spec)
