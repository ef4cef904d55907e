"""Certificates as they are made: what openssl says of them, and what is never lost."""

from __future__ import annotations

import socket
import ssl
import stat
import subprocess
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkit_spec import certs
from buildkit_spec.certs.files import replace_files, write_folder
from buildkit_spec.certs.issue import Authority, check_name, load_key, new_authority, new_leaf
from buildkit_spec.errors import CertificateError, InvalidValueError


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    home = tmp_path / "certs"
    certs.init(home)
    return home


def openssl(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)


def verify(home: Path, folder: Path, purpose: str, *more: str) -> str:
    """What openssl says, by its strictest rules."""
    words = ["verify", "-x509_strict", "-CAfile", home / "ca/ca.pem", "-purpose", purpose, *more]
    done = openssl(*words, folder / "cert.pem")
    return (done.stdout + done.stderr).strip()


def test_server_is_taken_by_openssl_under_each_of_its_names(home: Path) -> None:
    """Strict rules, names and addresses; for servers and not for clients."""
    folder = certs.add_server(
        home, ["Builder.Internal", "*.lab.internal", "10.0.0.7", "[::1]", "10.0.0.7"]
    )

    good = f"{folder}/cert.pem: OK"
    assert verify(home, folder, "sslserver", "-verify_hostname", "builder.internal") == good
    assert verify(home, folder, "sslserver", "-verify_hostname", "one.lab.internal") == good
    assert verify(home, folder, "sslserver", "-verify_ip", "10.0.0.7") == good
    assert verify(home, folder, "sslserver", "-verify_ip", "::1") == good
    assert "hostname mismatch" in verify(home, folder, "sslserver", "-verify_hostname", "lab")
    assert "IP address mismatch" in verify(home, folder, "sslserver", "-verify_ip", "10.0.0.8")
    assert "unsuitable certificate purpose" in verify(home, folder, "sslclient")
    (one,) = certs.read_certificates(folder / "cert.pem")
    assert one.names == ("builder.internal", "*.lab.internal", "10.0.0.7", "::1")


def test_client_is_taken_by_openssl_as_a_client_only(home: Path) -> None:
    """Strict rules; for clients and not for servers; the name is the user's."""
    folder = certs.add_client(home, name="ada")

    assert verify(home, folder, "sslclient") == f"{folder}/cert.pem: OK"
    assert "unsuitable certificate purpose" in verify(home, folder, "sslserver")
    assert certs.read_certificates(folder / "cert.pem")[0].subject == "CN=ada"


def test_authority_signs_no_further_authorities(home: Path) -> None:
    """Constraints and usages are as they should be, and critical where they must be."""
    authority = openssl("x509", "-in", home / "ca/ca.pem", "-noout", "-text").stdout
    folder = certs.add_server(home, ["builder"])
    leaf = openssl("x509", "-in", folder / "cert.pem", "-noout", "-text").stdout

    assert "Basic Constraints: critical\n                CA:TRUE, pathlen:0" in authority
    assert "Key Usage: critical\n                Certificate Sign, CRL Sign" in authority
    assert "Basic Constraints: critical\n                CA:FALSE" in leaf
    assert "Key Usage: critical\n                Digital Signature\n" in leaf
    for text in (authority, leaf):
        assert "ASN1 OID: prime256v1" in text
        assert "Subject Key Identifier" in text
    assert "Authority Key Identifier" in leaf


def test_lifetimes_are_sane_and_begin_a_bit_earlier(home: Path) -> None:
    """Ten years for the authority, thirteen months for the others, none longer than it."""
    now = datetime.now(timezone.utc)
    (authority,) = certs.read_certificates(home / "ca/ca.pem")
    (leaf,) = certs.read_certificates(certs.add_client(home) / "cert.pem")
    long = certs.add_client(home, name="long", days=30_000)

    assert timedelta(days=3649) < authority.not_after - now <= timedelta(days=3650)
    assert timedelta(days=396) < leaf.not_after - now <= timedelta(days=397)
    assert leaf.not_before <= now - timedelta(minutes=59)
    assert certs.read_certificates(long / "cert.pem")[0].not_after == authority.not_after


