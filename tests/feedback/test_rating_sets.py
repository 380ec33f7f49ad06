"""Sets to rate: exact shares, held-out sources, own identities, blinded orders, fair deals, and clear faults."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import sample_rating_sets as command
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import VARIABLE
from scripts.lib.core.seeds import content_hash
from scripts.lib.feedback.assignments import deal_sets
from scripts.lib.feedback.caption_rules import NORMAL, mentions
from scripts.lib.feedback.captions import caption_table
from scripts.lib.feedback.sets import draw_sets
from scripts.lib.feedback.sets_films import in_turn, largest_remainder

SPLITS = {"mimic": ["validate"], "candid": ["train", "test"]}
SETTINGS = {
    "splits": SPLITS,
    "sets": 20,
    "images": 4,
    "kinds": {"text": 0.75, "mask": 0.15, "both": 0.10},
    "mask_dataset": "candid",
    "mask_target": "pneumothorax",
    "positive_share": 0.5,
    "normal_share": 0.0,
    "shared_share": 0.2,
    "repeat_share": 0.1,
    "control_share": 0.1,
}
TEXTS = ["Pneumonia.", "Left pneumothorax.", "Normal.", "Right pneumothorax and chest tube.", "Cardiomegaly."]
STRUCTURES = ["lungs", "heart", "pneumothorax"]


def chest(number):
    """Lungs and heart; every odd film has a pneumothorax on the patient's left."""
    field = np.zeros((16, 16), np.uint8)
    field[2:13, 1:6], field[2:13, 10:15], field[8:13, 6:10] = 1, 1, 2
    if number % 2:
        field[2:5, 10:15] |= 4
    return field


def write_cohort(folder, dataset, count, splits, structures=(), reports=TEXTS, order=1, hashes=True):
    with CohortWriter(folder, 16, structures, ["pneumothorax"], {"dataset": dataset}) as writer:
        for number in list(range(count))[::order]:
            report = reports[number % len(reports)]
            row = {"image_id": f"{dataset}-{number:03d}", "patient_id": f"p{number}", "report": report}
            row |= {"split": splits[number % len(splits)], "pneumothorax": int("pneumothorax" in report)}
            field = chest(number) if structures else None
            if structures and hashes:
                row["mask_sha256"] = pixels_sha256(field)
            writer.add(np.full((16, 16), number, np.uint8), field, row)
    return Cohort.open(folder)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts")
    mimic = write_cohort(folder / "mimic", "mimic", 60, ["validate", "validate", "train"])
    return [mimic, write_cohort(folder / "candid", "candid", 80, ["train", "generator", "test"], STRUCTURES)]


@pytest.fixture(scope="module")
def captions(cohorts):
    return caption_table(cohorts, SPLITS, "rules")[0]


@pytest.fixture(scope="module")
def drawn(captions, cohorts):
    return draw_sets(captions, cohorts, SETTINGS, 7)


def test_largest_remainders():
    # 7 sets: 5.25, 1.05, 0.70; rounded down 5, 1, 0; the one that is missing goes to the largest remainder, 0.70.
    assert largest_remainder({"text": 0.75, "mask": 0.15, "both": 0.10}, 7) == {"text": 5, "mask": 1, "both": 1}
    assert largest_remainder({"text": 0.75, "mask": 0.15, "both": 0.10}, 200) == {"text": 150, "mask": 30, "both": 20}
    assert largest_remainder({"a": 0.5, "b": 0.5}, 3) == {"a": 2, "b": 1}
    with pytest.raises(InputError, match="sum to 1"):
        largest_remainder({"text": 0.8, "mask": 0.3}, 10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(0, 300))
def test_remainders_add_up(weights, count):
    shares = {str(k): weight / sum(weights) for k, weight in enumerate(weights)}
    counts = largest_remainder(shares, count)
    assert sum(counts.values()) == count
    assert all(abs(counts[name] - share * count) < 1 for name, share in shares.items())


def test_groups_take_turns_until_they_are_empty():
    assert in_turn([5, 1, 3], 7) == [3, 1, 3]
    assert in_turn([2, 1], 9) == [2, 1]


def test_kinds_have_their_exact_shares(drawn):
    conditions, sets = drawn
    assert Counter(sets["kind"]) == {"text": 15, "mask": 3, "both": 2, "control": 2}
    assert len(conditions) == 20 * 4 and conditions["position"].tolist() == list(range(80))
    assert (conditions.groupby("set_id")["sample"].apply(list).map(str) == "[0, 1, 2, 3]").all()
    assert sets["set_id"].is_unique and sets["condition_id"].dropna().is_unique


