"""Tables for a paper compile, fit the page, and stand on the decimal point."""

import re
import shutil
import subprocess

import pandas as pd

from perfedavg.analysis.latex import to_latex

WIDE = pd.DataFrame(
    {
        "model": ["FedAvg_2 & 50 %", "λ ≤ 2 × {a}", "$x^2 \\ # ~"],
        "initial accuracy": ["0.5852 (0.0234)", "0.6 (0.1)", "diverged"],
        "minus FedAvg": ["+0.0123", "-0.1", ""],
        **{f"rounds to 0.5, model {n}": ["25.0 (never: 2 of 3)", "never", "7.0"] for n in range(9)},
        "trained parameters": ["1,206,590", "10", "7"],
    }
)


def test_numbers_stand_on_the_decimal_point_and_words_in_braces():
    text = to_latex(WIDE, "A caption: 50 %.", "tab:wide")
    assert "S[table-format=1.4,table-space-text-post={ (0.0234)}]" in text
    assert "S[table-format=+1.4]" in text
    row = next(line for line in text.splitlines() if line.startswith("FedAvg"))
    assert row.startswith(r"FedAvg\_2 \& 50 \% & 0.5852 { (0.0234)} & +0.0123 & 25.0")
    assert "{diverged}" in text
    assert r"\caption{A caption: 50 \%.}" in text


def test_they_compile_and_are_no_wider_than_the_text(results, tmp_path, tex):
    (tmp_path / "wide.tex").write_text(to_latex(WIDE, "Wide.", "tab:wide"))
    shutil.copy(results / "tables/table1.tex", tmp_path)
    packages = re.search(r"\\usepackage\{.*\}", (tmp_path / "wide.tex").read_text())[0]
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n"
        "\\input{wide}\n\\input{table1}\n\\end{document}\n"
    )
    command = [tex, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout
