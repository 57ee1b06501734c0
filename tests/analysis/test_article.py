"""The article: what it says is in the results, and it is set whatever an experiment has."""

import json
import re
from pathlib import Path

import pytest

from perfedavg.analysis.article_tables import read_markdown
from perfedavg.analysis.protocol import DIFFERS, SAME, SILENT, compare, read_protocol
from perfedavg.runtime.errors import PerfedavgError
from tests.analysis.article_results import (
    FIGURES,
    PROTOCOL,
    ROOT,
    STUDIES,
    TARGETS,
    VERDICTS,
    Results,
)
from tests.analysis.frames import RUNS
from tests.analysis.pdf_text import attached, gaps

TEMPLATE = ROOT / "src/perfedavg/analysis/article.typ"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An experiment with everything, and its pages."""
    results = Results(tmp_path_factory.mktemp("whole"), studies=STUDIES)
    return results, results.write()


def test_no_number_is_typed_in_the_template():
    text = re.sub(r"^ *//.*", "", TEMPLATE.read_text(), flags=re.MULTILINE)
    text = re.sub(r'rgb\("#\w{6}"\)|luma\(\d+\)|"a4"', "", text)  # colours, paper
    text = re.sub(r'numbering(: |\()"[\d.]+"(, \d\))?|display\("1 / 1"|level: \d', "", text)
    text = re.sub(r"-?[\d.]+(pt|cm|em|fr|%)", "", text)  # lengths
    text = re.sub(r"stage2|len\(\) [<>] \d|slice\([-\d, ]+\)|length > 0", "", text)
    assert re.findall(r".*\d.*", text) == []


def test_no_semicolon_of_a_sentence_ends_an_expression_instead():
    """Typst takes one that follows an expression for its end, and does not set it."""
    assert re.findall(r"#[a-z][\w.-]*;.*|#\w+\([^()\n]*\);.*", TEMPLATE.read_text()) == []


def test_it_counts_the_verdicts_and_says_in_one_sentence_whether_the_paper_held(whole):
    _, found = whole
    text, first = " ".join(found), squeezed(found[0])
    assert 4 <= len(found) <= 8
    assert first.count(squeezed("5 supported, 4 refuted, 8 inconclusive, 19 not tested")) == 1
    for said in (
        "On glyphs62, the paper held in part: of its 36 claims, 5 are supported, 4 refuted, 8",
        "19 not tested; the runs took 2.0 core-hours on Any #1 *CPU* with 2 cores.",
        "Initial accuracy is best with M = 5 and E = 10 (0.6123)",
    ):
        assert squeezed(said) in first
    for name in ("Introduction", "Scope", "Methodology", "Results", "easy", "difficult", "Cost"):
        assert name in text
    for n in range(36):
        assert f"C{n}-x" in text


def test_every_number_is_in_the_results_or_counts_them(whole):
    results, found = whole
    given = [p for p in results.folder.rglob("*") if p.suffix in (".csv", ".md", ".json", ".log")]
    given += [PROTOCOL, TARGETS, TEMPLATE.with_suffix(".bib")]
    texts = [file.read_text() for file in given] + [str(p) for p in results.products]
    texts += ["So it is 0.8642", f"{7200 / 3600:.1f} {100 * 30 / 7200:.0f}", ("0123" * 16)[:16]]
    known = {n for text in texts for n in numbers(text)}
    protocol = read_protocol(PROTOCOL, "images")["rows"]
    counts = {5, 4, 8, 19, 36, 9, 27, len(RUNS), 2, 1, 3, 0, 7}  # verdicts, families, runs, seeds
    counts |= {len(protocol), *(len(FIGURES) - n for n in range(3))}
    text = " ".join(found)
    named = re.findall(r"Of (\d+) values .*?, (\d+) are the paper’s", text)[0]
    differ, silent = re.findall(r"values, (\d+) differ, and on (\d+) the paper", text)[0]
    assert int(named[0]) == int(named[1]) + int(differ) + int(silent) == len(protocol)
    inferred = sum(r["status"] == "inferred" for r in protocol)
    known |= {str(n) for n in (*counts, *named, differ, silent, inferred)}
    gain = f"{0.7234 - 0.6123:+.4f}"
    known |= set(numbers(gain)) | {"0.7.1", "0.0100"}
    known |= {"2.5", "12", "5", "3", "1"}  # the rules of docs/claims.md
    layout = r"(Figure|Table) \d+|\d+ / \d+|\[\d+\]|\b\d\.\d [A-Z]|\b\d [A-Z]\w+|perfedavg [\d.]+"
    assert [n for n in numbers(re.sub(layout, "", text)) if n not in known] == []


def squeezed(text):
    """Without what may differ where a line ends."""
    return re.sub(r"[\s\u00ad-]", "", text)


def numbers(text):
    """All numbers of a text, without sign and trailing zeros."""
    found = re.findall(r"\d+(?:,\d{3})*(?:\.\d+)*", text.replace("\u00a0", " "))
    return [n.rstrip("0").rstrip(".") if "." in n else n for n in found]


def test_a_reader_is_told_how_claims_are_decided_and_how_to_make_them_again(whole):
    results, found = whole
    text = squeezed(" ".join(found))
    for said in (
        "mean over the last 5 evaluated rounds (of stage two, 3)",
        "each one-sided at 2.5 %",
        "with fewer than 5 seeds",
        "under 12 analyses",
        "or after 1 or 5;",
        "How many of the 12 give the same verdict is agree in Table 2.",
        "are means over the last 5 evaluated rounds (of stage two, 3), while the tables below show",
        "with its unit, which is the effect’s and the paper’s too.",
        "a ratio, of evaluations.",
        "0.01 log ratio",
        "0.01 accuracy",
        "core-hours on Any #1 *CPU* with 2 cores; 0 % of it was the start-up",
        "The source is at commit abc;",
        "snakemake --cores all --configfile config.json",
        "The project names no public address of its source.",
    ):
        assert squeezed(said) in text, said
    config = json.loads((results.folder / "provenance.json").read_text())["config"]
    pdf = (results.folder / "article.pdf").read_bytes()
    assert [json.loads(file) for file in attached(pdf)] == [config]


def test_the_table_of_claims_takes_two_pages_at_most_and_groups_them_by_verdict(whole):
    _, found = whole
    text = " ".join(found)
    start = text.index("Every claim of the paper by its verdict")
    heads = ("Supported: 5", "Refuted: 4", "Inconclusive: 8", "Not tested: 19")
    places = [text.index(head, start) for head in heads]
    assert places == sorted(places)
    for n, verdict in enumerate(VERDICTS):
        head = next(head for head in heads if head.lower().startswith(verdict))
        place = text.index(f"C{n}-x", start)
        assert [h for h, at in zip(heads, places, strict=True) if at < place][-1] == head
    rows = [n for n, page in enumerate(found) if re.search(r"C\d+-x a claim", page)]
    assert len(rows) <= 2


NO_FACTS = {
    "card": False,
    "logs": False,
    "provenance": {
        "git_commit": "unknown",
        "machine": {"processor": "", "cores": 2, "system": "", "python": "3.11"},
    },
}


@pytest.mark.parametrize("missing", [{}, *({name: value} for name, value in NO_FACTS.items())])
@pytest.mark.parametrize("studies", [None, STUDIES], ids=["bare", "studies"])
def test_no_sentence_has_room_for_a_fact_that_is_missing(tmp_path, studies, missing):
    results = Results(tmp_path, studies=studies, **missing)
    text = " ".join(results.write())
    assert gaps((tmp_path / "article.pdf").read_bytes()) == []
    assert ("How long the runs took is not known" in text) == ("logs" in missing)
    assert ("The commit of the source is not known" in text) == ("provenance" in missing)
    assert ("held-out evaluation clients" in text) == ("card" in missing)


def test_equal_results_are_equal_bytes(whole):
    results, _ = whole
    path = results.folder / "article.pdf"
    first = path.read_bytes()
    results.write()
    assert path.read_bytes() == first
    assert b"CreationDate" not in first


def test_many_long_claims_still_fit(tmp_path):
    long = "With M = 5, personalized accuracy reaches the target in the fewest rounds at E = 10"
    results = Results(tmp_path, verdicts=VERDICTS * 2, text=long, studies=STUDIES)
    found = results.write()
    assert 4 <= len(found) <= 8
    assert "C71-x" in " ".join(found)


DATA = {
    "images": {"dataset": "glyphs62"},
    "tokens": {"dataset": "shakespeare"},
    "vectors": {"dataset": "table", "path": ["there/own #1.parquet"]},
}


@pytest.mark.parametrize("kind", DATA)
def test_an_experiment_without_studies_of_one_seed(tmp_path, kind):
    own, always = (
        kind == "vectors",
        ["rounds", "finetune_curve", "clients_before_after", "data_card"],
    )
    runs = RUNS[RUNS.seed == 0].assign(status="finished")
    bare = {"verdicts": () if own else ["not tested"] * 3, "figures": always, "runs": runs}
    found = Results(tmp_path, DATA[kind], **bare).write(kind)
    text = " ".join(found)
    assert 4 <= len(found) <= 8
    assert "Not run here: stage two, the comparison of all algorithms" in text
    assert "With one seed there is no spread" in text
    if own:
        assert "own #1.parquet" in found[0]
        assert "Verdicts" not in text
    else:
        called = DATA[kind]["dataset"]
        said = f"Nothing is decided about the paper by these runs on {called}: none of its 3 "
        said += "claims was tested"
        assert squeezed(said) in squeezed(found[0])
        assert "agree in Table" not in text
        assert ("the field’s standard" in text) == (kind == "tokens")


def test_one_of_one_and_all_of_all_are_not_counted(tmp_path):
    comparison = STUDIES["comparison"] | {"server_lr_factors": [1.0]}
    verdicts = ["supported", "not tested", "not tested"]
    results = Results(tmp_path, studies={"comparison": comparison}, verdicts=verdicts)
    text = squeezed(" ".join(results.write()))
    assert squeezed("The server rate of each is the common one.") in text
    assert squeezed("Supported: a claim (C0-x).") in text, "in words"
    assert squeezed("by these runs on glyphs62: 2 of its 3 claims were not tested") in text


def test_texts_are_never_markup(tmp_path):
    wild = r'#panic("no") *b* _i_ `r` $x$ <y> @deviations [z] \ // = #import "a"'
    found = Results(tmp_path, name=wild, text=wild, verdicts=["supported"] * 6).write()
    assert wild in " ".join(found)


@pytest.mark.parametrize(
    "name",
    [
        *("provenance.json", "runs.csv", "selection.json", "figures/rounds.svg"),
        *("tables/claims.csv", "tables/table1.md", "tables/table1.csv", "tables/data_card.md"),
    ],
)
def test_what_is_missing_or_damaged_is_named(tmp_path, name):
    results = Results(tmp_path)
    for damage, cure in (
        (lambda file: file.write_bytes(b"\xff{"), "delete it and give the same command again"),
        (Path.unlink, "again"),
    ):
        damage(tmp_path / name)
        with pytest.raises(PerfedavgError) as caught:
            results.write()
        assert str(tmp_path / name) in str(caught.value)
        assert cure in str(caught.value)
        assert not (tmp_path / "article.pdf").exists()


def test_a_figure_that_is_no_picture_and_a_protocol_that_is_none(tmp_path):
    results = Results(tmp_path, figures=["rounds"])
    (tmp_path / "figures/rounds.svg").write_text("<svg")
    with pytest.raises(PerfedavgError, match="The article cannot be set"):
        results.write()
    (tmp_path / "other.yaml").write_text("protocols: 3")
    with pytest.raises(PerfedavgError, match=r"other.yaml cannot be read as the paper's protocol"):
        results.write(protocol=tmp_path / "other.yaml")


def test_the_protocol_beside_a_config():
    rows = [
        {"item": "a", "key": "x.a", "paper": [5, 20], "status": "fact"},
        {"item": "b", "key": "x.b", "paper": 1.0, "status": "inferred"},
        {"item": "c", "key": "x.c", "status": "unknown"},
        {"item": "d", "key": "d", "measure": "length", "paper": {"from": 2, "to": 3}}
        | {"status": "inferred"},
        {"item": "e", "key": "e", "measure": "presence", "paper": True, "status": "fact"},
        {"item": "f", "key": "e.f", "paper": 3, "status": "fact"},
        {"item": "g", "key": "g", "measure": "grid", "paper": 8, "status": "fact"},
        {"item": "h", "key": "h", "measure": "grid", "paper": 8, "status": "fact"},
    ]
    config = {"x": {"a": [20, 5], "b": 2, "c": None}, "d": [7, 8], "e": None}
    grid = {"clients_per_round": [5, 20], "local_steps": [2, 5, 10, 20], "without": [{}]}
    config |= {"g": grid, "h": {"clients_per_round": [5], "local_epochs": [10]}}
    found = [tuple(one) for one in compare(rows, config)]
    assert found == [
        ("a", "5, 20", "", "20, 5", "fact", SAME),
        ("b", "1", "", "2", "inferred", DIFFERS),
        ("c", "", "", "not set", "unknown", SILENT),
        ("d", "2 to 3", "", "2", "inferred", SAME),
        ("e", "run", "", "not run", "fact", DIFFERS),
        ("g", "8", "", "7", "fact", DIFFERS),
        ("h", "8", "", "1", "fact", DIFFERS),
    ]


def test_a_markdown_table_is_read_back(tmp_path):
    (tmp_path / "a.md").write_text("About.\n\n| a | b |\n|:--|:--|\n| x \\| y | 1 |\n")
    frame = read_markdown(tmp_path / "a.md")
    assert frame.to_dict("records") == [{"a": "x | y", "b": "1"}]
