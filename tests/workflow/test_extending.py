"""docs/extending.md: every file that it says to write, written into a copy of the project and
run."""

import re

import yaml

from tests.workflow.checkout import ROOT


def examples():
    """{heading: ({path: text of the file}, block of the config)} of the page."""
    page = (ROOT / "docs/extending.md").read_text()
    sections = {}
    for section in re.split(r"(?m)^## ", page)[1:]:
        files = re.findall(r"`(src/\S+?)`:\n\n```\w+\n(.*?)```", section, re.DOTALL)
        config = "".join(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL))
        sections[section.splitlines()[0]] = dict(files), yaml.safe_load(config) or {}
    return sections


def merged(block, changes):
    """``block`` with ``changes``, block by block."""
    both = {
        k: merged(block[k], v) for k, v in changes.items() if isinstance(v, dict) and k in block
    }
    return block | changes | both
