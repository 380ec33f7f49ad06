"""The real workflow on the tiny study: it runs, a second run has nothing to do, and a change redoes what it must.

All tests of the study that has run stand in this file: it is run once a file and process of the tests, in minutes.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, Workflow
from tests.helpers.chromium import browser, in_browser

pytestmark = pytest.mark.workflow


@contextmanager
def edited(file: Path, old: str, new: str) -> Iterator[None]:
    """Replace text in a file for the length of the block."""
    before = file.read_text()
    assert old in before, f"{file} does not hold {old!r}"
    try:
        file.write_text(before.replace(old, new, 1))
        yield
    finally:
        file.write_text(before)


def test_everything_that_was_asked_for_is_there(finished: Workflow) -> None:
    results = finished.root / "results"
    for name in ("figure2.pdf", "figure2.png", "figure2.svg", "table1.csv", "table1.md", "siim/summary.csv"):
        assert (results / name).stat().st_size > 0, name
    trials = pd.read_csv(results / "tables" / "trials.csv", dtype={"fraction": str})
    cells = trials[["dataset", "fraction", "arm", "multiplier", "trial"]].drop_duplicates()
    # siim: real, and 5 arms at 2 multipliers; rsna: real, 3 arms at 2 and extra-real at the one that 50 % leaves films for.
    assert len(cells) == 2 * (1 + 5 * 2) + 2 * (1 + 3 * 2 + 1)
    significance = pd.read_csv(results / "tables" / "significance.csv")
    assert not ((significance["p_value"] == 0) | (significance["p_value"].isna() & significance["note"].isna())).any()
    assert not list((results / "checkpoints").rglob("*.safetensors"))


def test_every_control_ran_beside_the_arms_of_a_generator(finished: Workflow) -> None:
    trials = pd.read_csv(finished.root / "results" / "tables" / "trials.csv", keep_default_na=False)
    sizes = trials.groupby(["dataset", "arm", "multiplier", "trial"])[["n_real", "n_synthetic", "seed"]].first()
    for (dataset, _arm, multiplier, trial), row in sizes.iterrows():
        assert row["n_synthetic"] == multiplier * row["n_real"]
        assert row["seed"] == sizes.loc[(dataset, "real", 0, trial), "seed"]
    notes = trials.groupby("arm")["note"].first()
    assert "left out: 2x need more other real training films" in notes["extra-real"]
    assert "its images were made elsewhere" in notes["pool"] and "left out" not in notes["duplicate"]
    pool = finished.root / "results" / "rsna" / "pools" / "pool"
    assert (pool / "imported" / "quarantine.tsv").is_file() and (pool / "fraction-0.5" / "sheet.png").is_file()
    back = pd.read_parquet(
        finished.root / "results" / "siim" / "pools" / "reconstructed" / "reconstructed" / "index.parquet"
    )
    subsets = pd.read_parquet(finished.root / "results" / "siim" / "subsets.parquet").query("rank < 0.5")
    assert set(back["film"]) == set(subsets["image_id"])


def test_models_are_tested_on_other_films_and_on_images_of_another_trial(finished: Workflow) -> None:
    results = finished.root / "results"
    table = pd.read_csv(results / "tables" / "transfer.csv", na_values="n/a", keep_default_na=False)
    arms = {"real", "original", "duplicate", "extra-real", "pool"}
    assert (
        set(table["dataset"]) == {"rsna"}
        and set(table["arm"]) == arms
        and (results / "transfer.png").stat().st_size > 0
    )
    assert len(table) == len(arms) * 3 * 2 and set(table["metric"]) == {"f1", "auroc"}
    # The models of trial 1 on the images of trial 0, by hand; none of them is of trial 1.
    rows = pd.read_parquet(results / "rsna" / "trials" / "real" / "fraction-0.5" / "trial-1.parquet").query(
        "split == 'images'"
    )
    shards = [results / "rsna" / "pools" / "original" / "fraction-0.5" / f"shard-{shard}" for shard in range(2)]
    pool = pd.concat([pd.read_parquet(shard / "index.parquet") for shard in shards])
    shown = pool[pool["trial"] == 0].sort_values("position")
    assert (
        rows["image_id"].tolist() == shown["image_id"].tolist()
        and rows["truth"].tolist() == shown["pneumonia"].tolist()
    )
    found, truth = rows["score"].to_numpy() > 0.5, rows["truth"].to_numpy() == 1
    f1 = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    cell = table.query("arm == 'real' and metric == 'f1' and tested_on == 'images of original'").iloc[0]
    assert min(abs(f1 - cell["min"]), abs(f1 - cell["max"])) < 1e-9 and cell["n_trials"] == 2


def test_the_proxy_models_arms_ran_like_any_other(finished: Workflow) -> None:
    results = finished.root / "results"
    table = pd.read_csv(results / "tables" / "figure3.csv")
    means = table[table["kind"] == "mean"]
    assert list(means["arm"]) == ["real", "proxy-filtered", "original", "proxy-tuned"]
    pool = results / "rsna" / "pools" / "proxy-filtered" / "fraction-0.5"
    kept, whole = pd.read_parquet(pool / "kept.parquet"), pd.read_parquet(pool / "shard-0" / "index.parquet")
    # Candidates are 3 times the images of the largest multiplier, and at the 50th percentile half of them are kept.
    assert len(kept) >= 1.5 * table["n_synthetic"].max() and len(whole) > 0
    assert "judged the choice" in (pool / "report.md").read_text()
    for name in ("figure3.pdf", "figure3.png", "figure3.svg"):
        assert (results / name).stat().st_size > 0, name


def test_evidence_holds_every_pool_against_real_films(finished: Workflow) -> None:
    results = finished.root / "results"
    fidelity = pd.read_csv(results / "tables" / "fidelity.csv", na_values="n/a")
    assert set(fidelity["dataset"]) == {"siim", "rsna"} and set(fidelity["features"]) == {"random", "proxy"}
    # 24 patients are too few for any number, and every row says so.
    assert fidelity["value"].isna().all() and fidelity["note"].str.contains("fewer than the 40").all()
    memorisation = pd.read_csv(results / "tables" / "memorisation.csv", na_values="n/a")
    assert set(memorisation["verdict"]) <= {"undecided", "fails"}  # too few held-out films to pass
    assert memorisation.set_index("measure")["value"]["found_exact"].max() == 1
    for dataset in ("siim", "rsna"):
        for picture in ("nearest.png", "judged.png"):
            assert (results / dataset / "pools" / "original" / "fraction-0.5" / picture).stat().st_size > 0
    faithful = pd.read_csv(results / "tables" / "faithfulness.csv", na_values="n/a")
    assert set(faithful["verdict"]) == {"undecided"} and {"original", "pool"} <= set(faithful["arm"])
    shortcut = pd.read_csv(results / "tables" / "shortcut.csv", na_values="n/a")
    assert set(shortcut["dataset"]) == {"siim", "rsna"} and "pool" not in set(shortcut["arm"])
    assert (shortcut["value"][shortcut["measure"] == "mutual_information"] >= 0).all()
    assert "Nothing to be done" in (again := finished.run("evidence")).stdout + again.stderr


def test_raters_are_simulated_and_followed(finished: Workflow) -> None:
    results = finished.root / "results"
    monitor = pd.read_csv(results / "generators" / "dpo" / "monitor.csv")
    assert list(monitor.columns) == ["step", "loss", "implicit_accuracy", "margin", "distance"]
    assert monitor["step"].iloc[0] == 0 and monitor["distance"].iloc[0] == 0
    means = pd.read_csv(results / "tables" / "figure4.csv").query("kind == 'mean'")
    assert list(means["arm"]) == ["real", "dpo", "original"]
    agreement = pd.read_csv(results / "feedback" / "agreement.csv")
    assert {"alpha", "icc2k"} == set(agreement["measure"])
    for name in ("figure1.pdf", "figure4.pdf", "feedback/agreement.png"):
        assert (results / name).stat().st_size > 0, name


def test_every_model_says_which_films_taught_it_and_none_of_them_is_tested(finished: Workflow) -> None:
    results = finished.root / "results"
    roles = {
        "generators/base": {"base"},
        "generators/controlnet": {"base", "controlnet"},
        "generators/proxy-tuned": {"base", "controlnet", "proxy", "validation"},
        "generators/dpo": {"base", "controlnet", "raters", "judge"},
        "proxy/model": {"proxy"},
        "proxy": {"proxy", "validation"},
        "feedback": {"raters"},
    }
    for folder, expected in roles.items():
        table = pd.read_parquet(results / folder / "learned_from.parquet")
        assert set(table["role"]) == expected and not table.isna().any(axis=None), folder
        for name, films in table.groupby("dataset"):
            index = pd.read_parquet(results / name / "cohort" / "index.parquet").set_index("image_id")
            assert (index.loc[films["image_id"], "sha256"].to_numpy() == films["sha256"].to_numpy()).all()
    table = pd.read_csv(results / "tables" / "leakage.csv")
    arms = {"real", "original", "pretrain", "duplicate", "augmented", "reconstructed", "extra-real", "pool"}
    assert set(table["arm"]) == arms
    # Of images that were made elsewhere nobody knows.
    elsewhere = table["role"] == "pool"
    assert set(table["verdict"][~elsewhere]) == {"clean"} and set(table["verdict"][elsewhere]) == {"not known"}
    for arm in ("proxy-filtered", "proxy-tuned", "dpo"):
        assert set(pd.read_csv(results / "rsna" / "leakage" / f"{arm}.csv")["verdict"]) == {"clean"}, arm


def test_a_leak_stops_the_run_before_any_trial(finished: Workflow, tmp_path: Path) -> None:
    root = tmp_path / "leaking"
    shutil.copytree(finished.root, root, symlinks=True)
    workflow = replace(finished, root=root)
    listed = root / "results" / "generators" / "controlnet" / "learned_from.parquet"
    table, index = pd.read_parquet(listed), pd.read_parquet(root / "results" / "siim" / "cohort" / "index.parquet")
    leaked = index[index["split"] == "test"].iloc[:1].assign(dataset="siim", role="controlnet")[list(table.columns)]
    pd.concat([table, leaked]).astype("string").to_parquet(listed)
    trial = "results/siim/trials/original/fraction-0.5/trial-0.parquet"
    (root / trial).unlink()
    done = workflow.run(trial, "--forcerun", "check_leakage", "--rerun-triggers", "mtime")
    text = done.stdout + done.stderr
    assert done.returncode != 0 and not (root / trial).exists()
    assert "test films are not new to what is tested: 1 of" in text and "leakage.allow" in text
    hits = pd.read_csv(root / "results" / "logs" / "check_leakage" / "siim_original.csv")
    assert hits.loc[hits["verdict"] == "stops", "kind"].tolist() == ["all", "id"]


def test_the_end_of_a_run_tells_what_the_log_files_hold(finished: Workflow, tmp_path: Path) -> None:
    root = tmp_path / "study"
    shutil.copytree(finished.root, root, symlinks=True)
    workflow = replace(finished, root=root)
    done = workflow.run("results/siim/cohort/index.parquet", "--forcerun", "prepare_cohort")
    assert done.returncode == 0, done.stderr[-4000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("siim: ")]
    files = "results/siim/cohort/quarantine.tsv and notes.csv"
    assert len(lines) == 1 and "films taken" in lines[0] and files in lines[0]
    # A run that fails tells of the cohorts that are there; the one that was stopped is in the log that Snakemake shows.
    overlay = root / "strict.yaml"
    overlay.write_text("datasets: {rsna: {max_pixels: 1024}}\n")
    overlays = ("--configfile", "studies/tiny.yaml", str(overlay))
    failed = workflow.run("results/siim/subsets.parquet", "results/rsna/subsets.parquet", *overlays, study=None)
    assert failed.returncode == 1 and "siim: " in failed.stderr and "more than quarantine_limit" in failed.stderr


def test_a_second_run_has_nothing_to_do(finished: Workflow) -> None:
    done = finished.run("figure3", "figures", "all")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_touch_of_every_source_file_a_comment_and_a_docstring_redo_nothing(finished: Workflow) -> None:
    for file in [*(finished.root / "scripts").rglob("*.py"), *(finished.root / "rules").glob("*.smk")]:
        file.touch()
    masks = finished.root / "scripts" / "lib" / "conditions" / "masks.py"
    with edited(masks, '"""', '"""More words. '), edited(masks, "import json", "# why\nimport json"):
        assert finished.planned("all") == set()


def test_an_edit_of_the_mask_code_redoes_exactly_the_rules_that_import_it(finished: Workflow) -> None:
    with edited(
        finished.root / "scripts" / "lib" / "conditions" / "masks.py", "import json\n", "import json\n\nEDITED = 1\n"
    ):
        mine = finished.changed("all")
    # sample_pool and draw_sheet are made anew as well, but the summary names each rule by its first cause only.
    assert {"build_conditions", "train_controlnet"} <= mine
    assert not mine & {"write_phantom", "prepare_cohort", "draw_subsets", "train_base", "train_trials", "plot_figure2"}


def test_a_changed_key_redoes_only_its_stage_and_what_follows(finished: Workflow) -> None:
    with edited(finished.root / "config.yaml", "  test: welch", "  test: paired"):
        plan = finished.planned("all")
    assert plan == {
        "compare_arms", "compare_dataset_arms", "summarize_dataset", "tabulate_figure2", "plot_figure2", "all",
        "describe_study", "write_report"
    }  # fmt: skip


def test_a_table_that_came_later_renews_the_page_alone(finished: Workflow) -> None:
    table = finished.root / "results" / "tables" / "mine.csv"
    table.write_text("measure,value\nmine,1\n")
    try:
        assert finished.planned("report") == {"write_report", "report"}
    finally:
        table.unlink()
    assert finished.planned("report") == set()


def test_another_policy_scores_the_same_predictions_anew(finished: Workflow) -> None:
    with edited(finished.root / "config.yaml", "    empty_policy: exclude", "    empty_policy: zero"):
        plan = finished.planned("all")
    assert {"score_trials", "score_baselines", "compare_arms", "plot_figure2"} <= plan
    assert not {"train_trials", "sample_pool", "prepare_cohort"} & plan


def test_a_change_of_one_dataset_leaves_the_others_alone(finished: Workflow) -> None:
    overlay = finished.root / "studies" / "tiny.yaml"
    with edited(overlay, "  siim:\n", "  siim:\n    fit: crop\n"):
        mine = finished.run("--dry-run", "results/siim/summary.csv")
        # A pool from elsewhere, an arm of RSNA, is held against the films of every dataset: so a trial, not the summary.
        trial = "results/rsna/trials/original/fraction-0.5/trial-0.parquet"
        other = finished.run("--dry-run", trial, "results/generators/controlnet")
    assert "prepare_cohort" in mine.stdout + mine.stderr
    assert "train_base" not in mine.stdout + mine.stderr
    assert "Nothing to be done" in other.stdout + other.stderr


def test_one_rule_of_one_dataset_is_forced_with_what_follows_from_it(finished: Workflow) -> None:
    plan = finished.planned("results/siim/summary.csv", "-R", "draw_subsets")
    assert {"draw_subsets", "build_conditions", "train_trials", "summarize_dataset"} <= plan
    assert not {"write_phantom", "prepare_cohort", "train_base"} & plan


def test_the_workflow_runs_from_another_folder(finished: Workflow, tmp_path: Path) -> None:
    done = finished.run("--directory", str(tmp_path / "else where"), "results/siim/cohort/index.parquet")
    assert done.returncode == 0, done.stdout + done.stderr
    there = tmp_path / "else where" / "results" / "siim" / "cohort" / "images.npy"
    assert there.read_bytes() == (finished.root / "results" / "siim" / "cohort" / "images.npy").read_bytes()
    shutil.rmtree(tmp_path / "else where")


REPORTED = re.compile(r'report\(\s*"([^"]+)",\s*caption="\.\./([^"]+)",\s*category="([^"]+)"')


@pytest.fixture(scope="module")
def report(finished: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's report, made where no other machine can be reached."""
    page = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        done = finished.run("figure3", "figures", "evidence", "all", "--report", str(page))
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return page


