"""Turn a published checkpoint of MGCA (Lightning, .ckpt) into safetensors, without running anything that it holds.

The weights keep their published names, the image encoder's being timm's (vit_base_patch16_224 or resnet50): name the
file in trials.*.model.weights.

    python -m scripts.convert_mgca --checkpoint vit_base.ckpt --out weights/mgca.safetensors
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint of MGCA (.ckpt)")
    parser.add_argument("--out", type=Path, required=True, help="its weights (.safetensors)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import without_compiler

    with without_compiler():
        from scripts.lib.mgca.conversion import convert

        with atomic_file(args.out) as path:
            name = convert(args.checkpoint, path)
    print(f"{args.out}: MGCA with image encoder {name}")


if __name__ == "__main__":
    run(main)
