"""Why there is no TLS with a daemon, in the words of whoever has to mend it."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone

from buildkit_spec.certs import Certificate, parse_certificate, read_certificates
from buildkit_spec.client._failure import one_line
from buildkit_spec.client.address import Address
from buildkit_spec.client.sockets import connect
from buildkit_spec.client.tls import Tls
from buildkit_spec.errors import BuildkitSpecError, CertificateError, TlsFailedError

# Of OpenSSL's ``x509_vfy.h``.
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_PURPOSE = 26
_OTHER_NAME = {62, 64}

_WANTED = "CERTIFICATE_REQUIRED"
_REFUSED = (
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "HANDSHAKE_FAILURE",  # before TLS 1.3, without a certificate
)
"""Alerts about the certificate that we show, or do not. Source: RFC 8446, section 6.2."""

_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_SHOWN_NAMES = 8


def tls_failure(error: OSError, address: Address, tls: Tls, *, timeout_s: float) -> TlsFailedError:
    """Return our error for TLS that did not come about.

    To tell what is wrong with a daemon's certificate it is fetched once more: nothing is sent.

    Args:
        error: What OpenSSL or the socket raised, during the handshake or at the first word after.
        address: The daemon's.
        tls: What was used.
        timeout_s: How long fetching may take, in seconds.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(error, address, tls, peer_certificate(address, tls, timeout_s))
    # The library's names: TLSV1_ALERT_UNKNOWN_CA, TLSV13_ALERT_CERTIFICATE_REQUIRED, …
    reason = getattr(error, "reason", None) or ""
    is_alert = "_ALERT_" in reason
    if is_alert and reason.endswith(_WANTED):
        return _wanted(address)
    if is_alert and reason.endswith(_REFUSED):
        return _wanted(address) if tls.cert is None else _refused(reason, address, tls)
    if reason in _PLAIN or isinstance(error, (ssl.SSLEOFError, ConnectionError)):
        plain = f"{address.scheme}://{'tcp://' if address.scheme == 'docker' else ''}"
        return TlsFailedError(
            f"{address} does not speak TLS",
            reason="no tls",
            address=str(address),
            remedy=f"start the daemon with certificates (buildkit-spec certs server tells how), or"
            f" tunnel: ssh -NL 1234:localhost:{address.port} {address.host},"
            f" and {plain}localhost:1234 without certificates",
        )
    said = reason or error.strerror or str(error)
    return TlsFailedError(
        f"no TLS with {address}: {_shown(said.replace('_', ' ').lower())}",
        reason="other",
        address=str(address),
        remedy=f"openssl s_client -connect {address.target}",
    )


def hung_up(address: Address, tls: Tls) -> TlsFailedError:
    """Return the error of a daemon that ends the connection after the handshake, saying nothing.

    gRPC's own servers do that to clients whose certificate they do not take; Go's say why.
    """
    if tls.cert is None:
        return _wanted(address, "hangs up: it probably ")
    return TlsFailedError(
        f"{address} speaks TLS, but hangs up at the first word",
        reason="other",
        address=str(address),
        remedy="does it take this certificate, and is it a BuildKit daemon? Its log says why",
    )


def no_http2(address: Address) -> TlsFailedError:
    """Return the error of a server that does not agree to HTTP/2, which gRPC needs."""
    return TlsFailedError(
        f"{address} speaks TLS, but not HTTP/2, so no gRPC",
        reason="other",
        address=str(address),
        remedy=f"if it is a Docker Engine, call it docker://tcp://{address.target}",
    )


