"""How fast a report of 361 test pairs and ten methods is made, opens, scrolls and answers, in a headless Chromium.

Everything is made in a temporary folder: a few distinct pictures of 640×480 stand for all pairs and methods (as hard
links), but the report holds a file of its own for each, as for real ones.

    python benchmarks/report.py --pairs 361 --runs 10
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.report.page.site import make_page
from ssvif.report.pictures import PictureSource
from ssvif.report.runs import RunLabel
from ssvif.report.tables import make_tables

DISTINCT = 24
METRICS = ("en", "mi", "vif", "qabf", "ssim", "ssim255", "ms_ssim", "ms_ssim255", "delta_e76", "delta_e2000")
BUDGET_MS = 2000
CLASSES = ("background", "car", "person", "bike")
OBSERVE = """
window.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((each) => each.duration)))
  .observe({ type: "longtask", buffered: true });
"""
# every thumbnail in the window is there and decoded
SEEN = """async () => {
  const inside = [...document.images].filter((image) => {
    const { top, bottom, width } = image.getBoundingClientRect();
    return width && bottom > 0 && top < innerHeight;
  });
  await Promise.all(inside.map((image) => image.decode()));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [inside.length, performance.now()];
}"""
SCROLL = """async (px) => {
  const frames = [];
  let last = performance.now();
  while (scrollY + innerHeight < document.documentElement.scrollHeight - 1 && frames.length < 600) {
    scrollBy(0, px);
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""
# from a change of the state to the frame that shows it
ANSWER = """async (changes) => {
  const start = performance.now();
  SSVIF.set({ ...changes, ...(changes.shown ? { shown: new Set(changes.shown) } : {}) });
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await Promise.all([...document.querySelectorAll("#stage img")].map((image) => image.decode()));
  return performance.now() - start;
}"""


def main() -> None:
    """Print what making the report costs, and what one waits for when looking at it."""
    arguments = _parse()
    with tempfile.TemporaryDirectory(prefix="ssvif-report-") as text:
        root = Path(text)
        page = _timed("made in", lambda: _make_report(root, arguments))
        for folder in ("pictures", "thumbnails", "data"):
            paths = [path for path in (page.parent / folder).rglob("*") if path.is_file()]
            print(f"{folder:24} {sum(path.stat().st_size for path in paths) / 2**20:9.1f} MiB in {len(paths)} files")
        chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name in ("gallery_made.html", "index.html"):
                _measure_opening(browser, f"{page.parent.as_uri()}/{name}", name, arguments.repeats)
            _measure_looking(browser, f"{page.parent.as_uri()}/gallery_made.html")
            browser.close()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=361)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def _timed(what: str, work: Callable[[], Path]) -> Path:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    found = work()
    print(f"{what:24} {time.perf_counter() - wall_s:9.1f} s, {time.process_time() - cpu_s:.1f} s of CPU")
    return found


def _make_report(root: Path, arguments: argparse.Namespace) -> Path:
    names = [f"{number:05d}{'DN'[number % 2]}" for number in range(arguments.pairs)]
    labels = [RunLabel(f"method_{number}", f"Method {number}") for number in range(arguments.runs)]
    made = _make_pictures(root / "made", arguments.width, arguments.height)
    _link(made, root / "data/vi", names, 0)
    _link(made, root / "data/ir", names, 5)
    _link(_make_labels(root / "labels", arguments.width, arguments.height), root / "data/label", names, 0)
    results = root / "results/made"
    for number, run in enumerate(labels):
        _link(made, results / run.name / "fused/test", names, 7 + number)
        _link(sorted((root / "labels").iterdir()), results / run.name / "segmentation/predictions", names, number)
        _write_scores(results / run.name, names, number)
    rows = [("test", name, f"vi/{name}.png", f"ir/{name}.png", f"label/{name}.png", "") for name in names]
    _write(root / "splits.csv", ("split", "pair_id", "visible", "infrared", "label", "boxes"), rows)
    classes = tuple(ClassInfo(place, name, (40 * place, 200 - 50 * place, 90)) for place, name in enumerate(CLASSES))
    layouts = (Layout("vi/{name}", "ir/{name}", "label/{name}"),)
    kind = Descriptor("made", "Made", "made", layouts, classes=classes, background_id=0, detection_classes=CLASSES[1:])
    source = PictureSource(descriptor=kind, splits=root / "splits.csv", root=root / "data")
    make_tables(root / "results", root / "tables", {"made": labels})
    start = time.perf_counter()
    page = make_page(root / "results", root / "tables", root / "page", {"made": labels}, sources={"made": source})
    print(f"{'ssvif report':24} {time.perf_counter() - start:9.1f} s")
    return page


def _make_pictures(folder: Path, width: int, height: int) -> list[Path]:
    """Write smooth color fields with some grain: they compress about like photographs at dusk."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(DISTINCT):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = generator.normal(0, 5, (height, width, 1)).astype(np.int16)
        picture = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number:02d}.png", compress_level=1)
    return sorted(folder.iterdir())


def _make_labels(folder: Path, width: int, height: int) -> list[Path]:
    generator = np.random.default_rng(1)
    folder.mkdir(parents=True)
    for number in range(DISTINCT):
        coarse = Image.fromarray(generator.integers(0, len(CLASSES), (6, 8), np.uint8))
        coarse.resize((width, height), Image.Resampling.NEAREST).save(folder / f"{number:02d}.png")
    return sorted(folder.iterdir())


def _link(made: list[Path], folder: Path, names: list[str], offset: int) -> None:
    folder.mkdir(parents=True)
    for place, name in enumerate(names):
        os.link(made[(place + offset) % len(made)], folder / f"{name}.png")


def _write_scores(folder: Path, names: list[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    columns = ("dataset", "run", "pair_id", "metric", "value")
    rows = [("made", folder.name, name, metric, generator.normal(1, 0.2)) for metric in METRICS for name in names]
    _write(folder / "fusion_metrics.csv", columns, rows)
    boxes = [
        (name, CLASSES[1 + place % 3], 0.5, *np.round(generator.uniform(0, 200, 2), 1), 300.0, 250.0)
        for name in names
        for place in range(5)
    ]
    _write(
        folder / "detection/boxes.csv",
        ("pair_id", "class", "confidence", "x_min_px", "y_min_px", "x_max_px", "y_max_px"),
        boxes,
    )


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)


def _open(browser: Browser, address: str) -> tuple[Page, list[float]]:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(OBSERVE)
    page.goto(address, wait_until="load")
    return page, page.evaluate(SEEN)


def _measure_opening(browser: Browser, address: str, name: str, repeats: int) -> None:
    ready, seen, tasks = [], [], []
    for _ in range(repeats):
        page, (count, shown_ms) = _open(browser, address)
        ready.append(page.evaluate("performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart"))
        seen.append(shown_ms)
        tasks.append(max(page.evaluate("longTasks"), default=0.0))
        page.context.close()
    verdict = "within" if statistics.median(seen) <= BUDGET_MS else "above"
    print(f"{name:24} {statistics.median(ready):9.0f} ms until its scripts have run and it answers")
    print(f"{'':24} {statistics.median(seen):9.0f} ms until the {count:.0f} pictures in the window are there: ", end="")
    print(f"{verdict} {BUDGET_MS} (slowest {max(seen):.0f}; longest task {statistics.median(tasks):.0f})")


def _measure_looking(browser: Browser, address: str) -> None:
    page, _ = _open(browser, address)
    page.evaluate("longTasks.length = 0")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before = _own_work_s(session)
    frames = page.evaluate(SCROLL, 120)
    own_ms = 1000 * (_own_work_s(session) - before) / len(frames)
    late = sum(frame > 50 for frame in frames)
    quantiles = statistics.quantiles(frames, n=20)
    print(f"{'scrolling':24} {statistics.median(frames):9.1f} ms a frame, 95 % within {quantiles[-1]:.1f}, ", end="")
    print(f"{late} of {len(frames)} above 50; {len(page.evaluate('longTasks'))} tasks above 50 ms")
    print(f"{'':24} {own_ms:9.1f} ms a frame of scripts, style and layout, the rest is decoding and painting")
    page.evaluate("scrollTo(0, 0)")
    steps: dict[str, dict[str, Any]] = {
        "order by a score": {"order": 2},
        "another metric": {"metric": 0},
        "filter": {"filter": "00D"},
        "filter off": {"filter": ""},
        "segmentation on": {"segmentation": True},
        "boxes on": {"boxes": True},
        "five methods": {"shown": [0, 1, 2, 3, 4]},
        "all methods": {"shown": list(range(12))},
        "open a pair, 12 pictures": {"open": 3},
        "next pair": {"open": 4},
        "zoom": {"zoom": 4, "x": -1, "y": -1},
        "slider": {"slider": True},
    }
    for name, changes in steps.items():
        print(f"{name:24} {page.evaluate(ANSWER, changes):9.0f} ms")


def _own_work_s(session: CDPSession) -> float:
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return sum(found[f"{name}Duration"] for name in ("Script", "RecalcStyle", "Layout"))


if __name__ == "__main__":
    main()
