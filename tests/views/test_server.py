"""The page is served to this computer only unless told, changes nothing, and asks no other host for anything."""

import gzip
import http.client
import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.views import server as server_module
from robot_mbrl.views.board import Board
from robot_mbrl.views.server import PAGE, PageServer
from tests.views.runs import episode, guard, learner, make_run
from tests.views.test_board import Graph


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    lines = [episode(251, 10.0), learner(251, 7, model_loss=0.5), guard(251, rate=3)]
    return make_run(tmp_path / "night", lines, summary={"task": "cartpole"})


@pytest.fixture
def server(folder: RunFolder) -> Iterator[PageServer]:
    with PageServer(Board(folder, Graph()), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def get(server: PageServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(*server.server_address[:2], timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def test_the_figures_served_are_those_of_the_board(server: PageServer, folder: RunFolder) -> None:
    for path in ("state", "details", "history"):
        status, headers, content = get(server, f"/{path}.json")
        assert status == 200
        assert headers["Content-Type"] == "application/json"
        assert json.loads(content) == json.loads(json.dumps(getattr(server.board, path)()))
    assert json.loads(get(server, "/state.json")[2])["returns"] == [[251, 10.0]]


def test_figures_come_compressed_to_those_who_take_them_so(server: PageServer) -> None:
    _, headers, content = get(server, "/history.json", **{"Accept-Encoding": "gzip, br"})
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(content)) == server.board.history()


def test_a_picture_says_how_old_it_is(server: PageServer) -> None:
    status, headers, content = get(server, "/picture/camera")
    assert (status, headers["X-Age-S"], content) == (200, "0.300", b"jpeg")
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/nothing", "/picture/other", "/picture/", "/../config.yaml", "/page.py"])
def test_what_is_not_of_the_page_is_not_there(server: PageServer, path: str) -> None:
    assert get(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(server: PageServer, method: str) -> None:
    request = urllib.request.Request(f"{server.url}state.json", method=method, data=b"{}")
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(request, timeout=60)


def test_on_this_computer_only_requests_that_name_it_are_answered(server: PageServer) -> None:
    for host in ("localhost:8080", "127.0.0.1", "[::1]:80"):
        assert get(server, "/state.json", Host=host)[0] == 200
    for host in ("elsewhere.example", "127.0.0.1.elsewhere.example", ""):
        assert get(server, "/state.json", Host=host)[0] == 403


def test_the_page_asks_no_other_host_for_anything(server: PageServer) -> None:
    for path in PAGE:
        status, headers, content = get(server, path)
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        addresses = re.findall(r"(?:https?:)?//[\w.]+[^\s\"']*", re.sub(r"(?m)^\s*//.*$", "", content.decode()))
        # The name of SVG's language is no address.
        assert [a for a in addresses if a != "http://www.w3.org/2000/svg"] == []


def test_a_port_that_is_taken_is_refused_by_name(server: PageServer, folder: RunFolder) -> None:
    port = server.server_address[1]
    with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be listened on"):
        PageServer(Board(folder), "127.0.0.1", port)


def test_more_viewers_than_there_is_room_for_are_sent_away(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server._free = threading.BoundedSemaphore(1)
    with socket.create_connection(server.server_address[:2], timeout=60) as first:
        first.sendall(b"GET /state.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert first.recv(12) == b"HTTP/1.1 200"
        with socket.create_connection(server.server_address[:2], timeout=60) as second:
            assert second.recv(1) == b""


def test_an_error_of_our_own_is_told_and_a_browser_that_goes_away_is_none(
    server: PageServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: Exception) -> None:
        monkeypatch.setattr(server.board, "state", lambda: (_ for _ in ()).throw(error))
        with pytest.raises(http.client.RemoteDisconnected):
            get(server, "/state.json")

    fail(BrokenPipeError("gone"))
    assert capsys.readouterr().err == ""
    fail(ZeroDivisionError("a fault of ours"))
    assert "a fault of ours" in capsys.readouterr().err


def test_a_connection_that_says_nothing_is_closed(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module._Handler, "timeout", 0.2)
    with PageServer(Board(folder), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(server.server_address[:2], timeout=60) as silent:
            assert silent.recv(1) == b""
        server.shutdown()
