"""Lines about the answer itself: chance, trivial answers, controls, groups of patients, probabilities and failures."""

from __future__ import annotations

import math

import numpy as np

from scripts.lib.evidence.covered import FILMS
from scripts.lib.evidence.covered import TRIALS as ENOUGH
from scripts.lib.evidence.resampling import SMALLER_IS_BETTER
from scripts.lib.reporting.page.comparisons import CELL, HARMS, HELPS, UNTESTED
from scripts.lib.reporting.page.lines import AMBER, GREEN, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.words import chance, count, is_are, listed, none_of, number, part_of, percent, sentence
from scripts.lib.study.arms import REAL, arm_of
from scripts.lib.study.confounder import counts_passes

BY_CHANCE = 0.025  # share of 95 % intervals that lie on the wrong side of 0 where there is no difference
NAMED = 4  # groups that a sentence names
MANY_GROUPS = 0.1  # share of groups that get worse from which on it is said to speak against the answer


def statistics(facts: Facts) -> Line:
    """Red where nothing can be tested, amber with few test films, few trials or a design that finds only large differences, else green."""
    key, title = "statistics", "The study is large enough to tell a gain from chance"
    rows = facts.comparisons
    if not rows:
        return absent(key, title, "tables/differences.csv", "`make report` makes it where the study compares anything")
    trials, wanted = min(one.n_trials for one in rows), facts.config["statistics"]["power"]["difference"]
    tested = [one for one in rows if one.verdict != UNTESTED]
    if not tested:
        return line(
            key, title, RED, f"with {count(trials, 'trial')} a comparison nothing can be tested; set `study.trials: 5`"
        )
    least = [one.detectable for one in rows if math.isfinite(one.detectable)]
    able = sum(value <= wanted for value in least)
    finds = f"a difference of {number(wanted)} would most likely be found in {part_of(able, len(least), 'comparison')}"
    if (films := min(one.n_films for one in tested)) < FILMS:
        few = f"with {count(films, 'test film')} no interval can be relied on, whatever the number of trials: test at least {FILMS}"
        return line(key, title, AMBER, f"{few}. Each comparison rests on {count(trials, 'trial')}; {finds}")
    if trials < ENOUGH:
        few = f"each comparison rests on {count(trials, 'trial')} only; with five or more, an interval can be relied on"
        return line(key, title, AMBER, f"{few}. {sentence(finds)}")
    lost = len(rows) - len(tested)
    more = f"; {count(lost, 'comparison')} could not be tested" if lost else ""
    return line(
        key,
        title,
        GREEN if able * 2 >= len(least) and not lost else AMBER,
        f"{trials} trials a comparison; {finds}{more}",
    )


def baselines(facts: Facts) -> Line:
    """Red where a gain ends below a trivial answer, amber where any cell does, else green."""
    key, title = "baselines", "Models beat an answer that looks at no film"
    trivial = facts.tables.get("baselines", ["dataset", "metric", "baseline"], ["value"])
    means = facts.tables.get("intervals", ["dataset", "metric", "arm"], ["fraction", "multiplier", "mean"])
    if trivial is None or means is None:
        return absent(key, title, "tables/baselines.csv", "`make figure2` makes it")
    wanted = set(facts.config["statistics"]["metrics"])
    best = {
        (dataset, metric): values.min() if metric in SMALLER_IS_BETTER else values.max()
        for (dataset, metric), values in trivial.groupby(["dataset", "metric"])["value"]
    }
    scored = means[means["metric"].isin(wanted) & means["mean"].notna()]
    told = [cell in best for cell in zip(scored["dataset"], scored["metric"])]
    cells = scored[told]
    if cells.empty:
        return absent(key, title, "tables/baselines.csv", "`make figure2` makes it")
    if lacking := len(scored) - len(cells):
        where = listed(sorted({facts.names.dataset(name) for name in scored["dataset"][~np.array(told)]}))
        reason = f"the best answer that is the same for every film is not known for {lacking} of {count(len(scored), 'mean score')}"
        return line(key, title, AMBER, f"{reason} ({where}); `make figure2` makes it")
    below = [
        row
        for row in cells.to_dict("records")
        if _no_better(row["metric"], row["mean"], best[row["dataset"], row["metric"]])
    ]
    if not below:
        return line(
            key,
            title,
            GREEN,
            f"all {count(len(cells), 'mean score')} lie above the best answer that is the same for every film",
        )
    helped = {(c.dataset, c.metric, c.fraction, c.arm, c.multiplier) for c in facts.comparisons if c.verdict == HELPS}
    vain = [row for row in below if tuple(row[name] for name in CELL) in helped]
    where = listed(sorted({f"{facts.names.dataset(row['dataset'])} at {percent(row['fraction'])}" for row in below}))
    reason = f"{len(below)} of {count(len(cells), 'mean score')} {is_are(len(below))} no better than saying the same of every film ({where})"
    return line(
        key, title, RED if vain else AMBER, reason + (f"; {len(vain)} of them would count as a gain" if vain else "")
    )