def test_sources_are_held_out_and_used_once(drawn, cohorts):
    _, sets = drawn
    candid = cohorts[1].index.set_index("image_id")
    sources = sets["mask_source"].dropna()
    assert sources.is_unique and set(candid.loc[sources, "split"]) <= {"train", "test"}
    both = sets[sets["kind"] == "both"]
    for one in both.itertuples():
        assert mentions(one.prompt) == mentions(candid.loc[one.mask_source, "report"])
    shows = [bool(cohorts[1].mask([candid.index.get_loc(name)], "pneumothorax").any()) for name in sources]
    assert sum(shows) == 3  # half of 3 mask sets, rounded up, and half of 2


def test_text_sets_are_balanced_and_carry_no_normal_film(drawn):
    _, sets = drawn
    text = sets[sets["kind"] == "text"]
    found = Counter(mentions(prompt)[0].name for prompt in text["prompt"])
    assert found == {"pneumonia": 5, "pneumothorax": 5, "cardiomegaly": 5}
    assert Counter(text["prompt"])["Left pneumothorax"] in (2, 3)  # its two captions take turns


def test_normal_films_take_their_share(captions, cohorts):
    _, sets = draw_sets(captions, cohorts, SETTINGS | {"normal_share": 0.2}, 7)
    assert (sets[sets["kind"] == "text"]["prompt"] == NORMAL).sum() == 3


def test_identities_are_the_ordinary_ones_and_repeated_captions_get_their_own(drawn, cohorts):
    conditions, sets = drawn
    first = content_hash("Cardiomegaly", "", "")
    own = sets[(sets["kind"] == "text") & (sets["prompt"] == "Cardiomegaly")]["condition_id"].tolist()
    assert own == [first] + [content_hash(first, "draw", k) for k in range(1, 5)]
    one = sets[sets["kind"] == "mask"].iloc[0]
    number = int(one["mask_source"].split("-")[1])
    assert one["condition_id"] == content_hash("", pixels_sha256(chest(number)), "{}")


def test_labels_and_sides_follow_mask_and_caption(drawn):
    conditions, sets = drawn
    by_id = sets.set_index("set_id")
    for one in conditions.itertuples():
        labels = json.loads(by_id.loc[one.set_id, "labels"])
        assert labels["pneumothorax"] == one.pneumothorax
        if one.kind == "text":
            assert one.pneumothorax == ("pneumothorax" in one.prompt)
        else:
            assert (one.side == "left") if one.pneumothorax else pd.isna(one.side)
    tube = sets[(sets["kind"] == "text") & sets["prompt"].str.contains("tube")].iloc[0]
    assert json.loads(tube["labels"]) == {"pneumothorax": 1, "chest_tube": 1}


def test_controls_are_real_films_of_one_caption(drawn, cohorts):
    controls = drawn[1][drawn[1]["kind"] == "control"]
    seen = []
    for one in controls.itertuples():
        films = json.loads(one.films)
        cohort = next(cohort for cohort in cohorts if cohort.meta["dataset"] == one.dataset)
        index = cohort.index.set_index("image_id").loc[films]
        assert len(films) == 4 and index["patient_id"].is_unique and index["report"].nunique() == 1
        assert set(index["split"]) <= set(SPLITS[one.dataset]) and pd.isna(one.condition_id)
        seen += films
    assert len(set(seen)) == 8


def test_the_pool_takes_the_conditions(drawn, cohorts):
    from scripts.lib.conditions.order import trial_rows
    from scripts.lib.generators.shards import Conditions

    conditions = Conditions(drawn[0], cohorts[1])
    assert trial_rows(drawn[0], -1).tolist() == list(range(80)) and not len(trial_rows(drawn[0], 0))
    for row in range(len(conditions)):
        request = conditions.request(row)
        assert (request.bits is None) == (conditions.table["kind"][row] == "text")
        index = conditions.index_row(row, request, np.zeros((16, 16), np.uint8))
        assert index["condition_id"] == request.condition_id and index["report"] == request.prompt


