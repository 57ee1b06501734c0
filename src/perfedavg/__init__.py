"""Reproduction of Jiang et al., *Improving Federated Learning Personalization via Model Agnostic
Meta Learning*.

arXiv 1909.12488. ``config`` says what an experiment is; ``data`` makes and serves clients;
``models``, ``algorithms`` and ``training`` train; ``personalization`` fine-tunes and evaluates;
``analysis`` turns tables on disk into results."""

__version__ = "0.1.0"
