"""Every command of the README and the pages works when it is copied into a shell: it is run in a
dry form, and nothing in it means something else to bash or zsh. A command that no rule here covers
is a failure."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from zipfile import ZipFile

import pytest

from tests.workflow.checkout import ROOT, Checkout

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")),
    ROOT / "benchmarks/README.md",
    ROOT / "results/README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "api" not in path.parts),
]
PROGRAM = r"(?:\.venv/bin/|make |snakemake |python |pytest |bash |docker |cd |conda |pip )"
COMMAND = re.compile(rf"{PROGRAM}\S")
# Names of things, not commands: what is meant is the target or the program.
NAMES = {"snakemake plan", "snakemake verify", ".venv/bin/python"}

# What stands for something of the reader's own. Of an archive, a dry run reads the first bytes.
FILLED = {
    "PATH_OR_URL": "some.zip",
    "ARCHIVE": "some.zip",
    "PATH": "some.zip",
    "results/mine/figures/gains.png": "results/mine/figures/rounds.png",  # which is there
}
CHECKSUM = re.compile(r", sha256: [0-9a-f]{64}")  # of the reader's own archive
# Snakemake's ways to do something other than jobs: only their arguments are looked at.
NO_JOBS = {"--lint", "--report", "--unlock", "--touch"}
# Commands of other programs, which are at most parsed.
OTHERS = {
    "bash .ci/run",
    "cd DIR; sha256sum fed_emnist_test.h5 fed_emnist_train.h5 | sha256sum",
    "cd results/demo && cat $(find .sha256 -type f) | sha256sum -c --quiet",
}
UNSAFE = re.compile(r"[\[\](){}*?~<>#!^]|(?<!\S)=")
"""What bash or zsh would take for themselves outside of quotes; zsh knows no comments there."""


def commands_of(text):
    """The commands of a page: lines of indented blocks and of shell fences, and code in a line."""
    text = re.sub(r" *\\\n\s+", " ", text)
    fence, found = None, []
    for line in text.splitlines():
        if mark := re.match(r"```+(.*)", line):
            fence = None if fence is not None else mark[1].strip()
        elif fence in ("sh", "bash", "console") and COMMAND.match(line):
            found.append(line)
        elif fence is None and re.match(rf"    {PROGRAM}", line):
            found.append(line.strip())
        elif fence is None:
            found += [code for code in re.findall(r"`([^`]+)`", line) if COMMAND.match(code)]
    return [" ".join(command.split()) for command in found]


def collected():
    """Page by page, each command once."""
    return list(
        dict.fromkeys(
            (command, str(page.relative_to(ROOT)))
            for page in PAGES
            for command in dict.fromkeys(commands_of(page.read_text(encoding="utf-8")))
            if command not in NAMES
        )
    )


def unquoted(command):
    """A command without its quoted parts."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\\.", "", command)


def dry(command):
    """How a command is run without doing anything: (kind, arguments)."""
    if command in OTHERS:
        return "parsed", [command]
    words = shlex.split(CHECKSUM.sub("", command))
    program = words[0].removeprefix(".venv/bin/")
    arguments = [FILLED.get(word, word) for word in words[1:]]
    for name in ("PATH_OR_URL", "ARCHIVE", "PATH"):
        arguments = [re.sub(rf"\b{name}\b", FILLED[name], word) for word in arguments]
    if program == "snakemake":
        if "--profile" in arguments:  # of an executor that need not be installed
            at = arguments.index("--profile")
            assert (ROOT / arguments[at + 1] / "profile.yaml").exists()
            del arguments[at : at + 2]
        if NO_JOBS & set(arguments):
            return "parsed by snakemake", arguments
        return "snakemake", [*arguments, *(["-n"] * ("-n" not in arguments)), "--quiet", "all"]
    if program == "make":
        return "make", ["-n", *arguments]
    if program == "python" and arguments[0] == "-m":
        return "help", arguments[1:]
    if program == "python":
        return "help", arguments
    if program == "pip":
        extra = re.fullmatch(r"\.\[(\w+)\]", arguments[-1])
        return "extra", [extra[1]]
    if program == "pytest":
        return "there", arguments
    if program == "docker":
        return "docker", arguments
    return "unknown", words