def test_the_report_holds_each_figure_and_table_with_caption_and_category(finished: Workflow, report: Path) -> None:
    text = report.read_text()
    found = {}
    for name in ("results", "categories"):
        script = re.search(rf'<script id="{name}">\s*var {name} = (.*?);\s*</script>', text, re.S)
        assert script is not None
        found[name] = json.loads(script[1])
    rules = "".join(file.read_text() for file in sorted((ROOT / "rules").glob("*.smk")))
    declared = {path: (caption, category) for path, caption, category in REPORTED.findall(rules)}
    assert rules.count("report(") == len(declared)
    made = {path for path in declared if (finished.root / path).exists()}
    assert found["results"].keys() == made and len(made) >= 8
    for path, one in found["results"].items():
        caption, category = declared[path]
        said = html.unescape(re.sub(r"<[^>]+>", "", one["caption"]))
        assert said.split() == (ROOT / caption).read_text().split(), path
        assert any(path in files for files in found["categories"][category].values()), path
        assert one["labels"] and all(one["labels"].values())
        assert base64.b64decode(one["data_uri"].split(",", 1)[1]) == (finished.root / path).read_bytes(), path


@in_browser
def test_the_report_opens_in_a_browser(report: Path) -> None:
    wrong: list[str] = []
    asked: list[str] = []
    with browser() as chromium:
        page = chromium.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        page.get_by_text("Figures").first.click()
        page.get_by_text("The proxy model").first.wait_for(timeout=15000)
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
