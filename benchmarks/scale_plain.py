"""A plain workflow with as many jobs and files as a study: what Snakemake itself takes, without anything of this project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLAIN = """\
wildcard_constraints:
    dataset="[a-z0-9]+", arm="[a-z]+", fraction="[0-9.]+", trial="[0-9]+", shard="[0-9]+",

rule all:
    input: [f"results/{dataset}/summary.csv" for dataset in DATASETS]

rule cohort:
    output: "results/{dataset}/cohort/index.parquet", "results/{dataset}/cohort/cohort.json"
    shell: "touch {output}"

rule subsets:
    input: "results/{dataset}/cohort/index.parquet", "results/{dataset}/cohort/cohort.json"
    output: "results/{dataset}/subsets.parquet"
    shell: "touch {output}"

rule pool:
    input: "results/{dataset}/subsets.parquet"
    output: "results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/index.parquet"
    shell: "touch {output}"

rule real:
    input: "results/{dataset}/subsets.parquet"
    output: "results/{dataset}/trials/real/fraction-{fraction}/trial-{trial}.parquet"
    log: "results/logs/real/{dataset}_{fraction}_{trial}.log"
    benchmark: "results/benchmarks/real/{dataset}_{fraction}_{trial}.tsv"
    shell: "touch {output}"

rule synthetic:
    input:
        [f"results/{{dataset}}/pools/original/fraction-{{fraction}}/shard-{shard}/index.parquet" for shard in range(SHARDS)],
        "results/{dataset}/subsets.parquet"
    output: "results/{dataset}/trials/original/fraction-{fraction}/trial-{trial}.parquet"
    log: "results/logs/synthetic/{dataset}_{fraction}_{trial}.log"
    benchmark: "results/benchmarks/synthetic/{dataset}_{fraction}_{trial}.tsv"
    shell: "touch {output}"

rule summary:
    input:
        [f"results/{{dataset}}/trials/{arm}/fraction-{fraction}/trial-{trial}.parquet"
         for arm in ("real", "original") for fraction in FRACTIONS for trial in range(TRIALS)]
    output: "results/{dataset}/summary.csv"
    shell: "touch {output}"
"""


def write_plain(folder: Path, study: dict[str, Any]) -> Path:
    """Write the plain workflow for the trials and shards of a generated study; return its Snakefile."""
    shards = study["sampling"]["shards"]
    values = {"DATASETS": study["study"]["datasets"], "FRACTIONS": list(shards), "TRIALS": study["study"]["trials"]}
    values["SHARDS"] = max(shards.values())
    head = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    snakefile = folder / "Snakefile"
    snakefile.write_text(head + PLAIN)
    return snakefile
