"""What the steps that read or plan a pool do, without networks: each is run in a process of its own and watched."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

SIDE, LABELS, STRUCTURES = 64, ["edema", "pneumonia"], ["lungs", "heart", "pneumothorax"]
CONFIG = Path(__file__).resolve().parents[1] / "config.yaml"
SHARD, REAL = 1000, 64  # images of a shard and of the cohort


def anonymous_mb() -> float:
    """Return this process's own memory in MB, without pages of mapped files, which the kernel may drop at any time."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


class Watch:
    """Seconds of a block, and by how many MB its own memory rose above that at its beginning."""

    def __enter__(self) -> Watch:
        self.first = self.most = anonymous_mb()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()
        self.start = time.perf_counter()
        return self

    def _follow(self) -> None:
        while not self.over.wait(0.005):
            self.most = max(self.most, anonymous_mb())

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.start
        self.most = max(self.most, anonymous_mb())
        self.over.set()
        self.thread.join()
        self.rise = self.most - self.first


def write_cohort(folder: Path) -> Path:
    """Write the small real cohort that conditions take their masks from."""
    from scripts.lib.cohort.writer import CohortWriter

    with CohortWriter(folder, SIDE, STRUCTURES, LABELS, {"dataset": "scale"}) as writer:
        for number in range(REAL):
            mask = np.full((SIDE, SIDE), 1 + 4 * (number % 2), np.uint8)
            row = {"image_id": f"film{number}", "patient_id": f"film{number}", "split": "train", "edema": number % 2}
            writer.add(np.zeros((SIDE, SIDE), np.uint8), mask, {**row, "pneumonia": (number + 1) % 2})
    return folder


def generated_cohort(number: int) -> Any:
    """Return a cohort of so many films that are not on the disk: every mask shows lungs and a pneumothorax."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.cohort.writer import index_frame

    class Generated(Cohort):
        has_masks = True

        def masks(self, rows: Any) -> np.ndarray:
            return np.full((len(rows), SIDE, SIDE), 5, np.uint8)

    rows = [
        {"image_id": f"f{k}", "patient_id": f"f{k}", "split": "train", "edema": k % 2, "pneumonia": (k + 1) % 2}
        for k in range(number)
    ]
    cohort = object.__new__(Generated)
    cohort.index = index_frame(rows, LABELS)
    cohort.structures, cohort.labels, cohort.folders, cohort.resolution = STRUCTURES, LABELS, [Path("generated")], SIDE
    return cohort


def identities(count: int, masks: bool = False) -> Any:
    """Return the conditions of a cell with about `count` images, text or mask rows, built as the workflow builds them."""
    import pandas as pd

    from scripts.lib.conditions.table import TableRequest, build_conditions
    from scripts.lib.study.config import load_study, stage

    number = max(4, count // 25)
    cohort = generated_cohort(number)
    subsets = pd.DataFrame({"trial": 0, "image_id": cohort.index["image_id"], "patient_id": cohort.index["patient_id"]})
    subsets["rank"] = np.arange(number) / number
    settings: dict[str, Any] = {
        "task": "multilabel",
        "target": LABELS,
        "kinds": {"text": 1.0, "mask": 0.0, "both": 0.0},
    }
    settings |= {"prompts": {"edema": "edema", "pneumonia": "pneumonia", "normal": "normal"}, "balance": "with_real"}
    settings |= {"normal_share": 0.0, "positive_share": 1.0, "transforms": {}}
    settings |= {"validation_share": 0.0, "validation_patients": 1}
    if masks:
        settings |= {"task": "segmentation", "target": "pneumothorax", "kinds": {"text": 0.0, "mask": 1.0, "both": 0.0}}
        settings["prompts"] = {"pneumothorax": "pneumothorax", "normal": "normal"}
        settings["transforms"] = stage(load_study([CONFIG]), "conditions", "siim")["transforms"]
    return build_conditions(cohort, subsets, settings, TableRequest("scale", 1.0, 25, 1, 1))


def conditions(count: int) -> Any:
    """Return a conditions table of `count` mask rows, whose transforms all differ."""
    import pandas as pd

    numbers = np.arange(count)
    table = pd.DataFrame({"condition_id": [f"{number:016x}" for number in range(count)], "position": numbers})
    table["trial"], table["sample"], table["kind"], table["prompt"] = 0, 0, "both", "edema"
    table["mask_source"] = [f"film{number % REAL}" for number in range(count)]
    table["transform"] = [json.dumps({"dx": number % 7 / 128, "flip": number % 2 == 0}) for number in range(count)]
    table["edema"], table["pneumonia"], table["side"] = 1, 0, None
    return table.astype(dict.fromkeys(("prompt", "mask_source", "transform", "kind", "condition_id"), "string"))


def write_pool(folder: Path, count: int, shard: int = SHARD) -> list[Path]:
    """Write a pool in shards of `shard` images: true indices, and arrays of zeros that take no room on the disk."""
    from scripts.lib.cohort.store import HEADER_BYTES
    from scripts.lib.cohort.writer import index_frame, npy_header

    table, shards = conditions(count), []
    for number, start in enumerate(range(0, count, shard)):
        made = folder / f"shard-{number}"
        made.mkdir(parents=True)
        part = table.iloc[start : start + shard]
        rows = part.drop(columns=["prompt", "mask_source", "transform", "side"]).to_dict("records")
        for row in rows:
            row |= {"image_id": f"{row['condition_id']}-0", "patient_id": f"{row['condition_id']}-0", "split": "train"}
            row |= {"report": "edema", "sha256": row["condition_id"] * 4, "mask_sha256": row["condition_id"] * 4}
            row |= {"synthetic": True}
        index_frame(rows, LABELS).to_parquet(made / "index.parquet", index=False)
        for name in ("images.npy", "masks.npy"):
            with (made / name).open("wb") as stream:
                stream.write(npy_header((len(rows), SIDE, SIDE)))
                stream.truncate(HEADER_BYTES + len(rows) * SIDE * SIDE)
        meta = {"dataset": "scale", "resolution": SIDE, "structures": STRUCTURES, "labels": LABELS}
        (made / "cohort.json").write_text(json.dumps({**meta, "n_images": len(rows), "has_masks": True}))
        shards.append(made)
        write_scores(folder / f"scores-{number}.parquet", index_frame(rows, LABELS))
    return shards


def write_scores(path: Path, index: Any) -> None:
    """Write the scores of a shard, as score_pool does, drawn by chance."""
    from scripts.lib.filters.proxy.scores import IDENTITY

    table = index[["image_id", *IDENTITY, "trial", "position"]].assign(label="edema")
    table["score"] = np.random.default_rng(0).random(len(table)).astype(np.float32)
    table.assign(score_edema=table["score"], score_normal=-table["score"]).to_parquet(path, index=False)


class StubProxy:
    """A proxy model's place: unit vectors without a network."""

    batch_size, name = 256, "stub"

    def image_features(self, images: np.ndarray) -> np.ndarray:
        return np.ones((len(images), 2)) / np.sqrt(2)


