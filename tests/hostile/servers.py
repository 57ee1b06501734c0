"""A server that does not do what servers do."""

import hashlib
import socket
import threading
import time
from contextlib import suppress

from perfedavg.data import download
from tests.hostile.oracle import Group, WrongError, judge

CONTENT = bytes(range(256)) * 1200  # 300 kB: several packets
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LIMITS = {"TIMEOUT_SECONDS": 1, "SLOWEST_SECONDS": 0.7, "MOST_BYTES": 3 * 10**6, "WAIT_SECONDS": 0}


class Server:
    """Answers the requests of one trial, one behaviour for each, the last one for all others."""

    def __init__(self, behaviours):
        self.behaviours, self.served = behaviours, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}/data.tar.bz2"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                behave = self.behaviours[min(self.served, len(self.behaviours) - 1)]
                self.served += 1
                threading.Thread(target=self._answer, args=(connection, behave)).start()

    def _answer(self, connection, behave):
        with connection, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096) or b"\r\n\r\n"
            _, _, place = request.partition(b"bytes=")
            behave(connection, int(place.partition(b"-")[0] or 0))

    def close(self):
        self.socket.close()


def head(status="200 OK", **headers):
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def good(connection, start):
    if start >= len(CONTENT):
        return connection.sendall(head("416 Range Not Satisfiable", Content_Length=0))
    rest = CONTENT[start:]
    place = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    status, more = ("206 Partial Content", {"Content_Range": place}) if start else ("200 OK", {})
    return connection.sendall(head(status, Content_Length=len(rest), **more) + rest)


def without_ranges(connection, start):
    connection.sendall(head(Content_Length=len(CONTENT)) + CONTENT)


def without_length(connection, start):
    connection.sendall(head(Connection="close") + CONTENT)


def chunked(connection, start):
    parts = [CONTENT[i : i + 5000] for i in range(0, len(CONTENT), 5000)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    connection.sendall(head(Transfer_Encoding="chunked") + body + b"0\r\n\r\n")


def slowly(connection, content, pause=0.05):
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(pause)


def bad(name, answer):
    def behave(connection, start):
        answer(connection)

    behave.__name__ = name
    return behave


def status(code):
    return bad(
        f"status {code}", lambda c: c.sendall(head(f"{code} Odd", Content_Length=5) + b"sorry")
    )


def raw(name, content):
    return bad(name, lambda c: c.sendall(content))


def endless(connection):
    connection.sendall(head())
    while True:
        connection.sendall(CONTENT)


def endless_header(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"a" * 1000 + b"\r\n")


BAD = [
    *map(status, (204, 206, 301, 304, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 599)),
    bad("closed at once", lambda c: None),
    bad("silent", lambda c: time.sleep(3)),
    bad("drip in the status line", lambda c: slowly(c, b"HTTP/1.1 200 " + b"O" * 100)),
    bad("drip in the headers", lambda c: slowly(c, head(X_More="a" * 100))),
    bad("drip in the body", lambda c: (c.sendall(head(Content_Length=99)), slowly(c, b"a" * 99))),
    bad("drip in a chunk's size",
        lambda c: (c.sendall(head(Transfer_Encoding="chunked")), slowly(c, b"1;" + b"a" * 99))),
    bad("endless", endless),
    bad("endless header", endless_header),
    raw("no HTTP", b"220 ftp ready\r\n"),
    raw("binary", bytes(range(256))),
    raw("another protocol", b"HTTP/9.9 200 OK\r\n\r\n" + CONTENT[:10]),
    raw("odd status", b"HTTP/1.1 abc OK\r\n\r\n"),
    raw("status 99999", head("99999 OK", Content_Length=2) + b"ab"),
    raw("truncated", head(Content_Length=len(CONTENT)) + CONTENT[:100_000]),
    raw("too long", head(Content_Length=10) + CONTENT),
    raw("length -1", head(Content_Length=-1) + b"ab"),
    raw("length in words", head(Content_Length="many") + b"ab"),
    raw("length of 30 digits", head(Content_Length="9" * 30) + b"ab"),
    raw("length of 0", head(Content_Length=0)),
    raw("two lengths", head(Content_Length="5, 7") + b"abcde"),
    raw("wrong file", head(Content_Length=18) + b"<html>sorry</html>"),
    raw("gzip that is none", head(Content_Encoding="gzip", Content_Length=4) + b"abcd"),
    raw("odd encoding", head(Content_Encoding="\xff\xfe", Content_Length=4) + b"abcd"),
    raw("chunks that are none", head(Transfer_Encoding="chunked") + b"zz\r\nabc\r\n"),
    raw("a cut chunk", head(Transfer_Encoding="chunked") + b"ff\r\nabc"),
    raw("a chunk of -5", head(Transfer_Encoding="chunked") + b"-5\r\nabc\r\n0\r\n\r\n"),
    raw("a header without a colon", b"HTTP/1.1 200 OK\r\nodd\r\n\r\nab"),
    raw("bytes in a header", head(X="\x00\xff\x1b[31m", Content_Length=2) + b"ab"),
    raw("odd reason", b"HTTP/1.1 404 \x1b[31m\xff no\r\nContent-Length: 0\r\n\r\n"),
    raw("no address", head("302 Found", Location="http://[no/")),
    raw("another scheme", head("302 Found", Location="file:///etc/passwd")),
    raw("ftp", head("302 Found", Location="ftp://127.0.0.1/x")),
    raw("a loop", head("302 Found", Location="/data.tar.bz2", Content_Length=0)),
    raw("nowhere", head("302 Found", Location="http://127.0.0.1:1/x")),
    raw("empty location", head("302 Found", Location="")),
    raw("bytes in the location", b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\x00\r\n\r\n"),
    raw("port 99999", head("302 Found", Location="http://127.0.0.1:99999/x")),
    raw("another range", head("206 Part", Content_Range="bytes 7-9/10", Content_Length=3) + b"abc"),
    raw("odd range", head("206 Partial", Content_Range="all of it", Content_Length=3) + b"abc"),
    raw("an odd cookie", head(Set_Cookie="=;=;\x01", Content_Length=2) + b"ab"),
]  # fmt: skip


def server(rng, folder, what):
    """Some bad answers, perhaps a good one behind them, perhaps a part of an earlier start."""
    for name, value in LIMITS.items():
        setattr(download, name, value)
    bad_ones = [rng.choice(BAD) for _ in range(rng.choice([1, 1, 2]))]
    last = rng.choice([[], [good], [good], [without_ranges], [without_length], [chunked]])
    part = rng.choice([None, None, CONTENT[:50_000], CONTENT, CONTENT + b"x", b"another file", b""])
    if part is not None:
        (folder / "data.tar.bz2.part").write_bytes(part)
    what[0] = " | ".join(b.__name__ for b in bad_ones + last) + (f" | part {len(part or b'')}")
    serve = Server(bad_ones + last)
    target = folder / "data.tar.bz2"
    try:
        judge(
            lambda: download.fetch([serve.address], SHA256, target),
            where=(serve.address,),
            right=lambda _: target.read_bytes() == CONTENT,
        )
        served = bool(last) and target.exists()
        for left in last or [good]:  # the same again, and now the server is well
            serve.behaviours = [left]
        download.fetch([serve.address], SHA256, target)
    finally:
        serve.close()
    if target.read_bytes() != CONTENT or [p.name for p in folder.iterdir()] != ["data.tar.bz2"]:
        raise WrongError(f"not the same in the end, {served}: {list(folder.iterdir())}")


GROUPS = {"servers": Group(server, 8, 80)}
