"""The crate of a results folder: every file with its hash, every link to something that is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.reporting.page.page import make_report, record
from scripts.write_provenance import main
from tests.helpers.report_tables import difference, study, write_results

OUTSIDE = "https://"


def links(value: Any) -> Iterator[str]:
    """Yield every identifier that an entity points to."""
    if isinstance(value, list):
        for one in value:
            yield from links(one)
    elif isinstance(value, dict) and set(value) == {"@id"}:
        yield value["@id"]


def test_the_crate_lists_every_file_and_every_link_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = write_results(tmp_path / "results", [difference(2, 0.2, 0.1, 0.3, 0.01)])
    (results / "report.json").write_text(record(make_report(results, study())))
    for name, text in (("logs/a/b.log", "x"), ("a name%/x.csv", "1,2\n"), (".hidden", "x")):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(text)
    (results / "benchmarks" / "train_trials").mkdir(parents=True)
    for number, seconds in enumerate(("1.5", "2.25")):
        (results / "benchmarks" / "train_trials" / f"{number}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    main(["--results", str(results)])
    crate = json.loads((results / "ro-crate-metadata.json").read_text())
    there = {one["@id"]: one for one in crate["@graph"]}
    assert len(there) == len(crate["@graph"])
    pointed = {
        one for entity in crate["@graph"] for key, value in entity.items() if key != "@id" for one in links(value)
    }
    assert {one for one in pointed if not one.startswith(OUTSIDE)} <= set(there)
    table = there["a%20name%25/x.csv"]
    assert table["sha256"] == hashlib.sha256(b"1,2\n").hexdigest() and table["contentSize"] == "4"
    assert not any("logs" in name or "hidden" in name for name in there)
    assert there["#rule-train_trials"]["description"] == "2 jobs, 3.8 s by the clock"  # 1.5 + 2.25 = 3.75
    assert (
        there["./"]["mainEntity"] == {"@id": "provenance/Snakefile"}
        and "seed: 1" in (results / "provenance/config.yaml").read_text()
    )
    # What the profile of process runs recommends, as far as the run knows it.
    assert {"softwareVersion"} <= set(there["#command-train_trials"]) and "description" in there["#run"]
    assert (
        there["#package-numpy"]["url"] == "https://pypi.org/project/numpy/" and "endTime" in there["#rule-train_trials"]
    )
    first = (results / "ro-crate-metadata.json").read_bytes()
    main(["--results", str(results)])  # the crate does not list itself
    assert (results / "ro-crate-metadata.json").read_bytes() == first
    assert "7 files" in capsys.readouterr().out


def test_without_a_report_there_is_no_crate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no report.json; run `make report` first"):
        main(["--results", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
