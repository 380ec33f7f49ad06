"""Which experts vote on an arm, what teaches them, and where what they say lies."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import JUDGE, VALIDATION, VOTERS
from scripts.lib.study.cells import Cell
from scripts.lib.study.comparisons import comparisons
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study, stage
from scripts.lib.study.experting import Experting
from scripts.lib.study.fidelity import Fidelity
from scripts.lib.study.firewall import Firewall, unknown_teachers
from scripts.lib.study.judging import Judging
from scripts.lib.study.schema import read_schema
from scripts.lib.study.study import Study

OVERLAY = ROOT / "studies" / "aurad-phantom.yaml"
CELL = Cell("chestxdet", "aurad-filtered", "0.1")
POOL = "results/chestxdet/pools/aurad-filtered/fraction-0.1"
ARM = {"voted": {"generator": "controlnet", "filter": "experts"}}


def experting(aurad: bool = True, **given: Any) -> Experting:
    return Experting(Study(load_study([CONFIG_FILE, *([OVERLAY] if aurad else [])], given)))


@pytest.fixture(scope="module")
def own() -> Experting:
    return experting(experts={"names": list(VOTERS)})


def test_the_schema_and_the_line_for_a_wrong_name_know_all_experts() -> None:
    said = read_schema()["properties"]["experts"]["properties"]["names"]["description"]
    assert all(name in said for name in VOTERS)
    with pytest.raises(
        InputError, match=f"experts.names: realsm: no such expert; did you mean realism.; known are {', '.join(VOTERS)}"
    ):
        experting(experts={"names": ["realsm"], "need": 1, "must": []})


def test_trials_read_what_was_voted_for_and_wait_for_every_expert(own: Experting) -> None:
    study = own.study
    assert study.kept(CELL) == [f"{POOL}/voted.parquet"] and f"{POOL}/voted.parquet" in study.trial_sources(CELL)
    assert study.candidates(CELL) == 10 and study.candidates(Cell("chestxdet", "aurad", "0.1")) == 5
    judges = ["results/judges/chestxdet-generator-labels", "results/judges/chestxdet-generator-pleural_effusion"]
    assert own.judges(CELL) == judges and set(judges) < set(own.said_files(CELL))
    assert [words[0] for words in own.said(CELL)] == ["classifier", "segmenter", "realism", "proxy"]
    assert own.options(CELL)[:3] == ["--expert", "classifier", f"{POOL}/expert-classifier.parquet"]
    assert own.nearest(CELL) == [f"{POOL}/nearest-{shard}.parquet" for shard in (0, 1)]
    assert own.floor(CELL) == ["results/generators/floors/controlnet-findings.parquet"]
    assert Fidelity(study).share(CELL) == 1.0 and Fidelity(study).dropping(CELL) == "--dropped"
    votes = {"need": 3, "must": ["copy"], "accept": 0.9, "floor": 0.5, "percentile": 99}
    assert own.settings() == {**votes, "diversity": {"images": 200, "pairs": 500}}


def test_judges_of_labels_and_masks_are_trained_on_films_of_the_generator(own: Experting) -> None:
    job = SimpleNamespace(dataset="chestxdet", arm="aurad-filtered", fraction="0.1", expert="classifier")
    assert own.judge(job) == "results/judges/chestxdet-generator-labels" and len(own.shown(job)) == 5
    assert own.judging.structure(SimpleNamespace(judge="chestxdet-generator-labels")) == ""
    job.expert = "segmenter"
    assert own.judge(job).endswith("-pleural_effusion") and own.shown(job) == ["pleural_effusion"]
    assert (own.realism_cohort(CELL), own.realism_split(CELL)) == ("chestxdet", "generator")
    assert own.proxy_dataset() == "mimic" and "cardiomegaly" in own.proxy_labels(job)
    assert stage(own.config, "ask_proxy", "chestxdet")["rank_by"] in ("cosine", "margin")


def test_what_teaches_the_filter_follows_from_the_experts(own: Experting) -> None:
    assert {JUDGE, VALIDATION} <= own.study.arm("aurad-filtered").taught_by
    wall = Firewall(own.study)
    assert {"results/proxy/learned_from.parquet", *own.judges(CELL)} < set(wall.teachers(CELL))
    alone = experting(experts={"names": ["copy"], "need": 1})
    assert not {JUDGE, VALIDATION} & alone.study.arm("aurad-filtered").taught_by
    assert Firewall(alone.study).teachers(CELL) == [
        "results/generators/controlnet-findings",
        "results/generators/masks",
    ]
    assert alone.options(CELL) == [] and "chestxdet-generator-labels" not in Judging(alone.study).sources()
    silent = experting(experts={"names": ["realism", "proxy"], "need": 1, "must": []})
    assert silent.nearest(CELL) == silent.floor(CELL) == []
    assert silent.judges(CELL) == ["results/judges/chestxdet-generator-pleural_effusion"]


def test_it_is_compared_with_the_arm_of_the_same_masks(own: Experting) -> None:
    assert ("aurad-filtered", "aurad") in comparisons(own.config)


def test_what_does_not_fit_is_one_line() -> None:
    with pytest.raises(InputError, match="experts.need: 3 votes, but experts.names has 2"):
        experting(experts={"names": ["copy", "proxy"]})
    with pytest.raises(InputError, match="experts.must: copy is not in experts.names .proxy, realism, segmenter."):
        experting(experts={"names": ["proxy", "realism", "segmenter"]})
    with pytest.raises(InputError, match="arm aurad: no experts vote on its images; write arms.aurad.filter: experts"):
        experting().names(Cell("chestxdet", "aurad", "0.1"))
    plain = experting(False, arms=ARM)
    with pytest.raises(InputError, match="experts.names: segmenter: the target of rsna is no mask; take it out"):
        plain.names(Cell("rsna", "voted", "0.1"))
    assert plain.source(Cell("rsna", "voted", "0.1"), "classifier").judge == "mimic-train-labels"


def from_elsewhere(folder: Path, names: list[str], **more: Any) -> Experting:
    folder.mkdir(exist_ok=True)
    (folder / "judge.json").write_text(json.dumps({"names": names}))
    own = {"xrv": {"kind": "classifier", "path": str(folder)}, **more}
    return experting(experts={"names": ["classifier", "copy", *own], "own": own, "need": 2})


def test_an_expert_from_elsewhere_is_asked_for_what_it_tells_and_validated_on_real_films(tmp_path: Path) -> None:
    made = from_elsewhere(tmp_path / "xrv", ["edema", "cardiomegaly", "pleural_effusion"])
    job = SimpleNamespace(dataset="chestxdet", arm="aurad-filtered", fraction="0.1", expert="xrv")
    assert made.judge(job) == str(tmp_path / "xrv") and made.shown(job) == ["pleural_effusion", "cardiomegaly"]
    assert (made.own_films(job), made.own_split(job)) == ("results/chestxdet/cohort", "generator")
    told = ["--expert", "xrv:classifier", f"{POOL}/expert-xrv.parquet", "results/chestxdet/experts/xrv.parquet"]
    assert made.options(CELL)[4:] == told
    assert any(line.startswith("experts.own.xrv.path") for line in unknown_teachers(made.config))
    # The firewall reads the lists of the films behind both; of one from elsewhere without a list nothing is known.
    assert made.judges(CELL) == ["results/judges/chestxdet-generator-labels", str(tmp_path / "xrv")]
    assert set(made.judges(CELL)) < set(Firewall(made.study).teachers(CELL))


def test_experts_from_elsewhere_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    job = SimpleNamespace(dataset="chestxdet", arm="aurad-filtered", fraction="0.1", expert="xrv")
    with pytest.raises(InputError, match="experts.own.xrv: tells hernia, and none of the labels of chestxdet"):
        from_elsewhere(tmp_path / "xrv", ["hernia"]).shown(job)
    (tmp_path / "xrv" / "judge.json").write_text("{}")
    made = experting(
        experts={"names": ["xrv"], "own": {"xrv": {"kind": "classifier", "path": str(tmp_path)}}, "need": 1, "must": []}
    )
    with pytest.raises(InputError, match="experts.own.xrv.path = .*: not the folder of an expert"):
        made.shown(job)
    twice = {"other": {"kind": "classifier", "path": str(tmp_path / "xrv")}}
    with pytest.raises(
        InputError, match="experts.own.other.path = .*: the weights of xrv, too, which would vote twice"
    ):
        from_elsewhere(tmp_path / "xrv", ["edema"], **twice)
    with pytest.raises(InputError, match="experts.own.copy: this is the name of an expert of the workflow"):
        own = {"copy": {"kind": "classifier", "path": "elsewhere"}}
        experting(experts={"names": ["classifier"], "own": own, "need": 1, "must": []})
