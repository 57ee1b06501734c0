"""Reproduction of Jiang et al., *Improving Federated Learning Personalization via Model Agnostic
Meta Learning*.

arXiv 1909.12488. ``config`` says what an experiment is; ``data`` makes and serves clients;
``models``, ``algorithms`` and ``training`` train; ``personalization`` fine-tunes and evaluates;
``analysis`` turns tables on disk into results."""

import sys

__version__ = "0.1.0"

if hasattr(sys.modules["__main__"], "snakemake"):  # a step of the workflow, which imports on
    from perfedavg.runtime.interrupts import in_one_sentence

    in_one_sentence()
