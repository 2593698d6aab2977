# Raw folders to one HDF5 file a dataset.


rule scenes:
    output:
        directory(RESULTS / "scenes/data/scenes"),
    log:
        LOGS / "scenes/scenes.log",
    benchmark:
        BENCHMARKS / "scenes/scenes.tsv"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        train=SETTINGS.scenes.train,
        test=SETTINGS.scenes.test,
        height=SETTINGS.scenes.height_px,
        width=SETTINGS.scenes.width_px,
        seed=SETTINGS.scenes.seed,
        code=fingerprint("roadscenes.write"),
    message:
        "Making road scenes"
    shell:
        "ssvif scenes --output {output:q} --train {params.train} --test {params.test}"
        " --height {params.height} --width {params.width} --seed {params.seed} > {log:q} 2>&1"


rule split:
    input:
        made_images,
    output:
        RESULTS / "{dataset}/data/splits.csv",
    log:
        LOGS / "{dataset}/split.log",
    benchmark:
        BENCHMARKS / "{dataset}/split.tsv"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        data_root=lambda wildcards: PLAN.data_root(wildcards.dataset),
        descriptor=lambda wildcards: descriptor_to_json(
            PLAN.descriptors[wildcards.dataset]
        ),
        datasets=CONFIG / "datasets",
        seed=SETTINGS.split.seed,
        limit=" ".join(
            f"--limit {split}={most}"
            for split, most in sorted(SETTINGS.split.limit.items())
        ),
        code=fingerprint("ssvif.data.split"),
    message:
        "Splitting {wildcards.dataset}"
    shell:
        "ssvif split --dataset {params.datasets:q}/{wildcards.dataset}.yaml --data-root {params.data_root:q}"
        " --output {output:q} --seed {params.seed} {params.limit} > {log:q} 2>&1"


rule pack:
    input:
        raw=made_images,
        splits=rules.split.output,
    output:
        RESULTS / "{dataset}/data/pairs.h5",
    log:
        LOGS / "{dataset}/pack.log",
    benchmark:
        BENCHMARKS / "{dataset}/pack.tsv"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        data_root=lambda wildcards: PLAN.data_root(wildcards.dataset),
        descriptor=lambda wildcards: descriptor_to_json(
            PLAN.descriptors[wildcards.dataset]
        ),
        datasets=CONFIG / "datasets",
        code=fingerprint("ssvif.data.pack"),
    message:
        "Packing {wildcards.dataset}"
    shell:
        "ssvif pack --dataset {params.datasets:q}/{wildcards.dataset}.yaml --data-root {params.data_root:q}"
        " --splits {input.splits:q} --output {output:q} > {log:q} 2>&1"
