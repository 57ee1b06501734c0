"""``perfedavg --version``, and where to start."""

from __future__ import annotations

import argparse

from perfedavg import __version__

START = """\
snakemake --cores all                          the default experiment, synthetic data
snakemake --cores all --configfile FILE        another one: config/*.yaml
snakemake plan --cores 1 --configfile FILE     what it would cost
snakemake --cores 1 verify                     are finished results as they were written?
python -m perfedavg.analysis.claims RESULTS    the verdicts on the paper's claims
"""


def main() -> None:
    """Everything else is Snakemake's."""
    parser = argparse.ArgumentParser(
        prog="perfedavg",
        description="Reproduction of arXiv 1909.12488. It is run by Snakemake:",
        epilog=START,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"perfedavg {__version__}")
    parser.parse_args()
    parser.print_help()


if __name__ == "__main__":
    main()
