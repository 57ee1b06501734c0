"""Choose on validation clients where centralized runs are stopped, and personalize held-out clients
from there.

Inputs, per seed: passes, checkpoints, reference (the reference run's rows of validation clients).
Params: runs, one way to stop after the other, each with every seed; last_round of the reference;
passes; personalize_every (passes, or None); ways. Outputs as in `personalize.py`."""

from itertools import cycle
from pathlib import Path

from perfedavg.algorithms.spec import Backend
from perfedavg.data.store import ClientStore
from perfedavg.execution.held_out import fine_tuning_back_end
from perfedavg.personalization.evaluate import held_out_clients, personalize_runs
from perfedavg.personalization.schedule import visits
from perfedavg.personalization.settings import Personalization, Run
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.contracts import PASSES, PERSONALIZATION
from perfedavg.storage.files import write_json
from perfedavg.storage.tables import read_table
from perfedavg.training.settings import BEST
from perfedavg.training.stopping import settle

with job(snakemake.log[0], snakemake), Pool(snakemake.threads) as pool:
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    runs, schedules, folders = [], [], []
    seeds = cycle(zip(inputs.passes, inputs.checkpoints, inputs.reference, strict=True))
    for run, path, seed in zip(params.runs, output.runs, seeds, strict=False):
        passes, checkpoints, reference = seed
        settled = settle(
            run,
            read_table(PASSES, passes),
            read_table(PERSONALIZATION, reference),
            Path(reference).stem,
            params.last_round,
        )
        write_json(path, settled)
        stop = [settled["rounds"]] if settled["status"] == "finished" else []
        # Of the best one, the initial accuracy after every pass too.
        best = settled["variant"] == BEST
        every_pass = range(1, params.passes + 1) if best else ()
        interval = params.personalize_every
        on_the_way = range(interval, params.passes + 1, interval) if best and interval else ()
        runs.append(Run(**settled))
        schedules.append(visits(stop, every_pass, [*stop, *on_the_way], intermediate=False))
        folders.append(checkpoints)
    personalize_runs(
        runs,
        schedules,
        folders,
        ClientStore(Path(inputs.store[0]).parent),
        held_out_clients(inputs.split[0]),
        [Personalization(**way) for way in params.ways],
        fine_tuning_back_end(Backend(), pool),
        output.validation,
        output.all,
    )
