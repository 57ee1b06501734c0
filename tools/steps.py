"""Draw the steps of an experiment, ``docs/steps.svg``, from Snakemake's own graph of rules:
``python -m tools.steps`` (needs Graphviz's ``dot``). Every table is one box, and so is every
figure; an edge that other edges imply is left out."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from perfedavg.storage.files import write_text

PROJECT = Path(__file__).parents[1]
PICTURE = PROJECT / "docs/steps.svg"
LEFT_OUT = {"all", "provenance"}
LOOK = (
    'graph [rankdir=LR, nodesep=0.14, ranksep=0.35, bgcolor="white", pad=0.15];\n'
    'node [shape=box, style="rounded,filled", fillcolor="#EAF2F8", color="#33658A", fontsize=13, '
    'fontname="Helvetica,Arial,sans-serif", height=0.34, margin="0.1,0.04"];\n'
    'edge [color="#7A8B99", arrowsize=0.6];\n'
)

Graph = dict[str, set[str]]


def rule_graph() -> str:
    """What ``snakemake --rulegraph`` prints for the first of the default's experiments."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--config", "also=[]"]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def steps(text: str) -> Graph:
    """By step, those that read what it writes."""
    labels = dict(re.findall(r'^\s*(\d+)\[label = "([^"\\]+)', text, re.M))
    names = {number: _name(label) for number, label in labels.items()}
    graph: Graph = {name: set() for name in names.values() if name not in LEFT_OUT}
    for before, after in re.findall(r"^\s*(\d+) -> (\d+)", text, re.M):
        if {names[before], names[after]} <= set(graph) and names[before] != names[after]:
            graph[names[before]].add(names[after])
    return graph


def _name(rule: str) -> str:
    kind = rule.split("_")[0]
    return f"{kind}s" if kind in ("table", "figure") else rule.replace("_", " ")


def reduced(graph: Graph) -> Graph:
    """The same without edges that a longer way implies."""

    def beyond(step: str) -> set[str]:
        found: set[str] = set()
        for after in graph[step]:
            found |= {after} | beyond(after)
        return found

    return {
        step: {after for after in then if not any(after in beyond(other) for other in then)}
        for step, then in graph.items()
    }


def dot(graph: Graph) -> str:
    """Graphviz's text."""
    edges = [f'"{a}" -> "{b}";' for a in sorted(graph) for b in sorted(graph[a])]
    nodes = [f'"{name}";' for name in sorted(graph)]
    return "digraph steps {\n" + LOOK + "\n".join(nodes + edges) + "\n}\n"


def main() -> None:
    """Draw the picture anew."""
    argparse.ArgumentParser(prog="python -m tools.steps", description=__doc__).parse_args()
    text = dot(reduced(steps(rule_graph())))
    drawn = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    write_text(PICTURE, re.sub(r"<!--.*?-->\n?", "", drawn.stdout, flags=re.DOTALL))


if __name__ == "__main__":
    main()
