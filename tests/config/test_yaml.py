"""A config file as people's editors leave it: read the same, or refused before anything runs."""

import pytest
import yaml
from snakemake.common.configfile import load_configfile
from snakemake_interface_common.exceptions import WorkflowError

from perfedavg.config.load import check_keys, load_config
from perfedavg.runtime.errors import PerfedavgError
from tests.workflow.checkout import ROOT

TINY = (ROOT / "tests/workflow/tiny.yaml").read_text()


def read(path, text):
    """As the workflow reads it."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    check_keys(path)
    return load_config(load_configfile(path))


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + TINY.encode(),
        TINY.replace("\n", "\r\n"),
        TINY.replace("lr: 0.05", "lr: 5e-2"),
        TINY.replace("rounds: 4", 'rounds: "4"').replace("epochs: 2,", "epochs: '2',"),
        "---\n" + TINY + "...\n",
        TINY.replace("\n", " # said\n"),
        yaml.safe_dump(yaml.safe_load(TINY), default_flow_style=True),
        "# by hand\n\n" + TINY.replace("experiment: tiny", "'experiment': !!str tiny"),
    ],
    ids=["mark", "CRLF", "5e-2", "quoted", "document", "comments", "flow", "tags"],
)
def test_the_same_in_other_forms(tmp_path, text):
    assert read(tmp_path / "a.yaml", text) == load_config(yaml.safe_load(TINY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        TINY.replace("local_epochs: [1, 2]", "local_epochs: 1"),
        "experiment: x\ntraining:\n\trounds: 3\n",
        "- experiment\n",
        "just text\n",
        TINY + "seeds: [2]\n",
        TINY.replace("seeds: [0, 1]", "seeds: [0, 1"),
        b"\xff\xfe" + TINY.encode("utf-16-le"),
        b"experiment: \xff\n",
    ],
    ids=[
        "empty",
        "comment",
        "number",
        "tab",
        "list",
        "text",
        "twice",
        "bracket",
        "UTF-16",
        "bytes",
    ],
)
def test_what_is_no_config_is_refused(tmp_path, text):
    """By a sentence, Snakemake's own where YAML itself is broken; it wants UTF-8."""
    with pytest.raises((PerfedavgError, WorkflowError, UnicodeDecodeError)) as raised:
        read(tmp_path / "a.yaml", text)
    assert str(raised.value)


def test_a_colour_of_the_command_line_is_no_comment():
    """Snakemake hands the texts of a command line on without their quotes."""
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["figures"] = {"initial": "#AA3377", "dpi": "300"}
    figures = load_config(raw).figures
    assert (figures.initial, figures.dpi) == ("#AA3377", 300)
