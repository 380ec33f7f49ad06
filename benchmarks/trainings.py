"""Our trainings beside the same as people write them: samples a second of one thread, and the loss that both reach.

The ControlNet beside diffusers' example script, trials beside a loop over a DataLoader with torchvision's transforms. Networks,
batches, steps, optimizer and schedule are the same; turns of steps alternate, and processor time is counted. Needs the cohorts and the
foundation model of the embedded study. Ours takes the precision that the study takes on this processor (`--precision`), the plain
ones fp32 as they do by default, and both take it where `--plain` says so.

    python -m benchmarks.trainings --results results
    python -m benchmarks.trainings --results results --parts siim --plain bf16
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.study.processor import BF16, FILE, FP32, precision_here, resolved

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("controlnet", "siim", "rsna", "chexpert")
PLAIN_OPTIMIZER = {"name": "adamw", "learning_rate": 0.004, "weight_decay": 0.01}
Step = Callable[[], float]


def in_turns(works: dict[str, Step], steps: int, turn: int = 10) -> dict[str, tuple[list[float], list[float]]]:
    """Make `steps` steps of each in turns of `turn`; return the processor seconds and losses of every step."""
    told: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in works}
    for first in range(0, steps, turn):
        for name, step in works.items():
            for _ in range(min(turn, steps - first)):
                start = time.process_time()
                loss = step()
                told[name][0].append(time.process_time() - start)
                told[name][1].append(loss)
    return told


class Aside:
    """A training of the workflow that goes on by one step for each call: it runs in a thread of its own and waits between steps."""

    def __init__(self, train: Callable[[Callable[[float], None]], None]) -> None:
        self.may_go, self.has_done = threading.Semaphore(0), threading.Semaphore(0)
        self.loss = float("nan")
        threading.Thread(target=lambda: train(self._after), daemon=True).start()
        self.has_done.acquire()  # the first step, and what comes before it

    def _after(self, loss: float) -> None:
        self.loss = loss
        self.has_done.release()
        self.may_go.acquire()

    def __call__(self) -> float:
        self.may_go.release()
        self.has_done.acquire()
        return self.loss


def control_steps(results: Path, config: dict[str, Any], steps: int, precision: str) -> tuple[dict[str, Step], int]:
    """Return a step of our training of the ControlNet and of the plain one, and the batch."""
    import tempfile
    from unittest.mock import patch

    from benchmarks.plain_training import control_step
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.generators.controlled.control_training import train_control
    from scripts.lib.generators.controlled.generator import open_generator
    from scripts.lib.study.config import stage
    from scripts.lib.training import loop
    from scripts.lib.training.checkpoints import Checkpoints
    from scripts.lib.training.devices import place
    from scripts.lib.training.films import masked_rows
    from scripts.lib.training.settings import Section

    # The plain step has no structures left out and no running mean; ours goes without the first here as well.
    changed = {"steps": steps + 1, "structure_dropout": 0.0, "checkpoint_seconds": 1e9, "device": "cpu"}
    settings = Section({**stage(config, "controlnet"), **changed}, "controlnet")
    cohort = Cohort.open(results / config["study"]["generator_dataset"] / "cohort")
    rows, _ = masked_rows(cohort)
    base = results / "generators/base"

    def train(tell: Callable[[float], None]) -> None:
        def after(trainer: loop.Trainer) -> None:
            tell(trainer.losses[-1])

        no_bar = patch.object(loop, "progress", lambda numbers, **_: numbers)  # it would stand between the rows
        with no_bar, tempfile.TemporaryDirectory() as scratch, patch.object(loop.Trainer, "_after_step", after):
            kept = Checkpoints(Path(scratch), "benchmark", 1e9)
            train_control(open_generator(base), cohort, rows, settings, 1, place(settings), kept)

    plain = control_step(open_generator(base), cohort, rows, settings, 1, precision)
    plain()
    return {"ours": Aside(train), "plain": plain}, settings["batch_size"]


def trial_steps(
    results: Path, config: dict[str, Any], name: str, steps: int, precision: str
) -> tuple[dict[str, Step], int, Callable[[], dict[str, float]]]:
    """Return a step of our training of a trial and of the plain one, the batch, and what gives both losses on test films."""
    import torch

    from benchmarks.plain_training import trial_step
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.downstream.data import films_of, films_to_test
    from scripts.lib.downstream.models import build_model
    from scripts.lib.downstream.predict import mean_loss, place_trial
    from scripts.lib.downstream.training import Material, Training
    from scripts.lib.study.config import stage
    from scripts.lib.study.tasks import targets_of

    settings = {**stage(config, "trials", name), "device": "cpu"}
    if settings["model"]["weights"] == "mgca":
        settings["model"] = {**settings["model"], "weights": str(results / "mgca")}
    settings["budget"] = {**settings["budget"], "kind": "steps", "steps": steps + 1}
    if settings["optimizer"]["name"] != PLAIN_OPTIMIZER["name"]:  # both must learn by the same
        settings["optimizer"] = PLAIN_OPTIMIZER
    cohort, placement = Cohort.open(results / name / "cohort"), place_trial(settings)
    films = films_of(cohort, cohort.rows(split="train"), settings["task"], settings["target"])
    models = {
        which: build_model(settings, len(targets_of(settings)), cohort.resolution, 1).train()
        for which in ("ours", "plain")
    }
    models["ours"].to(memory_format=torch.channels_last)
    training = Training(models["ours"], Material(films, None, None), settings, placement, 1)

    def ours() -> float:
        training._step(*training.material.read(training.mixture, training.progress.step))
        return float("nan")

    plain = trial_step(models["plain"], films, settings, steps + 1, 1, precision)
    ours(), plain()
    test = films_to_test(cohort, settings)
    tested = lambda: {which: mean_loss(model, test, settings, placement) for which, model in models.items()}  # noqa: E731
    return {"ours": ours, "plain": plain}, settings["batch_size"], tested


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the embedded study (default results)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured (default all)")
    parser.add_argument("--steps", type=int, default=150, help="steps of each (default 150)")
    parser.add_argument("--precision", choices=[FP32, BF16], help="of ours (default: that of the study in --results)")
    parser.add_argument(
        "--plain", choices=[FP32, BF16], default=FP32, help="precision of the plain ones (default fp32)"
    )
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import torch

    from scripts.lib.study import config as study_config

    torch.set_num_threads(args.threads)
    precision = args.precision or precision_here(0, dry=True, path=args.results / FILE.name)
    config = resolved(study_config.load_study([ROOT / "config.yaml"]), precision)
    print(
        f"{args.threads} threads, {args.steps} steps, ours in {precision}, plain in {args.plain}\n"
        "part        batch  samples/s: ours  plain  ratio   loss: ours  plain"
    )
    for part in args.parts:
        if part == "controlnet":
            works, batch = control_steps(args.results, config, args.steps, args.plain)
            told = in_turns(works, args.steps)
            losses = {name: statistics.fmean(told[name][1][-args.steps // 3 :]) for name in works}
        else:
            works, batch, tested = trial_steps(args.results, config, part, args.steps, args.plain)
            told = in_turns(works, args.steps)
            losses = tested()
        rates = {name: batch / statistics.median(told[name][0]) for name in works}
        print(
            f"{part:10}  {batch:5}  {rates['ours']:15.1f}  {rates['plain']:5.1f}  {rates['ours'] / rates['plain']:5.2f}"
            f"   {losses['ours']:10.4f}  {losses['plain']:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    run(main)
