"""Write the captions of all figures into ``docs/figures.md``: ``python -m tools.figures``.

What stands below a caption there, how to read the figure, is written by hand; a figure that the
page lacks gets a section at its end, in which that has to be added."""

from pathlib import Path

from perfedavg.analysis.products import Product, all_products
from perfedavg.storage.files import write_text

PAGE = Path(__file__).parents[1] / "docs/figures.md"


def figures() -> list[Product]:
    """All figures, in the order of the report."""
    return [product for product in all_products() if product.kind == "figure"]


def block(product: Product) -> str:
    """A figure's caption between its marks."""
    title = product.module.TITLE
    return (
        f"<!-- caption of {product.name} -->\n*{title[0].upper()}{title[1:]}.* "
        f"{product.module.CAPTION}\n"
        "<!-- end -->"
    )


def filled(page: str) -> str:
    """The page with every caption as its module says, and a section for every figure."""
    for product in figures():
        mark = f"<!-- caption of {product.name} -->"
        if mark not in page:
            page = f"{page.rstrip()}\n\n## {product.name}\n\n{mark}\n<!-- end -->\n"
        before, _, rest = page.partition(mark)
        page = before + block(product) + rest.partition("<!-- end -->")[2]
    return page


if __name__ == "__main__":
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8")))
