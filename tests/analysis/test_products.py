"""The registry of tables and figures: what is found, what a product must have, what it reads."""

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest

from perfedavg.analysis.inputs import INPUTS
from perfedavg.analysis.products import CLAIMS, SECTIONS, all_products, call, find
from perfedavg.analysis.report import write_report
from perfedavg.analysis.runs import read_runs_table, write_runs_table
from perfedavg.storage.files import write_json
from tests.analysis.frames import RUNS, SELECTION, rows, save

PRODUCTS = {f"{product.kind}s/{product.name}": product for product in all_products()}


def test_every_file_is_a_product():
    assert set(PRODUCTS) >= {
        *(f"tables/{name}" for name in ("table1", "baselines", "stage2", "algorithms", "theory")),
        *(f"tables/{name}" for name in ("strategies", "data_card")),
        *(f"figures/{name}" for name in ("rounds", "finetune_curve", "clients_before_after")),
        *(f"figures/{name}" for name in ("stage2", "algorithms", "interpolation", "theory")),
        *(f"figures/{name}" for name in ("strategies", "data_card")),
    }


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_says_all_that_is_said_of_it(name):
    product = PRODUCTS[name]
    module = product.module
    assert module.SECTION in SECTIONS
    assert all(value for name, value in product.on_page().items() if name != "folded")
    for text in (module.CAPTION, module.ROWS):
        assert text.endswith((".", "?"))
    assert list(module.CONTRACT)[-1] == "caveat", "nothing is shown without it"
    assert product.inputs


def test_the_page_asks_one_question_after_the_other():
    sections = [product.module.SECTION for product in all_products()]
    asked = [section for section in SECTIONS if section in sections or section != CLAIMS]
    assert list(dict.fromkeys(sections)) == asked
    assert [SECTIONS.index(section) for section in sections] == sorted(
        map(SECTIONS.index, sections)
    )


