"""Trainings on two processes (gloo) give the losses of one, stop together, and go on with another number of them."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.engine.launch import launch_prefix
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section
from tests.generators.test_dpo import DPO, write_preferences
from tests.generators.test_finetuning import FINETUNE, write_pool
from tests.helpers.diffusion_models import BASE, CONTROL, write_base, write_cohort
from tests.helpers.diffusion_toy import CPU, TRAINING
from tests.helpers.job_server import fork_of
from tests.helpers.multiprocess_runs import Losses, recorded, train_toy
from tests.helpers.rating_toy import free_port

ROOT = Path(__file__).resolve().parents[2]
LISTING = "GPU 0: A (UUID: GPU-a)\nGPU 1: A (UUID: GPU-b)"


def in_threes(settings: dict[str, Any]) -> dict[str, Any]:
    """Give every training three micro-batches of two rows a step: two processes cannot divide them evenly.

    Nothing is clipped, so that a gradient which was added up wrongly has another length.
    """
    inner = {key: in_threes(value) for key, value in settings.items() if isinstance(value, dict)}
    own = {"gradient_accumulation": 3, "batch_size": 2, "steps": 4, "clip": 0} if "steps" in settings else {}
    return {**settings, **inner, **own}


def commands(tree: Path, out: Path, device: str = "cpu") -> list[tuple[str, list[str]]]:
    """Return the four trainings that can take several processes, with arguments."""

    def call(name: str, settings: dict[str, Any], *arguments: object) -> tuple[str, list[str]]:
        settings = {**settings, "device": device}
        places = ["--checkpoint-dir", out / "checkpoints" / name, "--out", out / name, "--seed", 1]
        return f"scripts.{name}", [*map(str, [*arguments, *places]), "--config", json.dumps(in_threes(settings))]

    generator, pool = ["--generator", tree / "generators" / "controlnet"], tree / "rated" / "pool"
    pairs = ["--preferences", tree / "rated" / "train.jsonl", "--heldout", tree / "rated" / "held.jsonl"]
    pairs += ["--report", tree / "rated" / "report.jsonl"]
    kept = ["--pool", tree / "pool" / "shard-0", "--kept", tree / "pool" / "kept.parquet"]
    base = ["--base", tree / "generators" / "base", "--cohort", tree / "cohort"]
    return [
        call("train_base", BASE, "--cohorts", tree / "cohort", "--resolution", 32),
        call("train_controlnet", CONTROL, *base),
        call("finetune_generator", FINETUNE, *generator, *kept),
        # beta multiplies differences of nearly equal errors, and so their rounding: 5000 makes 1e-4 of 1e-8.
        call("train_dpo", {**DPO, "beta": 500.0}, *generator, "--pool", pool, *pairs),
    ]


def run_alone(called: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> Losses:
    losses: Losses = {}
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", recorded(losses))
        for module, arguments in called:
            importlib.import_module(module).main(arguments)
    return losses


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("several")
    write_base(root / "generators" / "base")
    write_cohort(root / "cohort", count=20)
    module, arguments = commands(root, root / "generators")[1]
    arguments[arguments.index(str(root / "generators" / "train_controlnet"))] = str(root / "generators" / "controlnet")
    importlib.import_module(module).main(arguments)
    write_pool(root / "pool" / "shard-0", count=12)
    write_preferences(root / "rated")
    return root


def launch(tree: Path, wanted: dict[str, Any]) -> subprocess.Popen[str]:
    """Start the commands as the workflow does with two (fake) GPUs, of four that the configuration asks for."""
    tool = tree / "bin" / "nvidia-smi"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\necho '{LISTING}'\n")
    tool.chmod(0o755)
    (tree / "runs.json").write_text(json.dumps(wanted))
    hidden = ("SLURM_", "CUDA_", "WORLD_SIZE", "RANK")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    path = f"{tree / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment |= {"PATH": path, "SYNTHORAX_GPU_LOCKS": str(tree / "locks"), "PYTHONPATH": str(ROOT)}
    command = [
        *shlex.split(launch_prefix(4, 2, several=True)),
        "-m",
        "tests.helpers.multiprocess_runs",
        str(tree / "runs.json"),
    ]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_two_processes_of_a_toy_give_its_losses_and_stop_together(
    tmp_path: Path, forked_jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As accelerate starts them, but forks of a process that has torch."""
    runs = tmp_path / "runs.json"
    runs.write_text(json.dumps({"folder": str(tmp_path), "pause": 0, "commands": [], "last": []}))
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [fork_of(forked_jobs), "-m", "tests.helpers.multiprocess_runs", str(runs)]
    started = []
    for rank in ("0", "1"):
        own = {**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(command, cwd=ROOT, env=own, stderr=subprocess.PIPE, text=True))
    for process in started:
        log = process.communicate(timeout=240)[1]
        assert process.returncode == 0, log[-4000:]
    first, second = (json.loads((tmp_path / f"losses-{rank}.json").read_text()) for rank in (0, 1))
    assert first["losses"] == second["losses"]
    alone: Losses = {}
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", recorded(alone))
        train_toy(tmp_path / "alone")
    assert set(alone) == {"happy", "happy gradient"}
    for stage, numbers in alone.items():
        # Sums in another order; a micro-batch left out or counted twice would move them by tens of percent.
        assert first["losses"][stage] == pytest.approx(numbers, rel=1e-4) and len(numbers) == 4
    for told in (first["told"], second["told"]):
        assert told[0].startswith("broken: the loss is nan at step 0") and told[1:] == [143, 2]


