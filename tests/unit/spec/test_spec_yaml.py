"""Specs in YAML files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkit_spec.errors import SpecError, SpecSyntaxError, SpecValidationError
from buildkit_spec.spec import CopyMode, ImageSpec


def places(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec.from_yaml(text)
    return [(one.field, one.line, one.column) for one in caught.value.problems]


def test_guide_example_reads():
    """The user guide's file is a spec."""
    spec = ImageSpec.from_yaml(
        'python_version: 3.11\nregistry: pingsutw\npackages:\n  - sklearn\nenv:\n  Debug: "True"\n'
    )

    assert spec == ImageSpec(
        python_version="3.11", registry="pingsutw", packages=["sklearn"], env={"Debug": "True"}
    )


@pytest.mark.parametrize("written", ["3.10", "'3.10'", "3.9", "3.12.1", "3.1"])
def test_version_is_what_was_written(written):
    """An unquoted version is its own text, so 3.10 stays 3.10."""
    spec = ImageSpec.from_yaml(f"python_version: {written}\ncuda: 12.10\nbase_image: a\n")

    assert spec.python_version == written.strip("'")
    assert spec.cuda == "12.10"


def test_whole_file_reads():
    """Every kind of field can be written in YAML, a base spec and quoted texts included."""
    spec = ImageSpec.from_yaml(
        """
        name: App
        source_copy_mode: none
        pip_secret_mounts:
          - [.netrc, /root/.netrc]
        base_image:
          name: base
          base_image: python:3.11-slim
        builder_options:
          ssh: yes
          labels: {a: "1"}
          secrets: {TOKEN: env:TOKEN}
        entrypoint: []
        commands:
          - |
            echo one
            echo two
        """
    )

    assert spec.name == "app"
    assert spec.source_copy_mode is CopyMode.NO_COPY
    assert spec.pip_secret_mounts == ((".netrc", "/root/.netrc"),)
    assert isinstance(spec.base_image, ImageSpec)
    assert spec.base_image.base_image == "python:3.11-slim"
    assert spec.builder_options.ssh is True
    assert spec.entrypoint == ()
    assert spec.commands == ("echo one\necho two\n",)


def test_problems_have_line_and_column(tmp_path):
    """Each problem stands where its value is, an unknown field where its key is."""
    text = (
        "name: app\n"
        "packges: [x]\n"
        "packages: [numpy, 'pandas=1']\n"
        "env:\n"
        "  Debug: True\n"
        "  A: 1.5\n"
        "base_image:\n"
        "  apt_packages:\n"
        '    - "git curl"\n'
        "  unknown: x\n"
        "copy:\n"
        "  - /abs\n"
        "requirements: nope.txt\n"
        "builder_options: {usr: me, network: bridge}\n"
    )

    assert places(text) == [
        ("packges", 2, 1),
        ("packages[1]", 3, 19),
        ("env.Debug", 5, 10),
        ("env.A", 6, 6),
        ("base_image.apt_packages[0]", 9, 7),
        ("base_image.unknown", 10, 3),
        ("copy[0]", 12, 5),
        ("requirements", 13, 15),
        ("builder_options.usr", 14, 19),
        ("builder_options.network", 14, 37),
    ]


def test_unquoted_values_say_how_to_quote_them():
    """The remedy for a boolean, a number or a date is its own text in quotes."""
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec.from_yaml("env: {A: yes, B: 1_000, C: 2024-01-01, D: 1e3, E: ~, F: 0x1F}\n")

    assert [problem.remedy for problem in caught.value.problems] == [
        'quote it: "yes"',
        'quote it: "1_000"',
        'quote it: "2024-01-01"',
        'write "" for an empty one',
        'quote it: "0x1F"',
    ]


def test_whole_number_of_a_variable_is_its_digits():
    """As flytekit takes it: there is one way to write it, so nothing is guessed."""
    assert ImageSpec.from_yaml("env: {A: 3, B: -1}").env == {"A": "3", "B": "-1"}


def test_keys_are_text():
    """A key that YAML takes for a boolean keeps its text."""
    spec = ImageSpec.from_yaml("env: {NO: a, on: b, 1: c, ~: d}\n")

    assert spec.env == {"NO": "a", "on": "b", "1": "c", "~": "d"}


def test_keys_written_twice_are_told():
    """A key that stands twice is a problem with both lines, not the last one winning."""
    assert places("name: a\nenv:\n  A: x\n  A: y\nname: b\n") == [("env.A", 4, 3), ("name", 5, 1)]


