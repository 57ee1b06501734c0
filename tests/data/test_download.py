"""Downloads against a server on this machine: whole, resumed, damaged, from the mirror, and what
the user is told."""

import hashlib
import re
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from perfedavg.data import download
from perfedavg.data.download import fetch
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.secrets import masked

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several chunks
CUT = (3 << 20) + 12_345
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT at /file; /cut ends the connection after 3 MB and a bit; /wrong is another
    file; /plain ignores ranges; /drip sends a byte at a time; /endless has no end; /shifted sends
    another range; /odd has a length that is none; /away redirects to no address;
    /slow-header never gets to the body."""

    requests: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self):
        range_header = self.headers.get("Range")
        self.requests.append((self.path, range_header))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://[not-an-address/")
            self.end_headers()
            return
        if self.path == "/slow-header":
            with suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-More: " + b"a" * 10**4:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.02)
            return
        if self.path in ("/drip", "/endless"):
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"a" if self.path == "/drip" else CONTENT)
                    time.sleep(0.01 if self.path == "/drip" else 0)
            return
        if self.path not in ("/file", "/cut", "/wrong", "/plain", "/shifted", "/odd"):
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
        length = len(content) - start
        self.send_header("Content-Length", "-1 or so" if self.path == "/odd" else str(length))
        if self.path == "/shifted" and start:
            self.send_header("Content-Range", f"bytes 0-{length}/{length}")
        self.end_headers()
        body = content[start:CUT] if self.path == "/cut" else content[start:]
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
    assert (tmp_path / "data.tar.bz2.part").stat().st_size == CUT
    fetch([f"{server}/file"], SHA256, target)
    assert target.read_bytes() == CONTENT
    assert Handler.requests[-1] == ("/file", f"bytes={CUT}-"), "only the rest was asked for"


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    (tmp_path / "data.part").write_bytes(b"something else")
    fetch([f"{server}/plain"], SHA256, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == CONTENT


def test_a_part_of_another_file_starts_afresh_once(server, tmp_path):
    """A part from an earlier start, shorter or longer than the file."""
    for stale in (b"something else", 2 * CONTENT):
        (tmp_path / "data.part").write_bytes(stale)
        fetch([f"{server}/file"], SHA256, tmp_path / "data")
        assert (tmp_path / "data").read_bytes() == CONTENT
        (tmp_path / "data").unlink()
    (tmp_path / "data.part").write_bytes(b"x")
    Handler.requests = []
    with pytest.raises(PerfedavgError, match="/wrong: what it serves has sha256"):
        fetch([f"{server}/wrong"], SHA256, tmp_path / "data")
    assert Handler.requests == [("/wrong", "bytes=1-"), ("/wrong", None)]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/drip", "it sends less than 65536 bytes in 0.3 s"),
        ("/slow-header", "it sends less than 65536 bytes in 0.3 s"),
        ("/endless", "it sends more than 20000000 bytes"),
        ("/away", "/away: "),
    ],
)
def test_odd_servers_are_given_up_with_a_sentence(server, tmp_path, monkeypatch, path, said):
    monkeypatch.setattr(download, "SLOWEST_SECONDS", 0.3)
    monkeypatch.setattr(download, "MOST_BYTES", 20_000_000)
    with pytest.raises(PerfedavgError) as error:
        fetch([f"{server}{path}"], SHA256, tmp_path / "data")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_another_range_than_asked_for_is_not_appended(server, tmp_path):
    (tmp_path / "data.part").write_bytes(CONTENT[:4])
    fetch([f"{server}/shifted"], SHA256, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == CONTENT
    assert Handler.requests == [("/shifted", "bytes=4-"), ("/shifted", None)]


def test_an_odd_length_is_no_length(server, tmp_path):
    fetch([f"{server}/odd"], SHA256, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == CONTENT


def test_a_password_is_in_no_message(server, tmp_path, capfd):
    address = server.replace("://", "://me:s3cret@")
    with pytest.raises(PerfedavgError) as error:
        fetch([f"{address}/missing", f"{address}/wrong"], SHA256, tmp_path / "data")
    fetch([f"{address}/file"], SHA256, tmp_path / "data")
    assert "http://***@127.0.0.1" in str(error.value)
    assert "s3cret" not in str(error.value) + "".join(capfd.readouterr())
    assert masked({"a": [f"see {address}/x?y=1@2", 3]}) == {
        "a": [f"see {server.replace('://', '://***@')}/x?y=1@2", 3]
    }


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