def test_the_order_of_tables_and_films_does_not_matter(tmp_path, captions, cohorts, drawn):
    mimic = write_cohort(tmp_path / "mimic", "mimic", 60, ["validate", "validate", "train"], order=-1)
    candid = write_cohort(
        tmp_path / "candid", "candid", 80, ["train", "generator", "test"], STRUCTURES, order=-1, hashes=False
    )
    again = draw_sets(captions.iloc[::-1], [candid, mimic], SETTINGS, 7)
    for one, other in zip(drawn, again):
        pd.testing.assert_frame_equal(one, other)
    other = draw_sets(captions, cohorts, SETTINGS, 8)
    assert not other[1]["mask_source"].equals(drawn[1]["mask_source"])
    dealt = deal_sets(drawn[1], ["a", "b", "c"], SETTINGS, 7)
    pd.testing.assert_frame_equal(dealt, deal_sets(drawn[1].iloc[::-1], ["c", "a", "b"], SETTINGS, 7))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sets": 400}, "300 text sets of films with a finding are wanted, but only"),
        ({"kinds": {"text": 0.0, "mask": 0.0, "both": 1.0}, "sets": 60}, "30 both sets with pneumothorax are wanted"),
        ({"mask_dataset": "siim"}, r"mask_dataset = 'siim': not among the cohorts given, \['mimic', 'candid'\]"),
        ({"mask_dataset": "mimic"}, "no structure 'pneumothorax'|cohort mimic has no masks"),
        ({"mask_target": "nodule"}, "no structure 'nodule'"),
        ({"control_share": 1.0}, "20 controls of 4 real films with one caption are wanted, but .* lower"),
        ({"control_share": 1.5}, "expected a share from 0 to 1"),
        ({"positive_share": -0.1}, "expected a share from 0 to 1"),
        ({"normal_share": 1.0, "sets": 100}, "text sets of normal films are wanted, but only"),
        ({"images": 5}, "expected 1 set or more, of 2 to 4 images"),
        ({"splits": {"mimic": ["validate"], "candid": ["train"]}}, "films of candid are not held out"),
        ({"kinds": {"text": 0.5}}, "sum to 1"),
    ],
)
def test_what_cannot_be_drawn_is_named(change, complaint, captions, cohorts):
    with pytest.raises(InputError, match=complaint):
        draw_sets(captions, cohorts, SETTINGS | change, 7)


def test_no_held_out_film_with_a_mask(tmp_path, cohorts):
    with CohortWriter(tmp_path / "c", 16, STRUCTURES, ["pneumothorax"], {"dataset": "candid"}) as writer:
        row = {"image_id": "x", "patient_id": "p", "split": "test", "report": "Pneumothorax."}
        writer.add(np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8), row)
    candid = Cohort.open(tmp_path / "c")
    captions, _ = caption_table([cohorts[0], candid], SPLITS, "rules")
    with pytest.raises(InputError, match="none of 1 held-out films of candid has a mask"):
        draw_sets(captions, [cohorts[0], candid], SETTINGS | {"control_share": 0.0}, 7)


def test_captions_of_cohorts_that_are_not_given(captions, cohorts):
    with pytest.raises(InputError, match=r"cohorts \['mimic'\] too, which are not given"):
        draw_sets(captions, cohorts[1:], SETTINGS, 7)


def test_the_command_writes_the_same_bytes_again_and_says_of_phantoms_what_they_are(
    tmp_path, captions, cohorts, monkeypatch
):
    captions.to_parquet(tmp_path / "captions.parquet", index=False)
    written = []
    for folder, drawn in ((tmp_path / "one", ""), (tmp_path / "two", ""), (tmp_path / "drawn", "candid")):
        monkeypatch.setenv(VARIABLE, drawn)
        outs = [f"--out-{name}={folder / name}.parquet" for name in ("conditions", "sets", "assignments")]
        folders = [str(cohort.folders[0]) for cohort in cohorts]
        line = [
            "--captions",
            str(tmp_path / "captions.parquet"),
            "--config",
            json.dumps(SETTINGS),
            "--cohorts",
            *folders,
        ]
        command.main([*line, "--raters", "ana", "ben", "--seed", "7", *outs])
        written.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert len(written[0]) == 3 and written[0] == written[1]
    plain, drawn = (pd.read_parquet(tmp_path / name / "sets.parquet") for name in ("one", "drawn"))
    assert drawn["origin"].unique().tolist() == ["PHANTOM"] and drawn.drop(columns="origin").equals(plain)
