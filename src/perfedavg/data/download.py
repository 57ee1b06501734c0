"""Fetch an archive: resumed where it was cut off, verified by its sha256, in its place whole or not
at all.

Pooch does the work; its downloader starts every file from nothing, so :class:`ResumingDownloader`
resumes from a ``.part`` file beside the archive."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

import pooch
import requests
from urllib3.exceptions import HTTPError

from perfedavg.runtime.errors import PerfedavgError, reason
from perfedavg.runtime.job import Progress
from perfedavg.runtime.secrets import masked
from perfedavg.storage.files import sha256_of, write_text

logger = logging.getLogger("perfedavg")

TIMEOUT_SECONDS = 60  # without a byte
SLOWEST_BYTES, SLOWEST_SECONDS = 1 << 16, 300  # a server that sends less in this time is given up
MOST_BYTES = 1 << 36  # 64 GiB, where the server does not say how long the file is
CHUNK_BYTES = 1 << 20
ATTEMPTS, WAIT_SECONDS = 3, 5


class _OtherRange(requests.ConnectionError):
    """The server sends another part of the file than was asked for."""


class _TooSlow(requests.ConnectionError):
    def __init__(self) -> None:
        super().__init__(f"it sends less than {SLOWEST_BYTES} bytes in {SLOWEST_SECONDS} s")


def _received(url: str, headers: dict[str, str]) -> Iterator[Any]:
    """The server's answer, then its body as it comes."""
    with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=headers) as response:
        yield response
        while chunk := response.raw.read1(CHUNK_BYTES):
            yield chunk


def _in_time(make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """What ``make()`` gives, made in a thread of its own, so that nothing is waited for longer than
    ``SLOWEST_SECONDS``: the time-out of a connection begins anew with every byte, also within a
    header.

    Raises:
        _TooSlow: something took longer.
    """
    made: Queue[tuple[Any, bool]] = Queue(8)
    left = Event()

    def put(item: Any, is_last: bool) -> None:
        while not left.is_set():
            with suppress(Full):
                made.put((item, is_last), timeout=1)
                return

    def work() -> None:
        try:
            for item in make():
                put(item, False)
                if left.is_set():
                    return
            put(None, True)
        except Exception as error:
            put(error, True)

    Thread(target=work, daemon=True).start()
    try:
        while True:
            item, is_last = made.get(timeout=SLOWEST_SECONDS)
            if not is_last:
                yield item
            elif item is None:
                return
            else:
                raise item
    except Empty:
        raise _TooSlow from None
    finally:
        left.set()


class ResumingDownloader:
    """A downloader for ``pooch.retrieve`` that appends to ``part`` what is still missing, by an
    HTTP range request."""

    def __init__(self, part: Path) -> None:
        self.part = part
        self.resumed = False  # whether a part of an earlier request was used

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Complete ``part`` and copy it to ``output_file``.

        Raises:
            requests.RequestException: the server cannot be reached, refuses, answers oddly, is too
            slow, or stops before the end."""
        done = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
        try:
            with closing(_in_time(partial(_received, url, headers))) as received:
                response = next(received)
                if done and response.status_code == requests.codes.requested_range_not_satisfiable:
                    self.resumed = True  # all of it is here; the checksum decides
                else:
                    response.raise_for_status()
                    continues = _continues(response, done)
                    self._append(response, received, done if continues else 0)
        except _OtherRange:
            self.part.unlink()  # the next attempt asks for the whole file
            raise
        except (HTTPError, HTTPException, ValueError) as error:  # ... of an odd answer or address
            if isinstance(error, requests.RequestException):
                raise
            raise requests.ConnectionError(str(error) or type(error).__name__) from error
        shutil.copyfile(self.part, output_file)

    def _append(self, response: requests.Response, chunks: Iterator[Any], done: int) -> None:
        self.resumed = done > 0
        header = response.headers.get("Content-Length", "")
        length = int(header) if header.isascii() and header.isdigit() else None
        if done:
            logger.info("%s resumes after %d MB", self.part.stem, done >> 20)
        total = (done + length) >> 20 if length else None
        progress = Progress(f"download {self.part.stem}", total, "MB", done=done >> 20)
        received = in_time = 0
        began = time.monotonic()
        with open(self.part, "ab" if done else "wb", buffering=0) as file:  # to the last byte
            for chunk in chunks:
                file.write(chunk)
                received, in_time = received + len(chunk), in_time + len(chunk)
                if received > (length or MOST_BYTES):
                    raise requests.ConnectionError(
                        f"it sends more than {length or MOST_BYTES} bytes"
                    )
                if in_time >= SLOWEST_BYTES:
                    in_time, began = 0, time.monotonic()
                elif time.monotonic() - began > SLOWEST_SECONDS:
                    raise _TooSlow
                progress.advance((done + received) >> 20)
        progress.close()
        if length and received < length:
            raise requests.ConnectionError(
                f"the connection ended after {received} of {length} bytes"
            )


def _continues(response: requests.Response, done: int) -> bool:
    """Whether the answer is what is missing behind ``done`` bytes, and not the whole file."""
    if response.status_code != requests.codes.partial_content:
        return False
    place = response.headers.get("Content-Range", f"bytes {done}-")
    if not place.strip().startswith(f"bytes {done}-"):
        raise _OtherRange(f"asked for bytes from {done} on, it sends {place[:60]!r}")
    return True


def fetch(urls: Sequence[str], sha256: str, path: str | Path) -> None:
    """Download the first of ``urls`` that serves the file with this checksum to ``path``.

    A download whose connection breaks is resumed a few times; where a part of an earlier start
    proves to be of another file, it starts afresh once.

    Raises:
        PerfedavgError: none does; says of each what went wrong.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("ERROR")  # it would show the address, with its password
    part = path.with_name(path.name + ".part")
    problems = []
    for url in urls:
        problem = _fetch_one(url, sha256, path, part)
        if not problem:
            part.unlink(missing_ok=True)
            return
        problems.append(f"{masked(url)}: {masked(problem)}")
    raise PerfedavgError(
        f"{path.name} could not be downloaded ({'; '.join(problems)}). Try again later, or name a "
        "copy: --config 'data={archive: PATH_OR_URL, sha256: HASH}'."
    )


def _fetch_one(url: str, sha256: str, path: Path, part: Path) -> str:
    """What went wrong; empty if nothing did."""
    attempts, afresh = 0, False
    while attempts < ATTEMPTS:
        if attempts:
            time.sleep(WAIT_SECONDS * attempts)
        attempts += 1
        downloader = ResumingDownloader(part)
        try:
            pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, downloader=downloader)
        except requests.RequestException as error:  # what came so far stays, for the next attempt
            problem = _reason(error)
            if error.response is not None and error.response.status_code < 500:
                break  # it will not be there a second later either
        except ValueError:
            problem = f"what it serves has sha256 {sha256_of(part)}, not {sha256}"
            part.unlink()
            if afresh or not downloader.resumed:
                break
            attempts, afresh = 0, True
        else:
            return ""
    return problem


NOTE = "The archive is read where it lies, at the path that data.archive names.\n"


def write_note(path: str | Path) -> None:
    """Write, in the place of a download, that an archive of the user's own is read instead."""
    write_text(path, NOTE)


def is_note(path: str | Path) -> bool:
    """Whether a file is no archive, but such a note."""
    with open(path, "rb") as file:
        return file.read(len(NOTE) + 1) == NOTE.encode()


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if "Max retries" in str(error):
        return "the server cannot be reached"
    return reason(error)
