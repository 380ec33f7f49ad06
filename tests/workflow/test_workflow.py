"""The real workflow on the tiny study: it runs, a second run has nothing to do, and a change redoes what it must."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, Workflow, copy_repository
from tests.helpers.forked_snakemake import snakemake

pytestmark = pytest.mark.workflow
KEPT = (".npy", ".parquet", ".csv", ".md", ".tsv", ".safetensors", ".json", ".png", ".pdf", ".svg", ".dcm", ".jpg")
SKIPPED = ("logs", "benchmarks", "checkpoints", "processor.json")  # the last holds a measured speed


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


def digests(results: Path) -> dict[str, str]:
    """Return {relative path: sha256} of every result file."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.suffix in KEPT and path.is_file() and path.relative_to(results).parts[0] not in SKIPPED
    }


def test_everything_that_was_asked_for_is_there(finished: Workflow) -> None:
    results = finished.root / "results"
    for name in ("figure2.pdf", "figure2.png", "figure2.svg", "table1.csv", "table1.md", "siim/summary.csv"):
        assert (results / name).stat().st_size > 0, name
    trials = pd.read_csv(results / "tables" / "trials.csv", dtype={"fraction": str})
    cells = trials[["dataset", "fraction", "arm", "multiplier", "trial"]].drop_duplicates()
    # 2 datasets x 1 fraction x 2 trials x (real + one multiplier) = 8
    assert len(cells) == 8
    significance = pd.read_csv(results / "tables" / "significance.csv")
    assert not ((significance["p_value"] == 0) | (significance["p_value"].isna() & significance["note"].isna())).any()
    assert not list((results / "checkpoints").rglob("*.safetensors"))


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


def test_a_second_run_has_nothing_to_do(finished: Workflow) -> None:
    done = finished.run("figure3", "figures", "all")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_touch_of_every_source_file_redoes_nothing(finished: Workflow) -> None:
    for file in [*(finished.root / "scripts").rglob("*.py"), *(finished.root / "rules").glob("*.smk")]:
        file.touch()
    assert finished.planned("all") == set()


def test_a_comment_or_docstring_redoes_nothing(finished: Workflow) -> None:
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
        "compare_arms", "compare_dataset_arms", "summarize_dataset", "tabulate_figure2", "plot_figure2", "all"
    }  # fmt: skip


def test_another_policy_scores_the_same_predictions_anew(finished: Workflow) -> None:
    with edited(finished.root / "config.yaml", "    empty_policy: exclude", "    empty_policy: zero"):
        plan = finished.planned("all")
    assert {"score_trials", "score_baselines", "compare_arms", "plot_figure2"} <= plan
    assert not {"train_trials", "sample_pool", "prepare_cohort"} & plan


def test_a_change_of_one_dataset_leaves_the_others_alone(finished: Workflow) -> None:
    overlay = finished.root / "studies" / "tiny.yaml"
    with edited(overlay, "  siim:\n", "  siim:\n    fit: crop\n"):
        mine = finished.run("--dry-run", "results/siim/summary.csv")
        other = finished.run("--dry-run", "results/rsna/summary.csv", "results/generators/controlnet")
    assert "prepare_cohort" in mine.stdout + mine.stderr
    assert "train_base" not in mine.stdout + mine.stderr
    assert "Nothing to be done" in other.stdout + other.stderr


def test_one_dataset_is_planned_without_the_others(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    text = "\n".join(str(item) for item in [workflow.run("--dry-run", "results/siim/summary.csv").stdout])
    assert "siim" in text
    assert "results/rsna" not in text


def test_one_rule_of_one_dataset_is_forced_with_what_follows_from_it(finished: Workflow) -> None:
    plan = finished.planned("results/siim/summary.csv", "-R", "draw_subsets")
    assert {"draw_subsets", "build_conditions", "train_trials", "summarize_dataset"} <= plan
    assert not {"write_phantom", "prepare_cohort", "train_base"} & plan


def test_kill_9_in_the_middle_and_the_same_command_give_the_same_bytes(finished: Workflow, tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path / "killed")
    # One dataset, from its raw tree to its table; each of the trainings has a test of its own that kills it.
    targets = ("results/siim/summary.csv", "results/siim/pools/original/fraction-0.5/sheet.png")
    for seconds in (12, 16):
        process = subprocess.Popen(
            workflow.command(*targets),
            cwd=workflow.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = workflow.run(*targets)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    expected, found = digests(finished.root / "results"), digests(workflow.root / "results")
    made = re.compile(r"(phantom/)?(mimic|candid|siim)[/.]|generators/(base|controlnet)/")
    expected = {name: value for name, value in expected.items() if made.match(name)}
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def test_the_paper_study_names_what_is_missing_in_one_line(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    done = workflow.run("--dry-run", "--config", f"data={tmp_path}/nowhere", study="studies/paper.yaml")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    line = next(line for line in text.splitlines() if "datasets.chexpert.root" in line)
    for words in ("no such folder", "Stanford", "datasets.siim.root", "Kaggle", "base.path", "credential"):
        assert words in line, words
    assert "Traceback" not in text


def test_the_paper_study_is_planned_when_its_files_are_there(tmp_path: Path) -> None:
    from scripts.lib.formats.sources import tables
    from scripts.lib.study.config import load_study

    workflow = copy_repository(tmp_path / "copy")
    data = tmp_path / "data with a space"
    config = load_study([ROOT / "config.yaml", ROOT / "studies" / "paper.yaml"])
    for section in config["datasets"].values():
        root = Path(section["root"].replace("{data}", str(data)))
        for table in tables(section["format"], root, section.get("reader")):
            table.parent.mkdir(parents=True, exist_ok=True)
            table.touch()
    base = Path(config["base"]["path"].replace("{data}", str(data)))
    base.mkdir(parents=True)
    (base / "model_index.json").write_text("{}")
    (data / "mgca").mkdir()
    (data / "mgca" / "vit_base.ckpt").touch()
    done = workflow.run("--dry-run", "results/figure2.pdf", "--config", f"data={data}", study="studies/paper.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_base" not in done.stdout
    # 4 datasets x 3 fractions x 2 arms x 2 trials
    assert any(line.split() == ["train_trials", "48"] for line in done.stdout.splitlines()), done.stdout[-3000:]


@pytest.mark.parametrize("name", ["study.trial=3", "study.trials=0", "nonsense=1"])
def test_a_wrong_key_on_the_command_line_ends_the_run_with_one_line(tmp_path: Path, name: str) -> None:
    workflow = copy_repository(tmp_path)
    key, value = name.split("=")
    setting = f"{key.split('.')[0]}={{{key.split('.')[1]}: {value}}}" if "." in key else name
    done = workflow.run("--dry-run", "--config", setting)
    assert done.returncode != 0
    assert "config:" in done.stdout + done.stderr


def test_lint_and_format_are_clean() -> None:
    done = snakemake(["--lint"], ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "rules"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
        done = finished.run("figure3", "figures", "all", "--report", str(page))
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


@pytest.mark.skipif(shutil.which("chromium") is None, reason="browser tests need Debian's chromium")
def test_the_report_opens_in_a_browser(report: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    wrong: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        page.get_by_text("Figures").first.click()
        page.get_by_text("The proxy model").first.wait_for(timeout=15000)
        browser.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
