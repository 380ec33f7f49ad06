"""The desk of the drawing page: masks as runs, images drawn once, and one line for what is no mask or no sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import LINE, VARIABLE
from scripts.lib.feedback.app.draw_desk import DrawDesk, from_runs, to_runs
from scripts.lib.feedback.app.draw_server import ROUTES, make_draw_app
from scripts.lib.generators.masks.film import FILES, identity_of, summary
from scripts.lib.generators.masks.sampling import MadeMask
from tests.conditions.test_mask_words import STRUCTURES, chest

TOKEN = "t" * 32


class Drawer:
    """Draws chests by rule, and counts how often it was asked for an image."""

    structures, resolution, seed = STRUCTURES, 32, 7

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []

    def mask(self, ask: dict[str, str], sample: int) -> MadeMask:
        return MadeMask(chest(right=ask.get("pleural_effusion") in ("right", "both")), 1, ())

    def image(self, field: np.ndarray, sample: int, condition: str) -> np.ndarray:
        self.asked.append((sample, condition))
        return field * 50

    def edited(self, field: np.ndarray) -> MadeMask:
        return MadeMask(field, 0, () if field.any() else ("no lungs",))

    def told(self, ask: dict[str, str], mask: MadeMask) -> dict[str, Any]:
        return summary(ask, mask, STRUCTURES, {})

    def made_by(self) -> dict[str, Any]:
        return {"masks": "m", "generator": "g", "seed": 7}


class Voter:
    """Accepts what shows a finding."""

    def votes(self, image: np.ndarray, field: np.ndarray, shown: dict[str, str]) -> Any:
        class Said:
            def told(self) -> dict[str, Any]:
                return {"votes": [], "accepted": bool(shown), "note": "by rule"}

        return Said()


@pytest.fixture
def desk(tmp_path: Path) -> DrawDesk:
    return DrawDesk(Drawer(), Voter(), tmp_path / "drawn", "toy")


@pytest.fixture
def page(desk: DrawDesk) -> TestClient:
    return TestClient(make_draw_app(desk, {"draw": TOKEN}), headers={"x-token": TOKEN})


def test_runs_by_hand() -> None:
    field = np.array([[0, 0, 3], [3, 3, 1], [0, 0, 0]], np.uint8)
    assert to_runs(field) == [0, 2, 3, 3, 1, 1, 0, 3]
    assert np.array_equal(from_runs([0, 2, 3, 3, 1, 1, 0, 3], 3, 2), field)
    drawn = np.random.default_rng(0).integers(0, 16, (32, 32)).astype(np.uint8)
    assert np.array_equal(from_runs(to_runs(drawn), 32, 4), drawn)


@pytest.mark.parametrize(
    "runs", [None, "x", [0], [0, 8], [0, 10], [4, 9], [-1, 9], [0, 0, 0, 9], [0, 9.0], [True, 9], [0, -1, 0, 10]]
)
def test_what_is_no_mask_is_one_line(runs: Any) -> None:
    with pytest.raises(InputError, match="mask: expected bits and lengths of runs of 3 x 3 pixels, bits below 4"):
        from_runs(runs, 3, 2)


def test_a_sentence_becomes_a_mask_an_image_votes_and_a_folder(
    page: TestClient, desk: DrawDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = page.get("/draw/start").json()
    assert about["origin"] == ""
    monkeypatch.setenv(VARIABLE, "siim")
    assert page.get("/draw/start").json()["origin"] == LINE
    assert [about[key] for key in ("study", "side", "seed", "findings")] == [
        "toy",
        32,
        7,
        ["pleural effusion", "cardiomegaly"],
    ]
    assert [(name, bit, anatomy) for name, bit, _, _, anatomy in about["structures"]] == [
        ("lungs", 1, True), ("heart", 2, True), ("pleural_effusion", 4, False), ("cardiomegaly", 8, False)
    ]  # fmt: skip
    made = page.post("/draw/mask", json={"prompt": "right effusion", "sample": 0}).json()
    field = from_runs(made["runs"], 32, 4)
    assert np.array_equal(field, chest(right=True)) and made["told"]["as_asked"]
    assert made["condition"] == identity_of(field)
    body = {"prompt": "right effusion", "runs": made["runs"], "condition": made["condition"], "sample": 0}
    image = page.post("/draw/image", json=body).json()
    assert image["image"].startswith("data:image/png;base64,") and image["told"]["boxes"] == made["told"]["boxes"]
    assert page.post("/draw/votes", json=body).json() == {"votes": [], "accepted": True, "note": "by rule"}
    # what the person has changed: the fluid is gone, and begins with the noise of the mask before
    changed = body | {"runs": to_runs(chest())}
    told = page.post("/draw/image", json=changed).json()["told"]
    assert told["shown_words"] == "no finding" and told["as_asked"] is False and told["tries"] == 0
    assert desk.drawer.asked == [(0, made["condition"])] * 2  # each image was drawn once
    folders = [page.post("/draw/keep", json=one).json()["folder"] for one in (body, changed)]
    assert folders == [str(tmp_path / "drawn" / f"film-{number}") for number in (1, 2)]
    for folder, wanted, accepted in zip(folders, (chest(right=True), chest()), (True, False)):
        assert sorted(path.name for path in Path(folder).iterdir()) == sorted(FILES)
        assert np.array_equal(np.asarray(Image.open(Path(folder) / "mask_bits.png")), wanted)
        kept = json.loads((Path(folder) / "film.json").read_text())
        assert kept["accepted"] is accepted and kept["prompt"] == "right effusion" and kept["generator"] == "g"


@pytest.mark.parametrize(
    ("path", "changed", "words"),
    [
        ("mask", {"prompt": "word " * 2000}, "prompt: 9999 characters; expected at most 300"),
        ("mask", {"prompt": ""}, "prompt: empty"),
        ("mask", {"prompt": None}, "prompt: NoneType; expected text"),
        ("mask", {"prompt": "<img src=x onerror=alert(1)>"}, "is no finding of this model"),
        ("mask", {"prompt": "bilateral left effusion"}, "sides that contradict"),
        ("mask", {"sample": -1}, "sample -1: expected a whole number from 0 to 99999"),
        ("image", {"sample": True}, "sample True: expected"),
        ("image", {"runs": [0, 3]}, "mask: expected bits and lengths of runs of 32 x 32"),
        ("image", {"condition": "../x"}, "condition: expected the identity"),
        ("keep", {"condition": None}, "condition: expected the identity"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(page: TestClient, path: str, changed: dict[str, Any], words: str) -> None:
    body = {"prompt": "effusion", "sample": 0, "runs": to_runs(chest()), "condition": "ab"} | changed
    answer = page.post(f"/draw/{path}", json=body)
    assert answer.status_code == 422 and words in answer.json()["error"] and "\n" not in answer.json()["error"]


def test_the_gate_lets_nothing_else_through(page: TestClient) -> None:
    for path, method in ROUTES.items():
        assert page.request(method, path, json={}, headers={"x-token": "no"}).status_code == 403
        assert page.request("PUT", path).status_code == 405
    assert page.get("/rate/state").status_code == 404
    assert page.post("/draw/mask", content=b"x" * (1 << 22) + b"x").status_code == 413
    policy = page.get("/page.js").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "img-src data:" in policy
