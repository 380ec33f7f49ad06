"""Lines about films and images: leakage, copies, nearness to real films, faithfulness, the shortcut, and the films taken."""

from __future__ import annotations

import pandas as pd

from scripts.lib.reporting.page.lines import AMBER, GREEN, GREY, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.tables import as_numbers
from scripts.lib.reporting.page.words import all_of, count, is_are, listed, number, part_of, percent
from scripts.lib.study.passes import taught

SPLITS = ("generator", "train")  # whose films may teach a generator, as table1.csv counts them
POOL = ["dataset", "arm", "fraction"]
UNTRAINED = "random"  # the network of fidelity.features that has learned nothing
SURE_TO_FIND = 0.9  # share of planted copies of a kind below which the search is said to miss them


def leakage(facts: Facts) -> Line:
    """Green where no test film taught a model, amber where it may have, red where one did and was not allowed."""
    key, title = "leakage", "Test films taught no model"
    columns = ["dataset", "arm", "split", "tested_dataset", "kind", "verdict", "image_id"]
    table = facts.tables.get("leakage", columns, ["tested", "learned", "hits"])
    if table is None:
        return absent(key, title, "tables/leakage.csv", "`make figure2` checks it")
    checks, found = table[table["kind"] == "all"], table[table["kind"] != "all"]
    stops = found[found["verdict"] == "stops"]
    if len(stops):
        hits = count(len(stops.drop_duplicates(["tested_dataset", "image_id"])), "test film")
        return line(
            key, title, RED, f"{hits} taught a model, by the same identity, patient or pixels: no answer counts"
        )
    words = {name: int((found["verdict"] == name).sum()) for name in ("allowed", "told")}
    unknown = int((checks["verdict"] == "not known").sum())
    parts = []
    if words["allowed"]:
        parts.append(f"{count(words['allowed'], 'hit')} {is_are(words['allowed'])} allowed by `leakage.allow`")
    if words["told"]:
        parts.append(f"{count(words['told'], 'hit')} among films that tune thresholds")
    if unknown:
        parts.append(f"what taught a model is not known in {count(unknown, 'check')}")
    if parts:
        return line(key, title, AMBER, listed(parts))
    # Films of one cohort may be tested for several datasets, and a dataset's models on films of several cohorts.
    films = int(checks[checks["split"] != "tuning"].groupby("tested_dataset")["tested"].max().sum())
    return line(
        key,
        title,
        GREEN,
        f"{count(films, 'test film')} {is_are(films)} neither among the films that taught the models, nor copies of them, nor of "
        f"the same patients ({count(len(checks), 'check')})",
    )


def _seen_often(facts: Facts) -> Line | None:
    """Amber where nothing has counted copies and a generator saw its films so often that there are some; None elsewhere."""
    films = facts.tables.text("table1.csv")
    if films is None:
        return None
    films = as_numbers(films, facts.tables.results / "table1.csv", ["dataset"], SPLITS)
    sides = films.set_index("dataset")[[*SPLITS]].fillna(0)
    counts = {str(name): {split: int(row[split]) for split in SPLITS} for name, row in sides.iterrows()}
    often = [one.words for one in taught(facts.config, counts) if one.often]
    if not often:
        return None
    said = f"{listed(often)}, so images are likely to be near-copies of these films; `make evidence` counts them"
    return line("copies", "Images are no copies of training films", AMBER, said)


def copies(facts: Facts) -> Line:
    """The verdicts of memorisation.csv, worst first, with the kind of planted copy that the search finds least."""
    key, title = "copies", "Images are no copies of training films"
    table = facts.tables.get("memorisation", [*POOL, "measure", "verdict"], ["value", "floor"])
    if table is None or table.empty:
        return _seen_often(facts) or absent(key, title, "tables/memorisation.csv")
    pools = table.drop_duplicates(POOL)
    near = table[table["measure"] == "near_copies"]
    verdicts = pools["verdict"].value_counts()
    shares = (
        f"{percent_range(near['value'])} of the images against {percent_range(near['floor'])} of held-out real films"
    )
    missed = _blind_spot(table)
    if verdicts.get("fails"):
        bad = count(int(verdicts["fails"]), "pool")
        return line(
            key,
            title,
            RED,
            f"{bad} of {len(pools)} {'holds' if verdicts['fails'] == 1 else 'hold'} more near-copies of training films than chance "
            f"gives: {shares}{missed}",
        )
    if verdicts.get("undecided"):
        open_ = int(verdicts["undecided"])
        which = f"{open_} of {len(pools)} pools" if open_ < len(pools) else all_of(open_, "pool")
        return line(
            key,
            title,
            AMBER,
            f"of {which} it cannot be told whether {'it holds' if open_ == 1 else 'they hold'} copies; near-copies are {shares}{missed}",
        )
    where = f"in {part_of(0, len(pools), 'pool')} are near-copies of training films"
    if len(pools) == 1:
        where = "in the one pool near-copies of training films are no"
    # A search that would miss a kind of copy is no full clearance.
    return line(
        key,
        title,
        AMBER if missed else GREEN,
        f"{where} more frequent than among held-out real films: {shares}{missed}",
    )