def peer_certificate(address: Address, tls: Tls, timeout_s: float) -> Certificate | None:
    """Return the certificate that a server shows, whatever it is worth; None when it shows none.

    Our own is not shown for that.

    Args:
        address: The server's.
        tls: May have the name to ask for.
        timeout_s: How long it may take, in seconds.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    name = tls.server_name or address.host
    try:
        with (
            connect(address, timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=name) as stream,
        ):
            return parse_certificate(stream.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError, BuildkitSpecError):
        return None


def _distrusted(
    error: ssl.SSLCertVerificationError, address: Address, tls: Tls, seen: Certificate | None
) -> TlsFailedError:
    if error.verify_code in _OTHER_NAME:
        return _other_name(address, tls, seen)
    if error.verify_code in {_EXPIRED, _NOT_YET_VALID}:
        return _out_of_time(error.verify_code == _EXPIRED, address, tls, seen)
    ours = _authorities(tls)
    if error.verify_code == _WRONG_PURPOSE:
        why = "is not for servers"
        remedy = f"buildkit-spec certs server --dir DIR --san {address.host}"
    elif seen is None:
        why = f"is not trusted: {_shown(error.verify_message)}"
        remedy = "--tlscacert FILE, with the authority that signed it"
    elif tls.ca is None:
        why = f"is signed by {_shown(seen.issuer)}, which this machine does not know"
        remedy = "--tlscacert FILE, with the authority that signed it"
    else:
        names = " or ".join(one.subject for one in ours[:3])
        is_namesake = any(one.subject == seen.issuer for one in ours)
        who = f"another {_shown(seen.issuer)} than that" if is_namesake else _shown(seen.issuer)
        why = f"is signed by {who}{'' if is_namesake else f', not by {names}'} of {tls.ca}"
        remedy = f"compare with the daemon's: buildkit-spec certs show --dir {tls.ca.parent}"
    return TlsFailedError(
        f"the certificate of {address} {why}",
        reason="other" if error.verify_code == _WRONG_PURPOSE else "untrusted",
        address=str(address),
        names=seen.names if seen else (),
        remedy=remedy,
    )


def _other_name(address: Address, tls: Tls, seen: Certificate | None) -> TlsFailedError:
    wanted = tls.server_name or address.host
    names = [_shown(name) for name in seen.names] if seen else []
    shown = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    usable = next((name for name in names if "*" not in name), "")
    again = f"buildkit-spec certs server --dir DIR --san {wanted}"
    return TlsFailedError(
        f"the certificate of {address} is not for {wanted}, but for {shown or 'no name at all'}",
        reason="other name",
        address=str(address),
        names=names,
        remedy=f"--tlsservername {usable}, if it is that machine; else {again}"
        if usable
        else again,
    )


def _out_of_time(
    is_expired: bool, address: Address, tls: Tls, seen: Certificate | None
) -> TlsFailedError:
    found, whose = seen, f"the certificate of {address}"
    if seen is None or not seen.trouble():
        found = next((one for one in _authorities(tls) if one.trouble()), None)
        whose = f"the authority {found.subject} of {tls.ca}" if found else whose
    if is_expired:
        when = f" on {_date(found.not_after)}" if found else ""
        message = f"{whose} expired{when}"
        remedy = "buildkit-spec certs renew --dir DIR, where it was made, and restart the daemon"
        if found is not None and found is not seen:
            remedy = "buildkit-spec certs init --dir DIR, and new certificates for all"
    else:
        when = f" {_date(found.not_before)}" if found else " some day to come"
        message = f"{whose} does not hold before{when}; here it is {_date(_now())}"
        remedy = "date -u, here and where the certificate was made: one of the clocks is wrong"
    return TlsFailedError(
        message,
        reason="expired" if is_expired else "not yet valid",
        address=str(address),
        names=seen.names if seen else (),
        not_before=found.not_before if found else None,
        not_after=found.not_after if found else None,
        remedy=remedy,
    )


def _wanted(address: Address, maybe: str = "") -> TlsFailedError:
    return TlsFailedError(
        f"{address} {maybe}wants a client certificate, and none is given",
        reason="certificate wanted",
        address=str(address),
        remedy="--tlsdir DIR; whoever has the authority makes one:"
        " buildkit-spec certs client --dir DIR --name NAME",
    )


def _refused(alert: str, address: Address, tls: Tls) -> TlsFailedError:
    assert tls.cert is not None
    try:
        own = read_certificates(tls.cert)[0]
    except CertificateError:
        own = None
    folder = tls.cert.parent
    why = alert.partition("_ALERT_")[2].replace("_", " ").lower()
    remedy = f"buildkit-spec certs show --dir {folder}"
    if own is not None and own.trouble():
        is_late = own.trouble() == " (expired)"
        why = (
            f"it expired on {_date(own.not_after)}"
            if is_late
            else f"it does not hold before {_date(own.not_before)}"
        )
        remedy = f"buildkit-spec certs renew --dir {folder}" if is_late else "date -u"
    elif own is not None and own.purposes and "client" not in own.purposes:
        why = f"it is not for clients, but for {', '.join(own.purposes)}"
        remedy = "buildkit-spec certs client --dir DIR --name NAME"
    elif own is not None:
        why = f"it is signed by {_shown(own.issuer)} ({why})"
    return TlsFailedError(
        f"{address} refuses our certificate {tls.cert}: {why}",
        reason="certificate refused",
        address=str(address),
        not_before=own.not_before if own and own.trouble() else None,
        not_after=own.not_after if own and own.trouble() else None,
        path=str(tls.cert),
        remedy=remedy,
    )


def _authorities(tls: Tls) -> list[Certificate]:
    try:
        return read_certificates(tls.ca) if tls.ca is not None else []
    except CertificateError:
        return []


def _shown(text: str) -> str:
    """Return what a stranger wrote as one line that a terminal may show."""
    return "".join(char for char in one_line(text) if char.isprintable())


def _date(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _now() -> datetime:
    return datetime.now(timezone.utc)
