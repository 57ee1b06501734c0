"""Downloads against a server on this machine: whole, resumed, damaged, from the mirror, and what
the user is told."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from perfedavg.data import download
from perfedavg.data.download import fetch
from perfedavg.runtime.errors import PerfedavgError

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT at /file; /cut ends the connection after 3 MB; /wrong is another file; /plain
    ignores ranges."""

    requests: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self):
        range_header = self.headers.get("Range")
        self.requests.append((self.path, range_header))
        if self.path not in ("/file", "/cut", "/wrong", "/plain"):
            self.send_error(404)
            return
        content = b"<html>sorry</html>" if self.path == "/wrong" else CONTENT
        start = (
            int(re.match(r"bytes=(\d+)-", range_header)[1])
            if range_header and self.path != "/plain"
            else 0
        )
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start : 3 << 20] if self.path == "/cut" else content[start:]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "WAIT_SECONDS", 0)
    Handler.requests = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_a_download_is_verified_and_leaves_nothing_else(server, tmp_path):
    fetch([f"{server}/file"], SHA256, tmp_path / "a/data.tar.bz2")
    assert (tmp_path / "a/data.tar.bz2").read_bytes() == CONTENT
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["data.tar.bz2"]


def test_a_cut_download_goes_on_where_it_was(server, tmp_path):
    target = tmp_path / "data.tar.bz2"
    with pytest.raises(PerfedavgError, match="could not be downloaded"):
        fetch([f"{server}/cut"], SHA256, target)
    assert len(Handler.requests) == download.ATTEMPTS
    assert not target.exists()
    assert (tmp_path / "data.tar.bz2.part").stat().st_size == 3 << 20
    fetch([f"{server}/file"], SHA256, target)
    assert target.read_bytes() == CONTENT
    assert Handler.requests[-1] == ("/file", f"bytes={3 << 20}-"), "only the rest was asked for"


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    (tmp_path / "data.part").write_bytes(b"something else")
    fetch([f"{server}/plain"], SHA256, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == CONTENT


def test_a_complete_part_is_only_verified(server, tmp_path):
    (tmp_path / "data.part").write_bytes(CONTENT)
    fetch([f"{server}/file"], SHA256, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == CONTENT


def test_the_mirror_serves_where_the_first_does_not(server, tmp_path):
    fetch([f"{server}/missing", f"{server}/wrong", f"{server}/file"], SHA256, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == CONTENT


def test_what_went_wrong_is_said_for_every_address(server, tmp_path):
    with pytest.raises(PerfedavgError) as error:
        fetch(
            [f"{server}/missing", f"{server}/wrong", "http://127.0.0.1:1/file"],
            SHA256,
            tmp_path / "data",
        )
    message = str(error.value)
    assert "/missing: the server answers 404 Not Found" in message
    assert re.search(f"/wrong: what it serves has sha256 [0-9a-f]{{64}}, not {SHA256}", message)
    assert "127.0.0.1:1/file: the server cannot be reached" in message
    assert "--config 'data={archive: PATH_OR_URL, sha256: HASH}'" in message
    assert list(tmp_path.iterdir()) == []
