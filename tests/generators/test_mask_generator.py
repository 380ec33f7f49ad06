"""The mask generator: its coding, what its network sees, training on partial annotation, and masks with one identity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts import draw_film, sample_pool, train_controlnet, train_mask_model
from scripts.lib.cohort.learned import read_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.generators.masks.coding import check_round_trip, make_code, round_trip, signed_distance
from scripts.lib.generators.masks.film import boxes_of, summary
from scripts.lib.generators.masks.network import SCHEDULE, ask_planes, check_stages, new_generator, open_masks
from scripts.lib.generators.masks.sampling import MadeMask, MaskRequest, MaskSampler
from scripts.lib.generators.masks.training import read_films, stage_masks, train_masks
from scripts.lib.generators.solvers import training_scheduler
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.settings import Section
from tests.conditions.test_mask_words import STRUCTURES, chest
from tests.helpers.diffusion_models import CONTROL, PLACE, write_base
from tests.helpers.diffusion_toy import CPU, TRAINING

SETTINGS = {
    **PLACE,
    **TRAINING,
    "steps": 3,
    "checkpoint_seconds": 0,
    "factor": 2,
    "fold": 2,
    "reach": 4.0,
    "stages": [["lungs", "heart"], ["findings"]],
    "stage_shares": [1, 2],
    "start": "new",
    "unet": {"channels": [8, 16], "attention": [False, True], "layers": 1, "heads": 2, "norm_groups": 2},
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


def films(folder: Path, annotated: int = 15, changed: int = 0, count: int = 48) -> Cohort:
    """A cohort of chests; `changed` bits are flipped in every mask."""
    with CohortWriter(folder, 32, STRUCTURES, [], {"dataset": "d"}, with_masks=True) as writer:
        for number in range(count):
            field = chest(number % 2 == 0, number % 3 == 0, number % 2 == 1)
            field[20:30, 5:12] ^= np.uint8(changed)
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": "generator", "sha256": str(number)}
            writer.add(np.zeros((32, 32), np.uint8), field, {**row, "synthetic": False, "annotated": annotated})
    return Cohort.open(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def trained(base: Path) -> Path:
    """The folder that the command writes, from a tiny base and cohort."""
    root = base.parent
    films(root / "cohort")
    options = {"--base": base, "--cohort": root / "cohort", "--checkpoint-dir": root / "check", "--out": root / "masks"}
    options |= {"--config": json.dumps(SETTINGS), "--seed": 1}
    train_mask_model.main([str(word) for option in options.items() for word in option])
    return root / "masks"


def test_the_distance_by_hand() -> None:
    # one row 0 1 1 0 0 0: the edge lies between pixels, half a pixel from their middles; reach 2 halves and cuts at 1
    line = signed_distance(np.array([[0, 1, 1, 0, 0, 0]], dtype=bool), 2.0)[0]
    assert line.tolist() == [-0.25, 0.25, 0.25, -0.25, -0.75, -1.0]
    assert (signed_distance(np.zeros((3, 3), bool), 2.0) == -1).all()
    assert (signed_distance(np.ones((3, 3), bool), 2.0) == 1).all()


def test_masks_come_back_from_the_coding_and_thin_ones_are_refused() -> None:
    fields = np.stack([chest(True, False, True), chest(False, True)])
    fine = make_code(STRUCTURES, 32, 1, 4, 4.0)
    assert np.array_equal(fine.decode(fine.encode(fields)), fields)
    coarse = make_code(STRUCTURES, 32, 2, 2, 4.0)
    assert coarse.encode(fields).shape == (2, 16, 8, 8) and min(round_trip(coarse, fields).values()) > 0.9
    fields[:, 2] |= 4
    fields[:, 22:28] &= 0xFB
    with pytest.raises(InputError, match="pleural_effusion comes back from the coding with a Dice of 0.00"):
        check_round_trip(make_code(STRUCTURES, 32, 4, 2, 4.0), fields)
    with pytest.raises(InputError, match="9 structures"):
        make_code([str(k) for k in range(9)], 32, 2, 2, 4.0)
    with pytest.raises(InputError, match="must divide masks of 32"):
        make_code(STRUCTURES, 32, 3, 2, 4.0)


def test_the_last_step_shows_nothing_of_the_maps() -> None:
    scheduler = training_scheduler(SCHEDULE)
    assert scheduler.config.rescale_betas_zero_snr and float(scheduler.alphas_cumprod[-1]) < 1e-6


def test_planes_say_where_a_finding_is_asked_for() -> None:
    code = make_code(STRUCTURES, 32, 2, 2, 4.0)
    planes = ask_planes([{"pleural_effusion": "left"}, {"pleural_effusion": "right", "cardiomegaly": ""}, {}], code)
    # the patient's left is the image's right half
    assert planes[0, 2, :, :4].sum() == 0 and planes[0, 2, :, 4:].sum() == 32
    assert planes[1, 2, :, :4].sum() == 32 and planes[1, 2, :, 4:].sum() == 0 and planes[1, 3].sum() == 64
    assert planes[2].sum() == 0


def test_stages_must_draw_each_structure_once() -> None:
    assert check_stages([["lungs", "heart"], ["findings"]], STRUCTURES) == [["lungs", "heart"], STRUCTURES[2:]]
    for stages in ([["lungs"], ["heart", "lungs", "findings"]], [["lungs"]]):
        with pytest.raises(InputError, match="in one stage"):
            check_stages(stages, STRUCTURES)
    with pytest.raises(InputError, match="no anatomy"):
        check_stages([["findings"]], ["pneumothorax"])


def test_what_nobody_looked_for_teaches_nothing(base: Path, tmp_path: Path) -> None:
    weights = []
    for name, changed in (("one", 0), ("two", 8)):  # bit 8: a large heart, which no film was looked at for
        cohort = films(tmp_path / name, annotated=7, changed=changed)
        settings = Section(SETTINGS, "masks")
        made = new_generator(base, cohort.structures, 32, settings, 1)
        learned = read_films(cohort, np.arange(48), made.code)
        learned = type(learned)(
            learned.maps,
            [{k: v for k, v in ask.items() if k != "cardiomegaly"} for ask in learned.asks],
            learned.annotated,
        )
        train_masks(made, learned, settings, 1, CPU, Checkpoints(tmp_path / "check" / name, name, 1e9))
        weights.append(torch.cat([part.flatten() for part in made.unet.state_dict().values()]))
    assert torch.equal(*weights)


def test_a_structure_of_few_films_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is shown by [0-9]+ of 24 films to learn from, expected 20 or more"):
        read_films(films(tmp_path / "c", count=24), np.arange(24), make_code(STRUCTURES, 32, 2, 2, 4.0))


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
    learned = read_learned(trained)
    assert learned is not None and (learned["role"] == "masks").sum() == 48
    drawn, given = stage_masks(made)
    assert drawn.tolist() == [[True, True, False, False], [False, False, True, True]]
    assert given.tolist() == [[False] * 4, [True, True, False, False]]


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
    # an untrained model makes no valid chest: drawn to the last try, and named
    assert {mask.tries for mask in whole} == {2} and all(mask.faults for mask in whole)


def test_a_base_lends_its_inner_weights(base: Path) -> None:
    settings = Section({**SETTINGS, "start": "base"}, "masks")
    made = new_generator(base, STRUCTURES, 32, settings, 1)
    from scripts.lib.generators.controlled.generator import open_generator

    start = open_generator(base).unet
    assert torch.equal(made.unet.mid_block.resnets[0].conv1.weight, start.mid_block.resnets[0].conv1.weight)
    assert made.unet.config.in_channels == 2 * 16 + 3 * 4 and made.unet.config.out_channels == 16


def test_boxes_are_those_of_the_connected_parts() -> None:
    field = chest(right=True, left=True, large=True)
    assert boxes_of(field, STRUCTURES) == [
        {"structure": "pleural_effusion", "box": [3, 22, 13, 28]},
        {"structure": "pleural_effusion", "box": [19, 22, 29, 28]},
        {"structure": "cardiomegaly", "box": [11, 16, 21, 26]},
    ]
    told = summary({"pleural_effusion": "both"}, MadeMask(field, 1, ()), STRUCTURES)
    assert told["as_asked"] is False and told["shown"] == {"pleural_effusion": "both", "cardiomegaly": ""}


def test_a_sentence_becomes_a_folder(trained: Path, tmp_path: Path) -> None:
    results = tmp_path / "results" / "generators"
    results.mkdir(parents=True)
    (results / "masks").symlink_to(trained)
    words = ["left pleural effusion", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "film")]
    with pytest.raises(InputError, match="controlnet: no model there; make it with"):
        draw_film.main(words)
    options = {
        "--base": trained.parent / "base",
        "--cohort": trained.parent / "cohort",
        "--out": results / "controlnet",
    }
    options |= {"--config": json.dumps(CONTROL), "--seed": 1, "--checkpoint-dir": tmp_path / "check"}
    train_controlnet.main([str(word) for option in options.items() for word in option])
    with pytest.raises(InputError, match="did you mean 'pleural effusion'"):
        draw_film.main(["pleural efusion", *words[1:]])
    assert not (tmp_path / "film").exists()
    draw_film.main(words)
    told = json.loads((tmp_path / "film" / "film.json").read_text())
    assert told["asked"] == {"pleural_effusion": "left"} and told["tries"] >= 1
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == ["film.json", "image.png", "mask.png"]
