"""What a dry run shows, from a graph of jobs."""

from types import SimpleNamespace

from snakemake_logger_plugin_perfedavg.screen import screen
from snakemake_logger_plugin_perfedavg.texts import changed, duration, listed

REASONS = (
    "forced", "missing_output", "incomplete_output", "params_changed", "code_changed",
    "input_changed", "updated_input", "updated_input_run", "software_stack_changed", "noio",
    "nooutput",
)  # fmt: skip


def params(*before_and_now):
    before, now = before_and_now
    return SimpleNamespace(only_old={before}, only_new={now})


class Graph:
    """Jobs by rule: reason, files, and the rule of the job before it."""

    def __init__(self, **rules):
        self.jobs, self.reasons, self.dependencies = [], {}, {}
        by_rule = {}
        for name, (reason, output, after) in rules.items():
            job = SimpleNamespace(rule=SimpleNamespace(name=name), output=output, log=["a.log"])
            job = by_rule[name] = Job(job)
            self.jobs.append(job)
            self.reasons[job] = SimpleNamespace(**dict.fromkeys(REASONS, ()) | (reason or {}))
            self.dependencies[job] = {by_rule[after]: set(by_rule[after].output)} if after else {}
        self.needed = [j for j, r in zip(self.jobs, rules.values(), strict=True) if r[0]]

    def needrun_jobs(self, exclude_finished):
        assert not exclude_finished
        return self.needed

    def toposorted(self, jobs):
        return [{job} for job in self.jobs if job in jobs]

    def reason(self, job):
        return self.reasons[job]


class Job:
    def __init__(self, facts):
        vars(self).update(vars(facts))


def test_reasons_are_said_in_words(tmp_path):
    there = tmp_path / "there"
    there.touch()
    runs = [f"results/demo/runs/fedavg-s{n}/run.json" for n in range(60)]
    graph = Graph(
        build_store=(None, ["store"], None),
        train_fedavg=({"missing_output": runs}, runs, None),
        personalize=({"missing_output": ["a"], "updated_input": ["b"]}, [there, "a"], None),
        select=({"params_changed": params("'perfedavg.a.b 12345678'", "'perfedavg.a.b 87654321'")},
                ["s"], None),
        table_table1=({"updated_input_run": ["s"]}, ["t1"], "select"),
        table_claims=({"updated_input_run": ["s"]}, ["t2"], "select"),
        write_report=({"updated_input_run": ["t1"]}, ["r"], "table_table1"),
    )  # fmt: skip
    lines = screen(graph, lambda job: ("demo", 3600.0, 1), 100)
    assert lines[0] == "results/demo: 6 jobs to do, roughly 6 h 00 min of one core"
    assert [line.split() for line in lines[1:3]] == [
        ["train_fedavg", "1", "not", "there", "yet"],
        [*(f"fedavg-s{n}," for n in (0, 1, 10, 11, 12, 13)), "54", "more"],
    ]
    said = [" ".join(line.split()) for line in lines[3:-2]]
    assert said == [
        "personalize 1 1 file missing",
        "select 1 code of perfedavg.a.b changed",
        "tables 2 new input",
        "table1, claims",
        "write_report 1 new input from table_table1",
    ], "what changed is no further reason where a file is missing"
    assert lines[-2] == "Nothing is due for build_store"
    assert max(map(len, lines)) <= 100


def test_many_kinds_of_jobs_still_stand_on_one_screen():
    rules = {f"train_{n}": ({"missing_output": ["x"]}, [f"{n}/run.json"], None) for n in range(40)}
    lines = screen(Graph(**rules), lambda job: ("demo", 1.0, 1), 80)
    assert len(lines) == 1 + 40 + 1


def test_texts():
    assert [duration(s) for s in (59.6, 61, 3600, 7325)] == [
        "1 min 00 s", "1 min 01 s", "1 h 00 min", "2 h 02 min",
    ]  # fmt: skip
    assert listed(["aa", "bb", "cc"], 10) == "aa, bb, cc"
    assert listed(["aa", "bb", "cccc"], 10) == "aa, 2 more"
    assert changed(["'x.py 12345678'", "{'a': 1}"], []) == (["x.py"], True)
