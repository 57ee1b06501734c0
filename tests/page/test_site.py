"""The built documentation, ``make docs``, in a real browser without a network: on a wide and on a
narrow screen, for the eye and a screen reader."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.page.conftest import needed

SITE = Path(__file__).parents[2] / "build/docs"
WIDTHS = (420, 1400)
PAGES = [page for page in sorted(SITE.rglob("*.html")) if "_modules" not in page.parts]
# All pages come from the same templates, so axe looks at one of each kind.
KINDS = ("index", "recipes", "figures", "outputs", "notebooks/read-results", "api/perfedavg.blocks")


@pytest.fixture(scope="module")
def tab(browser):
    """A tab without a network; errors are in its ``wrong``, requests to one in its ``asked``."""
    needed("no site here: make docs", (SITE / "index.html").exists())
    context = browser.new_context(offline=True)
    tab = context.new_page()
    tab.wrong, tab.asked = [], []
    tab.on("console", lambda said: tab.wrong.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: tab.wrong.append(str(error)))

    def asked(request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            tab.asked.append(request.url)

    tab.on("request", asked)
    yield tab
    context.close()


def test_no_page_is_broken(tab):
    """Pictures are there, links and anchors lead somewhere, nothing is wider than a screen, and no
    page asks a network for anything."""
    assert len(PAGES) > 100
    ids, links, troubles = {}, [], []
    for page in PAGES:
        tab.set_viewport_size({"width": WIDTHS[0], "height": 900})
        tab.goto(page.as_uri())
        facts = tab.evaluate(
            """() => ({
              ids: [...document.querySelectorAll("[id]")].map(e => e.id),
              links: [...document.querySelectorAll("a[href]")].map(a => a.href),
              images: [...document.images].map(i => { i.loading = "eager"; return i })
                .filter(i => i.complete && !i.naturalWidth).map(i => i.src),
              wide: document.documentElement.scrollWidth,
            })"""
        )
        ids[page] = {"", *facts["ids"]}
        links += [(page, link) for link in facts["links"]]
        if facts["images"] or facts["wide"] > WIDTHS[0]:
            troubles.append((page.name, facts["images"], facts["wide"]))
    assert troubles == []
    assert tab.wrong == []
    assert tab.asked == []
    broken = set()
    for page, link in links:
        parts = urlsplit(link)
        target = Path(unquote(parts.path))
        if parts.scheme == "file" and not target.exists():
            broken.add((page.name, link))
        if target in ids and unquote(parts.fragment) not in ids[target]:
            broken.add((page.name, link))
    assert broken == set()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", KINDS)
def test_axe_finds_no_serious_violation(tab, name, width):
    needed("needs the extra: pip install -e '.[page]'", find_spec("axe_playwright_python"))
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto((SITE / f"{name}.html").as_uri())
    found = axe.run(tab).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in serious]


def test_search_finds_a_word_without_a_network(tab):
    tab.set_viewport_size({"width": WIDTHS[1], "height": 900})
    tab.goto(f"{(SITE / 'search.html').as_uri()}?q=interpolation")
    tab.wait_for_selector("#search-results li a", timeout=20_000)
    assert tab.asked == []