def test_both_sides_are_authenticated_over_a_real_connection(home: Path) -> None:
    """Python's TLS on both ends: each sees the other's certificate."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=home / "ca/ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    folder = certs.add_server(home, ["builder.internal"])
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    folder = certs.add_client(home, name="ada")
    client = ssl.create_default_context(cafile=folder / "ca.pem")
    client.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    near, far = socket.socketpair()
    seen: list[object] = []

    def serve() -> None:
        with server.wrap_socket(far, server_side=True) as stream:
            seen.append(stream.getpeercert())
            stream.sendall(b"welcome")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(near, server_hostname="builder.internal") as stream:
        assert stream.recv(7) == b"welcome"
    thread.join()

    assert isinstance(seen[0], dict)
    assert seen[0]["subject"] == ((("commonName", "ada"),),)


def test_keys_are_for_their_owner_alone(home: Path) -> None:
    """Keys 0600 and folders 0700, whatever the umask is."""
    certs.add_server(home, ["builder"])
    certs.renew(home, has_new_key=True)

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [home, *home.rglob("*")]}
    assert {modes[path] for path in modes if path.name.endswith("key.pem")} == {0o600}
    assert {modes[path] for path in modes if path.is_dir()} == {0o700}
    assert {modes[path] for path in modes if path.name.endswith(("ca.pem", "cert.pem"))} == {0o644}


def test_nothing_is_written_over(home: Path) -> None:
    """What is there already stays as it is, to the byte."""
    certs.add_server(home, ["builder"])
    certs.add_client(home)
    before = {path: path.read_bytes() for path in home.rglob("*.pem")}

    for again in (
        lambda: certs.init(home),
        lambda: certs.add_server(home, ["other"]),
        lambda: certs.add_client(home),
    ):
        with pytest.raises(CertificateError, match="is there already, and is not written over"):
            again()

    assert {path: path.read_bytes() for path in home.rglob("*.pem")} == before


def test_folder_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """When a file cannot be written, nothing is left of the others."""
    with pytest.raises(CertificateError, match="cannot write"):
        write_folder(tmp_path / "new", {"cert.pem": b"1", "no/key.pem": b"2"})

    assert list(tmp_path.iterdir()) == []


def test_replacing_that_fails_puts_back_what_was_there(home: Path) -> None:
    """A pair that cannot be replaced as a whole is the old pair."""
    folder = certs.add_client(home)
    before = {path.name: path.read_bytes() for path in folder.glob("*.pem")}
    (folder / "sub").mkdir()
    (folder / "sub" / "x").touch()

    with pytest.raises(CertificateError, match="cannot write"):
        replace_files(folder, {"cert.pem": b"1", "key.pem": b"2", "sub": b"3"}, "old")

    assert {path.name: path.read_bytes() for path in folder.glob("*.pem")} == before
    assert not list(folder.glob(".*"))


def test_renewal_keeps_names_and_key_and_the_old_certificate(home: Path) -> None:
    """The new one holds longer, is for the same, and fits the same key; the old one is kept."""
    folder = certs.add_server(home, ["builder.internal", "10.0.0.7"], days=5)
    old, key = (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()
    (before,) = certs.read_certificates(folder / "cert.pem")

    assert certs.renew(home) == [folder]

    (after,) = certs.read_certificates(folder / "cert.pem")
    assert (after.names, after.subject, after.purposes) == (
        before.names,
        before.subject,
        before.purposes,
    )
    assert after.days_left() > 300 > before.days_left()
    assert after.serial != before.serial
    assert (folder / "key.pem").read_bytes() == key
    assert [path.read_bytes() for path in (folder / "old").iterdir()] == [old]
    assert verify(home, folder, "sslserver") == f"{folder}/cert.pem: OK"


def test_renewal_of_one_folder_with_a_new_key(home: Path, tmp_path: Path) -> None:
    """The folder of one certificate is enough, from wherever; others stay as they are."""
    one, other = certs.add_client(home, name="one"), certs.add_client(home, name="other")
    key, others = (one / "key.pem").read_bytes(), (other / "cert.pem").read_bytes()
    (tmp_path / "link").symlink_to(one)

    certs.renew(tmp_path / "link", has_new_key=True)
    certs.renew(home, ["one"], has_new_key=True)

    assert (one / "key.pem").read_bytes() != key
    assert (other / "cert.pem").read_bytes() == others
    assert len(list((one / "old").iterdir())) == 4
    assert not any(finding.problems for finding in certs.inspect(home))


def test_without_an_authority_nothing_is_signed(tmp_path: Path, home: Path) -> None:
    """No authority, one that expired, another's key: each is told, with what to do."""
    with pytest.raises(CertificateError, match="there is no authority in") as caught:
        certs.add_client(tmp_path)
    assert caught.value.remedy.startswith(f"buildkit-spec certs init --dir {tmp_path}")
    with pytest.raises(CertificateError, match="there is no certificate in"):
        certs.renew(home, ["nobody"])

    other = new_authority("other", datetime.now(timezone.utc), 10)
    (home / "ca/ca-key.pem").write_bytes(other.key)
    with pytest.raises(CertificateError, match=r"is not the key of"):
        certs.add_client(home)
    past = new_authority("past", datetime.now(timezone.utc) - timedelta(days=99), 10)
    (home / "ca/ca.pem").write_bytes(past.cert)
    with pytest.raises(CertificateError, match=r"can sign no more \(expired\): it holds until"):
        certs.add_client(home)