def _no_better(metric: str, mean: float, trivial: float) -> bool:
    return mean >= trivial if metric in SMALLER_IS_BETTER else mean <= trivial


def controls(facts: Facts) -> Line:
    """Whether the gain is more than more training, or than the same films shown more often."""
    key, title = "controls", "A gain comes from the images, not from longer training or repetition"
    arms = facts.config["study"]["arms"]
    sources = {name: arm_of(facts.config, name).source for name in arms}
    beside = [name for name in arms if sources[name].is_control and sources[name].name not in ("pool", "cohort")]
    longer = [name for name in facts.config["study"]["datasets"] if counts_passes(facts.config, name)]
    steps = (
        "with and without images a model is trained for the same number of steps, so longer training is no explanation"
    )
    if longer:
        names = listed([facts.names.dataset(name) for name in longer])
        steps = f"{names}: trained by passes over all films, so a model with more images also trains longer"
    rows = [one for one in facts.comparisons if one.arm == facts.arm and one.against in beside]
    if not rows:
        more = "Whether the same real films, shown more often, would do as well was not tested: `make controls` does it"
        if beside:
            added = listed([facts.names.added(name) for name in beside])
            more = f"No table compares the images with the study's control ({added}) yet: `make report` makes it"
        return line(key, title, RED if longer else AMBER, f"{steps}. {more}")
    better, worse = (sum(one.verdict == name for one in rows) for name in (HELPS, HARMS))
    state = GREEN if better and not worse else RED if worse and not better else AMBER
    against = listed([facts.names.added(name) for name in dict.fromkeys(one.against for one in rows)])
    said = (
        f"against {against} the images are better in {none_of(better)} and worse in {none_of(worse)} of "
        f"{count(len(rows), 'comparison')}"
    )
    return line(key, title, AMBER if longer and state == GREEN else state, f"{said}. {sentence(steps)}")


def subgroups(facts: Facts) -> Line:
    """Whether a group of patients gets worse: red where many do, amber where some do, which chance may explain."""
    key, title = "subgroups", "No group of patients is worse off"
    needs = ["dataset", "metric", "arm", "column", "group"]
    table = facts.tables.get("subgroups", needs, ["fraction", "multiplier", "gap", "gap_low", "gap_high"])
    if table is None:
        return absent(key, title, "tables/subgroups.csv")
    # A group that holds every test film is the whole dataset over again, of which the answer speaks.
    several = table.groupby(["dataset", "column"])["group"].transform("nunique") > 1
    known = table[(table["arm"] == facts.arm) & table["gap_low"].notna() & table["gap_high"].notna()]
    rows = known[several.loc[known.index]]
    if rows.empty:
        why = "the test films are not known to differ in any of its columns" if len(known) else "the notes say why"
        return line(key, title, AMBER, f"for no group could the change be measured: {why}")
    flipped = rows["metric"].isin(SMALLER_IS_BETTER)
    worse = rows[(rows["gap_high"] < 0).where(~flipped, rows["gap_low"] > 0)]
    share = len(worse) / len(rows)
    if worse.empty:
        return line(
            key,
            title,
            GREEN,
            f"in {part_of(0, len(rows), 'comparison')} within a group is the score surely worse with images",
        )
    every = sorted(
        {f"{facts.names.dataset(str(row.dataset))} ({row.column} {row.group})" for row in worse.itertuples()}
    )
    names = f"{'Among them' if len(every) > NAMED else 'Where'}: {listed(every[:NAMED])}"
    reason = (
        f"in {len(worse)} of {count(len(rows), 'comparison')} within a group the score is surely worse with images; chance alone "
        f"would give {chance(BY_CHANCE * len(rows))}. {names}"
    )
    return line(key, title, RED if share > MANY_GROUPS else AMBER, reason)


