"""Measure whether this processor computes faster in bf16 than in fp32, in about two seconds.

What `precision: auto` of a study means is read from the result. A processor with units for bf16 (AMX, AVX512-BF16) gains
several times; one without loses, because torch then emulates it.

    python -m scripts.measure_processor --out results/processor.json
"""

from __future__ import annotations

import json
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the result (.json)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.generators.processor_speed import measure

    found = measure()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(args.out) as path:
        path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{args.out}: {found['precision']}; bf16 runs at {found['bf16_speedup']} times the speed of fp32")


if __name__ == "__main__":
    run(main)
