"""Addresses of daemons."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.client import Address
from buildkit_spec.client.address import SCHEMES
from buildkit_spec.errors import InvalidAddressError


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("unix:///run/b.sock", Address("unix", "/run/b.sock"), "unix:///run/b.sock"),
        ("unix:///with space/b", Address("unix", "/with space/b"), "unix:///with space/b"),
        ("tcp://builder:99", Address("tcp", host="builder", port=99), "tcp://builder:99"),
        ("tcp://builder", Address("tcp", host="builder", port=1234), "tcp://builder:1234"),
        ("tcp://builder:99/", Address("tcp", host="builder", port=99), "tcp://builder:99"),
        ("tcp://[::1]:99", Address("tcp", host="::1", port=99), "tcp://[::1]:99"),
        (" tcp://builder:99\n", Address("tcp", host="builder", port=99), "tcp://builder:99"),
        ("docker://", Address("docker"), "docker://"),
        ("docker:///d.sock", Address("docker", "/d.sock"), "docker:///d.sock"),
        ("docker://unix:///d.sock", Address("docker", "/d.sock"), "docker:///d.sock"),
        (
            "docker://tcp://engine:7",
            Address("docker", host="engine", port=7),
            "docker://tcp://engine:7",
        ),
        (
            "docker://engine",
            Address("docker", host="engine", port=2375),
            "docker://tcp://engine:2375",
        ),
        ("ssh://builder", Address("ssh", host="builder"), "ssh://builder"),
        ("ssh://Alias_1/", Address("ssh", host="Alias_1"), "ssh://Alias_1"),
        (
            "ssh://ada@builder:22/run/my b.sock",
            Address("ssh", "/run/my b.sock", "builder", 22, "ada"),
            "ssh://ada@builder:22/run/my%20b.sock",
        ),
        ("ssh://[::1]:22", Address("ssh", host="::1", port=22), "ssh://[::1]:22"),
        ("ssh://[fe80::1%eth0]", Address("ssh", host="fe80::1%eth0"), "ssh://[fe80::1%eth0]"),
        (
            "docker://ssh://ada@engine/d.sock",
            Address("docker", "/d.sock", "engine", user="ada", via="ssh"),
            "docker://ssh://ada@engine/d.sock",
        ),
        (
            "docker-container://builder_1?context=lab",
            Address("docker-container", host="builder_1", options=(("context", "lab"),)),
            "docker-container://builder_1?context=lab",
        ),
        (
            "podman-container://B.1",
            Address("podman-container", host="B.1"),
            "podman-container://B.1",
        ),
        (
            "kube-pod://builder-0?namespace=ci&container=b&context=me@cluster",
            Address(
                "kube-pod",
                host="builder-0",
                options=(("container", "b"), ("context", "me@cluster"), ("namespace", "ci")),
            ),
            "kube-pod://builder-0?container=b&context=me%40cluster&namespace=ci",
        ),
    ],
)
def test_address_is_parsed(text: str, expected: Address, shown: str) -> None:
    """Every form of an address is read, and shown in its one full form."""
    address = Address.parse(text)

    assert address == expected
    assert str(address) == shown
    assert Address.parse(shown) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must begin with unix://, tcp://, docker://"),
        ("/run/b.sock", "must begin with"),
        ("builder:1234", "must begin with"),
        ("npipe:////./pipe/docker", "must begin with"),
        ("unix://", "must be absolute"),
        ("unix://run/b.sock", "must be absolute"),
        ("tcp://", "must be host:port"),
        ("tcp://:1234", "must be host:port"),
        ("tcp://builder:99999", "port up to 65535"),
        ("tcp://builder:http", "port up to 65535"),
        ("tcp://builder:1/path", "must be host:port"),
        ("tcp://builder:1?x=1", "must be host:port"),
        ("tcp://[::1", "must be host:port"),
        ("docker://kube-pod://builder", "takes a unix://, tcp:// or ssh://"),
        ("ssh://", "must be ssh://user@host:port/path"),
        ("ssh://-oProxyCommand=x", "must be ssh://user@host:port/path"),
        ("ssh://-l@builder", "must be ssh://user@host:port/path"),
        ("ssh://@builder", "must be ssh://user@host:port/path"),
        ("ssh://ada:secret@builder", "takes no password"),
        ("ssh://builder:0", "stands in brackets"),
        ("ssh://builder:99999", "must be ssh://user@host:port/path"),
        ("ssh://::1", "must be ssh://user@host:port/path"),
        ("ssh://builder?bar", "must be ssh://user@host:port/path"),
        ("ssh://builder/run/b.sock?bar", "nothing but a socket's path"),
        ("ssh://builder#bar", "must be ssh://user@host:port/path"),
        ("ssh://builder/run/%0ab.sock", "nothing but a socket's path"),
        ("ssh://builder; rm -r x", "must be ssh://user@host:port/path"),
        ("docker-container://", "the container's name of letters"),
        ("docker-container://-it", "the container's name of letters"),
        ("docker-container://a/b", "the container's name of letters"),
        ("docker-container://b?context=-H", "context must be of printable"),
        ("docker-container://b?namespace=ci", "'namespace' means nothing here; context may"),
        ("podman-container://b?context=x", "'context' means nothing here; nothing may"),
        ("kube-pod://", "the pod's name of lower-case letters"),
        ("kube-pod://unsupported_pod_name", "the pod's name of lower-case letters"),
        ("kube-pod://-pod", "the pod's name of lower-case letters"),
        ("kube-pod://p?namespace=Upper", "namespace must be of lower-case"),
        ("kube-pod://p?container=--all", "container must be of lower-case"),
        ("kube-pod://p?pod=x", "namespace, container, context may follow"),
    ],
)
def test_address_of_another_form_is_refused(text: str, rule: str) -> None:
    """What is no address is refused, with the rule it breaks."""
    with pytest.raises(InvalidAddressError) as caught:
        Address.parse(text)

    assert rule in caught.value.rule


@pytest.mark.parametrize(
    "text", ["tcp://ada:s3cret@builder:1", "ssh://ada:s3cret@b", "docker://ssh://ada:s3cret@b"]
)
def test_address_error_holds_no_password(text: str) -> None:
    """A login in an address is refused, and its password is not repeated."""
    with pytest.raises(InvalidAddressError) as caught:
        Address.parse(text)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("unix:///run/b.sock", True),
        ("docker://", True),
        ("tcp://localhost:1", True),
        ("tcp://127.0.0.9:1", True),
        ("tcp://[::1]:1", True),
        ("tcp://10.0.0.1:1", False),
        ("docker://tcp://engine:1", False),
        ("tcp://localhost.example:1", False),
    ],
)
def test_address_knows_whether_it_leaves_the_machine(text: str, is_loopback: bool) -> None:
    """Sockets and loopback stay on the machine; names other than localhost may not."""
    assert Address.parse(text).is_loopback is is_loopback


_HOSTS = st.text(string.ascii_lowercase + string.digits + "-.", min_size=1, max_size=30)


@given(st.sampled_from(["tcp", "docker"]), _HOSTS, st.integers(1, 65535))
def test_address_of_a_host_survives_being_shown(scheme: str, host: str, port: int) -> None:
    """Reading what an address shows gives the address again."""
    address = Address(scheme, host=host, port=port)

    assert Address.parse(str(address)) == address


@given(
    st.sampled_from([("ssh", ""), ("docker", "ssh")]),
    st.one_of(st.just(""), st.text(min_size=1, max_size=20)),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.integers(0, 65535),
    st.from_regex(r"([A-Za-z0-9_.][A-Za-z0-9_.@+-]{0,9})?", fullmatch=True),
)
def test_address_over_ssh_survives_being_shown(
    kind: tuple[str, str], path: str, host: str, port: int, user: str
) -> None:
    """A path of any printable characters, quoted as in a URL, comes back as it was."""
    path = f"/{path}".rstrip("/") if path.isprintable() else ""
    address = Address(kind[0], path, host, port, user, kind[1])

    assert Address.parse(str(address)) == address


@given(st.text(max_size=40))
def test_address_of_any_text_is_read_or_refused(text: str) -> None:
    """Any text is an address or an error of ours."""
    for prefix in ("", *(f"{scheme}://" for scheme in SCHEMES), "docker://ssh://", "kube-pod://p?"):
        try:
            address = Address.parse(prefix + text)
        except InvalidAddressError:
            continue

        assert Address.parse(str(address)) == address
