"""Snakemake's records of a run that never was."""

import json
import logging
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

from snakemake_interface_logger_plugins.common import LogEvent


def settings(**options):
    """Snakemake's settings of output."""
    given = dict.fromkeys(
        ("verbose", "debug_dag", "stdout", "dryrun", "nocolor", "show_failed_logs",
         "printshellcmds"), False,
    )  # fmt: skip
    return SimpleNamespace(**given | {"quiet": set()} | options)


def info(text, level=logging.INFO, event=None, **facts):
    """A record."""
    record = logging.LogRecord("snakemake", level, "", 0, text, (), None)
    vars(record).update(facts | {"event": event})
    return record


def job(number, rule, log, outputs=("a",), seed=0):
    """A job starts."""
    facts = {"jobid": number, "rule_name": rule, "wildcards": {"seed": seed}}
    facts |= {"log": [log], "output": list(outputs)}
    return info("", event=LogEvent.JOB_INFO, **facts)


def play(seconds):
    """Twelve jobs, in the working folder; the first takes so long and says how far it is."""
    from snakemake_logger_plugin_perfedavg import LogHandler, LogHandlerSettings

    rules = ["train_fedavg"] * 2 + ["personalize"] * 7
    rules += ["table_table1", "figure_rounds", "write_report"]
    outputs = [[f"results/tiny/{rule}{n}"] for n, rule in enumerate(rules)]
    for n in (0, 1):
        outputs[n].append(f"results/tiny/runs/fedavg-m2-e1-s{n}/run.json")
    outputs[-1] = ["results/tiny/report.html"]
    jobs = [
        SimpleNamespace(jobid=n, output=o, log=[f"results/tiny/logs/{n}.log"])
        for n, o in enumerate(outputs)
    ]
    Path("results/tiny").mkdir(parents=True, exist_ok=True)
    Path(outputs[-1][0]).touch()
    dag = SimpleNamespace(jobs=jobs, needrun_jobs=lambda: jobs)
    handler = LogHandler(settings(), LogHandlerSettings())
    handler.watch(SimpleNamespace(dag=dag), lambda job: ("tiny", 5.0 if job.jobid else 20.0, 1))
    handler.handle(info("Building DAG of jobs..."))
    handler.handle(info("stats", event=LogEvent.RUN_INFO, stats={"total": 13}))
    handler.starts()
    folder = Path(os.environ["PERFEDAVG_TERMINAL"].split("@")[0])
    for n, rule in enumerate(rules):
        handler.handle(job(n, rule, jobs[n].log[0], outputs[n], seed=n))
        if not n and seconds:
            run = {"done": 3, "total": 4, "unit": "round", "left": 65.0}
            run["facts"] = {"loss": "3.1", "validation accuracy": "0.512"}
            told = {"runs": {"fedavg-m2-e1-s0": run}, "finished": 0}
            (folder / f"{quote(jobs[n].log[0], safe='')}.json").write_text(json.dumps(told))
            time.sleep(seconds)
        handler.handle(info("", event=LogEvent.JOB_FINISHED, job_id=n))
    handler.close()
    assert not folder.exists()
    print(end="", file=sys.stdout)
