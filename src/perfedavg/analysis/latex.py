"""A table for a paper, in LaTeX."""

from __future__ import annotations

import re
from textwrap import wrap

import pandas as pd

_SPECIAL = {character: f"\\{character}" for character in "%_&#$"} | {
    **{"{": r"\{", "}": r"\}", "\\": r"\textbackslash{}", "~": r"\textasciitilde{}"},
    **{"^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "λ": r"$\lambda$", "×": r"$\times$"},
    **{"≤": r"$\le$", "≥": r"$\ge$", "±": r"$\pm$", "−": "$-$", "→": r"$\to$", "…": r"\dots{}"},
}
_ESCAPED = str.maketrans(_SPECIAL)
LONG = 40
"""Characters beyond which a column of words is wrapped."""
_NUMBER = re.compile(r"([-+]?)(\d+)(?:\.(\d+))?( \([^()]+\))?")


def to_latex(shown: pd.DataFrame, caption: str, label: str) -> str:
    """A table of strings for a paper: aligned on the decimal point, no wider than the text.

    Its preamble needs ``booktabs``, ``graphicx`` and ``siunitx``; the first line says so."""
    columns = [_column(list(shown.iloc[:, i])) for i in range(shown.shape[1])]
    head = " & ".join(_head(str(name)) for name in shown.columns)
    lines = [" & ".join(row) for row in zip(*(cells for _, cells in columns), strict=True)]
    body = "".join(f"{line} \\\\\n" for line in lines)
    return (
        "% \\usepackage{booktabs,graphicx,siunitx}\n"
        "\\begin{table}[t]\n\\centering\n\\footnotesize\n\\setlength{\\tabcolsep}{4pt}\n"
        f"\\caption{{{caption.translate(_ESCAPED)}}}\n\\label{{{label}}}\n"
        "\\resizebox{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{{''.join(form for form, _ in columns)}}}\n"
        f"\\toprule\n{head} \\\\\n\\midrule\n{body}\\bottomrule\n"
        "\\end{tabular}}\n\\end{table}\n"
    )


def _head(name: str) -> str:
    """The name of a column, a word or two to the line; the braces keep it from being a number."""
    lines = wrap(name.translate(_ESCAPED), 13, break_long_words=False, break_on_hyphens=False)
    return "{\\shortstack{" + r"\\".join(lines) + "}}"


def _column(cells: list[str]) -> tuple[str, list[str]]:
    """The column type of these cells, and the cells in LaTeX: where most are numbers, those are
    aligned on the decimal point, with what stands in brackets behind them."""
    found = [_NUMBER.fullmatch(cell) for cell in cells]
    numbers = [match for match in found if match]
    if 2 * len(numbers) < len([cell for cell in cells if cell]) or not numbers:
        form = "p{5cm}" if max(map(len, cells), default=0) > LONG else "l"
        return form, [cell.translate(_ESCAPED) for cell in cells]
    whole = max(len(match[2]) for match in numbers)
    decimals = max(len(match[3] or "") for match in numbers)
    sign = "+" if any(match[1] for match in numbers) else ""
    behind = max((match[4] or "" for match in numbers), key=len).translate(_ESCAPED)
    form = f"S[table-format={sign}{whole}.{decimals}"
    form += f",table-space-text-post={{{behind}}}]" if behind else "]"
    written = [
        f"{match[1]}{match[2]}{f'.{match[3]}' if match[3] else ''}"
        + (f" {{{match[4].translate(_ESCAPED)}}}" if match[4] else "")
        if match
        else f"{{{cell.translate(_ESCAPED)}}}"
        for match, cell in zip(found, cells, strict=True)
    ]
    return form, written
