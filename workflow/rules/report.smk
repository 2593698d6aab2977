# Tables of all runs and the page that shows them.

TITLE_ARGUMENTS = [
    f"--title={name}={descriptor.title}" for name, descriptor in DESCRIPTORS.items()
]


rule tables:
    input:
        scores=ALL_SCORES,
        gradients=GRADIENTS,
    output:
        report(
            directory(TABLES),
            patterns=["{name}.csv"],
            caption="../report/table.rst",
            category="Tables",
        ),
    log:
        LOGS / "tables.log",
    benchmark:
        BENCHMARKS / "tables.tsv"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        # by functions: a brace in a title is not a wildcard
        runs=lambda wildcards: label_runs(),
        titles=lambda wildcards: TITLE_ARGUMENTS,
        results=RESULTS,
        code=fingerprint("ssvif.report.tables"),
    message:
        "Making tables"
    shell:
        "ssvif tables --results {params.results:q} --published config/published --output {output:q}"
        " {params.titles:q} {params.runs:q} > {log:q} 2>&1"


for table in SETTINGS.tables:

    rule:
        name:
            f"table_{table}"
        input:
            table_scores(table),
        output:
            directory(RESULTS / f"table_{table}"),
        log:
            LOGS / f"table_{table}.log",
        benchmark:
            BENCHMARKS / f"table_{table}.tsv"
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            runs=lambda wildcards, table=table: label_runs(table),
            titles=lambda wildcards: TITLE_ARGUMENTS,
            results=RESULTS,
            published=(
                "--published config/published"
                if SETTINGS.tables[table].published
                else ""
            ),
            code=fingerprint("ssvif.report.tables"),
        message:
            f"Making the runs of table {table} a table"
        shell:
            "ssvif tables --results {params.results:q} {params.published} --output {output:q}"
            " {params.titles:q} {params.runs:q} > {log:q} 2>&1"


rule report:
    input:
        scores=ALL_SCORES,
        histories=HISTORIES,
        pseudo_labels=PSEUDO_LABELS,
        splits=expand(RESULTS / "{dataset}/data/splits.csv", dataset=RUNS_OF),
        tables=rules.tables.output,
    output:
        report(
            directory(REPORT),
            htmlindex="index.html",
            caption="../report/page.rst",
            category="Page",
        ),
    log:
        LOGS / "report.log",
    benchmark:
        BENCHMARKS / "report.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: label_runs(),
        sources=[f"--source={name}={source_folder(name)}" for name in RUNS_OF],
        results=RESULTS,
        title=lambda wildcards: SETTINGS.report.title,
        pairs=SETTINGS.report.pairs,
        command=lambda wildcards: COMMAND,
        settings=to_json(SETTINGS.training),
        code=fingerprint("ssvif.report.page"),
        templates=files_fingerprint("ssvif/report/templates"),
    message:
        "Making the page"
    shell:
        "ssvif report --results {params.results:q} --tables {input.tables:q} --output {output:q}"
        " --title {params.title:q} --pairs {params.pairs} --settings {params.settings:q}"
        " --command {params.command:q} {params.sources:q} {params.runs:q} > {log:q} 2>&1"
