"""Printed graphs: what people read, what terminals must not obey, what nobody may read."""

from __future__ import annotations

import json

from buildkit_spec import llb

PASSWORD = "hunter2"


def example() -> llb.Definition:
    base = llb.image("busybox", name="[base] busybox")
    run = base.with_user("nobody").run(
        ["sh", "-c", "echo one\necho two"],
        name="[step] say it",
        env={"A": "b c"},
        mounts=[
            llb.Bind("/in", llb.local("context"), selector="/sub", readonly=True),
            llb.Bind("/out", llb.scratch()),
            llb.CacheMount("/cache", "pip", llb.CacheSharing.LOCKED),
            llb.Tmpfs("/tmp", 1024),
            llb.Secret("/run/token", "token", optional=True),
            llb.SSH(id="key"),
        ],
        secret_env=[llb.SecretEnv("TOKEN", "token")],
        network=llb.Network.NONE,
        proxy=llb.Proxy(http=f"http://user:{PASSWORD}@proxy"),
        ulimits=[llb.Ulimit("nofile", 1, -1)],
        extra_hosts=[llb.ExtraHost("db", "10.0.0.1")],
        devices=[llb.CDIDevice("vendor.com/gpu=0", optional=True)],
        valid_exit_codes=[0, 3],
    )
    copy = llb.copy(run.mount("/out"), "/x", "/y", mode=0o640, chown=llb.Chown("u:g"))
    return run.root.file(copy, llb.mkfile("/z", "hello", mode=0), llb.rm("/q")).marshal()


TEXT = """\
#1 source [base] busybox
    platform linux/amd64
    from docker-image://docker.io/library/busybox:latest
#2 source local://context
    from local://context
#3 exec [step] say it
    platform linux/amd64
    / = #1, output 0
    /cache = cache 'pip' locked
    /in = #2 at /sub, read-only
    /out = scratch, output 1
    /tmp = tmpfs 1024 bytes
    /run/token = secret 'token' 0o400 0:0, optional
    /run/buildkit/ssh_agent.0 = ssh agent 'key' 0o600 0:0
    env A=b c
    env SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0
    env TOKEN = secret 'token'
    cwd /
    user nobody
    network none
    valid exit codes 0, 3
    host db = 10.0.0.1
    limit nofile = 1/-1
    device vendor.com/gpu=0, optional
    proxies http_proxy
    run sh -c 'echo one
      echo two'
#4 file copy /x /y, mkfile /z, rm /q
    action 1 on #3: copy /x /y, from #3.1, mode 0o640, owner u:g
    action 2 on action 1: mkfile /z, mode 0o0, 5 bytes
    action 3 on action 2: rm /q
result #4
"""


def test_text_tells_all_that_is_in_the_graph() -> None:
    """A paragraph a vertex: what it builds on by number, then every setting that was made."""
    assert example().to_text() == TEXT


def test_json_tells_indexes_and_modes_as_people_read_them() -> None:
    """Inputs are vertex numbers, modes octal, file contents text."""
    document = json.loads(example().to_json())
    *_, command, files = [vertex["op"] for vertex in document["vertices"]]

    assert document["result"] == "#4"
    assert command["inputs"] == ["#1", "#2"]
    assert command["exec"]["mounts"][0] == {"dest": "/", "input": "#1", "output": 0}
    assert command["exec"]["meta"]["proxy_env"] == ["http_proxy"]
    assert files["file"]["actions"][:2] == [
        {
            "input": "#3",
            "secondaryInput": "#3.1",
            "copy": {
                "src": "/x",
                "dest": "/y",
                "mode": "0o640",
                "owner": {
                    "user": {"byName": {"name": "u"}},
                    "group": {"byName": {"name": "g"}},
                },
            },
        },
        {"input": "action 1", "mkfile": {"path": "/z", "mode": "0o0", "data": "hello"}},
    ]


def test_no_printed_form_holds_a_proxy_password() -> None:
    """Proxies are told by name only."""
    definition = example()

    assert PASSWORD not in definition.to_text() + definition.to_json() + definition.to_dot()


def test_text_and_drawing_hold_nothing_a_terminal_obeys() -> None:
    """Control characters in names and arguments come out spelled."""
    definition = llb.image("busybox", name="\x1b[31mred\nline").run(["echo", "\x1b]0;x\x07"]).root
    printed = definition.marshal().to_text() + definition.marshal().to_dot()

    assert not [c for c in printed if not c.isprintable() and c != "\n"]
    assert "#1 source \\x1b[31mred line\n" in printed


def test_json_of_binary_content_is_base64() -> None:
    """Bytes that are no text are kept, under another name."""
    document = json.loads(llb.scratch().file(llb.mkfile("/a", b"\xff")).marshal().to_json())
    (action,) = document["vertices"][0]["op"]["file"]["actions"]

    assert action["mkfile"] == {"path": "/a", "mode": "0o644", "data_base64": "/w=="}


def test_headline_of_a_long_command_is_cut() -> None:
    """A vertex without a name is told by the beginning of what it does."""
    text = llb.scratch().run(["x" * 500]).root.marshal().to_text()

    assert text.splitlines()[0] == f"#1 exec {'x' * 100}…"


def test_dot_is_a_drawing_of_all_edges() -> None:
    """Each input is an arrow from it to its user, with the output's number when it is not 0."""
    dot = example().to_dot()

    assert '"#3" -> "#4" [label="1"];' in dot
    assert '"#4" -> "result";' in dot
    assert dot.count("->") == 2 + 2 + 1


def test_dot_quotes_what_would_end_a_text() -> None:
    """Quotes, backslashes and line ends in a name stay inside the node's label."""
    dot = llb.image("busybox", name='a "quoted" \\n name\\').marshal().to_dot()

    assert 'label="#1 source\\na \\"quoted\\" \\\\n name\\\\" shape' in dot
