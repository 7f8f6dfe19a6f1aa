"""A real Janus, its stock page and a Chromium, in a network namespace that nothing leads out of.

The namespace has loopback, for the page and the server's API, and a pair of virtual cards: Janus
gathers no candidates on loopback.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

__all__ = ["JanusServer", "cannot_serve", "serving_janus"]

DEMOS = Path("/usr/share/janus/demos")
CONFIG = Path("/etc/janus")
ADDRESS = "10.99.0.1"
PAGE_PORT, API_PORT = 8000, 8088
START_S = 20.0

_CALL = """
import json, sys, urllib.request
for line in sys.stdin:
    method, url, body = json.loads(line)
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            print(json.dumps(answer.read().decode()), flush=True)
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
"""


@define
class JanusServer:
    """The server that runs.

    Attributes:
        chromium: A program that starts a Chromium in the namespace.
    """

    chromium: Path
    _within: list[str]
    _caller: subprocess.Popen[str]
    _session: int = field(default=0, init=False)
    _handle: int = field(default=0, init=False)

    def link(self, room: int) -> str:
        """Return the link of a room."""
        return f"http://127.0.0.1:{PAGE_PORT}/videoroomtest.html?room={room}"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the server's HTTP API, from within the namespace."""
        assert self._caller.stdin is not None
        assert self._caller.stdout is not None
        url = f"http://127.0.0.1:{API_PORT}/janus{path}"
        self._caller.stdin.write(json.dumps([method, url, body]) + "\n")
        self._caller.stdin.flush()
        answer = json.loads(self._caller.stdout.readline())
        return answer if isinstance(answer, dict) else json.loads(answer)

    def request(self, **body: Any) -> Any:
        """Ask the plugin for something that it answers at once: create, destroy, kick, list."""
        if not self._session:
            created = self.call("POST", "", {"janus": "create", "transaction": "t"})
            self._session = created["data"]["id"]
            attach = {"janus": "attach", "plugin": "janus.plugin.videoroom", "transaction": "t"}
            attached = self.call("POST", f"/{self._session}", attach)
            self._handle = attached["data"]["id"]
        message = {"janus": "message", "transaction": "t", "body": body}
        answer = self.call("POST", f"/{self._session}/{self._handle}", message)
        return answer["plugindata"]["data"]

    def participant(self, room: int, name: str) -> int:
        """Return the id that the server gave somebody."""
        listed = self.request(request="listparticipants", room=room)["participants"]
        return int(next(one["id"] for one in listed if one.get("display") == name))


def cannot_serve() -> str:
    """Return why no server can run here, empty where it can."""
    if not DEMOS.is_dir() or shutil.which("janus") is None:
        return "Debian's packages janus and janus-demos are not installed"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if tried.returncode:
        return "no network namespace can be made here: that takes root"
    return ""


@contextmanager
def serving_janus(folder: Path, chromium: Path) -> Iterator[JanusServer]:
    """Run the server and its page in a namespace of their own.

    Args:
        folder: Where configuration, page and log are put.
        chromium: The browser to start in it.
    """
    holder = subprocess.Popen(
        ["unshare", "--net", "--", "sh", "-c", "echo there; exec sleep 3600"],
        stdout=subprocess.PIPE,
        text=True,
    )
    children = [holder]
    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / "janus.log").open("w")
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        within = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]
        for command in (
            "ip link set lo up",
            "ip link add card0 type veth peer name card1",
            f"ip addr add {ADDRESS}/24 dev card0",
            "ip link set card0 up",
            "ip link set card1 up",
        ):
            subprocess.run([*within, *command.split()], check=True, timeout=10)
        _lay_out(folder)
        conf = folder / "conf"
        janus = [*within, "janus", "-F", str(conf), "-C", str(conf / "janus.jcfg")]
        children.append(subprocess.Popen(janus, stdout=log, stderr=log))
        page = [*within, sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
        page += ["--directory", str(folder / "page"), str(PAGE_PORT)]
        children.append(subprocess.Popen(page, stdout=log, stderr=log))
        caller = subprocess.Popen(
            [*within, sys.executable, "-c", _CALL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(caller)
        program = folder / "chromium"
        program.write_text(f'#!/bin/sh\nexec {" ".join(within)} {chromium} "$@"\n')
        program.chmod(0o700)
        server = JanusServer(program, within, caller)
        _until_it_answers(server, folder / "janus.log")
        yield server
    finally:
        log.close()
        for child in reversed(children):
            child.kill()
        for child in children:
            child.wait(10)
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()


def _lay_out(folder: Path) -> None:
    """Copy the configuration and the page, and set in both what this machine is like."""
    shutil.copytree(CONFIG, folder / "conf")
    main = folder / "conf" / "janus.jcfg"
    text = main.read_text(encoding="utf-8")
    text = text.replace('configs_folder = "/etc/janus"', f'configs_folder = "{folder}/conf"')
    text = text.replace('ice_ignore_list = "vmnet"', 'ice_enforce_list = "10.99."')
    main.write_text(text, encoding="utf-8")
    for kind in ("mqtt", "nanomsg", "pfunix", "rabbitmq", "websockets"):
        (folder / "conf" / f"janus.transport.{kind}.jcfg").unlink(missing_ok=True)
    http = folder / "conf" / "janus.transport.http.jcfg"
    text = http.read_text(encoding="utf-8")
    http.write_text(text.replace("port = 8088", 'port = 8088\n\tip = "127.0.0.1"'), "utf-8")
    rooms = folder / "conf" / "janus.plugin.videoroom.jcfg"
    rooms.write_text("general: {\n}\n", encoding="utf-8")
    shutil.copytree(DEMOS, folder / "page")
    settings = folder / "page" / "settings.js"
    more = "\nvar token = null;\nvar apisecret = null;\niceServers = [];\n"
    settings.write_text(settings.read_text(encoding="utf-8") + more, encoding="utf-8")


def _until_it_answers(server: JanusServer, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        answer = server.call("GET", "/info")
        if answer.get("janus") == "server_info":
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"Janus does not answer: {answer}\n{log.read_text()[-2000:]}")
        time.sleep(0.1)
