# Tables of all runs, the figures, and the page that shows them.


rule efficiency:
    output:
        RESULTS / "efficiency.csv",
    log:
        LOGS / "efficiency.log",
    benchmark:
        BENCHMARKS / "efficiency.tsv"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        networks=PLAN.networks,
        code=PLAN.cost_code(),
    message:
        "Counting what the networks cost"
    shell:
        "ssvif complexity {params.networks:q} --keep-going --device cpu --output {output:q} > {log:q} 2>&1"


rule score_tables:
    input:
        scores=PLAN.scores,
        gradients=[folder / "gradients.csv" for folder in PLAN.trained],
    output:
        report(
            [TABLES / f"{name}.csv" for name in PLAN.score_tables],
            caption="../report/table.rst",
            category="Scores",
        ),
        [
            TABLES / f"{name}{suffix}"
            for name in PLAN.score_tables
            for suffix in (".md", ".tex")
        ],
        [TABLES / f"gradients_{name}.csv" for name in PLAN.shown],
        TABLES / "means.json",  # DVC reads no CSV as metrics
    log:
        LOGS / "score_tables.log",
    benchmark:
        BENCHMARKS / "score_tables.tsv"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        # by functions: a brace in a title is not a wildcard
        runs=lambda wildcards: PLAN.run_arguments(),
        titles=lambda wildcards: PLAN.title_arguments(PLAN.shown),
        results=RESULTS,
        folder=TABLES,
        code=fingerprint("ssvif.report.tables"),
        templates=files_fingerprint("ssvif/report/templates/tables"),
    message:
        "Making tables of all scores"
    shell:
        "ssvif tables --results {params.results:q} --output {params.folder:q}"
        " {params.titles:q} {params.runs:q} > {log:q} 2>&1"


rule paper_table:
    input:
        lambda wildcards: PLAN.table_scores(wildcards.table),
    output:
        report(
            TABLES / "table_{table}.html",
            caption="../report/paper_table.rst",
            category="Tables of the paper",
            labels=lambda wildcards: {
                "table": wildcards.table,
                "of": PLAN.specs.tables[wildcards.table].title,
            },
        ),
        multiext(f"{TABLES}/table_{{table}}", ".csv", ".md", ".tex", ".json"),
    log:
        LOGS / "table_{table}.log",
    benchmark:
        BENCHMARKS / "table_{table}.tsv"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        runs=lambda wildcards: PLAN.run_arguments(wildcards.table),
        titles=lambda wildcards: PLAN.table_titles(wildcards.table),
        results=RESULTS,
        folder=TABLES,
        published=CONFIG / "published",
        numbers=PLAN.published_digest,
        code=fingerprint("ssvif.report.paper_tables"),
        templates=files_fingerprint("ssvif/report/templates/tables"),
    message:
        "Making table {wildcards.table} of the paper, {output[0]}"
    shell:
        "ssvif tables --table {wildcards.table} --published {params.published:q} --results {params.results:q}"
        " --output {params.folder:q} {params.titles:q} {params.runs:q} > {log:q} 2>&1"


# names for the command line: `snakemake table_3` instead of `snakemake results/tables/table_3.html`
for table in PLAN.tables:

    rule:
        name:
            f"table_{table}"
        input:
            f"{TABLES}/table_{table}.html",
        localrule: True


rule tables:
    input:
        rules.score_tables.output,
        # by name: with a default storage, what a rule puts out is no pattern for expand()
        [TABLES / f"table_{name}.html" for name in PLAN.tables],
    localrule: True


