"""docs/troubleshooting.md has every message of the sources, and no other."""

import ast
import re

import pytest

from tests.hostile.oracle import ADVICE
from tools.messages import ROOT, messages

FOUND = messages()
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
ROWS = [
    re.split(r" (?<!\\)\| ", line.strip("| "))
    for line in re.findall(r"^\| .*$", PAGE, re.MULTILINE)
]
SHOWN = {row[0].replace("\\|", "|") for row in ROWS}


@pytest.mark.parametrize("file", FOUND)
def test_the_page_has_every_message(file):
    assert [text for text in FOUND[file] if text not in SHOWN] == []


def test_every_sentence_says_what_to_do():
    """Those that are whole; the parts of one stand in another that does."""
    whole = [text for texts in FOUND.values() for text in texts if text.endswith(".")]
    varies = ("…; ….", "…): ….", "…); ….")  # where what is put in says it
    ends = [text for text in whole if not ADVICE.search(text) and not text.endswith(varies)]
    assert ends == ["Error: stopped by Ctrl-C; the same command goes on where it was."]


def test_every_row_has_a_cause_and_a_cure_and_is_of_the_sources():
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("workflow/**/*.py")]
    texts = [
        node.value
        for file in sources
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts += [
        re.sub(r'"\s+f?"', "", file.read_text()) for file in ROOT.glob("workflow/rules/*.smk")
    ]
    for row in ROWS:
        assert len(row) == 3, row
        if "Snakemake's own" in " ".join(row) or row[0] == "message":
            continue
        words = re.findall(
            r"[A-Za-z ',/-]+", row[0].removeprefix("Error: ").split("; make room")[0]
        )
        longest = max(words, key=len, default="").strip()
        assert any(longest in text for text in texts), longest


def test_what_is_collected_is_what_is_raised():
    """One by hand, of text in pieces and with what varies."""
    assert (
        "… (data.archive): …, but … is missing; put both into one folder or archive."
        in FOUND["src/perfedavg/data/archives.py"]
    )