def calibration(facts: Facts) -> Line:
    """Whether probabilities are worth more than always saying how frequent a label is (Brier's score of the prevalence)."""
    key, title = "calibration", "The models' probabilities can be believed"
    numbers = ["fraction", "multiplier", "value", "n_films", "n_positives"]
    table = facts.tables.get("calibration", ["dataset", "label", "arm", "measure"], numbers)
    if table is None:
        return absent(key, title, "tables/calibration.csv")
    rows = table[(table["measure"] == "brier") & table["value"].notna() & table["arm"].isin([REAL, facts.arm])]
    if rows.empty:
        return line(key, title, AMBER, "no probability was measured: models that predict masks have none")
    share = rows["n_positives"] / rows["n_films"]
    rows = rows.assign(bad=rows["value"] > share * (1 - share))
    real = rows[rows["arm"] == REAL].rename(columns={"bad": "before"})[["dataset", "label", "fraction", "before"]]
    both = rows[rows["arm"] == facts.arm].merge(real, on=["dataset", "label", "fraction"])
    bad, new, mended = (
        int(which.sum()) for which in (both["bad"], both["bad"] & ~both["before"], ~both["bad"] & both["before"])
    )
    # A single one is named, so that nobody takes it for many.
    none = f"in {part_of(0, len(both), 'combination')} of label, films and images are probabilities"
    if len(both) == 1:
        only = both.iloc[0]
        none = f"for {str(only['label']).replace('_', ' ')}, the one label that was measured, they are not"
    reason = (
        f"{none} worse than always stating how frequent the label is"
        if not bad
        else f"in {bad} of {count(len(both), 'combination')} of label, films and images probabilities are worse than always stating how "
        f"frequent the label is; {none_of(new)} of these {'are' if new > 1 else 'is'} new with the images"
    )
    if mended:
        reason += f"; {mended} more {is_are(mended)} put right by them"
    return line(key, title, GREEN if not bad else RED if new > mended else AMBER, reason)


def failures(facts: Facts) -> Line:
    """Green where no test film got worse; amber where some did, with the worst."""
    key, title = "failures", "No single test film gets worse"
    table = facts.tables.get("failures", ["dataset", "image_id", "label"], ["change", "real", "synthetic"])
    if table is None:
        return absent(key, title, "tables/failures.csv")
    if table.empty:
        return line(key, title, GREEN, "no test film got worse in any comparison")
    worst = table.iloc[int(table["change"].argmin())]
    films = count(table.drop_duplicates(["dataset", "image_id"]).shape[0], "film")
    label, masks = worst["label"].replace("_", " "), worst.get("task") == "segmentation"
    where = f"{worst['image_id']} of {facts.names.dataset(worst['dataset'])} for {label}"
    if masks and float(worst.get("truth", "nan")) == 0:  # its score is the share of trainings that rightly find nothing
        said = f"it has no {label}, which {percent(1 - worst['real'])} of the trainings with real films alone find there, and "
        said += f"{percent(1 - worst['synthetic'])} of those with images"
    else:
        what = "Dice" if masks else "score"
        said = f"a {what} of {number(worst['real'])} with real films alone, {number(worst['synthetic'])} with images"
    stand = "stands" if films.startswith("1 ") else "stand"
    return line(
        key,
        title,
        AMBER,
        f"{films} {stand} among the worst of a comparison. The largest change is that of {where}: {said}",
    )