rule figures:
    input:
        scores=PLAN.scores,
        histories=[folder / "history.csv" for folder in PLAN.trained],
        gradients=rules.score_tables.input.gradients,
        fused=PLAN.fused,
        splits=expand(RESULTS / "{dataset}/data/splits.csv", dataset=PLAN.shown),
        raw=rules.scenes.output if "scenes" in PLAN.shown else [],
        efficiency=rules.efficiency.output,
    output:
        report(
            directory(FIGURES),
            patterns=["{name}.png"],
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
    log:
        LOGS / "figures.log",
    benchmark:
        BENCHMARKS / "figures.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: PLAN.run_arguments(),
        chosen=lambda wildcards: PLAN.figure_arguments(),
        sources=PLAN.source_arguments(),
        datasets=CONFIG / "datasets",
        results=RESULTS,
        metric=SETTINGS.report.figure_metric,
        code=fingerprint("ssvif.report.figures.make"),
    message:
        "Drawing figures"
    shell:
        "ssvif figures --results {params.results:q} --output {output:q} --datasets {params.datasets:q}"
        " --metric {params.metric:q} {params.chosen:q} {params.sources:q} {params.runs:q} > {log:q} 2>&1"


# beside the page: Snakemake deletes the page's folder before it makes it anew
rule configuration:
    output:
        RESULTS / "config.yaml",
    log:
        LOGS / "configuration.log",
    localrule: True
    params:
        text=lambda wildcards: to_yaml(SETTINGS),
    message:
        "Keeping the configuration, {output}"
    shell:
        "printf %s {params.text:q} > {output:q} 2> {log:q}"


rule report:
    input:
        configuration=rules.configuration.output,
        scores=PLAN.scores,
        histories=rules.figures.input.histories,
        pseudo_labels=[folder / "pseudo_labels" for folder in PLAN.trained],
        splits=rules.figures.input.splits,
        raw=rules.figures.input.raw,
        tables=rules.tables.input,
        figures=rules.figures.output,
        fused=PLAN.fused,
    output:
        # no part of `snakemake --report`, which takes a folder of pages in a zip alone; what the page shows is in it
        directory(REPORT),
    log:
        LOGS / "report.log",
    benchmark:
        BENCHMARKS / "report.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: PLAN.run_arguments(),
        title=lambda wildcards: SETTINGS.report.title,
        command=lambda wildcards, input: shlex.join(
            ["snakemake", "--cores", "all", "--configfile", str(input.configuration)]
        ),
        settings=to_json(SETTINGS.training),
        sources=PLAN.source_arguments(),
        datasets=CONFIG / "datasets",
        tables=TABLES,
        # the folder may hold tables of an earlier configuration
        shown=[f"--table={table}" for table in PLAN.tables],
        results=RESULTS,
        pairs=SETTINGS.report.pairs,
        code=fingerprint("ssvif.report.page.site", "ssvif.training.assumed"),
        templates=files_fingerprint("ssvif/report/templates"),
        table_templates=files_fingerprint("ssvif/report/templates/tables"),
    message:
        "Making the page"
    shell:
        "ssvif report --results {params.results:q} --tables {params.tables:q} {params.shown:q} --output {output:q}"
        " --figures {input.figures:q} --datasets {params.datasets:q} --title {params.title:q} --pairs {params.pairs}"
        " --settings {params.settings:q} --command {params.command:q}"
        " {params.sources:q} {params.runs:q} > {log:q} 2>&1"


rule ladder_results:
    input:
        lambda wildcards: LADDERS[wildcards.dataset][1],
    output:
        directory(RESULTS / "{dataset}/ladder"),
    log:
        LOGS / "{dataset}/ladder.log",
    benchmark:
        BENCHMARKS / "{dataset}/ladder.tsv"
    wildcard_constraints:
        dataset="|".join(LADDERS) or "no ladder",
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        declaration=lambda wildcards: LADDERS[wildcards.dataset][0].to_json(),
        results=RESULTS,
        code=fingerprint("ssvif.report.ladder.make"),
        templates=files_fingerprint("ssvif/report/templates/ladder"),
    message:
        "Comparing the arms of the ladder on {wildcards.dataset}"
    shell:
        "ssvif ladder --results {params.results:q} --declaration {params.declaration:q} --output {output:q}"
        " > {log:q} 2>&1"


if LADDERS:

    rule ladder:
        input:
            expand(rules.ladder_results.output, dataset=LADDERS),
        localrule: True

else:

    rule ladder:
        log:
            LOGS / "ladder.log",
        localrule: True
        params:
            told=NO_LADDER,
        message:
            NO_LADDER
        shell:
            "printf '%s\n' {params.told:q} | tee {log:q} >&2; exit 1"
