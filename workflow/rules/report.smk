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
        networks=NETWORKS,
        code=fingerprint("ssvif.judging.cost"),
        own=[
            network_fingerprint(each.rpartition("/")[0])
            for each in NETWORKS
            if ":" in each
        ],
    message:
        "Counting what the networks cost"
    shell:
        "ssvif complexity {params.networks:q} --keep-going --device cpu --output {output:q} > {log:q} 2>&1"


rule score_tables:
    input:
        scores=ALL_SCORES,
        gradients=GRADIENTS,
    output:
        report(
            [TABLES / f"{name}.csv" for name in SCORE_TABLES],
            caption="../report/table.rst",
            category="Scores",
        ),
        [
            TABLES / f"{name}{suffix}"
            for name in SCORE_TABLES
            for suffix in (".md", ".tex")
        ],
    log:
        LOGS / "score_tables.log",
    benchmark:
        BENCHMARKS / "score_tables.tsv"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        # by functions: a brace in a title is not a wildcard
        runs=lambda wildcards: label_runs(),
        titles=lambda wildcards: label_datasets(RUNS_OF),
        results=RESULTS,
        folder=TABLES,
        code=fingerprint("ssvif.report.tables"),
        templates=files_fingerprint("ssvif/report/templates/tables"),
    message:
        "Making tables of all scores"
    shell:
        "ssvif tables --results {params.results:q} --output {params.folder:q}"
        " {params.titles:q} {params.runs:q} > {log:q} 2>&1"


for table in TABLE_NAMES:

    rule:
        name:
            f"table_{table}"
        input:
            table_scores(table),
        output:
            report(
                TABLES / f"table_{table}.html",
                caption="../report/paper_table.rst",
                category="Tables of the paper",
                labels={"table": table, "of": SPECS.tables[table].title},
            ),
            [
                TABLES / f"table_{table}{suffix}"
                for suffix in (".csv", ".md", ".tex", ".json")
            ],
        log:
            LOGS / f"table_{table}.log",
        benchmark:
            BENCHMARKS / f"table_{table}.tsv"
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            table=table,
            runs=lambda wildcards, table=table: label_runs(table),
            titles=lambda wildcards, table=table: label_datasets(table_datasets(table)),
            results=RESULTS,
            folder=TABLES,
            published=PUBLISHED,
            numbers=PAPER_NUMBERS,
            code=fingerprint("ssvif.report.paper_tables"),
            templates=files_fingerprint("ssvif/report/templates/tables"),
        message:
            f"Making table {table} of the paper"
        shell:
            "ssvif tables --table {params.table} --published {params.published:q} --results {params.results:q}"
            " --output {params.folder:q} {params.titles:q} {params.runs:q} > {log:q} 2>&1"


rule tables:
    input:
        rules.score_tables.output,
        [TABLES / f"table_{table}.json" for table in TABLE_NAMES],
    localrule: True


rule figures:
    input:
        scores=ALL_SCORES,
        histories=HISTORIES,
        gradients=GRADIENTS,
        fused=[
            RESULTS / name / run.name / "fused"
            for name, runs in RUNS_OF.items()
            for run in runs
        ],
        splits=expand(RESULTS / "{dataset}/data/splits.csv", dataset=RUNS_OF),
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
        runs=lambda wildcards: label_runs(),
        sources=[f"--source={name}={source_folder(name)}" for name in RUNS_OF],
        results=RESULTS,
        metric=SETTINGS.report.figure_metric,
        chosen=lambda wildcards: figure_arguments(),
        code=fingerprint("ssvif.report.figures.make"),
    message:
        "Drawing figures"
    shell:
        "ssvif figures --results {params.results:q} --output {output:q} --metric {params.metric:q}"
        " {params.chosen:q} {params.sources:q} {params.runs:q} > {log:q} 2>&1"


rule report:
    input:
        scores=ALL_SCORES,
        histories=HISTORIES,
        pseudo_labels=PSEUDO_LABELS,
        splits=expand(RESULTS / "{dataset}/data/splits.csv", dataset=RUNS_OF),
        tables=rules.tables.input,
        figures=rules.figures.output,
        fused=rules.figures.input.fused,
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
        tables=TABLES,
        # the folder may hold tables of an earlier configuration
        shown=[f"--table={table}" for table in TABLE_NAMES],
        runs=lambda wildcards: label_runs(),
        sources=[f"--source={name}={source_folder(name)}" for name in RUNS_OF],
        results=RESULTS,
        title=lambda wildcards: SETTINGS.report.title,
        pairs=SETTINGS.report.pairs,
        command=lambda wildcards: COMMAND,
        settings=to_json(SETTINGS.training),
        code=fingerprint("ssvif.report.page.site"),
        templates=files_fingerprint("ssvif/report/templates"),
        table_templates=files_fingerprint("ssvif/report/templates/tables"),
    message:
        "Making the page"
    shell:
        "ssvif report --results {params.results:q} --tables {params.tables:q} {params.shown:q} --output {output:q}"
        " --figures {input.figures:q} --title {params.title:q} --pairs {params.pairs} --settings {params.settings:q}"
        " --command {params.command:q} {params.sources:q} {params.runs:q} > {log:q} 2>&1"
