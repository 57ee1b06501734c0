"""Fetch an archive: resumed where it was cut off, verified by its sha256, in its place whole or not
at all.

Pooch does the work; its downloader starts every file from nothing, so :class:`ResumingDownloader`
resumes from a ``.part`` file beside the archive."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pooch
import requests

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import Progress
from perfedavg.storage.files import sha256_of, write_text

logger = logging.getLogger("perfedavg")

TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
ATTEMPTS, WAIT_SECONDS = 3, 5


class ResumingDownloader:
    """A downloader for ``pooch.retrieve`` that appends to ``part`` what is still missing, by an
    HTTP range request."""

    def __init__(self, part: Path) -> None:
        self.part = part

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Complete ``part`` and copy it to ``output_file``.

        Raises:
            requests.RequestException: the server cannot be reached, refuses, or stops before the
            end."""
        done = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={done}-"} if done else {}
        with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=headers) as response:
            if done and response.status_code == requests.codes.requested_range_not_satisfiable:
                pass  # all of it is here; the checksum decides
            else:
                response.raise_for_status()
                resumed = response.status_code == requests.codes.partial_content
                self._append(response, done if resumed else 0)
        shutil.copyfile(self.part, output_file)

    def _append(self, response: requests.Response, done: int) -> None:
        length = response.headers.get("Content-Length")
        if done:
            logger.info("%s resumes after %d MB", self.part.stem, done >> 20)
        total = (done + int(length)) >> 20 if length else None
        progress = Progress(f"download {self.part.stem}", total, "MB", done=done >> 20)
        received = 0
        with open(self.part, "ab" if done else "wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                progress.advance((done + received) >> 20)
        progress.close()
        if length and received < int(length):
            raise requests.ConnectionError(
                f"the connection ended after {received} of {length} bytes"
            )


def fetch(urls: Sequence[str], sha256: str, path: str | Path) -> None:
    """Download the first of ``urls`` that serves the file with this checksum to ``path``.

    A download whose connection breaks is resumed a few times.

    Raises:
        PerfedavgError: none does; says of each what went wrong.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    problems = []
    for url in urls:
        problem = _fetch_one(url, sha256, path, part)
        if not problem:
            part.unlink(missing_ok=True)
            return
        problems.append(f"{url}: {problem}")
    raise PerfedavgError(
        f"{path.name} could not be downloaded ({'; '.join(problems)}). Try again later, or name a "
        "copy: --config 'data={archive: PATH_OR_URL, sha256: HASH}'."
    )


def _fetch_one(url: str, sha256: str, path: Path, part: Path) -> str:
    """What went wrong; empty if nothing did."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(WAIT_SECONDS * attempt)
        try:
            pooch.retrieve(
                url, f"sha256:{sha256}", path.name, path.parent, downloader=ResumingDownloader(part)
            )
        except requests.RequestException as error:  # what came so far stays, for the next attempt
            problem = _reason(error)
            if error.response is not None and error.response.status_code < 500:
                break  # it will not be there a second later either
        except ValueError:
            problem = f"what it serves has sha256 {sha256_of(part)}, not {sha256}"
            part.unlink()
            break
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
    return "the server cannot be reached" if "Max retries" in str(error) else str(error)
