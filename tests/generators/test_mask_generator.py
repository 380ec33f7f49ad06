"""The mask generator: what its network sees, training on partial annotation, and masks with one identity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scripts import draw_film, sample_pool, train_controlnet, train_mask_model
from scripts.lib.cohort.learned import read_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.mask_shape import NO_LUNGS
from scripts.lib.core.errors import InputError
from scripts.lib.generators.masks.coding import make_code
from scripts.lib.generators.masks.film import FILES, boxes_of, summary
from scripts.lib.generators.masks.network import SCHEDULE, check_stages, new_generator, open_masks
from scripts.lib.generators.masks.sampling import MadeMask, MaskRequest, MaskSampler
from scripts.lib.generators.masks.training import MaskFilms, read_films, stage_masks, train_masks
from scripts.lib.generators.solvers import training_scheduler
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.settings import Section
from tests.conditions.test_mask_words import STRUCTURES, chest, moved
from tests.helpers.diffusion_models import CONTROL, PLACE, write_base
from tests.helpers.diffusion_toy import CPU, TRAINING

SETTINGS = {
    **PLACE,
    **TRAINING,
    "steps": 3,
    "checkpoint_seconds": 0,
    "grid": 16,
    "reach": 4.0,
    "directions": 4,
    "stages": [["lungs", "heart"], ["findings"]],
    "stage_shares": [1, 2],
    "network": {"width": 16, "layers": 1, "unit_dropout": 0.0},
    "dropout": 0.15,
    "structure_dropout": 0.1,
    "known_dropout": 0.05,
}
SAMPLING = {
    **PLACE,
    "solver": "dpmsolver++",
    "steps": 3,
    "guidance": 1.0,
    "guidance_interval": [0.0, 1.0],
    "micro_batch": 4,
    "tries": 2,
}


def films(folder: Path, fields: np.ndarray, looked: list[int]) -> Cohort:
    """A cohort of these masks, for the bits of whose structures somebody `looked`."""
    with CohortWriter(folder, 32, STRUCTURES, [], {"dataset": "d"}, with_masks=True) as writer:
        for number, (field, bits) in enumerate(zip(fields, looked, strict=True)):
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": "generator", "sha256": str(number)}
            writer.add(np.zeros((32, 32), np.uint8), field, {**row, "synthetic": False, "annotated": bits})
    return Cohort.open(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def trained(base: Path) -> Path:
    """The folder that the command writes, from a tiny base and cohort."""
    root = base.parent
    films(root / "cohort", moved(48), [15] * 48)
    options = {"--base": base, "--cohort": root / "cohort", "--checkpoint-dir": root / "check", "--out": root / "masks"}
    options |= {"--config": json.dumps(SETTINGS), "--seed": 1}
    train_mask_model.main([str(word) for option in options.items() for word in option])
    return root / "masks"


def test_the_last_step_shows_nothing_of_the_maps() -> None:
    scheduler = training_scheduler(SCHEDULE)
    assert scheduler.config.rescale_betas_zero_snr and float(scheduler.alphas_cumprod[-1]) < 1e-6


def test_stages_must_draw_each_structure_once() -> None:
    assert check_stages([["lungs", "heart"], ["findings"]], STRUCTURES) == [["lungs", "heart"], STRUCTURES[2:]]
    for stages in ([["lungs"], ["heart", "lungs", "findings"]], [["lungs"]]):
        with pytest.raises(InputError, match="in one stage"):
            check_stages(stages, STRUCTURES)
    with pytest.raises(InputError, match="no anatomy"):
        check_stages([["findings"]], ["pneumothorax"])


def test_what_nobody_looked_for_teaches_nothing(base: Path, tmp_path: Path) -> None:
    weights = []
    for name, changed in (("one", 0), ("two", 8)):  # bit 8: a large heart; nobody looked at the last 24 films for it
        fields = moved(72)
        fields[48:, 20:30, 5:12] ^= np.uint8(changed)
        cohort = films(tmp_path / name, fields, [15] * 48 + [7] * 24)
        settings = Section(SETTINGS, "masks")
        learned = read_films(cohort, np.arange(72), make_code(STRUCTURES, 32, 16, 4.0), 4)
        # The words and the ask say what was looked for alone.
        asks = [
            {k: v for k, v in ask.items() if number < 48 or k != "cardiomegaly"}
            for number, ask in enumerate(learned.asks)
        ]
        learned = MaskFilms(learned.numbers, asks, learned.usable, learned.basis)
        made = new_generator(base, learned.basis, settings, 1)
        train_masks(made, learned, settings, 1, CPU, Checkpoints(tmp_path / "check" / name, name, 1e9))
        weights.append(torch.cat([part.flatten() for part in made.network.state_dict().values()]))
    assert torch.equal(*weights)


def test_a_film_without_lungs_teaches_no_finding_that_lies_in_them(tmp_path: Path) -> None:
    fields = moved(60)
    fields[50:] &= np.uint8(0xFC)  # neither lungs nor heart
    cohort = films(tmp_path / "c", fields, [15] * 50 + [12] * 10)
    learned = read_films(cohort, np.arange(60), make_code(STRUCTURES, 32, 16, 4.0), 4)
    assert learned.usable[:50].all() and not learned.usable[50:].any()


def test_a_structure_of_few_films_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is shown by [0-9]+ of 24 films to learn from, expected 20 or more"):
        read_films(films(tmp_path / "c", moved(24), [15] * 24), np.arange(24), make_code(STRUCTURES, 32, 16, 4.0), 4)


def test_the_command_writes_a_folder_that_says_what_it_learned_from(trained: Path) -> None:
    made = open_masks(trained)
    assert made.code.structures == tuple(STRUCTURES) and made.stages == [["lungs", "heart"], STRUCTURES[2:]]
    assert set(made.notes["limits"]) == {
        "smaller lung",
        "lung area",
        "heart middle",
        "pleural_effusion",
        "cardiomegaly",
    }
    # fluid on one side has 60 of 1,024 pixels, the large heart 100
    assert made.notes["least"] == pytest.approx({"pleural_effusion": 60 / 1024, "cardiomegaly": 100 / 1024})
    learned = read_learned(trained)
    assert learned is not None and (learned["role"] == "masks").sum() == 48
    drawn, given = stage_masks(made)
    # five parts: lungs, heart, fluid on the right and on the left, large heart
    assert drawn.tolist() == [[True, True, False, False, False], [False, False, True, True, True]]
    assert given.tolist() == [[False] * 5, [True, True, False, False, False]]


def test_it_makes_no_images_and_a_base_makes_no_masks(trained: Path, base: Path, tmp_path: Path) -> None:
    options = {
        "--generator": trained,
        "--conditions": tmp_path / "x",
        "--cohort": tmp_path,
        "--seed": 1,
        "--out": tmp_path / "o",
    }
    with pytest.raises(InputError, match="kind = 'masks'; expected one of"):
        sample_pool.main([str(word) for pair in {**options, "--config": "{}"}.items() for word in pair])
    with pytest.raises(InputError, match="expected the folder of a mask generator"):
        open_masks(base)


def test_a_mask_is_the_same_in_any_company(trained: Path) -> None:
    made = open_masks(trained)
    asks = [{"pleural_effusion": "left"}, {}, {"cardiomegaly": ""}, {"pleural_effusion": "both"}, {}]
    requests = [MaskRequest(f"c{k}", k, ask) for k, ask in enumerate(asks)]
    sampler = MaskSampler(made, Section(SAMPLING, "masks.sampling"), 1)
    whole = sampler.masks(requests)
    turned = MaskSampler(made, Section(SAMPLING, "masks.sampling"), 1).masks(requests[::-1])[::-1]
    assert all(np.array_equal(one.field, two.field) and one.tries == two.tries for one, two in zip(whole, turned))
    assert not np.array_equal(whole[0].field, whole[1].field)
    # Lungs as large as the film cannot be, and a model that has hardly learned may leave them out: both are drawn to the last
    # try, and named.
    sampler.notes = {**sampler.notes, "limits": {"lung area": 1.0}}
    refused = sampler.masks(requests)
    assert {mask.tries for mask in refused} == {2} and all({"lung area", NO_LUNGS} & {*mask.faults} for mask in refused)


def test_weights_that_do_not_fit_are_refused(trained: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "masks"
    shutil.copytree(trained, copy, symlinks=False)
    form = json.loads((copy / "network" / "config.json").read_text())
    (copy / "network" / "config.json").write_text(json.dumps({**form, "width": 24}))
    with pytest.raises(InputError, match=r"network/config.json: not the file that .*; remake this generator"):
        open_masks(copy)
    notes = json.loads((copy / "synthorax.json").read_text())
    notes["files"] = {name: known for name, known in notes["files"].items() if name != "network/config.json"}
    (copy / "synthorax.json").write_text(json.dumps(notes))
    with pytest.raises(InputError, match="the weights in network/ do not fit its notes .*train it anew"):
        open_masks(copy)


def test_boxes_are_those_of_the_connected_parts() -> None:
    field = chest(right=True, left=True, large=True)
    assert boxes_of(field, STRUCTURES) == [
        {"structure": "pleural_effusion", "box": [3, 22, 13, 28]},
        {"structure": "pleural_effusion", "box": [19, 22, 29, 28]},
        {"structure": "cardiomegaly", "box": [11, 16, 21, 26]},
    ]
    told = summary({"pleural_effusion": "both"}, MadeMask(field, 1, ()), STRUCTURES, {})
    assert told["as_asked"] is False and told["shown"] == {"pleural_effusion": "both", "cardiomegaly": ""}


def test_a_sentence_becomes_a_folder(trained: Path, tmp_path: Path) -> None:
    results = tmp_path / "results" / "generators"
    results.mkdir(parents=True)
    (results / "masks").symlink_to(trained)
    words = ["left pleural effusion", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "film")]
    with pytest.raises(InputError, match="controlnet-findings: no model there; make it with make figure5"):
        draw_film.main(words)
    options = {
        "--base": trained.parent / "base",
        "--cohort": trained.parent / "cohort",
        "--out": results / "controlnet-findings",
    }
    options |= {"--config": json.dumps(CONTROL), "--seed": 1, "--checkpoint-dir": tmp_path / "check"}
    train_controlnet.main([str(word) for option in options.items() for word in option])
    with pytest.raises(InputError, match="did you mean 'pleural effusion'"):
        draw_film.main(["pleural efusion", *words[1:]])
    assert not (tmp_path / "film").exists()
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds thesis.txt, which is no file of a film"):
        draw_film.main(words)
    (tmp_path / "film" / "thesis.txt").unlink()
    draw_film.main(words)
    told = json.loads((tmp_path / "film" / "film.json").read_text())
    assert told["asked"] == {"pleural_effusion": "left"} and told["tries"] >= 1
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == sorted(FILES)
    field = np.asarray(Image.open(tmp_path / "film" / "mask_bits.png"))
    assert told["boxes"] == boxes_of(field, STRUCTURES) and told["structures"] == STRUCTURES
    # the tiny study has no file of any expert: nobody votes, and nothing is accepted
    assert [one["vote"] for one in told["votes"]] == [None] * 4 and told["accepted"] is None
    assert all("is not there; make it with" in one["note"] for one in told["votes"])
    before = {name: (tmp_path / "film" / name).read_bytes() for name in FILES}
    draw_film.main(words)
    assert before == {name: (tmp_path / "film" / name).read_bytes() for name in FILES}