@pytest.mark.long
def test_two_processes_give_the_losses_of_one_and_stop_together(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = commands(tree, tmp_path / "last")[1]
    settings = json.loads(last[1][-1]) | {"steps": 24}
    last = (last[0], [*last[1][:-1], json.dumps(settings)])
    started = launch(
        tree,
        {"folder": str(tmp_path), "pause": 0.125, "commands": commands(tree, tmp_path / "two", "auto"), "last": [last]},
    )
    alone = run_alone(commands(tree, tmp_path / "one"), monkeypatch)
    stored = tmp_path / "last" / "checkpoints" / "train_controlnet" / "train_controlnet.safetensors"
    deadline = time.monotonic() + 240
    while not stored.is_file() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGTERM)
    _, log = started.communicate(timeout=240)
    assert started.returncode == 143, log[-4000:]
    first, second = (json.loads((tmp_path / f"losses-{rank}.json").read_text()) for rank in (0, 1))
    assert first["losses"] == second["losses"]
    stages = [
        *("train_base vae", "train_base text", "train_base unet", "train_controlnet", "finetune_proxy", "train_dpo")
    ]
    assert set(alone) == {*stages, *(f"{stage} gradient" for stage in stages)}
    # Processes add in another order, and Adam makes whole steps of gradients that are nothing but rounding: noise of 1e-6 in
    # the first weights moves the losses by up to 0.5 %. A micro-batch left out or counted twice moves the gradient by 30 %.
    for stage, numbers in alone.items():
        both = first["losses"][stage]
        assert list(both) == list(numbers) == ["0", "1", "2", "3"]
        assert both["0"] == pytest.approx(numbers["0"], rel=1e-2), stage
        assert list(both.values()) == pytest.approx(list(numbers.values()), rel=0.1), stage
    assert file_names(tmp_path / "two") == file_names(tmp_path / "one")
    monitors = [pd.read_csv(tmp_path / name / "train_dpo" / "monitor.csv") for name in ("one", "two")]
    # A margin is a difference of nearly equal errors times beta, and an accuracy counts signs of such differences.
    one, two = monitors
    assert list(one["step"]) == list(two["step"]) == [0, 2, 4] and list(one.columns) == list(two.columns)
    for column, close in (("loss", {"rel": 5e-3}), ("distance", {"rel": 1e-2}), ("margin", {"abs": 1e-3})):
        assert list(two[column]) == pytest.approx(list(one[column]), nan_ok=True, **close), column
    assert abs(one["margin"].iloc[-1]) > 5e-3  # half of it, or twice, is told apart
    assert not list((tmp_path / "two" / "checkpoints").rglob("*"))
    for told in (first["told"], second["told"]):
        assert told[0].startswith("broken: the loss is nan at step 0") and told[1:] == [143, 2]
    assert "2 GPUs instead of the 4 of compute.gpus" in log
    assert "torch finds no GPU, though CUDA_VISIBLE_DEVICES=GPU-a,GPU-b; computing on the CPU" in log
    assert log.count("train_dpo: 2 processes divide the 3 micro-batches of each step") == 1
    assert log.count("train_dpo: 1 of 2 processes are idle at times; set dpo.gradient_accumulation (now 3)") == 1
    assert log.count("train_controlnet: asked to end; stored step") == 1

    # The checkpoint of two processes goes on with one.
    resumed = run_alone([last], monkeypatch)["train_controlnet"]
    whole = run_alone([with_places(last, tmp_path / "whole")], monkeypatch)["train_controlnet"]
    assert 0 < len(resumed) < 24 and list(resumed)[-1] == "23"
    assert list(resumed.values()) == pytest.approx([whole[step] for step in resumed], rel=1e-2)