@pytest.mark.parametrize(
    "text",
    ["", "a b", "tcp://builder", "builder:1234", "-a", "a..b", "10.0.0", "a/b", "ä", "*", "*.lab"],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    """Addresses with scheme or port, and typing errors, end in no certificate."""
    with pytest.raises(InvalidValueError, match="for a host name or an IP address"):
        check_name(text)


_LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,10}[a-zA-Z0-9])?", fullmatch=True)
_NAMES = st.one_of(
    st.ip_addresses().map(str),
    st.lists(_LABELS, min_size=1, max_size=4).map(".".join).filter(lambda text: text[-1].isalpha()),
)


@given(st.lists(_NAMES, min_size=1, max_size=5))
@settings(deadline=None, max_examples=40)
def test_certificate_has_the_names_that_were_given(names: list[str]) -> None:
    """Every name comes back as it was checked; checking it again changes nothing."""
    now = datetime.now(timezone.utc)
    pair = new_authority("x", now, 10)
    (certificate,) = _read(pair.cert)
    checked = list(map(check_name, names))

    made = new_leaf(Authority(certificate, load_key(pair.key)), "x", "server", checked, now, 1)

    assert sorted(_read(made.cert)[0].names) == sorted(checked)
    assert list(map(check_name, checked)) == checked


def _read(pem: bytes) -> list[certs.Certificate]:
    return [certs.parse_certificate(ssl.PEM_cert_to_DER_cert(pem.decode()))]


@pytest.mark.parametrize("name", ["ca", "", "..", ".x", "a/b", "-a"])
def test_folders_have_plain_names(home: Path, name: str) -> None:
    """A name leads nowhere else, and not to the authority."""
    with pytest.raises(InvalidValueError, match="a name is of"):
        certs.add_client(home, name=name)


def test_inspection_tells_what_is_wrong(home: Path, tmp_path: Path) -> None:
    """Dates, keys, permissions, signatures, each with a command; nothing when all is well."""
    certs.add_server(home, ["builder"])
    folder = certs.add_client(home, days=5)

    def problems() -> dict[str, str]:
        return dict(certs.inspect(folder)[-1].problems)

    renewal = f"buildkit-spec certs renew --dir {folder}"
    assert problems() == {"it expires in 4 days": renewal}
    certs.renew(folder)
    assert [finding.problems for finding in certs.inspect(home)] == [(), (), ()]
    (folder / "key.pem").chmod(0o644)
    assert problems() == {f"others may read {folder}/key.pem": f"chmod 600 {folder}/key.pem"}
    (folder / "key.pem").write_bytes((home / "server/key.pem").read_bytes())
    (folder / "key.pem").chmod(0o600)
    assert list(problems()) == [f"{folder}/key.pem is another certificate's key"]
    (folder / "key.pem").unlink()
    assert problems() == {"there is no key.pem": f"{renewal} --new-key"}
    certs.init(tmp_path / "other", name="other")
    (folder / "ca.pem").write_bytes((tmp_path / "other/ca/ca.pem").read_bytes())
    assert "it is not signed by CN=other authority of ca.pem" in problems()
    (folder / "ca.pem").unlink()
    assert "there is no ca.pem: nothing says whom to trust" in problems()
    certs.renew(folder, has_new_key=True)
    assert problems() == {}
    (folder / "cert.pem").write_text("no")
    assert f"{folder}/cert.pem holds no certificate in PEM" in problems()
    with pytest.raises(CertificateError, match="there are no certificates in"):
        certs.inspect(tmp_path / "nothing")


def test_dates_are_told_as_they_are_now(home: Path) -> None:
    """Expired, not valid yet, and the days that are left, at any time."""
    (one,) = certs.read_certificates(certs.add_client(home) / "cert.pem")

    assert one.trouble() == ""
    assert one.trouble(one.not_after + timedelta(seconds=1)) == " (expired)"
    assert one.trouble(one.not_before - timedelta(seconds=1)) == " (not yet valid)"
    assert one.days_left(one.not_after - timedelta(days=3)) == 3
    with pytest.raises(CertificateError, match=r"cannot read .*absent"):
        certs.read_certificates(home / "absent.pem")
