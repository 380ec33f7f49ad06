# Synthorax: does synthetic data help my chest X-ray model, by how much, and can I trust the answer?
#
# results/
#   phantom/{dataset}/  phantom/{dataset}.json      raw tree in the dataset's true format     write_phantom
#   {dataset}/cohort/                               decoded images, masks, index              prepare_cohort
#   {dataset}/prerequisites.csv                     do its films bring what is needed         check_prerequisites
#   {dataset}/subsets.parquet                       patient-level ranks of every trial        draw_subsets
#   {dataset}/conditions/{arm}/fraction-{f}.parquet one row an image to make                  build_conditions
#   generators/base/                                the frozen foundation model               train_base
#   generators/controlnet/                          the mask branch on top of it              train_controlnet
#   generators/masks/                               words to masks                            train_mask_model
#   {dataset}/masks/{arm}/fraction-{f}/             conditions, shards, {masks.csv,masks.png} build_mask_conditions, sample_masks, measure_masks
#   generators/class-autoencoder/  class-ldm/       makes images of classes                   train_class_autoencoder, train_class_ldm
#   search/round-{r}/{proposal,score}-{k}.json      settings to try, what they are worth      propose_round, train_proposal
#   search/{history.csv,best.json,importance.csv}   what a search found; search.png           summarize_search, plot_search
#   generators/sweep.csv  sweep.png                 its images over guidance and steps        sweep_sampling, plot_sweep
#   generators/proxy-tuned/                         trained further on what was kept          finetune_generator
#   generators/dpo/                                 tuned to what raters prefer               train_dpo
#   judges/{judge}/                                 say what an image shows, from real films  train_judge
#   {dataset}/pools/{arm}/fraction-{f}/
#     shard-{k}/                                    synthetic images, same form as a cohort   sample_pool
#     sheet.png                                     a sheet of samples for the eye            draw_sheet
#     scores-{k}.parquet                            what the proxy model says of each image   score_pool
#     kept.{parquet,csv}  kept.png                  what it keeps of the pool                 filter_pool, draw_kept
#     report.md                                     which model did what                      describe_arm
#     features/{network}-{k}.npy                    features of each image                    extract_features
#     fidelity.csv                                  how near it lies to real films            measure_fidelity
#     nearest-{k}.parquet  nearest.png              the nearest training films                match_films, draw_nearest
#     memorisation.csv  distinct.parquet            are there copies; the pool without them   measure_memorisation, drop_copies
#   {dataset}/pools/{arm}/{reconstructed,imported}/ films decoded anew; images made elsewhere reconstruct_films, import_pool
#   {dataset}/features/{network}.npy                features of each film                     extract_film_features
#   generators/floors/{generator}.parquet           how near held-out films come to it        calibrate_memorisation
#   proxy/model/  proxy/validation.csv              the proxy model, what it is worth         train_proxy, validate_proxy
#   feedback/captions.parquet                       findings in the words of reports          caption_reports
#   feedback/{conditions,sets,assignments}.parquet  what radiologists are shown               sample_rating_sets
#   feedback/pool/shard-{k}/                        the images of those sets                  sample_rated_pool
#   feedback/simulated.jsonl                        ratings of simulated raters               simulate_ratings
#   feedback/{agreement,raters}.csv  agreement.png  how far raters agree                      measure_agreement
#   feedback/preferences-{train,heldout,report}.jsonl  pairs of images, the better one first  build_preferences
#   mgca/                                           image encoder matched with reports        pretrain_mgca
#   {dataset}/reduced.npy                           the films in small, to search for copies  reduce_films
#   {dataset}/leakage/{arm}.csv                     test films that taught the arm's models   check_leakage
#   {dataset}/trials/{arm}/fraction-{f}/            what each model says of each test film    train_trials
#   {dataset}/baselines.csv                         what trivial answers reach                score_baselines
#   {dataset}/{trials,significance,summary}.csv     the dataset's results                     score_trials ... summarize_dataset
#   {dataset}/external.csv                          its models on other cohorts               score_external
#   {dataset}/{differences,intervals}.csv           how sure each difference and mean is      bootstrap_differences
#   tables/{trials,baselines,intervals}.csv         those of all datasets                     collect_study
#   tables/{differences,power}.csv  evidence.png    the study's differences, what it can find collect_differences, estimate_power, plot_evidence
#   tables/{leakage,fidelity,memorisation,faithfulness,shortcut}.csv  those of all datasets and pools  collect_checks, collect_study, collect_fidelity
#   tables/equivalence.csv  equivalence.png         what synthetic films are worth in real ones measure_equivalence, plot_equivalence
#   tables/{subgroups,failures}.csv  failures.png   for whom, and which films got worse       score_subgroups, draw_failures
#   tables/{calibration,reliability}.csv  calibration.png  are probabilities right            measure_calibration, plot_calibration
#   tables/{significance,trend}.csv                 tests of the study                        compare_arms, measure_trend
#   tables/figure{3,4}_{trials,significance}.csv    the arms of Figures 3 and 4               score_figure_trials, compare_figure_arms
#   tables/figure{2,3,4}.csv                        what the figures draw                     tabulate_figure2, tabulate_arms
#   seeds/seed-{seed}/  seeds/seed-{seed}.csv       the study under another seed, its differences replicate_study
#   tables/replication{,_seeds,_coverage}.csv  replication.png  what holds under every seed    measure_replication, plot_replication
#   check.{html,csv}                                the data, before anything trains          check_data
#   methods.md  tables/{README.md,codebook.csv}     methods, captions, meaning of columns     describe_study
#   table1.{csv,md}                                 the cohorts                               tabulate_cohorts
#   figure{1,2,3,4}.{pdf,png,svg}                   the figures                               plot_figure1 ... plot_figure4
#   report.{html,json}  guidelines.md               the page that answers, and what it says   write_report
#   cost.{csv,png}                                  planned and measured cost of each stage   compare_cost
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
include: "rules/feedback.smk"
include: "rules/leakage.smk"
include: "rules/trials.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
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
        one_line(STUDY.external_tables),
    localrule: True


include: "rules/targets.smk"
