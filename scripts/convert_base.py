"""Turn a Stable Diffusion model in one file (.safetensors or .ckpt) into a folder that base.path can name.

The folder --like gives what the file does not hold: configurations, the tokenizer and the noise schedule of the same architecture,
for example a copy of Stable Diffusion 1.5 in diffusers format for a file that was tuned from it. Its weights are not read.

    python -m scripts.convert_base --file v1-5-tuned.safetensors --like stable-diffusion-v1-5 --out weights/tuned
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_dir
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--file", type=Path, required=True, help="the model in one file (.safetensors or .ckpt)")
    parser.add_argument(
        "--like", type=Path, required=True, help="a folder in diffusers format of the same architecture"
    )
    parser.add_argument("--out", type=Path, required=True, help="the new folder")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import without_compiler

    with without_compiler():
        from scripts.lib.cohort.carried import carry_learned
        from scripts.lib.generators.controlled.single_file import convert_single_file

        with atomic_dir(args.out) as folder:
            convert_single_file(args.file, args.like, folder)
            carry_learned(args.file, folder)
    print(f"{args.out}: name this folder in base.path")


if __name__ == "__main__":
    run(main)