def test_a_workflow_starts_without_matplotlib_and_torch():
    """Snakemake imports the registry at every start, of every job too."""
    code = (
        "import sys; from perfedavg.analysis.products import all_products; all_products(); "
        "print(sorted({'matplotlib', 'seaborn', 'scipy', 'torch', 'pandera'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_functions_get_what_their_arguments_name():
    assert call(lambda first, b, a: (first, b, a), {"a": 1, "b": 2, "c": 3}, 0) == (0, 2, 1)
    assert find("table", "theory").inputs == ["caveat", "theory_rows"]
    assert find("table", "table1").inputs == [
        "runs",
        "selection",
        "grid_evaluation",
        "paper",
        "store",
    ]
    config = SimpleNamespace(evaluation=SimpleNamespace(target_accuracy=0.8))
    assert find("figure", "rounds").settings({"config": config, "ways": []}) == {"target": 0.8}
    assert all(set(product.inputs) <= set(INPUTS) for product in all_products())


def test_what_a_config_asks_for():
    block = SimpleNamespace(interpolation=())
    studies = SimpleNamespace(stage2=None, comparison=block, theory=None, strategies=())
    studies.centralized = studies.local_only = studies.other_split = None
    data = SimpleNamespace(kind="images", is_the_papers=False, of_the_user=False)
    config = SimpleNamespace(studies=studies, data=data)
    names = {name for name, product in PRODUCTS.items() if product.asked(config)}
    assert set(PRODUCTS) - names >= {
        *(f"{kind}/{name}" for kind in ("tables", "figures") for name in ("stage2", "theory")),
        *(f"{kind}/strategies" for kind in ("tables", "figures")),
        *(f"{kind}/ngrams" for kind in ("tables", "figures")),
        *("figures/interpolation", "tables/baselines"),
    }
    studies.local_only = SimpleNamespace()
    assert PRODUCTS["tables/baselines"].asked(config)
    assert names >= {"tables/table1", "tables/algorithms", "figures/algorithms"}


def test_a_product_is_made_from_files(tmp_path):
    """What a job does: the same bytes as from the frames themselves."""
    RUNS.to_csv(tmp_path / "runs.csv", index=False)
    SELECTION.save(tmp_path / "selection.json")
    rows().assign(num_test=2).to_parquet(tmp_path / "rows.parquet")
    files = {
        "runs": [tmp_path / "runs.csv"],
        "selection": [tmp_path / "selection.json"],
        "grid_evaluation": [tmp_path / "rows.parquet"],
        "paper": [],
        "store": [tmp_path / "examples.arrow"],
    }
    product = find("table", "table1")
    settings = {"target": 0.6, "shown_epochs": [2], "data_block": None}
    product.make(files, settings, tmp_path / "a/table1")
    values = {"runs": RUNS, "selection": SELECTION, "grid_evaluation": rows()}
    values |= {"paper": None, "store": tmp_path}
    save(product.module, tmp_path / "b/table1", **values, **settings)
    for form in ("csv", "md", "tex"):
        made, expected = ((tmp_path / f"{x}/table1.{form}").read_bytes() for x in "ab")
        assert made == expected


def test_runs_csv_says_what_a_run_is(tmp_path):
    """Of a schedule the names of all stages, of a baseline what stands in its file."""
    server = {"optimizer": "sgd", "lr": 1.0}
    common = {"dataset": "glyphs62", "split": "sorted", "stage": 1, "seed": 0, "rounds": 3}
    common |= {"status": "finished"}
    schedule = common | {
        **{"run_id": "any-s0", "setting": "any", "study": "comparison", "entry": "two-stages"},
        **{"server_lr_factor": 0.3, "algorithm": "fomaml", "client": {"lr": 0.1}},
        **{"server": server, "clients_per_round": 2, "local_steps": 4},
        "then": [{"algorithm": "reptile", "server": server | {"optimizer": "yogi"}}],
    }
    baseline = common | {
        **{"run_id": "other-s0", "setting": "other", "algorithm": "centralized"},
        **{"variant": "best", "server_optimizer": "nesterov", "server_lr": 0.01},
    }
    for name, run in (("a", schedule), ("b", baseline)):
        write_json(tmp_path / name, run)
    write_runs_table([tmp_path / "a", tmp_path / "b"], "caveat", tmp_path / "runs.csv")
    runs = read_runs_table(tmp_path / "runs.csv")
    assert runs.algorithm.tolist() == ["fomaml+reptile", "centralized"]
    assert runs.server_optimizer.tolist() == ["sgd+yogi", "nesterov"]
    assert runs[["setting", "study", "variant", "entry"]].to_numpy().tolist() == [
        ["any", "comparison", "", "two-stages"],
        ["other", "baseline", "best", ""],
    ]
    assert runs.server_lr_factor[0] == 0.3
    assert runs.server_lr_factor.isna()[1]
    assert runs.client_lr[0] == 0.1


def test_the_page_shows_every_product_under_its_question(tmp_path):
    RUNS.to_csv(tmp_path / "runs.csv", index=False)
    SELECTION.save(tmp_path / "selection.json")
    config = {"experiment": "tiny", "algorithms": {"every": 3, "also": None}}
    config["data"] = {"dataset": "glyphs62"}
    facts = {"python": "3", "processor": "any", "cores": 2}
    provenance = {"config": config, "machine": facts, "packages": {"torch": "2"}}
    provenance |= {"git_commit": "abc", "data_sha256": "0" * 64, "network": ""}
    write_json(tmp_path / "provenance.json", provenance)
    (tmp_path / "tables").mkdir()
    for product in all_products():
        if product.kind == "table":
            text = f"About {product.name}. **Caveat.**\n\n| a |\n|---|\n| {product.name} < 1 |\n"
            (tmp_path / f"tables/{product.name}.md").write_text(text)
        for file in product.files(str(tmp_path)):
            Path(file).parent.mkdir(exist_ok=True)
            if not file.endswith(".md"):
                answer = f"So {product.name}: &lt;\n1."
                Path(file).write_text(f"<dc:description>{answer}</dc:description>")
    write_report(tmp_path / "report.html", [product.on_page() for product in all_products()])
    page = (tmp_path / "report.html").read_text()
    assert "via MAML: tiny</h1>" in page
    assert "4 runs on glyphs62. A reproduction of Jiang et al., <a" in page
    assert '<th scope="row">algorithms.also</th><td>-</td>' in page
    config["data"] = {"dataset": "table", "path": ["there/own.parquet", "there/more.parquet"]}
    write_json(tmp_path / "provenance.json", provenance)
    write_report(tmp_path / "report.html", [])
    own = (tmp_path / "report.html").read_text()
    assert "<h1>tiny: federated learning and personalization</h1>" in own
    assert "4 runs on own.parquet and 1 more. The numbers on this page" in own
    assert "Jiang" not in own
    assert "1 of 4 runs diverged" in page
    heads = re.findall(r"<h2 id=\"[\w-]+\">(.*)</h2>", page)
    asked = {product.module.SECTION for product in all_products()} - {CLAIMS}
    titles = ["Did it reproduce?", *(section for section in SECTIONS if section in asked)]
    assert [unescape(head) for head in heads] == [*titles, "Selection", "Provenance"]
    for product in all_products():
        if product.kind == "table":
            assert f"About {product.name}.</p>" in page
            assert f"{product.name} &lt; 1" in page
        else:
            assert f'<figure id="figure-{product.name}">' in page
            assert f"So {product.name}: &lt; 1.</span>" in page
            assert product.module.ALT.replace("'", "&#39;") in page
