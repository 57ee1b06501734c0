"""The article: what it says is in the results, and it is set whatever an experiment has."""

import re
from pathlib import Path

import pandas as pd
import pytest

from perfedavg.analysis.article import write_article
from perfedavg.analysis.article_tables import read_markdown
from perfedavg.analysis.products import CLAIMS, SECTIONS, find
from perfedavg.analysis.protocol import DIFFERS, SAME, SILENT, compare, read_protocol
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import write_json
from perfedavg.storage.tables import spec_of
from tests.analysis.frames import RUNS, SELECTION
from tests.analysis.pdf_text import pages

ROOT = Path(__file__).parents[2]
PROTOCOL, TARGETS = ROOT / "config/paper_protocol.yaml", ROOT / "config/paper_targets.csv"
TEMPLATE = ROOT / "src/perfedavg/analysis/article.typ"
STUDIES = {
    "stage2": {
        "rounds": 11,
        "reptile_steps": 13,
        "servers": [{"optimizer": "adam"}, {"optimizer": "sgd"}],
        "controls": True,
        "control_work": 1,
        "control_rate_divisor": 17.0,
    },
    "comparison": {
        "entries": {"fedsgd": [], "fedavg": []},
        "rounds": 19,
        "clients_per_round": 3,
        "local_steps": 23,
        "server_lr_factors": [0.5, 1.0],
    },
    "theory": {"max_steps": 6, "clients": 9, "rounds": [20]},
    "strategies": [{"layers": "last"}],
    "centralized": {"passes": 31, "lr": 0.01, "momentum": 0.9, "batch_size": 37},
    "local_only": {"epochs": 41},
}
FIGURES = ("claims", "rounds", "stage2", "finetune_curve", "theory", "algorithms", "interpolation")
VERDICTS = ["supported"] * 5 + ["refuted"] * 4 + ["inconclusive"] * 8 + ["not tested"] * 19


def row(contract, **values):
    """A row that keeps a table's contract."""
    blank = {"str": "", "int": 1, "float": 0.25, "int?": None, "float?": None}
    return {name: blank[spec_of(c).split()[0]] for name, c in contract.items()} | values


def claims(verdicts, text="a claim"):
    """The table of claims with these verdicts, the first one about the identity."""
    contract = find("table", "claims").module.CONTRACT
    rows = []
    for n, verdict in enumerate(verdicts):
        tested = {"estimate": 0.0123, "ci_low": 0.0045, "ci_high": 0.0201, "num_agree": 7}
        family = "identity" if n == 0 else "headline" if n < 9 else "table 1"
        values = {"lowest": 0.001, "highest": 0.02, "paper": 0.0311, "unit": "accuracy"}
        values |= tested if verdict != "not tested" else {"num_agree": None}
        why = "not run: this" if verdict == "not tested" else ""
        facts = {"id": f"C{n}-x", "claim": text, "family": family, "verdict": verdict}
        rows.append(row(contract, margin=0.01, num_seeds=8, why=why, **facts, **values))
    return pd.DataFrame(rows)


