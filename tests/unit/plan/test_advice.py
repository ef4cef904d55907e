"""What a failed step's output says to do."""

from __future__ import annotations

import pytest

from buildkit_spec.plan import advice


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("E: Unable to locate package gitt", "'gitt' in commands[0]"),
        ("E: Version '9.9' for 'jq' was not found", "another version of 'jq'"),
        ("Because pandsa was not found in the package registry and you require", "'pandsa'"),
        ("cause: Because there is no version of PyYAML==99 and you", "has no PyYAML==99"),
        ("cause: Because only numpy>=1.3.0 is available and", "has numpy>=1.3.0 only"),
        ("cause: Git executable not found. Ensure", "add git to apt_packages"),
        ("Failed to fetch: http://localhost:1/six\ncause: Connection refused", "the step itself"),
        ('exec: "/bin/sh": stat /bin/sh: no such file or directory', "has no shell"),
        ("exec /bin/sh: exec format error", "QEMU"),
        ("standard_init_linux.go:228: exec user process caused: exec format error", "QEMU"),
        ("/bin/sh: 1: ./tool: Exec format error", "its #! line"),
        ("  × No solution found when resolving dependencies:", "do not go together"),
        ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
        ("Temporary failure resolving 'mirror.test'", "network: host"),
        ("OSError: [Errno 28] No space left on device", "buildkit-spec prune"),
        ("/bin/sh: 1: jq: not found", "'jq' is not in the image"),
    ],
)
def test_advice_names_the_remedy(log: str, expected: str) -> None:
    """Known words in the last lines lead to a remedy that names what is wrong."""
    assert expected in advice("commands[0]", ["some line", log])


def test_advice_without_known_words_names_the_field() -> None:
    """Otherwise the user at least learns where in the spec the step comes from."""
    assert "commands[2]" in advice("commands[2]", ["exit 3"])
    assert advice("", []) == ""
