"""The block ``execution``: how things are computed, up to rounding without effect on results."""

from __future__ import annotations

from pydantic import Field, StrictBool

from perfedavg.algorithms.spec import Backend
from perfedavg.blocks import Block, Count


class Execution(Block):
    """Back end, worker processes, and which runs share jobs."""

    backend: Backend = Field(Backend(), description="how clients of federated runs are computed")
    workers: Count = Field(
        1,
        description="worker processes that share the clients of one training or personalization "
        "job, `--cores` at most; for fewer runs than cores. Results do not depend on it, so "
        "changing it reruns nothing",
    )
    pack: StrictBool = Field(
        True,
        description="runs share jobs, and so start-up: one job trains all runs of a seed and kind, "
        "one evaluates all seeds; set false where a run takes longer than some minutes",
    )
    overwrite: StrictBool = Field(
        False,
        description="finished models of another configuration with the same experiment name may be "
        "overwritten; otherwise the run stops before its first job",
    )
