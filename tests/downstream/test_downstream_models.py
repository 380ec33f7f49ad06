"""The downstream models: shapes, first weights, weights from files."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.augment import augment
from scripts.lib.downstream.losses import label_loss, mask_loss
from scripts.lib.downstream.models import build_model
from scripts.lib.encoders.weights import MGCA_PREFIX
from tests.helpers.downstream_films import STILL, settings_for


@pytest.mark.parametrize("fold", [1, 2])
def test_shapes(fold: int) -> None:
    images = torch.rand(3, 1, 16, 16)
    classifier = build_model(settings_for("multilabel", model={"fold": fold}), 2, 16, 0)
    assert classifier(images).shape == (3, 2)
    segmenter = build_model(settings_for("segmentation", model={"fold": fold}), 1, 16, 0)
    assert segmenter(images).shape == (3, 1, 16, 16)


def test_masks_come_back_at_the_stored_size() -> None:
    segmenter = build_model(settings_for("segmentation", image_size=32), 1, 16, 0)
    assert segmenter(torch.rand(2, 1, 16, 16)).shape == (2, 1, 16, 16)


def test_first_weights_are_a_function_of_the_seed_and_leave_torch_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, same, other = (build_model(settings_for("classification"), 1, 16, seed) for seed in (5, 5, 6))
    assert torch.equal(torch.rand(1), expected)
    first = [model.body.head.weight for model in (one, same, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_a_folded_network_sees_every_pixel_once() -> None:
    model = build_model(settings_for("segmentation", model={"fold": 2}), 1, 16, 0)
    image = torch.arange(256.0).view(1, 1, 16, 16) / 256
    model.body = torch.nn.Identity()
    assert torch.allclose(model(image) * model.std + model.mean, image)


def test_named_encoders(tmp_path: Path) -> None:
    chosen = {"encoder": "resnet18", "decoder_channels": [16, 8, 8]}
    model = build_model(settings_for("segmentation", model=chosen), 1, 32, 0)
    assert type(model.body).__name__ == "UnetPlusPlus"
    assert model(torch.rand(1, 1, 32, 32)).shape == (1, 1, 32, 32)
    with pytest.raises(InputError, match=r"model.encoder = 'resnet1800' cannot be built"):
        build_model(settings_for("segmentation", model={**chosen, "encoder": "resnet1800"}), 1, 32, 0)
    with pytest.raises(InputError, match=r"model.encoder = 'resnot' cannot be built"):
        build_model(settings_for("classification", model={"encoder": "resnot"}), 1, 32, 0)


@pytest.mark.parametrize(
    ("changes", "side", "message"),
    [
        ({"model": {"decoder_channels": [8]}}, 16, "expected one number for each of model.channels"),
        ({"model": {"fold": 2}}, 20, "expected a multiple of 8"),
        ({"model": {"frozen": True}}, 16, "would keep random features"),
        ({"model": {"weights": "nowhere.safetensors"}}, 16, "nowhere.safetensors: no such weights"),
        ({"model": {"weights": __file__}}, 16, "unknown kind of weights '.py'"),
    ],
)
def test_settings_that_cannot_work_are_one_line(changes: dict, side: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model(settings_for("segmentation", **changes), 1, side, 0)


def vit(weights: Path | None, frozen: bool = False) -> torch.nn.Module:
    """The shape of MGCA's encoder, with small numbers."""
    chosen = {"encoder": "vit_tiny_patch16_224", "weights": weights and str(weights), "frozen": frozen}
    return build_model(settings_for("multilabel", image_size=224, model=chosen), 2, 16, 0)


