"""How far a run is: weights, bars of logs, the run's own rates, and the lines that follow."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.engine import heartbeat
from scripts.lib.engine.heartbeat import Heartbeat, status_lines
from scripts.lib.engine.progress import Bar, Step, duration, outlook, read_bar, running_line, study_line
from tests.conftest import ROOT


def test_steps_weigh_what_they_take() -> None:
    """60 s on two cores are 120, 30 s on one are 30: done 120 of 150, and 30 s are left."""
    steps = {1: Step("train", 60.0, threads=2), 2: Step("trial", 30.0, needs=(1,))}
    found = outlook(steps, {1: 60.0}, {}, cores=2)
    assert found.share == pytest.approx(120 / 150) and found.left == pytest.approx(30.0)
    # 20 s of the 30 have run: done 140 of 150
    found = outlook(steps, {1: 60.0}, {2: 20.0}, cores=2)
    assert found.share == pytest.approx(140 / 150) and found.left == pytest.approx(10.0)
    assert outlook({}, {}, {}, 2).share == 1.0 and outlook(steps, {1: 60.0, 2: 30.0}, {}, 2).left == 0.0


def test_the_runs_own_jobs_correct_the_planners_rates() -> None:
    """One trial took 20 s where 10 were expected: the other two take 20 each, one after the other, or side by side."""
    steps = {number: Step("trial", 10.0) for number in range(3)}
    assert outlook(steps, {0: 20.0}, {}, cores=1).left == pytest.approx(40.0)
    assert outlook(steps, {0: 20.0}, {}, cores=2).left == pytest.approx(20.0)
    # a rule that has not run yet goes by the pace of all: 2 x 30
    assert outlook({**steps, 9: Step("plot", 30.0)}, {0: 20, 1: 20, 2: 20}, {}, 1).left == pytest.approx(60.0)
    # and one without an estimate by what its own jobs took
    unknown = {0: Step("check", None), 1: Step("check", None)}
    assert outlook(unknown, {0: 7.0}, {}, 1).left == pytest.approx(7.0)
    # A table of half a second took 9, mostly to start: that says nothing of a training of 300, but all of the next table.
    early = {0: Step("table", 0.5), 1: Step("table", 0.5), 2: Step("base", 300.0)}
    assert outlook(early, {0: 9.0}, {}, 1).left == pytest.approx(9.0 + 300.0)


def test_a_job_does_not_end_before_its_bar_nor_its_chain_before_its_jobs() -> None:
    steps = {1: Step("base", 10.0), 2: Step("net", 5.0, needs=(1,)), 3: Step("pool", 5.0, needs=(2,))}
    assert outlook(steps, {}, {1: 9.0}, 8).left == pytest.approx(1 + 5 + 5)
    # 9 s have run and 9 are left where 10 were expected: what follows takes 1.8 times as long, too
    slow = outlook(steps, {}, {1: 9.0}, 8, bars={1: Bar("unet", 1, 2, 9.0)})
    assert slow.left == pytest.approx(9 + 1.8 * (5 + 5))
    late = outlook(steps, {}, {1: 100.0}, 8)  # ten times as long as expected, and still not "0 s left"
    assert late.left == pytest.approx(0.05 * 100 + 10 * (5 + 5)) and late.share < 1
    on_gpu = {number: Step("trial", 10.0, gpus=1) for number in range(4)}
    assert outlook(on_gpu, {}, {}, cores=64, gpus=2).left == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("asked", "content", "rates"),
    [
        ("auto", None, "cpu-2core"),
        ("auto", '{"precision": "bf16"}', "cpu-2core-bf16"),
        ("auto", '{"precision": "fp32"}', "cpu-2core"),
        ("auto", "{", "cpu-2core"),
        ("bf16", None, "cpu-2core-bf16"),
        ("fp32", '{"precision": "bf16"}', "cpu-2core"),
    ],
)
def test_a_run_begins_with_the_rates_of_its_precision(
    asked: str, content: str | None, rates: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    if content is not None:
        (tmp_path / "results" / "processor.json").write_text(content)
    assert heartbeat.processor_class(asked) == rates
    assert (ROOT / "benchmarks" / "rates" / f"{rates}.yaml").is_file()
    config = {"training": {"precision": asked}}
    question = {"config": config, "results": "results", "machine": None, "jobs": {}}
    planner = heartbeat._ask_planner(tmp_path, question)
    assert planner is not None
    planner.kill()
    planner.communicate()
    assert json.loads((tmp_path / heartbeat.ASKED).read_text())["machine"] == rates


@pytest.mark.parametrize(
    ("text", "bar"),
    [
        ("open\r\ntrain_base unet:  48%|####8     | 312/650 [02:31<05:04,  2.07it/s]", Bar("train_base unet", 312, 650, 304)),
        ("vae: 100%|###| 9/9 [00:03<00:00]\nunet:   0%|   | 0/650 [00:00<?, ?it/s]\nstep 1", Bar("unet", 0, 650, None)),
        ("\r: 10%|#   | 1/10 [00:03<1:02:03,  2it/s]", Bar("", 1, 10, 3723)),
        ("nothing", None),
    ],
)  # fmt: skip
def test_the_bar_of_a_log(text: str, bar: Bar | None, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(b"x" * 9000 + b"\n" + text.encode())
    assert read_bar(tmp_path / "x.log") == bar
    assert read_bar(tmp_path / "none.log") is None


def test_the_lines_say_it_as_people_do() -> None:
    unet = running_line("train_base", Bar("train_base unet", 312, 650, 304.0), 151.0, 400.0)
    assert unet == "train_base unet 312/650, about 5 min"
    assert running_line("score_trials", None, 20.0, 60.0) == "score_trials, about 40 s"
    assert running_line("score_trials", None, 90.0, None) == "score_trials, for 2 min"
    found = outlook({1: Step("a", 34.0), 2: Step("b", 66.0)}, {1: 34.0}, {}, 1)
    assert study_line([unet], found) == f"{unet}; study 34 %, about 1 min left"
    # Nothing says what a check takes, and its own seconds say nothing of those to come; its bar does.
    check, bar = {1: Step("check", None), 2: Step("target", 1e-3, needs=(1,))}, Bar("films", 20, 60, 40.0)
    assert study_line(["check"], outlook(check, {}, {1: 90.0}, 2)) == "check"
    assert (
        study_line(["check"], outlook(check, {}, {1: 20.0}, 2, bars={1: bar})) == "check; study 33 %, about 40 s left"
    )
    assert study_line(["a", "b", "c", "d"], None) == "a; b; c; and 1 more"
    assert [duration(s) for s in (2, 54, 61, 3540, 7800)] == ["5 s", "55 s", "1 min", "59 min", "2 h 10 min"]


def told(event: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", None, None)
    vars(record).update(event=event, **fields)
    return record


def test_the_heartbeat_follows_what_snakemake_says(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("unet:  50%|##| 1/2 [00:01<00:30,  1it/s]")
    heart = Heartbeat({1: Step("base", None, log=str(log)), 2: Step("net", None, needs=(1,))}, 2, 0)
    early = heart.status()
    assert status_lines(early, early["time"])[0] == "0 of 2 steps done, what is left is not known yet"
    heart.priced({"1": 60.0, "2": None})
    heart.answered = True
    heart.emit(told("job_info", jobid=1))
    status = heart.status()
    assert status["running"] == ["base unet 1/2, about 30 s"] and status["logs"] == [str(log)]
    assert (status["done"], status["steps"], status["failed"]) == (0, 2, [])
    heart.emit(told("job_finished", job_id=1))
    heart.emit(told("job_info", jobid=2))
    heart.emit(told("job_error", jobid=2))
    status = heart.status()
    assert status["running"] == [] and status["done"] == 1 and status["failed"] == [{"rule": "net", "log": None}]
    lines = status_lines(status, status["time"] + 120)
    assert (
        lines[0].startswith("1 of 2 steps done")
        and lines[0].endswith(" left")
        and "FAILED  net" in lines[1]
        and "told 2 min ago" in lines[-1]
    )


@pytest.mark.parametrize(
    ("ends", "counted", "asked"),
    [
        (30, 0, []),  # looks at 0, 10 and 20 s: the run ends before its first half minute
        (60, 25, [30]),
        (90, 55, [30, 60]),  # with films that the run itself prepares: their number is known at 55 s
        (90, 999, [30]),  # it prepares none
    ],
)
def test_the_planner_is_asked_by_runs_that_last(
    ends: int, counted: int, asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, now, calls = tmp_path / "run", [0], list[int]()
    folder.mkdir()

    def sleep(seconds: float) -> None:
        now[0] += int(seconds)
        if now[0] >= ends:
            shutil.rmtree(folder)

    def ask(*_: object) -> SimpleNamespace:
        calls.append(now[0])
        return SimpleNamespace(poll=lambda: 0, returncode=0, stderr=None)

    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: 0.0, sleep=sleep))
    monkeypatch.setattr(heartbeat, "_ask_planner", ask)
    monkeypatch.setattr(heartbeat, "_answer", lambda *_: None)
    heart = Heartbeat({}, 2, 0)
    monkeypatch.setattr(heart, "is_counted", lambda: now[0] >= counted)
    heartbeat._beat(heart, folder, {}, logging.getLogger("beat"))
    assert calls == asked and heart.answered == bool(asked)
