"""benchmarks/gpu.py, on the CPU: its parts here, all of it in processes of its own as `slow`."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CONFIGURATION = """
datasets: [roadscene]
experiments: {folder}/runs.tsv
results: not used
threads: 1
segmentation: false
detection: false
training: {{framework: fusion_only, epochs: 2, batch_size: 2, crop_px: 32, stage_one_max_epochs: 1}}
"""
RUNS = "run\tkind\tfusion_model\tseeds\naverage\tbaseline\taverage\t\nlite\ttrained\tlite\t0 1\n"


@pytest.fixture
def parts(monkeypatch):
    """The modules of the script, by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu_checks
    import gpu_rows

    return {"checks": gpu_checks, "rows": gpu_rows}


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_difference_above_its_limit_is_told(parts, tmp_path, monkeypatch):
    checks = parts["checks"]
    monkeypatch.setattr(
        checks, "check_networks", lambda *_: iter([("net", "fused image", 2e-5), ("net", "gradient", 0.0)])
    )
    monkeypatch.setattr(checks, "check_losses", lambda *_: iter([("loss", "loss", float("nan"))]))
    monkeypatch.setattr(checks, "check_metrics", lambda *_: iter([("en", "metric", 1e-7)]))
    assert checks.check_all(tmp_path, tiny=True) == 1
    assert [row["verdict"] for row in rows_of(tmp_path / "checks.csv")] == ["DIFFERENT", "equal", "DIFFERENT", "equal"]


def test_relative_differences_and_gradients_by_hand(parts):
    checks = parts["checks"]
    assert checks.relative(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0])) == pytest.approx(0.1)
    assert checks.relative(torch.tensor([0.5]), torch.tensor([0.0])) == 0.5
    given = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])]
    value, gradient = checks.value_and_gradient(lambda first, last: (first * last**2).sum(), given, torch.device("cpu"))
    assert float(value) == 59
    assert gradient.tolist() == [6, 20]


def test_rows_that_are_there_are_not_measured_again_and_a_failure_is_a_row(parts, tmp_path):
    def fail():
        raise RuntimeError("CUDA out of memory.\nmore")

    for repeat in range(2):
        table = parts["rows"].GrowingTable(tmp_path / "table.csv", ("name", "batch"), ("ms",))
        table.add(lambda ms=repeat: {"ms": ms}, name="lite", batch=1)
        table.add(fail, name="emma", batch=8)
        assert table.failed == 1 - repeat
    assert rows_of(tmp_path / "table.csv") == [
        {"name": "lite", "batch": "1", "ms": "0", "error": ""},
        {"name": "emma", "batch": "8", "ms": "", "error": "RuntimeError: CUDA out of memory."},
    ]


@pytest.mark.slow
def test_all_phases_run_on_a_cpu_and_go_on_where_they_were_stopped(tmp_path, pairs):
    (tmp_path / "runs.tsv").write_text(RUNS)
    configuration = tmp_path / "runs.yaml"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path))
    output = tmp_path / "out"

    def call(*words, minutes=5):
        given = ["--tiny", "--minutes", str(minutes), "--output", str(output), "--ladder", str(configuration)]
        command = [sys.executable, str(BENCHMARKS / "gpu.py"), *given, "--pairs", f"roadscene={pairs}", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert call("--phases", "checks,timings", minutes=0).returncode == 1
    stopped = call("--phases", "timings", minutes=0.1)
    assert (stopped.returncode, "stopped after 6 s" in stopped.stdout) == (1, True)
    done = call("--phases", "checks,timings,ladder", minutes=30)  # of which a slow machine takes four
    assert done.returncode == 0, done.stdout + "".join(path.read_text() for path in output.glob("*.log"))
    assert all(row["verdict"] == "equal" for row in rows_of(output / "checks.csv"))
    timings = rows_of(output / "timings.csv")
    assert not any(row["error"] for row in timings)
    assert {"fusing", "metrics", "stage I step", "stage II step"} == {row["part"] for row in timings}
    runs = output / "results/roadscene"
    for run in ("average", "lite_seed0", "lite_seed1"):
        assert (runs / run / "fusion_metrics.csv").is_file()
    model = (runs / "lite_seed0/model.safetensors").stat().st_mtime_ns
    (runs / "average/fusion_metrics.csv").unlink()
    assert call("--phases", "timings,ladder").returncode == 0
    assert (runs / "average/fusion_metrics.csv").is_file()
    assert (runs / "lite_seed0/model.safetensors").stat().st_mtime_ns == model
    assert rows_of(output / "timings.csv") == timings
    assert call("--phases", "shipping").returncode == 2