COLLECTED = collected()
UNIQUE = list(dict.fromkeys(command for command, _ in COLLECTED))


def of_kind(*kinds):
    return [command for command in UNIQUE if dry(command)[0] in kinds]


def test_commands_are_found():
    assert len(UNIQUE) > 60
    kinds = {dry(command)[0] for command in UNIQUE}
    assert kinds >= {"snakemake", "make", "help", "extra", "parsed"}
    page = "text `make a` and `b`\n\n    make c \\\n        d\n"
    page += "\n```sh\nmake e\n```\n\n```yaml\nmake f\n```\n"
    assert commands_of(page) == ["make a", "make c d", "make e"]


@pytest.mark.parametrize(("command", "page"), COLLECTED)
def test_a_shell_takes_it_as_it_stands(command, page):
    assert dry(command)[0] != "unknown", f"{page}: no rule of this test covers it"
    if command not in OTHERS:
        assert not UNSAFE.search(unquoted(command)), f"{page}: quote it, no comment"
    assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0


@pytest.fixture(scope="module")
def answers(once):
    """Exit status and output of every dry form, by command."""
    return json.loads((once("commands", answer) / "answers.json").read_text())


def answer(folder):
    """Write them; Snakemake's from a copy of the project with the files that the pages call the
    reader's own."""
    checkout = Checkout(folder / "project")
    tiny = (checkout.folder / "tiny.yaml").read_text()
    for name in ("my", "other"):
        text = tiny.replace("experiment: tiny", f"experiment: {'mine' if name == 'my' else name}")
        (checkout.folder / f"{name}.yaml").write_text(text)
    (checkout.folder / "new.yaml").write_text("evaluation: { target_accuracy: 0.1 }\n")
    with ZipFile(checkout.folder / "some.zip", "w") as archive:
        for data in ("fed_emnist", "shakespeare"):
            for split in ("train", "test"):
                archive.writestr(f"{data}_{split}.h5", b"\x89HDF\r\n\x1a\n")
    found = {}
    for kind, place in (("snakemake", checkout.folder), ("help", ROOT)):
        wanted = {command: dry(command)[1] for command in of_kind(kind)}
        for command, (first, *others) in wanted.items():
            form = ("snakemake", first, *others) if kind == "snakemake" else (first, "--help")
            wanted[command] = form
        forms = list(dict.fromkeys(wanted.values()))
        paths = os.pathsep.join([str(place / "src"), str(ROOT)])
        run = subprocess.run(
            [sys.executable, "-m", "tests.commands"],
            cwd=place, input=json.dumps(forms), capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": paths},
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        said = dict(zip(forms, json.loads(run.stdout), strict=True))
        found |= {command: said[form] for command, form in wanted.items()}
    (folder / "answers.json").write_text(json.dumps(found))


@pytest.mark.parametrize("command", of_kind("snakemake"))
def test_snakemake_plans_it(command, answers):
    status, output = answers[command]
    assert status == 0, output


@pytest.mark.parametrize("command", of_kind("parsed by snakemake"))
def test_snakemake_knows_its_arguments(command):
    from snakemake.cli import get_argument_parser

    get_argument_parser().parse_args(dry(command)[1])


@pytest.mark.parametrize("command", of_kind("make"))
def test_make_knows_it(command):
    run = subprocess.run(
        ["make", *dry(command)[1]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("command", of_kind("help"))
def test_a_program_knows_its_options(command, answers):
    status, output = answers[command]
    assert status == 0, output
    options = [word for word in dry(command)[1] if word.startswith("--")]
    assert [option for option in options if option not in output] == []


@pytest.mark.parametrize("command", of_kind("extra", "there", "docker"))
def test_what_it_names_is_there(command):
    kind, arguments = dry(command)
    if kind == "extra":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert arguments[0] in project["optional-dependencies"]
    elif kind == "there":
        assert all((ROOT / path).exists() for path in arguments)
    else:  # no daemon here: its first word, and the file that it builds from
        assert arguments[0] in ("build", "run")
        assert arguments[0] == "run" or (ROOT / "Containerfile").exists()
