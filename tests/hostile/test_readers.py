"""A damaged file of results is one sentence, whoever reads it."""

import errno
import os
import random
import sys

import pytest

from perfedavg.analysis import agreement
from perfedavg.analysis.claims import __main__ as claims
from perfedavg.runtime.errors import reading
from tests.hostile.oracle import judge
from tests.hostile.readers import DAMAGE, FORGIVING, READABLE, READERS, another, read, whole


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*READERS, *FORGIVING])
def test_undamaged_it_is_read(name, tmp_path):
    file = (READERS | FORGIVING)[name][0]
    call, _ = read(name, tmp_path, (whole() / file).read_bytes())
    call()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*READERS, *FORGIVING])
def test_damaged_it_is_named(name, tmp_path):
    """Nothing of another file, of half a file or of none is taken for the file."""
    file = (READERS | FORGIVING)[name][0]
    content = (whole() / file).read_bytes()
    for how, damaged in DAMAGE.items():
        call, places = read(name, tmp_path / how, damaged(content, another(file)))
        read_as_it_is = name in FORGIVING or (name, how) in READABLE
        judge(call, places, right=lambda result, may=read_as_it_is: may)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*READERS, *FORGIVING])
def test_a_wrong_bit_is_read_or_named(name, tmp_path):
    """Without a checksum nobody can tell every bit, but nothing unexpected comes of it."""
    draw, content = random.Random(name), (whole() / (READERS | FORGIVING)[name][0]).read_bytes()
    for number in range(4):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        call, places = read(name, tmp_path / str(number), bytes(damaged))
        judge(call, places, right=lambda result: True)


def test_what_the_machine_lacks_is_no_damage(tmp_path):
    """Nobody must delete a file that cannot be opened for other reasons."""
    for number in (errno.EACCES, errno.EMFILE, errno.EIO):
        with pytest.raises(OSError, match=os.strerror(number)), reading(tmp_path):
            raise OSError(number, os.strerror(number))
    with pytest.raises(MemoryError), reading(tmp_path):
        raise MemoryError


@pytest.mark.parametrize("program", [agreement, claims])
def test_a_program_says_it_too(program, tmp_path, monkeypatch):
    """What people start themselves, beside the workflow."""
    monkeypatch.setattr(sys, "argv", ["program", str(tmp_path)])
    with pytest.raises(SystemExit, match=f"Error: {tmp_path}/runs.csv is missing; give"):
        program.main()
