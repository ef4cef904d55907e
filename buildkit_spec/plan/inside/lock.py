"""Runs inside a build: resolve requirements with uv and write what was found, for the plan to read.

It runs with the image's own interpreter, Python 3.8 or newer, and nothing but its standard library.
"""

from __future__ import annotations

import base64
import concurrent.futures
import json
import netrc
import os
import re
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import Any

import indexes
from uv_indexes import set_indexes

_WHEEL = re.compile(r'\{ url = "([^"]+)"([^}]*)hashes = \{ sha256 = "([0-9a-f]{64})" \}')
_SIZE = re.compile(r"\bsize = ([0-9]+)")
_LOGIN = re.compile(r'^url = "(https?://)([^@/"]+)@([^/"]+)', re.MULTILINE)
_AT_ONCE = 16
_TIMEOUT_S = 10


def main(order: dict[str, Any]) -> int:
    """Resolve, ask for the sizes that the index did not give, and write one JSON document."""
    lock = os.path.join(order["scratch"], "pylock.toml")
    if order["preferences"]:
        with open(lock, "w", encoding="utf-8") as file:
            file.write(as_lock(order["preferences"]))
    set_indexes(order["command"][0], order["scratch"])
    written = ["--format", "pylock.toml", "--output-file", lock]
    # Wheels only: where that is not enough, the plan asks again with the system packages there.
    wheels_only = [] if order["may_build"] else ["--no-build"]
    attempts = [
        [*order["command"], *wheels_only, *roots]
        for roots in indexes.roots(order["located"], order["command"], order["scratch"])
    ]
    for command in attempts:
        quiet = subprocess.run([*command, *written], capture_output=True, check=False)
        if quiet.returncode == 0:
            break
    else:
        if not order["may_build"]:
            write(order["output"], {"needs_build": True})
            return 0
        # What it knows of the index may be minutes old: the package may have come since.
        command = [*attempts[0], "--refresh"]
        code = subprocess.call([*command, *written], stdout=subprocess.DEVNULL)
        if code:
            return code
    with open(lock, encoding="utf-8") as file:
        text = indexes.without_secrets(file.read())
    answer = {"lock": text, "sizes": sizes(text, order["sizes"])}
    if order["has_indexes"] or len(attempts) > 1:
        answer["indexes"] = indexes.found(command, text, order["command"], order["scratch"])
    write(order["output"], answer)
    return 0


def write(path: str, answer: dict[str, Any]) -> None:
    """Write the answer."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(answer, file)


def as_lock(versions: dict[str, str]) -> str:
    """Return a lock of these versions: of one that is there, uv keeps what fits."""
    lines = ['lock-version = "1.0"', 'created-by = "buildkit-spec"']
    for name, version in versions.items():
        lines += ["[[packages]]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}"]
    return "\n".join(lines) + "\n"


def sizes(lock: str, known_path: str) -> dict[str, int]:
    """Return the size in bytes of every wheel of the lock that has one, by SHA-256."""
    try:
        with open(known_path, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        known = {}
    found: dict[str, int] = {}
    unknown: dict[str, str] = {}
    for url, rest, sha256 in _WHEEL.findall(lock):
        if not url.endswith(".whl"):
            continue
        said = _SIZE.search(rest)
        size = int(said.group(1)) if said else known.get(sha256)
        if size is None:
            unknown[sha256] = url
        else:
            found[sha256] = size
    if unknown:
        secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        opener = urllib.request.build_opener(secure, *logins(), NetrcHandler())
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = pool.map(lambda url: ask(opener, url), unknown.values())
            asked = {sha256: size for sha256, size in zip(unknown, answers) if size}
        found.update(asked)
        remember(known_path, {**known, **asked})
    return found


def ask(opener: urllib.request.OpenerDirector, url: str) -> int | None:
    """Return what the index says of a file's size; None when it does not."""
    try:
        request = urllib.request.Request(url, method="HEAD")
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, ValueError, TypeError):
        return None


def logins() -> list[urllib.request.BaseHandler]:
    """Return handlers that know the logins of uv's indexes."""
    try:
        with open(os.environ["UV_CONFIG_FILE"], encoding="utf-8") as file:
            entries = _LOGIN.findall(file.read())
    except (OSError, KeyError):
        return []
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    for scheme, login, host in entries:
        user, _, password = login.partition(":")
        user, password = urllib.parse.unquote(user), urllib.parse.unquote(password)
        passwords.add_password(None, scheme + host, user, password, is_authenticated=True)
    return [urllib.request.HTTPBasicAuthHandler(passwords)] if entries else []


class NetrcHandler(urllib.request.BaseHandler):
    """Sends the login that a netrc file has for a host, where the URL's own is not known.

    uv reads the same file. Source: uv documentation, *HTTP credentials*.
    """

    handler_order = 495  # behind the logins of URLs

    def __init__(self) -> None:
        """Read the file, if there is one."""
        path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
        try:
            self._logins: netrc.netrc | None = netrc.netrc(path)
        except (OSError, ValueError, netrc.NetrcParseError):
            self._logins = None

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        """Add the login; where it leads on to another host it is not sent along."""
        host = urllib.parse.urlsplit(request.full_url).hostname
        found = self._logins.authenticators(host) if self._logins and host else None
        if found and not request.has_header("Authorization"):
            login = f"{found[0]}:{found[2] or ''}".encode()
            basic = f"Basic {base64.b64encode(login).decode()}"
            request.add_unredirected_header("Authorization", basic)
        return request

    https_request = http_request


def remember(path: str, known: dict[str, int]) -> None:
    """Keep the sizes for the next time; what is lost in a race is asked for again."""
    try:
        own = f"{path}.{os.getpid()}"
        with open(own, "w", encoding="utf-8") as file:
            json.dump(known, file)
        os.replace(own, path)
    except OSError:
        pass  # asked again then


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as _file:
        _order = json.load(_file)
    sys.exit(main(_order))