class Results:
    """A results folder, small, made by hand."""

    def __init__(self, folder, data=None, studies=None, verdicts=VERDICTS, figures=FIGURES, **more):
        self.folder, self.products = folder, []
        name, runs = more.get("name", "tiny"), more.get("runs", RUNS)
        text = more.get("text", "a claim")
        runs.to_csv(folder / "runs.csv", index=False)
        SELECTION.save(folder / "selection.json")
        config = {
            "experiment": name,
            "seeds": [0, 1],
            "data": data or {"dataset": "glyphs62"},
            "split": {"order": "sorted", "training_clients": 43, "file": None},
            "model": "cnn_small",
            "training": {
                "rounds": 47,
                "clients_per_round": [5],
                "local_epochs": [2, 10],
                "client": {"lr": 0.05, "batch_size": 53, "shuffle_buffer": 1000},
                "server": {"optimizer": "sgd", "lr": 1.0, "momentum": 0.9},
            },
            "evaluation": {
                "every": 10,
                "target_accuracy": 0.59,
                "fine_tuning": {"optimizer": "sgd", "lr": 0.05, "batch_size": 61, "epochs": 2},
            },
            "studies": studies or {},
        }
        machine = {"processor": "Any #1 *CPU*", "cores": 2, "system": "Linux", "python": "3.11"}
        provenance = {"config": config, "machine": machine, "packages": {"torch": "2.13"}}
        provenance |= {"git_commit": "abc", "data_sha256": "0123" * 16, "network": ""}
        write_json(folder / "provenance.json", provenance)
        for sub in ("logs", "tables", "figures"):
            (folder / sub).mkdir()
        (folder / "logs/train-a.log").write_text("start-up 30.00 s, work 7170.00 s\n")
        if verdicts:
            self.table("claims", claims(verdicts, text), CLAIMS)
        contract = find("table", "table1").module.CONTRACT
        best = {"initial_mean": 0.6123, "personalized_mean": 0.7234, "local_epochs": 10}
        table1 = pd.DataFrame([row(contract, clients_per_round=5, **best)])
        self.table("table1", table1, SECTIONS[1], text)
        card = pd.DataFrame({"quantity": ["training clients", "evaluation clients"]})
        self.table("data_card", card.assign(value=["43", "67"]), SECTIONS[-1])
        for figure in figures:
            self.figure(figure, CLAIMS if figure == "claims" else SECTIONS[1], text)

    def table(self, name, frame, section, text="any"):
        base = self.folder / f"tables/{name}"
        frame.to_csv(base.with_suffix(".csv"), index=False)
        markdown = frame.astype(str).to_markdown(index=False, disable_numparse=True)
        base.with_suffix(".md").write_text(f"About it.\n\n{markdown}\n")
        self._product("table", name, section, text)

    def figure(self, name, section, text):
        answer = "So it is 0.8642."
        drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="396" height="250"><desc>{name}'
        drawing += "</desc><rect width='90' height='90'/></svg>"
        drawing += f"<!--<dc:description>{answer}</dc:description>-->"
        (self.folder / f"figures/{name}.svg").write_text(drawing)
        self._product("figure", name, section, text)

    def _product(self, kind, name, section, text):
        facts = {"title": f"{name} in short", "caption": f"{text} of {name}.", "section": section}
        facts |= {"alt": "any", "image": "svg"} if kind == "figure" else {}
        self.products.append({"kind": kind, "name": name, "folded": False, **facts})
        self.products.sort(key=lambda p: SECTIONS.index(p["section"]))

    def write(self, kind="images", network="cnn_small", protocol=PROTOCOL, targets=TARGETS):
        """The pages' text."""
        path = self.folder / "article.pdf"
        write_article(path, self.products, kind, network, protocol, targets)
        return pages(path.read_bytes())


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
    text = re.sub(r"stage2|columns\(2|len\(\) [<>] \d|slice\([-\d, ]+\)|length > 0", "", text)
    assert re.findall(r".*\d.*", text) == []


def test_it_counts_the_verdicts_and_says_in_one_sentence_whether_the_paper_held(whole):
    _, found = whole
    text, first = " ".join(found), squeezed(found[0])
    assert 4 <= len(found) <= 8
    assert first.count(squeezed("5 supported, 4 refuted, 8 inconclusive, 19 not tested")) == 2
    for said in (
        "On glyphs62, the paper held in part: of its 36 claims, 5 are supported, 4 refuted, 8",
        "19 not tested; the runs took 2.0 core-hours on Any #1 *CPU*.",
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
    layout = r"(Figure|Table) \d+|\d+ / \d+|\[\d+\]|\b\d\.\d [A-Z]|\b\d [A-Z]\w+|perfedavg [\d.]+"
    assert [n for n in numbers(re.sub(layout, "", text)) if n not in known] == []


def squeezed(text):
    """Without what may differ where a line ends."""
    return re.sub(r"[\s\u00ad-]", "", text)


def numbers(text):
    """All numbers of a text, without sign and trailing zeros."""
    found = re.findall(r"\d+(?:,\d{3})*(?:\.\d+)*", text.replace("\u00a0", " "))
    return [n.rstrip("0").rstrip(".") if "." in n else n for n in found]


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
        said = f"Nothing is decided about the paper by these runs on {called}: 3 of its 3 claims"
        assert squeezed(said) in squeezed(found[0])
        assert ("the field’s standard" in text) == (kind == "tokens")


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
    ]
    config = {"x": {"a": [20, 5], "b": 2, "c": None}, "d": [7, 8], "e": None}
    found = [tuple(one) for one in compare(rows, config)]
    assert found == [
        ("a", "5, 20", "", "20, 5", "fact", SAME),
        ("b", "1", "", "2", "inferred", DIFFERS),
        ("c", "", "", "not set", "unknown", SILENT),
        ("d", "2 to 3", "", "2", "inferred", SAME),
        ("e", "run", "", "not run", "fact", DIFFERS),
    ]


def test_a_markdown_table_is_read_back(tmp_path):
    (tmp_path / "a.md").write_text("About.\n\n| a | b |\n|:--|:--|\n| x \\| y | 1 |\n")
    frame = read_markdown(tmp_path / "a.md")
    assert frame.to_dict("records") == [{"a": "x | y", "b": "1"}]