def _blind_spot(table: pd.DataFrame) -> str:
    """Return the end of the sentence that names the kind of planted copy that the search finds least, "" if it finds all."""
    planted = table[table["measure"].str.startswith("found_") & table["value"].notna()]
    if planted.empty or planted["value"].min() >= SURE_TO_FIND:
        return ""
    least = planted.iloc[int(planted["value"].argmin())]
    kind = least["measure"].removeprefix("found_").replace("_", " ")
    share = f"only {percent(round(least['value'], 2))}" if least["value"] >= 0.005 else "none"
    return f". The search has a blind spot: of planted copies that were {kind} it finds {share}"


def percent_range(values: pd.Series) -> str:
    """Return "0 to 1.1 %" of shares, "n/a" without any."""
    known = values.dropna() * 100
    if known.empty:
        return "n/a"
    low, high = f"{known.min():.2g}", f"{known.max():.2g}"
    return f"{low} %" if low == high else f"{low} to {high} %"


def fidelity(facts: Facts) -> Line:
    """Green where the images of no pool can be told from real films by distance, amber otherwise; never the verdict."""
    key, title = "fidelity", "Images look like real films"
    table = facts.tables.get("fidelity", [*POOL, "features", "measure"], ["value", "low", "floor", "floor_high"])
    if table is None:
        return absent(key, title, "tables/fidelity.csv")
    known = table[table["low"].notna() & table["floor_high"].notna()]
    measure = next((name for name in ("kid", "fid") if name in set(known["measure"])), None)
    if measure is None:
        return line(key, title, AMBER, "no distance could be measured; the notes of the table say why")
    rows = known[known["measure"] == measure]
    far = rows[rows["low"] > rows["floor_high"]]
    name = measure.upper()
    if far.empty:
        verb = "is" if len(rows) == 1 else "are"
        reason = (
            f"{count(len(rows), 'distance')} ({name}) {verb} no larger than between real films of different patients"
        )
        return line(key, title, GREEN, reason)
    seen = sorted(set(rows["features"]))
    networks = (
        f"the network{'s' if len(seen) > 1 else ''} {listed(seen)}"
        if seen != [UNTRAINED]
        else "a network that never learned"
    )
    return line(
        key,
        title,
        AMBER,
        f"{part_of(len(far), len(rows), 'distance')} ({name}, seen by {networks}) {is_are(len(far))} larger than between real films of different patients: there, "
        "images can be told from films. That alone does not make them useless",
    )


def faithfulness(facts: Facts) -> Line:
    """Whether images show what their label or mask says: the verdicts of the pools in faithfulness.csv, worst first."""
    key, title = "faithfulness", "Images show what they were asked to show"
    table = facts.tables.get("faithfulness", [*POOL, "verdict"])
    if table is None or table.empty:
        return absent(key, title, "tables/faithfulness.csv")
    pools = table.drop_duplicates(POOL)
    counts = {word: int((pools["verdict"] == word).sum()) for word in ("passes", "undecided", "fails")}
    state = RED if counts["fails"] else GREEN if counts["passes"] == len(pools) else AMBER
    every = {1: "it", 2: "both"}.get(len(pools), "all")
    verbs = {"passes": ("passes", "pass"), "undecided": ("is undecided", "are undecided"), "fails": ("fails", "fail")}
    said = listed([f"{every if n == len(pools) else n} {verbs[word][n > 1]}" for word, n in counts.items() if n])
    return line(key, title, state, f"a model trained on real films looked at {count(len(pools), 'pool')}: {said}")


def shortcut(facts: Facts) -> Line:
    """Whether a model could learn "synthetic" instead of the disease: amber where shortcut.csv warns of a training set."""
    key, title = "shortcut", "Models learn the finding, not what is an image and what a film"
    table = facts.tables.get("shortcut", [*POOL, "note"], ["multiplier", "value"])
    if table is None or table.empty:
        return absent(key, title, "tables/shortcut.csv")
    known = table[table["multiplier"].notna() & table["value"].notna()]  # the other rows say why there is no number
    sets = known.drop_duplicates([*POOL, "multiplier"])
    if sets.empty:
        return line(key, title, GREY, f"no training set could be looked at: {table['note'].iloc[0]}")
    warned = known[known["note"].str.strip() != ""].drop_duplicates([*POOL, "multiplier"])
    if len(warned):
        reason = (
            f"{len(warned)} of {count(len(sets), 'training set')} {'has' if len(warned) == 1 else 'have'} a warning, for example: "
            f"{warned['note'].iloc[0]}"
        )
        return line(key, title, AMBER, reason)
    return line(
        key, title, GREEN, f"in {part_of(0, len(sets), 'training set')} does being synthetic tell much of the label"
    )


def films(facts: Facts) -> Line:
    """Green where the films were taken without a warning; amber where some are missing or look odd."""
    key, title = "films", "The films were read whole"
    table = facts.tables.text("table1.csv")
    if table is None:
        return absent(key, title, "table1.csv", "`make figure2` makes it")
    taken, left = (int(pd.to_numeric(table[name], errors="coerce").sum()) for name in ("taken", "quarantined"))
    warned = table[table["warnings"].str.strip() != ""]
    lost = f"{count(left, 'film')} ({number(100 * left / max(taken + left, 1))} %) could not be used and {is_are(left)}"
    reason = f"{count(taken, 'film')} {'was' if taken == 1 else 'were'} taken" + (
        f"; {lost} listed in quarantine.tsv" if left else ""
    )
    if len(warned):
        names = listed([facts.names.dataset(name) for name in warned["dataset"]])
        return line(key, title, AMBER, f"{reason}. Read the warnings of {names} in Table 1")
    return line(key, title, GREEN, f"{reason}. There is no warning")