def file_names(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*")}


def with_places(call: tuple[str, list[str]], folder: Path) -> tuple[str, list[str]]:
    """Return the same command with other places for its checkpoints and its result."""
    module, arguments = call[0], list(call[1])
    for option in ("--checkpoint-dir", "--out"):
        arguments[arguments.index(option) + 1] = str(folder / option.strip("-"))
    return module, arguments


def test_gradients_are_the_sum_and_a_weight_that_nobody_used_stays_without() -> None:
    # One process: nothing is exchanged, and absent gradients stay absent.
    network = torch.nn.Linear(2, 1)
    network.weight.grad = torch.ones(1, 2)
    CPU.total_gradients(list(network.parameters()))
    assert network.weight.grad.tolist() == [[1.0, 1.0]] and network.bias.grad is None
    assert list(CPU.rounds(3)) == [0, 1, 2]


def test_idle_processes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    settings = Section({**TRAINING, "gradient_accumulation": 2, "batch_size": 8}, "dpo")
    for rank in (0, 1):
        placement = replace(CPU, rank=rank, world=4)
        Trainer({"n": torch.nn.Linear(1, 1)}, settings, 1, "train_dpo", placement)._describe()
        # Micro-batches 0 and 1 go to processes 0 and 1; 2 and 3 have none.
        assert list(placement.rounds(2)) == [rank]
    assert list(replace(CPU, rank=3, world=4).rounds(6)) == [3, None]
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == [
        "train_dpo: 2 of 4 processes are idle all the time; set dpo.gradient_accumulation (now 2) to a multiple of 4 and "
        "batch_size (now 8) smaller by as much, or compute.gpus lower"
    ]


def test_the_command_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch_prefix(0, 0) == launch_prefix(0, 0, several=True) == "python"
    assert (
        launch_prefix(4, 4)
        == launch_prefix(1, 1, several=True)
        == "python -m scripts.lib.engine.gpu_slot --gpus 1 -- python"
    )
    assert launch_prefix(2, 1, share=3) == "python -m scripts.lib.engine.gpu_slot --gpus 1 --share 3 -- python"
    assert launch_prefix(4, 1, several=True) == "python -m scripts.lib.engine.gpu_slot --gpus 1 --wanted 4 -- python"
    with pytest.raises(InputError, match="leaves no GPU"):
        launch_prefix(1, 0)


def test_a_checkpoint_fits_any_number_of_processes(tmp_path: Path) -> None:
    from tests.helpers.diffusion_toy import toy

    whole = toy(tmp_path / "a", gradient_accumulation=3)
    assert Checkpoints(tmp_path / "a", "f", 0).load("toy") is not None
    assert torch.equal(whole, toy(tmp_path / "a", gradient_accumulation=3))
