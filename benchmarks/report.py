"""How fast a report of 361 test pairs and ten methods is made, opens, scrolls and answers, in a headless Chromium.

Everything is made in a temporary folder: a few distinct pictures of 640×480 stand for all pairs and methods (as hard
links), but the report holds a file of its own for each, as for real ones.

    python benchmarks/report.py --pairs 361 --runs 10
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import find_chromium
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from report_files import folder_mib, make_report, make_results

BUDGET_MS = 2000
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
        runs = make_results(root, arguments.pairs, arguments.runs, arguments.width, arguments.height)
        page = _timed("made in", lambda: make_report(root, runs))
        for folder in ("pictures", "thumbnails", "data"):
            print("{:24} {:9.1f} MiB in {} files".format(folder, *folder_mib(page.parent / folder)))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=find_chromium() or None, args=["--no-sandbox"])
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


def open_page(browser: Browser, address: str) -> tuple[Page, list[float]]:
    """Return a page, and how many pictures its window of 1440×900 shows and when they were all there, in ms."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(OBSERVE)
    page.goto(address, wait_until="load")
    return page, page.evaluate(SEEN)


def _measure_opening(browser: Browser, address: str, name: str, repeats: int) -> None:
    ready, seen, tasks = [], [], []
    for _ in range(repeats):
        page, (count, shown_ms) = open_page(browser, address)
        ready.append(page.evaluate("performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart"))
        seen.append(shown_ms)
        tasks.append(max(page.evaluate("longTasks"), default=0.0))
        page.context.close()
    verdict = "within" if statistics.median(seen) <= BUDGET_MS else "above"
    print(f"{name:24} {statistics.median(ready):9.0f} ms until its scripts have run and it answers")
    print(f"{'':24} {statistics.median(seen):9.0f} ms until the {count:.0f} pictures in the window are there: ", end="")
    print(f"{verdict} {BUDGET_MS} (slowest {max(seen):.0f}; longest task {statistics.median(tasks):.0f})")


def _measure_looking(browser: Browser, address: str) -> None:
    page, _ = open_page(browser, address)
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