@pytest.fixture(scope="module")
def mgca(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """A state dict as MGCA's checkpoints have it: the image encoder among other parts, all numbers 0.25."""
    state = {
        f"{MGCA_PREFIX}{key}": torch.full_like(value, 0.25)
        for key, value in vit(None).body.encoder.state_dict().items()
    }
    return state | {"text_encoder_q.embed": torch.ones(2), "img_encoder_q.global_embed.head.0.weight": torch.ones(2)}


def test_mgca_weights_reach_the_encoder_alone(tmp_path: Path, mgca: dict[str, torch.Tensor]) -> None:
    torch.save({"state_dict": mgca, "epoch": 3}, tmp_path / "mgca.ckpt")
    save_file(mgca, tmp_path / "mgca.safetensors")
    for name in ("mgca.ckpt", "mgca.safetensors"):
        model = vit(tmp_path / name, frozen=True)
        assert all((value == 0.25).all() for value in model.body.encoder.state_dict().values())
        assert not (model.body.head.weight == 0.25).any()
        trained = [key for key, weight in model.named_parameters() if weight.requires_grad]
        assert trained == ["body.head.weight", "body.head.bias"]
        assert not model.train().body.encoder.training
        assert model.body.head.training


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, mgca: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "weights.safetensors"

    def refused(state: dict[str, torch.Tensor], message: str) -> None:
        save_file(state, path)
        with pytest.raises(InputError, match=message):
            vit(path)

    key = f"{MGCA_PREFIX}norm.weight"
    refused({name: value for name, value in mgca.items() if name != key}, "1 weights of the encoder are missing")
    refused(mgca | {f"{MGCA_PREFIX}blocks.99.norm1.weight": torch.ones(2)}, "1 are unknown")
    refused(mgca | {key: torch.ones(5)}, r"norm.weight has shape \[5\], expected \[192\]")
    refused(mgca | {key: torch.full((192,), torch.nan)}, "holds NaN")


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"state_dict": {}, "hyper_parameters": Attack()}, tmp_path / "bad.ckpt")
    (tmp_path / "bad.safetensors").write_bytes(pickle.dumps(Attack()))
    (tmp_path / "empty.ckpt").write_bytes(b"")
    torch.save([1, 2], tmp_path / "list.ckpt")
    for name, message in (
        ("bad.ckpt", "holds more than weights"),
        ("bad.safetensors", "not a safetensors file"),
        ("empty.ckpt", "or is damaged"),
        ("list.ckpt", "no state_dict of tensors"),
    ):
        with pytest.raises(InputError, match=message):
            vit(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_missing_labels_do_not_count() -> None:
    logits = torch.tensor([[0.0, 50.0]])
    # log 2 for the known label; the other would cost 50
    assert label_loss(logits, torch.tensor([[1.0, torch.nan]])).item() == pytest.approx(0.693147)
    assert label_loss(logits, torch.full((1, 2), torch.nan)).item() == 0.0


def test_a_better_mask_costs_less() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    sure, unsure = 20 * mask - 10, mask - 0.5
    assert mask_loss(sure, mask, 1, 1) < 0.01 < mask_loss(unsure, mask, 1, 1) < mask_loss(-sure, mask, 1, 1)
    # half of the pixels: Dice of a constant 1/2 is 2 * 4 / (8 + 8) = 1/2, so the loss is log 2 + 1/2
    assert mask_loss(torch.zeros_like(mask), mask, 1, 1).item() == pytest.approx(0.693147 + 0.5)


def test_augmentation_moves_films_and_masks_alike() -> None:
    images = torch.zeros(8, 1, 16, 16)
    images[..., 4:12, 4:12] = 1
    changed, masks = augment(images, images.clone(), {**STILL, "shift": 0.2, "rotation": 20, "scale": 0.2}, 3)
    assert ((changed > 0.5).float() == masks).float().mean() > 0.99
    assert not torch.equal(changed, images)
    assert torch.equal(augment(images, None, {**STILL, "shift": 0.2, "rotation": 20, "scale": 0.2}, 3)[0], changed)


def test_augmentation_can_be_off_or_a_flip() -> None:
    images = torch.rand(4, 1, 8, 8)
    assert torch.allclose(augment(images, None, STILL, 1)[0], images, atol=1e-6)
    assert torch.allclose(augment(images, None, {**STILL, "hflip": 1.0}, 1)[0], images.flip(-1), atol=1e-6)
    bright, _ = augment(images, None, {**STILL, "brightness": 0.5, "noise": 0.5, "contrast": 0.5, "gamma": 0.5}, 1)
    assert bright.min() >= 0 and bright.max() <= 1
