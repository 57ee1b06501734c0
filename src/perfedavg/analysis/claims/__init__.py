"""The verdicts on the paper's claims: ``config/claims.yaml`` says what is claimed,
``statistics/`` what is measured for it, ``inference`` how surely, ``verdicts`` what follows. The
rules are in ``docs/claims.md``."""
