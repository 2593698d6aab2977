# A run's network and its fused images.


rule stage_one:
    input:
        pairs=RESULTS / "{dataset}/data/pairs.h5",
    output:
        model=RESULTS / "{dataset}/stage_one/{stage_one}.safetensors",
        record=RESULTS / "{dataset}/stage_one/{stage_one}.json",
    log:
        LOGS / "{dataset}/stage_one/{stage_one}.log",
    benchmark:
        BENCHMARKS / "{dataset}/stage_one/{stage_one}.tsv"
    priority: 3  # runs wait for it
    threads: SETTINGS.threads * SETTINGS.devices
    resources:
        **ON_NODES,
        gpu=GPU * SETTINGS.devices if NODES == 1 else 0,  # `gres` instead
        workers=SETTINGS.workers,  # no parameter: they change no result
        mem_mb=8000 * SETTINGS.devices,
        runtime=1440,
    params:
        settings=lambda wildcards: to_json(PLAN.stages_one[wildcards.stage_one]),
        # outside the declared outputs, which Snakemake deletes before a job and after a failed one
        state=lambda wildcards: STATES
        / wildcards.dataset
        / f"stage_one_{wildcards.stage_one}.pt",
        device=SETTINGS.device,
        devices=SETTINGS.devices,
        nodes=NODES,
        launch=LAUNCH,
        code=lambda wildcards: training_code(
            PLAN.stages_one[wildcards.stage_one], stage_one=True
        ),
    message:
        "Training stage I {wildcards.stage_one} on {wildcards.dataset}"
    shell:
        "{params.launch}ssvif stage-one --pairs {input.pairs:q}"
        " --output {output.model:q} --state {params.state:q}"
        " --settings {params.settings:q} --device {params.device} --devices {params.devices} --nodes {params.nodes}"
        " --threads $((({threads} - 1) / {params.devices} + 1)) --workers {resources.workers} > {log:q} 2>&1"


rule train:
    input:
        unpack(lambda wildcards: PLAN.train_inputs(wildcards.dataset, wildcards.run)),
    output:
        model=RESULTS / "{dataset}/{run}/model.safetensors",
        history=RESULTS / "{dataset}/{run}/history.csv",
        gradients=RESULTS / "{dataset}/{run}/gradients.csv",
        pseudo_labels=directory(RESULTS / "{dataset}/{run}/pseudo_labels"),
        record=RESULTS / "{dataset}/{run}/record.json",
    log:
        LOGS / "{dataset}/{run}/train.log",
    benchmark:
        BENCHMARKS / "{dataset}/{run}/train.tsv"
    priority: 2  # the longest chain: what comes after waits for it
    threads: SETTINGS.threads * SETTINGS.devices
    resources:
        **ON_NODES,
        gpu=GPU * SETTINGS.devices if NODES == 1 else 0,  # `gres` instead
        workers=SETTINGS.workers,  # no parameter: they change no result
        track=TRACK,  # the same
        mem_mb=8000 * SETTINGS.devices,
        runtime=1440,
    params:
        settings=lambda wildcards: to_json(PLAN.training(wildcards.run)),
        # a training without stage I has no such file
        stage_one=lambda wildcards, input: (
            ["--stage-one", input.stage_one] if "stage_one" in input.keys() else []
        ),
        folder=subpath(output.model, parent=True),
        # outside the declared outputs, too
        state=lambda wildcards: STATES / wildcards.dataset / f"{wildcards.run}.pt",
        device=SETTINGS.device,
        devices=SETTINGS.devices,
        nodes=NODES,
        launch=LAUNCH,
        code=lambda wildcards: PLAN.training_code(wildcards.run),
    message:
        "Training {wildcards.run} on {wildcards.dataset}"
    shell:
        "{params.launch}ssvif train --pairs {input.pairs:q} {params.stage_one:q}"
        " --output {params.folder:q} --state {params.state:q}"
        " --settings {params.settings:q} --device {params.device} --devices {params.devices} --nodes {params.nodes}"
        " --threads $((({threads} - 1) / {params.devices} + 1)) --workers {resources.workers}{resources.track}"
        " > {log:q} 2>&1"


rule fuse:
    input:
        lambda wildcards: PLAN.fuse_inputs(wildcards.dataset, wildcards.run),
        pairs=RESULTS / "{dataset}/data/pairs.h5",
    output:
        part(RESULTS / f"{{dataset}}/{{run}}/fused{PART}", directory),
    log:
        LOGS / f"{{dataset}}/{{run}}/fuse{PART}.log",
    benchmark:
        BENCHMARKS / f"{{dataset}}/{{run}}/fuse{PART}.tsv"
    priority: 1
    threads: SETTINGS.threads
    resources:
        gpu=lambda wildcards: (
            GPU if PLAN.runs[wildcards.run].kind in ("trained", "published") else 0
        ),
        mem_mb=4000,
        runtime=120,
    params:
        method=lambda wildcards: PLAN.fuse_arguments(wildcards.dataset, wildcards.run),
        shard=shard_argument,
        device=SETTINGS.device,
        code=lambda wildcards: PLAN.fuse_code(wildcards.run),
    message:
        "Fusing {wildcards.dataset} with {wildcards.run}"
    shell:
        "ssvif fuse --pairs {input.pairs:q} {params.method:q} {params.shard:q} --output {output:q}"
        " --device {params.device} --threads {threads} > {log:q} 2>&1"


if SHARDED:

    rule gather_fused:
        input:
            expand(
                RESULTS / "{dataset}/{run}/fused.{shard}",
                shard=SHARDS,
                allow_missing=True,
            ),
        output:
            directory(RESULTS / "{dataset}/{run}/fused"),
        log:
            LOGS / "{dataset}/{run}/gather_fused.log",
        resources:
            mem_mb=1000,
            runtime=60,
        message:
            "Gathering the shards of {output}"
        shell:
            "(rm -rf {output:q}.part; mkdir -p {output:q}.part;"
            ' for shard in {input:q}; do cp -R "$shard"/. {output:q}.part; done;'
            " mv {output:q}.part {output:q}) > {log:q} 2>&1"
