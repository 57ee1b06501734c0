"""The article (`article.pdf`) in the PDF viewer of a real headless Chromium without a network: it
opens without an error, has its pages, and something is drawn on each. What a picture cannot say is
read with poppler's tools (`install.sh`): fonts, links, and whether a text or a drawing leaves the
room between the margins. Whether a page is beautiful nobody looks at here. All finished articles
under results/ are tested beside a small one."""

import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.analysis.article_results import STUDIES, Results
from tests.page.conftest import needed

FINISHED = sorted(Path("results").glob("*/article.pdf"))
PAGES = range(4, 9)
MARGIN, HANGING = 62.36, 4  # points; a hyphen or a stop may hang over the edge of a text
INK = (0.005, 0.5)  # shares of a page: a few lines of text at least, and not dark all over
# What the viewer says of itself. Its frame forbids eval, so that Playwright cannot wait in it.
STATE = """() => {
  const viewer = document.querySelector("pdf-viewer")?.shadowRoot;
  const bar = viewer?.querySelector("viewer-toolbar");
  const failed = Boolean(viewer?.querySelector("viewer-error-dialog"));
  const [pages, page, title] = [bar?.docLength ?? 0, bar?.pageNo ?? 0, bar?.docTitle ?? ""];
  return { pages, page, title, failed, loaded: bar?.loadProgress === 100 };
}"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The article of a results folder made by hand, with every study."""
    folder = tmp_path_factory.mktemp("article")
    Results(folder, studies=STUDIES).write()
    return folder / "article.pdf"


@pytest.fixture(params=["small", *FINISHED], ids=lambda pdf: getattr(pdf, "parent", pdf))
def article(request, small, tmp_path):
    """An article, copied alone into an empty folder."""
    return shutil.copy(small if request.param == "small" else request.param, tmp_path / "alone.pdf")


@pytest.fixture
def viewer(browser):
    """Open a PDF at a page: a tab, and what the viewer says when it has done."""
    context = browser.new_context(offline=True, viewport={"width": 800, "height": 1100})

    def opened(pdf, page=1):
        tab = context.new_page()
        tab.wrong = []
        tab.on("console", lambda said: tab.wrong.append(said.text) if said.type == "error" else 0)
        tab.on("pageerror", lambda error: tab.wrong.append(str(error)))
        tab.goto(f"{pdf.as_uri()}#page={page}&view=Fit&navpanes=0")
        for _ in range(600):
            frames = [frame for frame in tab.frames if frame.url.startswith("chrome-extension:")]
            state = frames[0].evaluate(STATE) if frames else {}
            if (state.get("loaded") and state["page"] == page) or state.get("failed"):
                return tab, state
            tab.wait_for_timeout(100)
        pytest.fail(f"the viewer has not opened it in a minute: {state}")

    yield opened
    context.close()


def ink(tab):
    """The middle of the page that a tab shows, and the share of it that is dark: all of it where
    the viewer has nothing to show yet, none of a page without a word."""
    shot = Image.open(BytesIO(tab.screenshot())).convert("L").crop((100, 70, 700, 1090))
    return shot.tobytes(), sum(shot.histogram()[:128]) / (shot.width * shot.height)


def poppler(name, *arguments):
    """What one of poppler's tools prints."""
    needed("no poppler here: tests/page/install.sh", shutil.which(name))
    run = subprocess.run([name, *map(str, arguments)], capture_output=True, text=True, check=True)
    return run.stdout


def test_chromium_opens_it_and_draws_every_page(viewer, article):
    tab, state = viewer(article)
    assert not state["failed"]
    assert state["title"].startswith("[Re] Improving Federated Learning Personalization")
    assert state["pages"] in PAGES
    tab.close()
    seen = set()
    for page in range(1, state["pages"] + 1):
        tab, _ = viewer(article, page)
        before, (middle, dark) = b"", ink(tab)
        for _ in range(50):  # it draws some time after it has loaded
            if INK[0] < dark < INK[1] and middle == before and middle not in seen:
                break
            tab.wait_for_timeout(200)
            before, (middle, dark) = middle, ink(tab)
        assert INK[0] < dark < INK[1], f"page {page} is blank"
        seen.add(middle)
        assert tab.wrong == []
        tab.close()
    assert len(seen) == state["pages"], "every page is another picture"


def test_chromium_says_so_where_one_is_cut_off(viewer, small, tmp_path):
    """So that the test above would fail."""
    (tmp_path / "cut.pdf").write_bytes(small.read_bytes()[:20_000])
    _, state = viewer(tmp_path / "cut.pdf")
    assert state["failed"]
    assert state["pages"] == 0


def test_fonts_are_in_it_and_links_lead_somewhere(article):
    fonts = poppler("pdffonts", article).splitlines()[2:]
    assert len(fonts) > 2
    for font in fonts:
        embedded, unicode = re.search(r"(yes|no) +\w+ +(yes|no) +\d+ +\d+$", font).groups()
        assert (embedded, unicode) == ("yes", "yes"), font
    pdf = article.read_bytes()
    assert set(re.findall(rb"/URI ?\((.*?)\)", pdf)) <= {b"https://arxiv.org/abs/1909.12488"}
    assert b"/Launch" not in pdf
    assert b"/GoToR" not in pdf
    objects = set(re.findall(rb"^(\d+) 0 obj", pdf, re.MULTILINE))
    targets = set(re.findall(rb"/Dest (\d+) 0 R", pdf))
    assert targets
    assert targets <= objects
    assert "config.json" in poppler("pdfdetach", "-list", article)


def test_nothing_leaves_the_room_between_the_margins(article, tmp_path):
    found = poppler("pdftotext", "-bbox", article, "-").split("<page ")[1:]
    assert len(found) in PAGES
    for page in found:
        width, height = (float(re.search(f'{side}="(.*?)"', page)[1]) for side in ("dth", "ght"))
        words = re.findall(
            r'<word xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)">(.*?)<', page
        )
        assert len(words) > 30
        for *box, word in words:
            left, top, right, bottom = map(float, box)
            assert MARGIN - HANGING < left < right < width - MARGIN + HANGING, word
            assert 0 < top < bottom < height, word
    # Drawings have no words: the edge of every page stays white.
    poppler("pdftoppm", "-r", 50, "-gray", article, tmp_path / "page")
    drawn = sorted(tmp_path.glob("page*.pgm"))
    assert len(drawn) == len(found)
    for file in drawn:
        picture = Image.open(file)
        edge = int((MARGIN - 2 * HANGING) * 50 / 72)
        for left in (0, picture.width - edge):
            strip = picture.crop((left, 0, left + edge, picture.height))
            assert strip.getextrema()[0] > 250, f"{file.name}: something is at its edge"
