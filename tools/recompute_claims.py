"""Every verdict of an experiment once more, from its Parquet files alone and without a line of the
package: ``python tools/recompute_claims.py results/emnist62-claims``. It prints each claim with
both verdicts and exits with 1 where they differ."""

import argparse
import json
import math
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy import stats
from statsmodels.stats.multitest import multipletests

A = 0.025


def main(folder):
    """Recompute and compare."""
    folder = Path(folder)
    file = yaml.safe_load(Path("config/claims.yaml").read_text())
    runs = pd.read_csv(folder / "runs.csv")
    runs = runs[runs.seed.isin(file["seeds"])]
    chosen = json.loads((folder / "selection.json").read_text())
    rates = folder / "algorithms.json"
    sgd = (
        json.loads(rates.read_text())["entries"]["fedsgd"]["equal rounds"] if rates.exists() else {}
    )
    reference = runs.parent_run_id[runs.study == "stage2"].iloc[0].rsplit("-s", 1)[0]
    names = {
        "reference": reference,
        "reptile": chosen["reptile"].get("adam"),
        "continued": f"{reference}.continued",
        "centralized": "centralized-best",
        "fedsgd": sgd.get("setting"),
    }
    epochs = {s: c["selected_epoch"] for s, c in chosen["settings"].items()}
    epochs[sgd.get("setting")] = sgd.get("selected_epoch")

    def setting(part):
        return names.get(part) or f"fedavg-{part.replace('_', '-')}"

    @cache
    def rows_of(part, seed, group="evaluation"):
        run = runs[(runs.setting == setting(part)) & (runs.seed == seed)].iloc[0]
        rows = pd.read_parquet(folder / f"personalization/{run.run_id}.parquet")
        return run, rows[rows.client_group == group]

    @cache
    def curves(part, seed):
        """Mean initial and personalized accuracy by fine-tuned round, unweighted over clients."""
        run, rows = rows_of(part, seed)
        tuned = rows["round"][rows.epoch == 1].unique()
        rows = rows[rows["round"].isin(tuned)]
        mean = rows.groupby(["epoch", "round"]).accuracy.mean()
        return run, mean[0], mean[epochs[setting(part)]]

    def level(part, seed, kind):
        run, before, after = curves(part, seed)
        curve = {"initial": before, "personalized": after, "gain": after - before}[kind]
        curve = curve[curve.index <= run["rounds"]]
        last = {"grid": 5, "stage2": 3}.get(run.study, 1)
        return curve.iloc[-last:].mean()

    def has(part):
        return (runs.setting == setting(part)).any()

    def each(function):
        return np.array([function(seed) for seed in file["seeds"]])

    def difference(a):
        effects, missing = [], 0
        for pair in a["pairs"]:
            of, minus = pair["of"], pair.get("minus", [])
            if not all(map(has, of + minus)):
                missing += 1
                continue
            effects.append(
                each(
                    lambda s, of=of, minus=minus: (
                        np.mean([level(p, s, a["measure"]) for p in of])
                        - (np.mean([level(p, s, a["measure"]) for p in minus]) if minus else 0)
                    )
                )
            )
        return effects, missing, len(a["pairs"]) > 1

    def selection_loss(a):
        parts = [p for p in a["among"] if has(p)]
        if len(parts) < 2:
            return [], len(a["among"]), False

        def validated(part, seed, epoch):
            run, rows = rows_of(part, seed, "validation")
            rows = rows[rows["round"] == run["rounds"]]
            return rows.accuracy[rows.epoch == epoch].mean()

        def loss(seed):
            by_initial = max(parts, key=lambda p: validated(p, seed, 0))
            by_own = max(parts, key=lambda p: validated(p, seed, epochs[setting(p)]))
            return level(by_own, seed, "personalized") - level(by_initial, seed, "personalized")

        return [each(loss)], len(a["among"]) - len(parts), False

    def at_accuracy(a):
        if not (has(a["of"]) and has(a["minus"])):
            return [], 1, False
        factor = a.get("factor", 1)

        def one(seed):
            if a["at"] == "best":
                return level(a["of"], seed, a["measure"]) - factor * level(
                    a["minus"], seed, a["measure"]
                )
            (_, b1, p1), (_, b2, p2) = curves(a["of"], seed), curves(a["minus"], seed)
            target, found = min(b1.max(), b2.max()), []
            for before, after in ((b1, p1), (b2, p2)):
                y = (after - before if a["measure"] == "gain" else after).to_numpy()
                x = before.to_numpy()
                i = next(i for i, v in enumerate(x) if v >= target - 1e-12)
                w = 1 if i == 0 else (target - x[i - 1]) / (x[i] - x[i - 1])
                found.append(y[i] if i == 0 else y[i - 1] + w * (y[i] - y[i - 1]))
            return found[0] - factor * found[1]

        return [each(one)], 0, False

    def spread_over_rounds(a):
        def log_sd(part, seed, kind, half):
            _, before, after = curves(part, seed)
            curve = before if kind == "initial" else after
            if half:
                curve = curve[curve.index >= curve.index.max() / 2]
            return math.log(np.std(np.diff(curve), ddof=1))

        if a["compare"] == "runs":
            if not (has(a["of"]) and has(a["to"])):
                return [], 1, False
            kind = a["measure"]
            return (
                [each(lambda s: log_sd(a["of"], s, kind, False) - log_sd(a["to"], s, kind, False))],
                0,
                False,
            )
        parts = [p for p in a["runs"] if has(p)]
        ratios = each(
            lambda s: np.mean(
                [log_sd(p, s, "initial", True) - log_sd(p, s, "personalized", True) for p in parts]
            )
        )
        return ([ratios] if parts else []), len(a["runs"]) - len(parts), False

    def evaluations_to_target(a):
        if not has(a["fastest"]):
            return [], 1, True

        def needed(part, seed):
            _, before, after = curves(part, seed)
            curve = (before if a["measure"] == "initial" else after).to_numpy()
            return next((i + 1 for i, v in enumerate(curve) if v >= a["target"]), len(curve) + 1)

        others = [p for p in a["others"] if has(p)]
        return (
            [each(lambda s, p=p: math.log(needed(p, s) / needed(a["fastest"], s))) for p in others],
            len(a["others"]) - len(others),
            True,
        )

    def spread_over_runs(a):
        pairs = [p for p in a["pairs"] if has(p["of"][0]) and has(p["to"][0])]
        sides = []
        for side in ("of", "to") if pairs else ():
            parts = [each(lambda s, q=p[side]: level(q[0], s, q[1])) for p in pairs]
            sides.append(np.concatenate([v - v.mean() for v in parts]))
        return sides, len(a["pairs"]) - len(pairs), False

    p_values = {}
    for claim in file["claims"]:
        kind, a, m = claim["statistic"], claim["arguments"], claim["margin"]
        if kind in ("identity", "two_experiments"):
            continue
        effects, missing, joint = locals()[kind](a)
        if not effects:
            continue
        if kind == "spread_over_runs":
            x, y = effects
            df = len(x) * (1 - 1 / len(file["seeds"])) - 1

            def below(log_ratio, x=x, y=y, df=df):
                z = y * math.exp(log_ratio)
                r = np.corrcoef(x + z, x - z)[0, 1]
                return stats.t.cdf(r * math.sqrt(df / (1 - r * r)), df)

            support, refute = 1 - below(0), below(m)
        else:
            exact = [np.ptp(e) < 1e-15 for e in effects]
            tests = [
                (float(e[0] <= 0), float(e[0] >= m), float(e[0] >= 0))
                if c
                else (
                    stats.ttest_1samp(e, 0, alternative="greater").pvalue,
                    stats.ttest_1samp(e, m, alternative="less").pvalue,
                    stats.ttest_1samp(e, 0, alternative="less").pvalue,
                )
                for e, c in zip(effects, exact, strict=True)
            ]
            support = max(t[0] for t in tests)
            refute = min(1, len(tests) * min(t[2] for t in tests)) if joint else tests[0][1]
        p_values[claim["id"]] = (claim["family"], 1.0 if missing else support, refute)
    verdicts = {}
    for family in {f for f, _, _ in p_values.values()}:
        ids = [i for i, (f, _, _) in p_values.items() if f == family]
        support, refute = (
            multipletests([p_values[i][k] for i in ids], method="holm")[1] for k in (1, 2)
        )
        for i, s, r in zip(ids, support, refute, strict=True):
            verdicts[i] = "refuted" if r <= A else "supported" if s <= A else "inconclusive"
    written = pd.read_csv(folder / "tables/claims.csv").set_index("id").verdict
    wrong = 0
    for claim in file["claims"]:
        theirs, ours = written[claim["id"]], verdicts.get(claim["id"], "not tested")
        compared = claim["statistic"] not in ("identity", "two_experiments")
        wrong += compared and theirs != ours
        print(f"{claim['id']:24} {theirs:14} {ours if compared else '-':14}"
              f"{'DIFFERS' if compared and theirs != ours else ''}")  # fmt: skip
    sys.exit(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("folder", help="a finished experiment, as results/emnist62-claims")
    main(parser.parse_args().folder)
