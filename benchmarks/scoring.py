"""Films per second of Synthorax's scoring and of a loop that takes film by film through PIL and open_clip, in one run.

Same model, films, texts and threads for both. Without --model a small CLIP of the embedded study's shape with random
weights is used: speed does not depend on the weights. `--input 224` scores films of another side than the model's.

    python -m benchmarks.scoring --threads 1
    python -m benchmarks.scoring --model results/proxy/model --films 512
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.engine.commands import make_parser, run, set_threads

if TYPE_CHECKING:
    import numpy as np

    from scripts.lib.filters.proxy.model import Proxy

SIDE, BATCH = 64, 64
TRAIN: dict[str, Any] = {
    "embed": 64,
    "vision": {"layers": [1, 1, 1, 1], "width": 16},
    "text": {"vocabulary": 1000, "max_tokens": 24, "hidden": 64, "layers": 2, "heads": 4},
}
PROMPTS = {"edema": "edema", "pneumonia": "pneumonia", "normal": "normal"}


def write_random_model(folder: Path) -> str:
    """Write a small CLIP with random weights; returns its folder."""
    import numpy as np

    from scripts.lib.encoders.clip_text import train_tokenizer
    from scripts.lib.filters.proxy.small import SmallClip, build_model, model_config, write_clip
    from scripts.lib.training.settings import Section

    settings = Section(TRAIN, "proxy.train")
    tokenizer = train_tokenizer(list(PROMPTS.values()), TRAIN["text"]["vocabulary"], TRAIN["text"]["max_tokens"])
    config = model_config(settings, tokenizer, np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE)))
    write_clip(folder, SmallClip(build_model(config, 1), tokenizer, config))
    return str(folder)


def image_by_image(proxy: Proxy, images: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the cosines (n, L) of films uint8 (n, H, H), each through PIL, the model's transform and the model alone."""
    import numpy as np
    import torch
    from open_clip import get_model_preprocess_cfg
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from PIL import Image

    transform = image_transform_v2(PreprocessCfg(**get_model_preprocess_cfg(proxy.model)), is_train=False)
    scores = []
    with torch.inference_mode():
        for image in images:
            inputs = transform(Image.fromarray(image)).unsqueeze(0).to(proxy.placement.device)
            scores.append(proxy.model.encode_image(inputs, normalize=True).cpu().numpy() @ vectors.T)
    return np.concatenate(scores)


def timed(what: str, films: int, score: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Run `score` once to warm up and once timed; print and return films per second, and the scores."""
    score()
    began = time.perf_counter()
    scores = score()
    speed = films / (time.perf_counter() - began)
    print(f"{what:<28}{speed:>10.1f} films/s", flush=True)
    return speed, scores


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--model", help="folder in open_clip's layout, or hf-hub: and a cached id")
    parser.add_argument("--films", type=int, default=256, help="films in one measurement (default 256)")
    parser.add_argument("--input", type=int, default=SIDE, help=f"side of the films in pixels (default {SIDE})")
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N (default cpu)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import numpy as np

    from scripts.lib.filters.proxy.model import open_proxy
    from scripts.lib.filters.proxy.scoring import label_vectors
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    with tempfile.TemporaryDirectory() as folder:
        placement = place(Section({"device": args.device, "precision": "fp32"}, "benchmark"))
        proxy = open_proxy(args.model or write_random_model(Path(folder)), placement, BATCH)
    vectors = label_vectors(proxy, PROMPTS, ["{}"])[1]
    images = np.random.default_rng(0).integers(0, 256, (args.films, args.input, args.input), dtype=np.uint8)
    loop, expected = timed("film by film through PIL", args.films, lambda: image_by_image(proxy, images, vectors))
    ours, scores = timed(f"Synthorax, {BATCH} at once", args.films, lambda: proxy.image_features(images) @ vectors.T)
    print(f"{ours / loop:.1f} times as fast; scores differ by at most {np.abs(scores - expected).max():.1e}")


if __name__ == "__main__":
    run(main)
