"""What the machine lends to a build is read from where its owner set it."""

from __future__ import annotations

from pathlib import Path

from buildkit_spec.host import PackageIndexes, find_ca_bundle, find_indexes, find_proxies


def test_ca_bundle_named_by_a_variable_goes_before_the_system_one(tmp_path: Path) -> None:
    """SSL_CERT_FILE wins over what the system has."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("PEM")

    assert find_ca_bundle({"SSL_CERT_FILE": str(bundle)}) == bundle


def test_ca_bundle_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    """A variable that names no file does not break a build."""
    bundle = find_ca_bundle({"SSL_CERT_FILE": str(tmp_path / "none")})

    assert bundle is None or bundle.is_file()


def test_proxies_are_found_in_either_case() -> None:
    """Lower case wins; empty ones are no proxies."""
    env = {"HTTP_PROXY": "http://up", "http_proxy": "http://low", "NO_PROXY": "x", "ftp_proxy": ""}

    assert find_proxies(env) == {"http_proxy": "http://low", "no_proxy": "x"}


def test_indexes_of_uv_go_before_those_of_pip(tmp_path: Path) -> None:
    """uv's variables win, then pip's, then pip's files."""
    env = {
        "UV_DEFAULT_INDEX": "https://uv.test/simple",
        "PIP_INDEX_URL": "https://pip.test/simple",
        "PIP_EXTRA_INDEX_URL": "https://a.test/s file:///local https://b.test/s",
    }

    assert find_indexes(env, tmp_path) == PackageIndexes(
        "https://uv.test/simple", ("https://a.test/s", "https://b.test/s")
    )


def test_indexes_are_read_from_the_file_of_pip(tmp_path: Path) -> None:
    """A pip.conf in the home directory counts when no variable is set."""
    place = tmp_path / ".config" / "pip"
    place.mkdir(parents=True)
    (place / "pip.conf").write_text("[global]\nindex-url = https://u:p@mirror.test/simple\n")

    assert find_indexes({}, tmp_path).default == "https://u:p@mirror.test/simple"


def test_indexes_do_not_show_their_passwords(tmp_path: Path) -> None:
    """The text form of index settings holds no URL."""
    assert "hunter2" not in repr(find_indexes({"PIP_INDEX_URL": "https://u:hunter2@x/"}, tmp_path))
