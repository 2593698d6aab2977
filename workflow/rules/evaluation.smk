# What the metrics, a probe, a segmenter and a detector make of a run's fused images.


rule score:
    input:
        pairs=RESULTS / "{dataset}/data/pairs.h5",
        fused=RESULTS / "{dataset}/{run}/fused",
    output:
        part(RESULTS / f"{{dataset}}/{{run}}/fusion_metrics{PART}.csv"),
    log:
        LOGS / f"{{dataset}}/{{run}}/score{PART}.log",
    benchmark:
        BENCHMARKS / f"{{dataset}}/{{run}}/score{PART}.tsv"
    threads: SETTINGS.threads
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        shard=shard_argument,
        code=fingerprint("ssvif.judging.score"),
    message:
        "Scoring {wildcards.run} on {wildcards.dataset}"
    shell:
        "ssvif score --pairs {input.pairs:q} --fused {input.fused:q}/test {params.shard:q} --output {output:q}"
        " --dataset {wildcards.dataset} --run {wildcards.run} --device cpu --workers {threads} > {log:q} 2>&1"


if SHARDED:

    rule gather_scores:
        input:
            expand(
                RESULTS / "{dataset}/{run}/fusion_metrics.{shard}.csv",
                shard=SHARDS,
                allow_missing=True,
            ),
        output:
            RESULTS / "{dataset}/{run}/fusion_metrics.csv",
        log:
            LOGS / "{dataset}/{run}/gather_scores.log",
        resources:
            mem_mb=1000,
            runtime=10,
        message:
            "Gathering the shards of {output}"
        shell:
            "(awk 'FNR > 1 || NR == 1' {input:q} > {output:q}.part && mv {output:q}.part {output:q}) 2> {log:q}"


rule probe:
    input:
        pairs=RESULTS / "{dataset}/data/pairs.h5",
        fused=RESULTS / "{dataset}/{run}/fused",
    output:
        scores=RESULTS / "{dataset}/{run}/probe/scores.csv",
        record=RESULTS / "{dataset}/{run}/probe/record.json",
    log:
        LOGS / "{dataset}/{run}/probe.log",
    benchmark:
        BENCHMARKS / "{dataset}/{run}/probe.tsv"
    threads: SETTINGS.threads
    resources:
        gpu=GPU,
        mem_mb=2000,
        runtime=60,
    params:
        settings=lambda wildcards: to_json(
            PLAN.judge_options(wildcards.dataset, "probe")
        ),
        folder=subpath(output.scores, parent=True),
        device=SETTINGS.device,
        code=fingerprint("ssvif.judging.probe"),
    message:
        "Probing {wildcards.dataset} as fused by {wildcards.run}"
    shell:
        "ssvif probe --pairs {input.pairs:q} --fused {input.fused:q} --output {params.folder:q}"
        " --dataset {wildcards.dataset} --run {wildcards.run} --settings {params.settings:q}"
        " --device {params.device} --threads {threads} > {log:q} 2>&1"


rule segment:
    input:
        pairs=RESULTS / "{dataset}/data/pairs.h5",
        fused=RESULTS / "{dataset}/{run}/fused",
    output:
        # the network and its history come too, where the dataset has labels to train on
        iou=RESULTS / "{dataset}/{run}/segmentation/iou.csv",
        predictions=directory(RESULTS / "{dataset}/{run}/segmentation/predictions"),
        record=RESULTS / "{dataset}/{run}/segmentation/record.json",
    log:
        LOGS / "{dataset}/{run}/segment.log",
    benchmark:
        BENCHMARKS / "{dataset}/{run}/segment.tsv"
    priority: 2  # the longest of the judges: begun last it would run alone
    threads: SETTINGS.threads
    resources:
        gpu=GPU,
        workers=SETTINGS.workers,  # no parameter: they change no result
        mem_mb=8000,
        runtime=720,
    params:
        settings=lambda wildcards: to_json(
            PLAN.judge_options(wildcards.dataset, "segmentation")
        ),
        folder=subpath(output.iou, parent=True),
        device=SETTINGS.device,
        code=fingerprint("ssvif.judging.segment"),
    message:
        "Segmenting {wildcards.dataset} as fused by {wildcards.run}"
    shell:
        "ssvif segment --pairs {input.pairs:q} --fused {input.fused:q} --output {params.folder:q}"
        " --dataset {wildcards.dataset} --run {wildcards.run} --settings {params.settings:q}"
        " --device {params.device} --threads {threads} --workers {resources.workers} > {log:q} 2>&1"


rule detect:
    input:
        pairs=RESULTS / "{dataset}/data/pairs.h5",
        fused=RESULTS / "{dataset}/{run}/fused",
    output:
        ap=RESULTS / "{dataset}/{run}/detection/ap.csv",
        boxes=RESULTS / "{dataset}/{run}/detection/boxes.csv",
        record=RESULTS / "{dataset}/{run}/detection/record.json",
    log:
        LOGS / "{dataset}/{run}/detect.log",
    benchmark:
        BENCHMARKS / "{dataset}/{run}/detect.tsv"
    priority: 1  # the next longest
    threads: SETTINGS.threads
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=720,
    params:
        settings=lambda wildcards: to_json(
            PLAN.judge_options(wildcards.dataset, "detection")
        ),
        folder=subpath(output.ap, parent=True),
        device=SETTINGS.device,
        workers=SETTINGS.workers,  # ultralytics augments in them, each with random numbers of its own
        code=fingerprint("ssvif.judging.detect"),
    message:
        "Detecting on {wildcards.dataset} as fused by {wildcards.run}"
    shell:
        "ssvif detect --pairs {input.pairs:q} --fused {input.fused:q} --output {params.folder:q}"
        " --dataset {wildcards.dataset} --run {wildcards.run} --settings {params.settings:q}"
        " --device {params.device} --threads {threads} --workers {params.workers} > {log:q} 2>&1"
