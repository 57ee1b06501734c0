"""The page in a real browser (`install.sh`): alone in an empty folder, on a wide and on a narrow
screen, without a network, for the eye, the keyboard and a screen reader. All finished pages under
results/ are tested beside a small one."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

MOST_BYTES = 5e6
WIDTHS = (420, 1400)
FINISHED = sorted(Path("results").glob("*/report.html"))
CUT_OFF = """() => {
  const scrolls = (e) =>
    e && (/(auto|scroll)/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  return [...document.querySelectorAll("main *, header *, nav *")].filter((e) => {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    return box.width > 1 && style.display !== "none" && box.right > innerWidth + 1 && !scrolls(e);
  }).map((e) => e.outerHTML.slice(0, 80));
}"""


@pytest.fixture(params=["small", *FINISHED], ids=lambda page: getattr(page, "parent", page))
def alone(request, results, tmp_path):
    """A page copied alone into an empty folder."""
    page = results / "report.html" if request.param == "small" else request.param
    assert page.stat().st_size < MOST_BYTES
    return shutil.copy(page, tmp_path / "page.html")


@pytest.fixture
def opened(alone, browser, request):
    """Open it at a width; what went wrong meanwhile is in its ``wrong``."""
    context = browser.new_context(offline=True)

    def open_at(width):
        page = context.new_page()
        page.wrong = []
        page.set_viewport_size({"width": width, "height": 900})
        page.on("console", lambda said: page.wrong.append(said.text) if said.type == "error" else 0)
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                page.wrong.append(asked.url[:80])
                if not asked.url.startswith(("data:", alone.as_uri()))
                else 0
            ),
        )
        page.goto(alone.as_uri())
        return page

    open_at.what = request.node.callspec.params["alone"]
    yield open_at
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_it_shows_everything_and_nothing_is_cut_off(opened, width):
    page = opened(width)
    for details in page.query_selector_all("details"):
        details.evaluate("e => e.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF) == []
    images = page.query_selector_all("figure img")
    assert images
    assert all(image.evaluate("e => e.complete && e.naturalWidth > 0") for image in images)
    targets = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    own = [target[1:] for target in targets if target.startswith("#")]
    assert len(own) > 3
    assert all(page.evaluate("id => document.getElementById(id) !== null", name) for name in own)
    others = {target.split("/")[2] for target in targets if not target.startswith(("#", "data:"))}
    assert others <= {"arxiv.org"}, "nothing beside the page is linked"
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert page.query_selector("#reproduced")
    assert len(ids) > len(own)
    assert page.wrong == []


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_serious_violation(opened, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(width)
    found = axe.run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in serious]


def test_keys_sort_a_table_and_enlarge_a_figure(opened):
    page = opened(1400)
    head = page.query_selector("#table-table1 thead th:nth-child(3)")
    column = "#table-table1 tbody tr > :nth-child(3)"
    before = [float(cell.inner_text().split()[0]) for cell in page.query_selector_all(column)]
    for order, backwards in (("ascending", False), ("descending", True)):
        head.query_selector("button").press("Enter")
        values = [float(cell.inner_text().split()[0]) for cell in page.query_selector_all(column)]
        assert head.get_attribute("aria-sort") == order
        assert values == sorted(before, reverse=backwards)
    page.query_selector(".enlarge").press("Enter")
    large = page.query_selector("dialog[open] img")
    assert large.bounding_box()["width"] > 700
    page.keyboard.press("Escape")
    assert not page.query_selector("dialog[open]")
    assert page.wrong == []


def test_lines_of_a_figure_can_be_switched_off_and_pointed_at(results, opened):
    page = opened(1400)
    explore = page.query_selector("#figure-rounds .explore")
    explore.query_selector("summary").press("Enter")
    chart = "Chart.getChart(document.querySelector('#figure-rounds canvas'))"
    page.wait_for_function(f"!!{chart}")
    drawn = page.evaluate(f"{chart}.data.datasets.map(s => [s.label, s.data.map(p => [p.x, p.y])])")
    if opened.what == "small":
        expected = pd.read_csv(results / "figures/rounds.csv")
        keys = ["clients_per_round", "local_epochs", "model"]
        for (cohort, work, model), of in expected.groupby(keys):
            means = of.groupby("round").accuracy_same_clients.mean()
            points = dict(drawn)[f"M = {cohort}, E = {work:g}, {model}"]
            assert dict(map(tuple, points)) == pytest.approx(means.to_dict())
        assert len(drawn) == len(expected.groupby(keys))
    explore.query_selector("input").press("Space")
    assert not page.evaluate(f"{chart}.isDatasetVisible(0)")
    assert page.evaluate(f"{chart}.isDatasetVisible(1)")
    explore.query_selector("button").press("Enter")
    assert not page.evaluate(f"{chart}.isDatasetVisible(1)")
    explore.query_selector("button").press("Enter")
    assert page.evaluate(f"{chart}.isDatasetVisible(0)")
    explore.query_selector("canvas").scroll_into_view_if_needed()
    where = page.evaluate(
        f"(c => [c.getDatasetMeta(0).data[0], c.canvas.getBoundingClientRect()])({chart})"
        ".reduce((p, box) => [box.x + p.x, box.y + p.y])"
    )
    page.mouse.move(*where)
    page.wait_for_function(f"{chart}.tooltip.opacity > 0")
    assert drawn[0][0] in page.evaluate(f"{chart}.tooltip.body.flatMap(b => b.lines)")
    assert page.wrong == []