def plan_shard(folder: Path) -> None:
    """sample_pool: the rows of one shard of 1,000 images and their requests."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.generators.shards import open_conditions

    shards = len(list(folder.glob("shard-*")))
    planned, rows = open_conditions(folder / "conditions.parquet", Cohort.open(folder / "cohort"), shards // 2, shards)
    for row in rows:
        planned.request(int(row))


def score_shard(folder: Path) -> None:
    """score_pool: cosines of one shard."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.proxy.scoring import cosines

    pool = Cohort.open(folder / "shard-0")
    stub: Any = StubProxy()
    cosines(stub, pool, np.arange(len(pool)), np.eye(2))


def filter_pool(folder: Path) -> None:
    """filter_pool: what is kept of all shards, and the table about it."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.proxy.keeping import keep_best
    from scripts.lib.filters.proxy.kept_table import kept_table
    from scripts.lib.filters.proxy.scores import READ, read_scores

    pool = Cohort.open(shards_of(folder), READ)
    scores = read_scores([folder / f"scores-{number}.parquet" for number in range(len(pool.folders))], pool.folders)
    kept = keep_best(scores, 90, "cosine")
    settings = {"prefixes": [0.1, 1.0], "diversity": {"images": 50, "pairs": 50}}
    kept_table(pool, scores, kept, settings, 1)
    kept.to_parquet(folder / "kept.parquet", index=False)


def draw_sheet(folder: Path) -> None:
    """draw_sheet: the whole command."""
    from scripts import draw_sheet as command

    command.main(["--pool", *map(str, shards_of(folder)), "--out", str(folder / "sheet.png")])


def read_trial(folder: Path) -> None:
    """train_trials: open the pool, choose the trial's films, read 200 batches of 32."""
    from scripts.lib.conditions.order import trial_rows
    from scripts.lib.downstream.data import films_of, open_pool
    from scripts.lib.downstream.sampler import Mixture

    pool = open_pool(shards_of(folder), None, 0, [])
    rows = trial_rows(pool.index, 0, len(pool))
    films = films_of(pool, rows, "segmentation", "pneumothorax")
    films.digest()
    mixture = Mixture(1, len(films), 32, "concat", 0.5, 1)
    for step in range(200):
        _, places = mixture.batch(step)
        films.images(places), films.targets(places)


def shards_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*"), key=lambda path: int(path.name.split("-")[1]))


STEPS = {step.__name__: step for step in (plan_shard, score_shard, filter_pool, draw_sheet, read_trial)}
