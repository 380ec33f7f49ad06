"""Turn a published classifier of torchxrayvision (DenseNet-121) into an expert, without running anything that its file holds.

The folder has the form of the judges below results/judges; name it in experts.own.NAME.path.

    python -m scripts.convert_expert --weights nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt \\
        --resolution 512 --out weights/xrv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_dir
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Write the folder."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "--weights", type=Path, required=True, help="published file (.pt), or its state_dict as .safetensors"
    )
    parser.add_argument("--resolution", type=int, required=True, help="side of the study's images (study.resolution)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the expert")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.carried import carry_learned
        from scripts.lib.downstream.converted import densenet_expert
        from scripts.lib.downstream.judges import write_judge

        judge = densenet_expert(args.weights, args.resolution)
        with atomic_dir(args.out) as folder:
            write_judge(folder, judge, {"from": args.weights.name})
            carry_learned(args.weights, folder)
    print(f"{args.out}: tells {', '.join(judge.names)}")


if __name__ == "__main__":
    run(main)
