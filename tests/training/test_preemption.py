"""Real commands that get SIGTERM, SIGUSR1 or kill -9, and end, when they go on, with the bytes of an undisturbed run."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.study.config import to_json
from tests.filters.test_proxy_training import write_cohort as write_reports
from tests.generators.test_dpo import DPO, write_preferences
from tests.helpers.diffusion_models import BASE, CONTROL, SAMPLING, conditions_table, write_base, write_cohort
from tests.helpers.downstream_films import SIDE as TRIAL_SIDE
from tests.helpers.downstream_films import settings_for, write_trial_inputs
from tests.helpers.forked_commands import Forks, work_done
from tests.helpers.job_server import fork_of
from tests.helpers.mgca_toy import settings_of, write_reported
from tests.helpers.proxy_models import PROXY
from tests.helpers.proxy_models import SIDE as PROXY_SIDE
from tests.training.test_multiprocess import in_threes

pytestmark = pytest.mark.early
NEVER = 10_000  # checkpoint_seconds: what is stored is stored because of the signal


@pytest.fixture(scope="module")
def forks(forked_jobs: str) -> Forks:
    return Forks(fork_of(forked_jobs))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    root = tmp_path_factory.mktemp("preempted")
    write_base(root / "base")
    write_cohort(root / "cohort")
    write_preferences(root / "rated")
    write_reports(root / "reports")
    write_reported(root / "mgca")
    write_trial_inputs(root / "trial")
    conditions_table(24).to_parquet(root / "conditions.parquet")
    forks.finish(control(root, root / "made"), root / "made")
    return root


def places(folder: Path) -> list[object]:
    return ["--checkpoint-dir", folder / "checkpoints", "--out", folder / "out", "--seed", 1]


def settings(section: dict[str, Any], seconds: int) -> list[str]:
    changed = in_threes({**section, "checkpoint_seconds": seconds})
    if "train" in changed:
        changed["train"]["checkpoint_seconds"] = seconds
    return ["--config", json.dumps(changed)]


def base(tree: Path, folder: Path, seconds: int = NEVER) -> tuple[str, list[object]]:
    own = ["--cohorts", tree / "cohort", "--resolution", 32]
    return "scripts.train_base", [*own, *settings(BASE, seconds), *places(folder)]


def control(tree: Path, folder: Path, seconds: int = NEVER) -> tuple[str, list[object]]:
    own = ["--base", tree / "base", "--cohort", tree / "cohort"]
    return "scripts.train_controlnet", [*own, *settings(CONTROL, seconds), *places(folder)]


def dpo(tree: Path, folder: Path, seconds: int = NEVER) -> tuple[str, list[object]]:
    rated = tree / "rated"
    own = ["--generator", tree / "made" / "out", "--pool", rated / "pool", "--preferences", rated / "train.jsonl"]
    own += ["--heldout", rated / "held.jsonl", "--report", rated / "report.jsonl"]
    return "scripts.train_dpo", [*own, *settings(DPO, seconds), *places(folder)]


def proxy(tree: Path, folder: Path, seconds: int = NEVER) -> tuple[str, list[object]]:
    own = ["--cohorts", tree / "reports", "--resolution", PROXY_SIDE]
    return "scripts.train_proxy", [*own, *settings(PROXY, seconds), *places(folder)]


def mgca(tree: Path, folder: Path, seconds: int = NEVER) -> tuple[str, list[object]]:
    own = ["--cohorts", tree / "mgca", "--resolution", TRIAL_SIDE]
    changed = settings_of(checkpoint_seconds=seconds, gradient_accumulation=3, steps=4)
    return "scripts.pretrain_mgca", [*own, "--config", to_json(changed), *places(folder)]


def trials(tree: Path, folder: Path, seconds: int = NEVER) -> tuple[str, list[object]]:
    inputs = tree / "trial"
    own = ["--cohort", inputs / "cohort", "--subsets", inputs / "subsets.parquet", "--pool", inputs / "pool"]
    own += ["--dataset", "toy", "--arm", "original", "--fraction", 0.5, "--trial", 0, "--multipliers", 1, 2]
    changed = settings_for("segmentation", checkpoint_seconds=seconds, budget={"steps": 8})
    return "scripts.train_trials", [*own, "--config", json.dumps(changed), *places(folder)]


def results(folder: Path) -> dict[str, bytes]:
    """Return the files of a result; a link to another model is named by what it names."""
    out = folder / "out"
    files = [out] if out.is_file() else [file for file in out.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(tree: Path, forks: Forks) -> Any:
    """Return a function: the result of an undisturbed run of a command."""
    made: dict[Any, dict[str, bytes]] = {}

    def result(make: Any) -> dict[str, bytes]:
        if make not in made:
            folder = tree / f"whole-{make.__name__}"
            forks.finish(make(tree, folder), folder)
            made[make] = results(folder)
        return made[make]

    return result


def stored(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "checkpoints").rglob("*.safetensors"))


# Work is counted in micro-batches, 3 a step. dpo measures itself before and after every second step: 2 draws of 3 pairs in
# batches of 2 are 4 batches. So 1-4 are the first check, 5-10 two steps, 11-14 the next check. base: 12 a stage. A trial
# counts steps, 8 for each multiplier.
ASKED = [
    pytest.param(dpo, signal.SIGTERM, 9, "stored step 1", id="dpo in the middle of a step", marks=pytest.mark.long),
    pytest.param(dpo, signal.SIGUSR1, 12, "stored step 2", id="dpo in the middle of a check"),
    pytest.param(base, signal.SIGTERM, 29, "stored step 1", id="base in its last stage"),
    pytest.param(
        control, signal.SIGUSR1, 5, "stored step 1", id="controlnet in the middle of a step", marks=pytest.mark.long
    ),
    pytest.param(control, signal.SIGTERM, 12, "stored step 4", id="controlnet in its last step"),
    pytest.param(proxy, signal.SIGTERM, 7, "stored step 2", id="proxy"),
    pytest.param(mgca, signal.SIGUSR1, 8, "stored step 2", id="mgca in the middle of a step"),
    pytest.param(trials, signal.SIGTERM, 3, "stored step 3", id="trials", marks=pytest.mark.long),
    pytest.param(trials, signal.SIGUSR1, 12, "stored step 4", id="trials, second multiplier"),
]


@pytest.mark.parametrize(("make", "number", "work", "said"), ASKED)
def test_asked_to_end_it_stores_its_state(
    tree: Path, forks: Forks, tmp_path: Path, whole: Any, make: Any, number: int, work: int, said: str
) -> None:
    status, log = forks.run(make(tree, tmp_path), tmp_path, work, number)
    assert status == 143 and said in log, log[-3000:]
    assert not (tmp_path / "out").exists() and stored(tmp_path)
    begun = work_done(tmp_path)
    assert begun <= work + (make in (proxy, trials) or work == 12)  # no more than what was at hand is finished
    forks.finish(make(tree, tmp_path), tmp_path)
    assert results(tmp_path) == whole(make)
    assert work_done(tmp_path) < work_done(tree / f"whole-{make.__name__}")
    assert not stored(tmp_path) and not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(("make", "work"), [pytest.param(dpo, 12, marks=pytest.mark.long), (control, 5), (trials, 11)])
def test_killed_it_loses_what_came_after_the_last_checkpoint(
    tree: Path, forks: Forks, tmp_path: Path, whole: Any, make: Any, work: int
) -> None:
    assert forks.run(make(tree, tmp_path, 0), tmp_path, work, signal.SIGKILL)[0] == 128 + signal.SIGKILL
    assert stored(tmp_path) and not (tmp_path / "out").exists()
    forks.finish(make(tree, tmp_path, 0), tmp_path)
    assert results(tmp_path) == whole(make)
    # A checkpoint a step: what is done twice is the step at hand, with its check (3 + 4 less the one that is left).
    assert work_done(tmp_path) <= work_done(tree / f"whole-{make.__name__}") - work + 6


def test_before_the_first_step_there_is_nothing_to_store(tree: Path, forks: Forks, tmp_path: Path) -> None:
    status, log = forks.run(control(tree, tmp_path), tmp_path, 1, signal.SIGTERM)
    assert status == 143 and "no step was made yet" in log and not stored(tmp_path)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL])
def test_an_interrupted_shard_keeps_its_finished_batches(tree: Path, forks: Forks, tmp_path: Path, number: int) -> None:
    def shard(folder: Path) -> tuple[str, Sequence[object]]:
        own = ["--generator", tree / "made" / "out", "--conditions", tree / "conditions.parquet"]
        config = {**SAMPLING, "save_every": 4}
        own += ["--cohort", tree / "cohort", "--config", json.dumps(config), *places(folder)]
        return "scripts.sample_pool", own

    forks.finish(shard(tmp_path / "whole"), tmp_path / "whole")
    cut = tmp_path / "cut"
    assert forks.run(shard(cut), cut, 3, number)[0] == (128 + number)
    assert len(list((cut / "checkpoints").rglob("[0-9]*.npy"))) == 2 and not (cut / "out" / "images.npy").exists()
    assert bool(list((cut / "out").glob(".*.part"))) == (number == signal.SIGKILL)
    forks.finish(shard(cut), cut)
    assert work_done(cut) == 4  # 24 images are 6 batches of 4
    assert not list((cut / "out").glob(".*.part"))
    for name in ("images.npy", "masks.npy", "index.parquet"):
        assert (cut / "out" / name).read_bytes() == (tmp_path / "whole" / "out" / name).read_bytes(), name
