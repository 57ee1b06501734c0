"""Sphinx: how the pages of this folder become a site, ``make docs``.

The pages are written for the code host, where they are read too. What differs in the site is done
here: links to files outside this folder, and the language of indented blocks. The site asks no
network for anything, neither when it is built nor when it is read."""

import os
import re
import sys
from pathlib import Path

from docutils import nodes

import perfedavg
from perfedavg.analysis.products import find

ROOT = Path(__file__).resolve().parents[1]

project = "perfedavg"
author = "The perfedavg developers"
copyright = f"2026, {author}"
version = release = perfedavg.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"perfedavg {release}"
html_static_path = ["_static"]
html_css_files = ["wide-tables.css"]
html_js_files = ["keyboard.js"]
html_show_sphinx = False

myst_heading_anchors = 4
nitpicky = False  # torch's and pandas's types have no page that is reachable without a network

autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# The notebooks read a finished experiment.
RESULTS = ROOT / os.environ.get("PERFEDAVG_RESULTS", "results/demo")
os.environ["PERFEDAVG_RESULTS"] = str(RESULTS)  # for their kernels
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "warn"  # a warning within a notebook is one of the build
nb_ipywidgets_js = {}  # they would come from a network
nb_merge_streams = True

copybutton_prompt_text = "$ "
copybutton_selector = "div:not(.output) > div.highlight pre"

# Files outside this folder that are pages of the site; the files that stand in for them here say no
# more than where they are. Links to all other files outside lead to copies in the site.
PAGES = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "config/README.md": "configuration.md",
    "benchmarks/README.md": "benchmarks.md",
}
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
CAPTION = re.compile(r"<!-- caption of (\w+) -->")
SHELL = re.compile(r"\s*(\.venv/|snakemake |make |cd |docker |git )")
YAML = re.compile(r"\s*[\w-]+:(\s|$)")


def page(app, docname, source):
    """Put outside files into their pages, turn links to them into links to these pages, and show
    the experiment's figures on the page that explains them."""
    here = (Path(app.srcdir) / docname).parent
    origin = {name: ROOT / path for path, name in PAGES.items()}.get(f"{docname}.md")
    text = origin.read_text(encoding="utf-8") if origin else source[0]

    def link(match):
        target = ((origin.parent if origin else here) / match[1]).resolve()
        name = PAGES.get(os.path.relpath(target, ROOT))
        target = Path(app.srcdir) / name if name else target
        return f"]({os.path.relpath(target, here)}{match[2] or ''})"

    def figure(match):
        file = RESULTS / f"figures/{match[1]}.png"
        if not file.exists():
            return "*(The experiment that this site was built with does not have this figure.)*\n"
        alt = find("figure", match[1]).module.ALT
        return f"![{alt}]({os.path.relpath(file, here)})\n\n"

    source[0] = CAPTION.sub(figure, LINK.sub(link, text))


def with_languages(app, doctree):
    """Say what indented blocks are, so that they are coloured: shell or YAML, else plain text."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language", "default") in ("default", "none"):
            text = block.astext()
            language = "bash" if SHELL.match(text) else "yaml" if YAML.match(text) else "none"
            block["language"] = language


def with_levels(app, pagename, templatename, context, doctree):
    """Give the headings of the navigation the level that screen readers ask for."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def setup(app):
    """Connect the above; refuse to start without results."""
    if not (RESULTS / "runs.csv").exists():
        sys.exit(  # any error would be shown with its traceback
            f"{RESULTS} holds no finished experiment, and the notebooks read one; run `make "
            "reproduce` first, or name another: `make docs RESULTS=results/mine`."
        )
    app.connect("source-read", page)
    app.connect("doctree-read", with_languages)
    app.connect("html-page-context", with_levels, priority=900)  # after the theme
