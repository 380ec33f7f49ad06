"""What arms without a generator add to a trial's real films: counts, order, and the table of the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import trial_seed
from scripts.lib.downstream.added import cohort_films, fitting_multipliers, open_store, repeated_places
from scripts.lib.downstream.rows import Setting
from scripts.lib.downstream.trials import TrialFilms, select_films, synthetic_films
from tests.helpers.downstream_films import LABELS, settings_for, write_films, write_trial_inputs
from tests.helpers.trial_command import rows_of, train

TASKS = ["classification", "multilabel", "segmentation"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return write_trial_inputs(tmp_path_factory.mktemp("inputs"))


def chosen(
    inputs: tuple[Path, Path, Path], control: str, task: str, **changes: object
) -> tuple[TrialFilms, Setting, dict]:
    settings = settings_for(task, **changes)
    setting = Setting("toy", "mine", 0.5, 0, trial_seed(1, "toy", 0))
    films = select_films(Cohort.open(inputs[0]), pd.read_parquet(inputs[1]), None, setting, settings, control=control)
    return films, setting, settings


def test_every_film_is_repeated_as_often_as_any_other() -> None:
    places = repeated_places(4, 10, 7)
    # Two whole passes of 4 and half of a third: each film twice, two of them a third time.
    assert sorted(np.bincount(places, minlength=4)) == [2, 2, 3, 3]
    assert sorted(places[:4]) == sorted(places[4:8]) == [0, 1, 2, 3] and list(places[:4]) != list(places[4:8])
    np.testing.assert_array_equal(repeated_places(4, 6, 7), places[:6])
    assert list(repeated_places(4, 10, 8)) != list(places)
    assert len(repeated_places(4, 0, 7)) == 0
    with pytest.raises(InputError, match="no training film to repeat"):
        repeated_places(0, 3, 7)


@pytest.mark.parametrize("task", TASKS)
def test_duplicates_are_the_films_that_are_learned_from(inputs: tuple[Path, Path, Path], task: str) -> None:
    films, setting, settings = chosen(inputs, "duplicate", task, validation_share=0.4, validation_patients=2)
    parts = [synthetic_films(films, multiplier, setting, settings) for multiplier in (1, 2, 4)]
    # 10 films in the subset, 6 learned from and 4 set aside: 10, 20 and 40 copies of those 6.
    assert [len(part) for part in parts] == [10, 20, 40] and len(films.training) == 6
    for part in parts:
        assert set(part.rows) == set(films.training.rows)
        known = {row: place for place, row in enumerate(films.training.rows)}
        same = np.array([known[row] for row in part.rows])
        every = np.arange(len(part))
        np.testing.assert_array_equal(part.images(every), films.training.images(same))
        np.testing.assert_array_equal(part.targets(every), films.training.targets(same))
    np.testing.assert_array_equal(parts[1].rows, parts[2].rows[:20])
    assert synthetic_films(films, 0, setting, settings) is None


@pytest.mark.parametrize("task", TASKS)
def test_the_command_runs_it_like_any_arm(tmp_path: Path, inputs: tuple[Path, Path, Path], task: str) -> None:
    table = train(tmp_path, inputs, task, "copies", ("--control", "duplicate"))
    rows = rows_of(table)
    assert {(row["arm"], row["multiplier"], row["n_real"], row["n_synthetic"]) for row in rows} == {
        ("copies", "1", "10", "10"),
        ("copies", "2", "10", "20"),
    }
    assert {row["seed"] for row in rows} == {str(trial_seed(1, "toy", 0))}
    assert train(tmp_path, inputs, task, "copies", ("--control", "duplicate"), name="again.parquet") == table


def test_a_pool_that_goes_with_no_control_is_refused(tmp_path: Path, inputs: tuple[Path, Path, Path]) -> None:
    with pytest.raises(
        InputError, match="arm mine: .*expected numbers above 0 and no pool, as its source is duplicate"
    ):
        train(tmp_path, inputs, "classification", "mine", ("--control", "duplicate"), [inputs[2]])


STRONG = {"strong_augment": {**settings_for("classification")["augment"], "shift": 0.2, "rotation": 20.0}}


@pytest.mark.parametrize("task", TASKS)
def test_augmented_copies_are_of_the_films_that_are_learned_from(inputs: tuple[Path, Path, Path], task: str) -> None:
    films, setting, settings = chosen(inputs, "augmented", task, **STRONG)
    small, large = (synthetic_films(films, multiplier, setting, settings) for multiplier in (1, 2))
    plain, own, _ = chosen(inputs, "duplicate", task)
    np.testing.assert_array_equal(large.rows, synthetic_films(plain, 2, own, settings).rows)
    every = np.arange(len(small))
    np.testing.assert_array_equal(small.images(every), large.images(every))
    np.testing.assert_array_equal(small.targets(every), large.targets(every))
    assert (large.images(np.arange(20)) != large.cohort.images(large.rows)).any(axis=(1, 2)).all()


def ranks_of_films(inputs: tuple[Path, Path, Path], films: TrialFilms) -> dict[str, float]:
    table = pd.read_parquet(inputs[1]).query("trial == 0")
    return dict(zip(table["image_id"], table["rank"]))


@pytest.mark.parametrize("task", TASKS)
def test_other_real_films_are_those_that_the_next_fraction_would_add(
    inputs: tuple[Path, Path, Path], task: str
) -> None:
    films, setting, settings = chosen(inputs, "extra-real", task, validation_share=0.4, validation_patients=2)
    more = synthetic_films(films, 1, setting, settings)
    index, ranks = more.cohort.index, ranks_of_films(inputs, films)
    # 20 training films, 10 of them in the subset at 50 %: the other 10, by rank.
    assert len(more) == 10 and set(index["split"].iloc[more.rows]) == {"train"}
    found = [ranks[name] for name in index["image_id"].iloc[more.rows]]
    assert min(found) >= 0.5 and found == sorted(found)
    assert not set(index["patient_id"].iloc[more.rows]) & set(index["patient_id"].iloc[films.real.rows])
    np.testing.assert_array_equal(more.images(np.arange(10)), more.cohort.images(more.rows))


def test_a_multiplier_that_finds_too_few_is_left_out_and_the_rows_say_so(
    tmp_path: Path, inputs: tuple[Path, Path, Path]
) -> None:
    rows = rows_of(train(tmp_path, inputs, "classification", "more", ("--control", "extra-real")))
    assert {row["multiplier"] for row in rows} == {"1"} and {row["n_synthetic"] for row in rows} == {"10"}
    told = (
        "left out: 2x of 10 films need more than the 10 other real training films there are; "
        "the largest multiplier that works is 1"
    )
    assert all(row["note"].endswith(told) for row in rows)
    with pytest.raises(InputError, match="the largest multiplier that works is 1: lower study.multipliers"):
        train(tmp_path, inputs, "classification", "more", ("--control", "extra-real"), multipliers=(2, 3))


@pytest.mark.parametrize("task", TASKS)
def test_films_of_another_dataset_are_added_in_an_order_of_the_trial(
    tmp_path: Path, inputs: tuple[Path, Path, Path], task: str
) -> None:
    # 24 films of the other dataset, of which 4 are for testing: 20 can teach, and 10 of the subset need 30 for 3x.
    other = write_films(tmp_path / "other", 24, 4, first=500)
    orders = []
    for trial in range(2):
        setting = Setting("toy", "there", 0.5, trial, trial_seed(1, "toy", trial))
        own, subsets = Cohort.open(inputs[0]), pd.read_parquet(inputs[1])
        films = select_films(own, subsets, other, setting, settings_for(task), control="cohort")
        small, large = (synthetic_films(films, multiplier, setting, settings_for(task)) for multiplier in (1, 2))
        np.testing.assert_array_equal(small.rows, large.rows[:10])
        assert sorted(large.rows) == list(range(20)) and large.cohort is other
        orders.append(large.rows.tolist())
    assert orders[0] != orders[1] != sorted(orders[1])
    mixed = {"multipliers": (1, 2, 3), "pools": [tmp_path / "other"]}
    rows = rows_of(train(tmp_path, inputs, task, "there", ("--control", "cohort"), **mixed, mixing={"kind": "alone"}))
    assert [(row["multiplier"], row["n_synthetic"]) for row in rows] == [("1", "10"), ("2", "20")]
    assert rows[0]["note"] == (
        "no film of the subset was learned from, training films of the other dataset alone; left out: 3x of 10 films need more "
        "than the 20 training films of the other dataset there are; the largest multiplier that works is 2"
    )
    with pytest.raises(InputError, match="expected numbers above 0 and a pool"):
        train(tmp_path, inputs, task, "there", ("--control", "cohort"))


def test_films_of_another_dataset_of_which_nothing_is_known_are_not_added(tmp_path: Path) -> None:
    other = write_films(tmp_path / "other", 8)
    other.index["pneumonia"] = [1, None, 0, None, 1, 0, None, 1]
    assert sorted(cohort_films(other, settings_for("classification"), 1).rows) == [0, 2, 4, 5, 7]
    other.index["split"] = "test"
    with pytest.raises(InputError, match=r"no training film \(split = train\) says anything of pneumonia"):
        cohort_films(other, settings_for("classification"), 1)


@pytest.mark.parametrize("control", ["augmented", "extra-real"])
@pytest.mark.parametrize("task", TASKS)
def test_every_control_exists_for_every_task(
    tmp_path: Path, inputs: tuple[Path, Path, Path], control: str, task: str
) -> None:
    options = ("--control", control)
    table = train(tmp_path, inputs, task, "mine", options, multipliers=(1,), **STRONG)
    assert {row["n_synthetic"] for row in rows_of(table)} == {"10"}
    assert train(tmp_path, inputs, task, "mine", options, multipliers=(1,), name="again.parquet", **STRONG) == table


@pytest.mark.parametrize("task", TASKS)
def test_a_pool_from_elsewhere_is_read_whole_and_each_trial_orders_it_anew(
    tmp_path: Path, inputs: tuple[Path, Path, Path], task: str
) -> None:
    write_films(tmp_path / "own", 24, first=2000, present=[number % 2 for number in range(24)])
    settings, labels = settings_for(task), [] if task == "segmentation" else LABELS
    store = open_store([tmp_path / "own"], labels)
    orders = []
    for trial in range(2):
        setting = Setting("toy", "own", 0.5, trial, trial_seed(1, "toy", trial))
        cohort, subsets = Cohort.open(inputs[0]), pd.read_parquet(inputs[1])
        films = select_films(cohort, subsets, store, setting, settings, control="pool")
        small, large = (synthetic_films(films, multiplier, setting, settings) for multiplier in (1, 2))
        assert len(small) == 10 and len(large) == 20
        np.testing.assert_array_equal(small.rows, large.rows[:10])
        # Every second image shows pneumonia, and its square is the mask: so does every second one of a prefix. With two labels
        # pneumonia stands in two of four kinds of images, and of each kind a prefix holds its share to within one image.
        shown = store.index["pneumonia" if labels else "present"].iloc[small.rows].sum()
        assert abs(shown - 5) <= (2 if task == "multilabel" else 0)
        orders.append(large.rows.tolist())
        with pytest.raises(InputError, match="the largest multiplier that works is 2: lower study.multipliers"):
            fitting_multipliers("pool", films.stock, len(films.real), [1, 2, 5])
    assert orders[0] != orders[1]
    table = train(tmp_path, inputs, task, "own", ("--control", "pool"), [tmp_path / "own"])
    assert {(row["multiplier"], row["n_synthetic"]) for row in rows_of(table)} == {("1", "10"), ("2", "20")}
