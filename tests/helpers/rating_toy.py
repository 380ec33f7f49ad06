"""A small study to rate: a pool, a cohort of films, sets and assignments, and the command that serves them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.engine.job_server import FORKS
from scripts.lib.feedback.app.desk import Desk
from scripts.lib.feedback.app.pictures import Pictures
from scripts.lib.feedback.app.places import read_places
from scripts.lib.feedback.log import RatingLog

ROOT = Path(__file__).resolve().parents[2]
SCRIPT_PROMPT = "Edema <script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>"
KINDS = ("text", "both", "mask", "control", "text")
PROMPTS = {"set-0": SCRIPT_PROMPT, "set-1": "Large right pneumothorax", "set-3": "Cardiomegaly", "set-4": "Normal"}


def film(seed: int, side: int) -> np.ndarray:
    """Return a grey picture uint8 (side, side), different for each seed."""
    y, x = np.mgrid[:side, :side] / side
    lungs = sum(np.exp(-(((x - c) / 0.16) ** 2 + ((y - 0.5) / 0.3) ** 2) * 2) for c in (0.3, 0.7))
    noise = np.random.default_rng(seed).normal(0, 6, (side, side))
    return np.clip(190 - 150 * lungs + 10 * (seed % 7) + noise, 0, 255).astype(np.uint8)


def lung_mask(side: int) -> np.ndarray:
    """Return a bit field uint8 (side, side) with lungs (1) and heart (2)."""
    y, x = np.mgrid[:side, :side] / side
    lungs = sum((((x - c) / 0.16) ** 2 + ((y - 0.5) / 0.33) ** 2 < 1).astype(np.uint8) for c in (0.3, 0.7))
    return np.clip(lungs, 0, 1) | (((((x - 0.55) / 0.16) ** 2 + ((y - 0.65) / 0.14) ** 2) < 1) * 2).astype(np.uint8)


@dataclass(frozen=True)
class Study:
    """The files of a toy study below `folder`."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "ratings.jsonl"

    def arguments(self, port: int) -> list[str]:
        """Return the arguments of scripts.rate_images."""
        tables = ["--sets", f"{self.folder}/sets.parquet", "--assignments", f"{self.folder}/assignments.parquet"]
        images = ["--pool", f"{self.folder}/pool/shard-0", "--cohort", f"{self.folder}/cohort"]
        return [*tables, *images, "--ratings", str(self.log), "--port", str(port)]

    def tokens(self) -> dict[str, str]:
        return json.loads((self.folder / "ratings.tokens.json").read_text())

    def lines(self) -> list[dict[str, object]]:
        """Return the records of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def write_study(
    folder: Path,
    sets: int = 5,
    side: int = 32,
    raters: tuple[str, ...] = ("ann", "bob"),
    kinds: tuple[str, ...] = KINDS,
    drawn: bool = False,
) -> Study:
    """Write a study in which each rater sees all `sets`, whose kinds are `kinds` by turns; `drawn`: of phantom films."""
    kinds = [kinds[k % len(kinds)] for k in range(sets)]
    with CohortWriter(folder / "pool/shard-0", side, ["lungs", "heart"], [], {}, True) as writer:
        for k, kind in enumerate(kinds):
            for sample in range(4 if kind != "control" else 0):
                name = f"c{k}-{sample}"
                own = {"condition_id": f"c{k}", "sample": sample, "trial": -1, "position": k, "kind": kind}
                row = {"image_id": name, "patient_id": name, "split": "train", "synthetic": True} | own
                writer.add(film(4 * k + sample, side), lung_mask(side) if kind in ("mask", "both") else None, row)
    with CohortWriter(folder / "cohort", 2 * side, [], [], {"dataset": "toy"}) as writer:
        for k in range(4):
            writer.add(
                film(1000 + k, 2 * side), None, {"image_id": f"film-{k}", "patient_id": f"p{k}", "split": "test"}
            )
    rows = [_set_row(k, kind) for k, kind in enumerate(kinds)]
    pd.DataFrame(rows).assign(**({"origin": "PHANTOM"} if drawn else {})).to_parquet(folder / "sets.parquet")
    pd.DataFrame(
        [_assignment(k, kind, rater, r) for r, rater in enumerate(raters) for k, kind in enumerate(kinds)]
    ).to_parquet(folder / "assignments.parquet")
    return Study(folder)


def _set_row(k: int, kind: str) -> dict[str, object]:
    control = kind == "control"
    return {
        "set_id": f"set-{k}",
        "kind": kind,
        "prompt": None if kind == "mask" else PROMPTS.get(f"set-{k}", f"Finding {k}"),
        "mask_source": "film-0" if kind in ("mask", "both") else None,
        "condition_id": None if control else f"c{k}",
        "labels": "{}",
        "films": json.dumps([f"film-{n}" for n in range(4)]) if control else None,
        "dataset": "toy" if control else None,
    }


def _assignment(k: int, kind: str, rater: str, number: int) -> dict[str, object]:
    order = np.roll([2, 0, 3, 1], k + number).tolist()
    role = "control" if kind == "control" else "shared"
    return {"rater": rater, "place": k, "set_id": f"set-{k}", "role": role, "order": json.dumps(order)}


class Server:
    """The rating app of a study, or another `command`; `stop` kills it with -9.

    A process of its own, or, with the interpreter that `forked_jobs` gives, a fork of what starts jobs.
    """

    def __init__(self, study: Study, interpreter: str = sys.executable, command: str = "rate_images") -> None:
        self.study, self.port, self.command = study, free_port(), command
        self.python = Path(interpreter).with_name("python")
        self.start()

    def start(self) -> None:
        """Start the process, again after `stop`, and wait until it answers; what it prints goes to server.txt."""
        command = [str(self.python), "-m", f"scripts.{self.command}", *self.study.arguments(self.port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.study.folder / "server.txt").open("a") as said:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT)
        for _ in range(6000):
            if self.process.poll() is not None:
                raise RuntimeError(f"the rating app ended with {self.process.returncode}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/page.css", timeout=120).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError("the rating app did not start")

    def url(self, rater: str) -> str:
        return f"http://127.0.0.1:{self.port}/?token={self.study.tokens()[rater]}"

    def stop(self) -> None:
        if self.process.poll() is None:
            fork = self.python.parents[1] / FORKS / str(self.process.pid)
            os.kill(int(fork.read_text()) if fork.is_file() else self.process.pid, signal.SIGKILL)
            self.process.wait()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def open_desk(study: Study) -> Desk:
    """Return the desk of a study, its log read; the caller closes it."""
    cohort = Cohort.open(study.folder / "cohort")
    pool = Cohort.open([study.folder / "pool/shard-0"])
    pictures = Pictures(pd.read_parquet(study.folder / "sets.parquet"), pool, [cohort], "sets.parquet")
    assignments = pd.read_parquet(study.folder / "assignments.parquet")
    return Desk(read_places(assignments, pictures.sets, "assignments.parquet"), pictures, RatingLog(study.log))
