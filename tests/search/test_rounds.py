"""A search: proposals that follow from the scores alone, what is the best of them, and faults of a space."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts import propose_round, summarize_search
from scripts.lib.core.errors import InputError
from scripts.lib.search.rounds import COMPLETE, FAIL, Proposal, Score, best_of, propose
from scripts.lib.search.tables import best_file, history, importance, read_scores
from scripts.lib.study.config import CONFIG_FILE, load_study, to_json
from scripts.lib.study.search_faults import default_faults, space_faults
from scripts.lib.study.search_space import Search, defaults_of, shortened, with_values
from scripts.lib.study.study import Study

UNET = "class_ldm.unet"
RATE, KIND, WIDTH = "class_ldm.unet.learning_rate", "class_ldm.diffusion.prediction", "class_ldm.unet.layers"
SPACE = {
    RATE: {"low": 1e-4, "high": 1e-2, "log": True},
    KIND: {"choices": ["epsilon", "v_prediction"]},
    WIDTH: {"low": 1, "high": 4},
}
SETTINGS = {"proposals": 4, "startup": 4, "space": SPACE, "defaults": {RATE: 2e-3, KIND: "epsilon", WIDTH: 1}}


def scored(proposal: Proposal) -> Score:
    """The best is a rate of 0.001, v_prediction and three layers; a rate above 0.008 fails."""
    rate = proposal.values[RATE]
    about = {"number": proposal.number, "round": proposal.round, "values": proposal.values}
    if rate > 8e-3:
        return Score(**about, state=FAIL, score=None, note="the loss is nan")
    value = abs(math.log10(rate) + 3) + (proposal.values[KIND] == "epsilon") + abs(proposal.values[WIDTH] - 3) / 3
    return Score(**about, state=COMPLETE, score=float(value))


def searched(rounds: int, settings: dict[str, Any] = SETTINGS, seed: int = 1) -> list[Score]:
    scores: list[Score] = []
    for number in range(rounds):
        scores += [scored(one) for one in propose(scores, settings, number, seed)]
    return scores


def test_the_first_proposal_holds_the_defaults_and_all_lie_in_the_space():
    first = propose([], SETTINGS, 0, 1)
    assert [one.number for one in first] == [0, 1, 2, 3] and dict(first[0].values) == SETTINGS["defaults"]
    for one in propose(searched(3), SETTINGS, 3, 1):
        assert 1e-4 <= one.values[RATE] <= 1e-2 and one.values[WIDTH] in (1, 2, 3, 4) and one.round == 3
    assert propose([], SETTINGS, 0, 1) != propose([], SETTINGS, 0, 2)


@pytest.mark.parametrize(
    ("warmup", "ema", "short"),
    # A third of the steps: a third of the warm-up, and what 600 steps forget of the first weights, 0.995^600 = 0.985075^200.
    [(50, 0.995, (17, 0.995**3)), (0.1, 0.98, (0.1, 0.98**3)), (0, 0.0, (0, 0.0))],
)
def test_a_proposal_is_the_training_on_a_smaller_scale(warmup: float, ema: float, short: tuple[float, float]) -> None:
    unet = {"steps": 600, "warmup": warmup, "ema": ema, "learning_rate": 2e-3}
    assert shortened(unet, 200) == {**unet, "steps": 200, "warmup": short[0], "ema": pytest.approx(short[1])}
    assert shortened(unet, 600) == unet


def test_neither_the_order_of_scores_nor_of_keys_matters():
    scores = searched(3)
    asked = propose(scores, SETTINGS, 3, 1)
    turned = {**SETTINGS, "space": dict(reversed(SPACE.items()))}
    assert propose(scores[::-1], turned, 3, 1) == asked == propose(scores, SETTINGS, 3, 1)
    assert len({to_json(dict(one.values)) for one in asked}) == 4  # those that still run repel the next ones


def test_a_shorter_round_is_the_beginning_of_a_longer_one():
    longer = [one.values for one in propose([], {**SETTINGS, "proposals": 8}, 0, 1)]
    assert [one.values for one in propose([], SETTINGS, 0, 1)] == longer[:4]


def test_the_search_finds_what_is_better_than_the_defaults():
    scores = searched(6)
    assert best_of(scores).score < scores[0].score / 2  # the defaults score 0.301 + 1 + 2 / 3


def test_missing_scores_and_failures_alone_end_with_one_line():
    scores = searched(2)
    with pytest.raises(InputError, match=r"round 2: scores of proposals \[0, 1, 2, 3, 4, 5, 6\]; expected those of"):
        propose(scores[:-1], SETTINGS, 2, 1)
    failed = [Score(number, 0, SETTINGS["defaults"], FAIL, None, "the loss is nan") for number in range(4)]
    with pytest.raises(InputError, match="all 4 proposals failed, the last one: the loss is nan; narrow search.space"):
        propose(failed, SETTINGS, 1, 1)


def test_a_failure_is_a_row_without_a_score_and_never_the_best():
    values = SETTINGS["defaults"]
    scores = [
        Score(0, 0, values, COMPLETE, 0.5),
        Score(1, 0, values, FAIL, None, "nan"),
        Score(2, 0, values, COMPLETE, 0.25),
        Score(3, 0, values, COMPLETE, 0.25),
    ]
    table = history(scores)
    assert table["best"].tolist() == [0.5, 0.5, 0.25, 0.25] and table["state"].tolist()[1] == FAIL
    assert table["score"].isna().tolist() == [False, True, False, False] and table["note"].tolist()[1] == "nan"
    assert best_file(scores) == {"number": 2, "score": 0.25, "default": 0.5, "values": values}


def test_what_decides_the_score_is_important_and_few_scores_say_nothing():
    scores = searched(6)
    found = importance(scores, SETTINGS, 5)
    table = found.set_index("key")["importance"]
    assert table.sum() == pytest.approx(1, abs=1e-5) and table[KIND] > 0.2
    assert importance(scores, SETTINGS, 5).equals(found)
    few = importance(searched(1), SETTINGS, 5)
    assert few["importance"].isna().all() and few["note"].str.contains("fewer than the 8").all()


def test_the_commands_write_the_same_bytes_and_refuse_what_is_no_score(tmp_path: Path):
    def rounds(folder: Path) -> list[Path]:
        paths: list[Path] = []
        for number in range(3):
            out = [folder / f"{number}-{place}.json" for place in range(4)]
            call = ["--round", str(number), "--config", json.dumps(SETTINGS), "--seed", "1"]
            propose_round.main([*call, "--scores", *map(str, paths[::-1]), "--out", *map(str, out)])
            for path in out:
                path.write_text(to_json(scored(Proposal(**json.loads(path.read_text()))).as_dict()))
            paths += out
        call = ["--scores", *map(str, paths), "--config", json.dumps(SETTINGS), "--seed", "1"]
        out = [str(folder / name) for name in ("history.csv", "best.json", "importance.csv")]
        summarize_search.main([*call, "--out-history", out[0], "--out-best", out[1], "--out-importance", out[2]])
        return [*paths, *map(Path, out)]

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = rounds(tmp_path / "a"), rounds(tmp_path / "b")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two] and len(one) == 15
    one[0].write_text('{"number": 0, "round": 0, "values": {}, "state": "complete", "score": null, "note": ""}')
    with pytest.raises(InputError, match="state 'complete' with score None; expected complete with a number, or fail"):
        read_scores(one[:1])


@pytest.mark.parametrize(
    ("key", "prior", "words"),
    [
        ("class_ldm.unet.depth", {"low": 1, "high": 2}, r"class_ldm\.unet\.depth: no such key; there are attention"),
        ("sampling.guidance", {"low": 1.0, "high": 2.0}, "not searched; write keys of class_ldm.unet"),
        ("class_ldm.unet.steps", {"low": 1, "high": 2}, "not searched"),
        (KIND, {"low": 1, "high": 2}, "the key holds 'epsilon'; write choices"),
        (f"{UNET}.class_dropout", {"choices": [0.3, 0.4]}, "the default 0.15 is not among its choices"),
        (KIND, {"choices": ["epsilon", "sample"]}, 'prediction = "sample": expected one of'),
        (f"{UNET}.class_dropout", {"low": -7, "high": 0.5}, "class_dropout = -7: expected at least 0"),
        (f"{UNET}.class_dropout", {"low": 0.0, "high": 1.5}, "class_dropout = 1.5: expected at most 1"),
        (RATE, {"low": 1e-3}, "expected low and high, or choices"),
        (RATE, {"low": 2e-3, "high": 1e-3}, "expected low < high"),
        (RATE, {"low": 0.0, "high": 1e-2, "log": True}, "expected a number above 0"),
        (RATE, {"low": 3e-3, "high": 1e-2}, "the default 0.002 lies outside"),
        (WIDTH, {"low": 0.5, "high": 4}, "the key holds whole numbers"),
    ],
)
def test_a_space_that_does_not_fit_is_named(key: str, prior: dict[str, Any], words: str):
    config = load_study([CONFIG_FILE])
    config["search"]["space"] = {key: prior}
    with pytest.raises(InputError, match=words):
        raise InputError("; ".join([*space_faults(config)] or default_faults(config)))


def test_a_found_value_takes_the_place_of_the_configured_one():
    config = load_study([CONFIG_FILE])
    assert not [*space_faults(config), *default_faults(config)]
    changed = with_values(config["class_ldm"], {RATE: 0.5, KIND: "v_prediction"})
    assert changed["unet"]["learning_rate"] == 0.5 and changed["diffusion"]["prediction"] == "v_prediction"
    assert changed["autoencoder"] is config["class_ldm"]["autoencoder"]
    assert config["class_ldm"]["unet"]["learning_rate"] == defaults_of(config)[RATE] == 2e-3


def test_a_round_reads_the_scores_of_all_earlier_ones():
    search = Search(Study(load_study([CONFIG_FILE])))
    assert search.earlier(SimpleNamespace(round="0")) == [] and len(search.scores()) == 12
    assert search.earlier(SimpleNamespace(round="1")) == [
        f"results/search/round-0/score-{place}.json" for place in range(4)
    ]
