"""A results folder made by hand, small, with all that an article is set from."""

from pathlib import Path

import pandas as pd

from perfedavg.analysis.article import write_article
from perfedavg.analysis.products import CLAIMS, SECTIONS, find
from perfedavg.storage.files import write_json
from perfedavg.storage.tables import spec_of
from tests.analysis.frames import RUNS, SELECTION
from tests.analysis.pdf_text import pages

ROOT = Path(__file__).parents[2]
PROTOCOL, TARGETS = ROOT / "config/paper_protocol.yaml", ROOT / "config/paper_targets.csv"
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
UNITS = ("accuracy", "log ratio of evaluations")
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
        values = {"lowest": 0.001, "highest": 0.02, "paper": 0.0311, "unit": UNITS[n % 2]}
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
        provenance |= more.get("provenance", {})
        write_json(folder / "provenance.json", provenance)
        for sub in ("logs", "tables", "figures"):
            (folder / sub).mkdir()
        if more.get("logs", True):
            (folder / "logs/train-a.log").write_text("start-up 30.00 s, work 7170.00 s\n")
        if verdicts:
            self.table("claims", claims(verdicts, text), CLAIMS)
        contract = find("table", "table1").module.CONTRACT
        best = {"initial_mean": 0.6123, "personalized_mean": 0.7234, "local_epochs": 10}
        table1 = pd.DataFrame([row(contract, clients_per_round=5, **best)])
        self.table("table1", table1, SECTIONS[1], text)
        card = pd.DataFrame({"quantity": ["training clients", "evaluation clients"]})
        if more.get("card", True):
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