def test_merge_keys_and_anchors_work():
    """Anchors and merge keys are YAML and work; own keys win."""
    spec = ImageSpec.from_yaml(
        "env: &common {A: '1', B: '2'}\n"
        "base_image:\n  env:\n    <<: *common\n    B: '3'\n  base_image: debian:12\n"
    )

    assert isinstance(spec.base_image, ImageSpec)
    assert spec.base_image.env == {"A": "1", "B": "3"}


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a: [\n", "not YAML", (2, 1)),
        ("a: b: c\n", "mapping values are not allowed", (1, 5)),
        ("a:\n\t- b\n", "not YAML", (2, 1)),
        ("a: b\n---\nc: d\n", "more than one document", (2, 1)),
        ("- a\n- b\n", "is a list, not a mapping", (1, 1)),
        ("just text\n", "is text, not a mapping", (1, 1)),
        ("\n", "is empty", (1, 1)),
        ("a: \x01\n", "is not allowed", (1, 4)),
        ("a: *b\n", "undefined alias", (1, 4)),
    ],
)
def test_what_is_no_spec_says_where(text, message, place):
    """Text that is no YAML mapping is a syntax error with line and column."""
    with pytest.raises(SpecSyntaxError, match=message) as caught:
        ImageSpec.from_yaml(text)

    assert (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: !!python/name:os.system x\n", "YAML tag"),
        ("name: !secret x\n", "YAML tag '!secret'"),
        ("name: !!binary aGk=\n", "YAML tag 'binary'"),
        ("env: &a\n  A: *a\n", "refers to itself"),
        ("? [a, b]\n: c\n", "a key that is no text"),
        ("<<: 5\n", "merges mappings only"),
    ],
)
def test_exotic_yaml_is_refused(text, message):
    """Tags, endless aliases and keys that are no text are problems with a place."""
    with pytest.raises(SpecValidationError, match=message) as caught:
        ImageSpec.from_yaml(text)

    assert all(problem.line for problem in caught.value.problems)


def test_too_much_yaml_is_refused():
    """What is nested without end or grows without end is refused."""
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    for text in ("a: " + "[" * 4000 + "\n", "\n".join(laughs)):
        with pytest.raises(SpecSyntaxError, match="too large or nested too deeply"):
            ImageSpec.from_yaml(text)


def test_paths_start_from_the_files_folder(tmp_path, monkeypatch):
    """Relative paths of a file start from its folder, of its base spec too, wherever one is."""
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "requirements.txt").write_text("numpy\n")
    (folder / "data").write_text("x")
    file = folder / "image.yaml"
    file.write_text(
        "requirements: requirements.txt\nbase_image: {copy: [data], base_image: debian:12}\n"
    )
    monkeypatch.chdir(tmp_path)

    for source in (file, "specs/image.yaml"):
        spec = ImageSpec.from_yaml(source)
        assert spec.root == folder
        assert isinstance(spec.base_image, ImageSpec)
        assert spec.base_image.root == folder
        assert spec.tag
    monkeypatch.chdir("/")
    assert spec.tag


def test_missing_file_says_where_it_is(tmp_path, monkeypatch):
    """A path that would be right from the current directory, as in flytekit, says what to write."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "specs" / "image.yaml").write_text("requirements: requirements.txt\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SpecValidationError, match=r"write ../requirements.txt") as caught:
        ImageSpec.from_yaml("specs/image.yaml")
    assert "specs/image.yaml:1:15: requirements" in str(caught.value)


def test_source_root_of_a_file_means_all_of_it(tmp_path):
    """A YAML file loads no modules, so ``auto`` takes every file that is not ignored."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "x.txt").write_text("x")
    (tmp_path / "image.yaml").write_text("source_root: app\n")

    selection = ImageSpec.from_yaml(tmp_path / "image.yaml").source_selection()

    assert selection is not None
    assert [file.path for file in selection.files()] == ["x.txt"]


@pytest.mark.parametrize("source", ["nope.yaml", "nope.yml", "/", "."])
def test_file_that_cannot_be_read_is_a_spec_error(source):
    """A missing file or a folder is a spec error that names it."""
    with pytest.raises(SpecError, match="cannot read"):
        ImageSpec.from_yaml(source)


def test_text_that_is_not_utf8_is_a_spec_error(tmp_path):
    """Latin-1 is refused with the file's name; a byte order mark is not part of the text."""
    file = tmp_path / "image.yaml"
    file.write_bytes("env: {A: 'é'}".encode("latin-1"))
    with pytest.raises(SpecSyntaxError, match="not UTF-8"):
        ImageSpec.from_yaml(file)

    file.write_bytes("name: x".encode("utf-8-sig"))
    assert ImageSpec.from_yaml(file).name == "x"


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8
).filter(str.strip)
specs = st.builds(
    ImageSpec,
    name=st.sampled_from(["app", "a/b"]),
    python_version=st.sampled_from([None, "3.10", "3.12"]),
    packages=st.none() | st.lists(st.sampled_from(["numpy", "pandas>=2", "x[y]==1.*"])),
    env=st.none()
    | st.dictionaries(
        st.sampled_from(["A", "no", "1", "~"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    ),
    commands=st.none() | st.lists(words),
    entrypoint=st.none() | st.lists(words),
    tag_format=st.none() | st.just("{spec_hash}-1"),
    platform=st.none() | st.just("linux/amd64,linux/arm64"),
    source_copy_mode=st.none() | st.sampled_from(["all", "none"]),
    base_image=st.none() | st.just("debian:12") | st.just({"name": "b", "packages": ["x"]}),
    pip_secret_mounts=st.none() | st.just([("a", "/b")]),
    builder_options=st.none()
    | st.just({"ssh": True, "labels": {"a": "1"}, "secrets": {"A": "env:B", "C": "file:d"}}),
    builder_config=st.none() | st.just({"uv_image": "a/uv:1"}),
)


@settings(deadline=None, max_examples=200)
@given(specs)
def test_yaml_round_trip(spec):
    """What `to_yaml` writes reads back as the same spec, with the same identity."""
    if spec.source_copy_mode is CopyMode.ALL:
        spec = spec.replace(source_root=".")
    again = ImageSpec.from_yaml(spec.to_yaml())

    assert again == spec
    assert again.id == spec.id
