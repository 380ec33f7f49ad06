# What can be asked for by name beside `all`, which stands in the Snakefile: `snakemake figures`. A short name
# makes what `make NAME` makes.
rule figure2:
    input:
        rules.all.input,
    localrule: True


rule figure3:
    input:
        PREREQUISITES,
        "results/figure3.pdf",
        tell(SHOWN.scored_reports),
    localrule: True


rule masks:
    input:
        tell(MASK_POOLS.tables),
    localrule: True


rule rated_sets:
    input:
        "results/feedback/assignments.parquet",
        tell(SHOWN.rated_files),
    localrule: True


rule figures:
    input:
        PREREQUISITES,
        collect("results/figure{number}.pdf", number=[1, 2, 3, 4]),
        "results/table1.md",
        "results/feedback/agreement.csv",
    localrule: True


rule evidence:
    input:
        PREREQUISITES,
        collect("results/tables/{table}.csv", table=["fidelity", "memorisation", "faithfulness", "shortcut"]),
        tell(FIDELITY.pictures),
        "results/tables/equivalence.csv",
        "results/equivalence.png",
        "results/tables/subgroups.csv",
        tell(STUDY.calibration),
        "results/failures.png",
    localrule: True


rule report:
    input:
        "results/report.html",
    localrule: True


rule replicate:
    input:
        "results/tables/replication.csv",
        "results/replication.png",
    localrule: True


rule figure1:
    input:
        "results/figure1.pdf",
    localrule: True


rule figure4:
    input:
        "results/figure4.pdf",
    localrule: True


rule figure5:
    input:
        PREREQUISITES,
        "results/figure5.pdf",
        "results/table2.md",
        tell(MASK_POOLS.tables),
    localrule: True


rule paediatric:
    input:
        "results/figure2.pdf",
        "results/table1.md",
        "results/sweep.pdf",
        collect("results/tables/{table}.csv", table=["leakage", "fidelity", "memorisation"]),
        tell(STUDY.sheets),
        tell(FIDELITY.pictures),
        tell(STUDY.elsewhere_files),
        "results/ldm_edits.pdf",
        f"{EDITING.folder}/edits.csv",
    localrule: True


rule forms:
    input:
        f"{EDITING.asked}/forms.parquet",
    localrule: True


rule questionnaire:
    input:
        f"{EDITING.asked}/shares.csv",
        f"{EDITING.asked}/agreement.csv",
    localrule: True


rule reading_forms:
    input:
        READING.forms,
    localrule: True


rule reading:
    input:
        f"{READING.folder}/shares.csv",
        "results/reading.pdf",
    localrule: True


rule search:
    input:
        "results/search/best.json",
        "results/search/search.png",
    localrule: True


TARGETS = [
    "all",
    "figure1",
    "figure2",
    "figure3",
    "figure4",
    "figure5",
    "figures",
    "evidence",
    "replicate",
    "rated_sets",
    "report",
    "masks",
    "paediatric",
    "search",
    "forms",
    "questionnaire",
    "reading_forms",
    "reading",
]
check_targets(workflow, {"dataset": STUDY.datasets, "arm": list(CONFIG["arms"])}, TARGETS)
