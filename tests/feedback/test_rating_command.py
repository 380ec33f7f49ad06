"""What the command of the rating app is given: tables, shards and raters that are not there are one line each."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.rate_images import fill_from_study, main
from tests.helpers.rating_toy import Study, write_study


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("command") / "study").folder


@pytest.fixture
def study(written: Path, tmp_path: Path) -> Study:
    return Study(Path(shutil.copytree(written, tmp_path / "study")))


def without(name: str, column: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        pd.read_parquet(folder / name).drop(columns=column).to_parquet(folder / name)

    return change


def empty(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        pd.read_parquet(folder / name).iloc[:0].to_parquet(folder / name)

    return change


def second_shard(folder: Path) -> None:
    """What another number of shards has left in the folder of the pool."""
    shutil.copytree(folder / "pool/shard-0", folder / "pool/shard-1")


FAULTS = [
    (lambda folder: (folder / "sets.parquet").unlink(), r"sets.parquet: not a readable table .*rated_sets"),
    (lambda folder: (folder / "sets.parquet").write_bytes(b"PAR1"), r"sets.parquet: not a readable table"),
    (lambda folder: (folder / "assignments.parquet").unlink(), r"assignments.parquet: not a readable table"),
    (without("sets.parquet", "films"), r"sets.parquet: no column films, only set_id, kind, .*rated_sets"),
    (without("assignments.parquet", "order"), r"assignments.parquet: no column order, only rater"),
    (empty("assignments.parquet"), r"assignments.parquet: no rows"),
    (lambda folder: shutil.rmtree(folder / "cohort"), r"cohort.json: no such file; expected a cohort folder"),
    (lambda folder: shutil.rmtree(folder / "pool"), r"shard-0.* no such file"),
    (lambda folder: (folder / "pool/shard-0/images.npy").unlink(), r"images.npy: not a readable array"),
]


@pytest.mark.parametrize(("change", "complaint"), FAULTS, ids=range(len(FAULTS)))
def test_what_is_missing_is_named_in_one_line(study: Study, change: Callable, complaint: str) -> None:
    change(study.folder)
    with pytest.raises(InputError, match=complaint) as caught:
        main(study.arguments(0))
    assert "\n" not in str(caught.value) and not study.log.exists()


def test_an_image_that_is_there_twice_is_not_chosen_by_chance(study: Study) -> None:
    second_shard(study.folder)
    arguments = study.arguments(0)
    arguments.insert(arguments.index("--pool") + 2, f"{study.folder}/pool/shard-1")
    with pytest.raises(InputError, match=r"set 'set-0': 'c0' is not in the pool with samples .* no others"):
        main(arguments)


def test_a_rater_who_is_not_in_the_study(study: Study) -> None:
    with pytest.raises(InputError, match="--rater eve: no such rater; this study has ann, bob"):
        main([*study.arguments(0), "--rater", "eve"])
    assert not (study.folder / "ratings.tokens.json").exists()


def test_a_study_names_its_files(tmp_path: Path) -> None:
    for name in (
        "mimic/cohort/cohort.json",
        "candid/cohort/cohort.json",
        *(f"feedback/pool/shard-{k}/x" for k in range(11)),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    nothing = dict.fromkeys(("sets", "assignments", "pool", "ratings"))
    args = Namespace(study=tmp_path, cohort=[], **nothing)
    fill_from_study(args)
    assert [path.name for path in args.pool] == [f"shard-{k}" for k in range(11)]  # 10 after 9
    assert args.cohort == [tmp_path / "candid/cohort", tmp_path / "mimic/cohort"]
    assert args.ratings == tmp_path / "feedback/ratings.jsonl" and args.sets == tmp_path / "feedback/sets.parquet"
    with pytest.raises(InputError, match="other/feedback/pool: no shards of images to rate; .*make rate"):
        fill_from_study(Namespace(study=tmp_path / "other", cohort=[], **nothing))
