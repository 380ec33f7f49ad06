# Synthorax: does synthetic data help my chest X-ray model, by how much, and can I trust the answer?
#
# results/                                          (docs/results.md describes every file)
#   phantom/{dataset}/                              raw tree in the dataset's true format     write_phantom
#   {dataset}/cohort/                               decoded images, masks, index              prepare_cohort
#   {dataset}/{prerequisites.csv,subsets.parquet}   is all there; ranks of every trial        check_prerequisites, draw_subsets
#   {dataset}/conditions/{arm}/fraction-{f}.parquet one row an image to make                  build_conditions
#   generators/{base,controlnet,controlnet-findings}/ foundation model, its mask branches      train_base, train_controlnet
#   generators/{proxy-tuned,dpo}/                   trained further, tuned to raters          finetune_generator, train_dpo
#   generators/masks/  {dataset}/masks/             masks from words (rules/masks.smk)        train_mask_model, sample_masks
#   generators/class-ldm/  search/                  images of classes (rules/class_ldm.smk)   train_class_ldm, train_proposal
#   {dataset}/pools/{arm}/fraction-{f}/
#     shard-{k}/  sheet.png                         synthetic images, same form as a cohort   sample_pool, draw_sheet
#     scores-{k}.parquet  kept.{parquet,csv}        what the proxy model says, what it keeps  score_pool, filter_pool
#     {fidelity,memorisation,faithfulness}.csv      near real films, copies, as asked         rules/fidelity.smk, faithfulness.smk
#   proxy/  mgca/  judges/                          vision-language, pre-trained, judges      train_proxy, pretrain_mgca, train_judge
#   feedback/                                       sets to rate, ratings, pairs              rules/feedback.smk
#   {dataset}/leakage/{arm}.csv                     test films that taught the arm's models   check_leakage
#   {dataset}/trials/{arm}/fraction-{f}/            what each model says of each test film    train_trials
#   {dataset}/{trials,differences,transfer,summary}.csv  the dataset's results                score_trials ... summarize_dataset
#   tables/                                         those of all datasets, tests, intervals   rules/tables.smk, evidence.smk, worth.smk
#   seeds/  replication.png                         the study under other seeds               replicate_study, measure_replication
#   figure{1,2,3,4,5}.pdf  evidence.png  table{1,2}.md figures, Tables 1 and 2                rules/figures.smk, figure5.smk
#   {check,report}.html  methods.md  cost.{csv,png} data; answer; how it was made; its cost   check_data, write_report, compare_cost
#   logs/{rule}/  benchmarks/{rule}/  checkpoints/  what each job said and took; unfinished trainings
from snakemake.utils import min_version

min_version("9.20")


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"
include: "rules/compute.smk"
include: "rules/inputs.smk"
include: "rules/cohorts.smk"
include: "rules/conditions.smk"
include: "rules/generators.smk"
include: "rules/masks.smk"
include: "rules/class_ldm.smk"
include: "rules/search.smk"
include: "rules/sampling.smk"
include: "rules/pools.smk"
include: "rules/filtering.smk"
include: "rules/fidelity.smk"
include: "rules/faithfulness.smk"
include: "rules/experts.smk"
include: "rules/edits.smk"
include: "rules/reading.smk"
include: "rules/feedback.smk"
include: "rules/leakage.smk"
include: "rules/trials.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/figure5.smk"
include: "rules/evidence.smk"
include: "rules/worth.smk"
include: "rules/replication.smk"
include: "rules/cost.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        PREREQUISITES,
        "results/report.html",
        "results/figure2.pdf",
        "results/table1.md",
        "results/methods.md",
        "results/evidence.png",
        collect("results/tables/{table}.csv", table=["trend", "power", "leakage"]),
        collect("results/{dataset}/summary.csv", dataset=STUDY.datasets),
        one_line(STUDY.sheets),
        one_line(STUDY.elsewhere_files),
    localrule: True


include: "rules/targets.smk"
