"""Milliseconds from the request of a set's last score to the next set on the screen, on this machine, in Chromium.

A toy study is rated by key presses as fast as the page takes them; the log is synced to the disk of --folder.

    python -m benchmarks.rating
    python -m benchmarks.rating --side 512 --sets 60
"""

from __future__ import annotations

import platform
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads

# Runs before the page: notes when a score is sent, and when the picture of another place has been drawn after it.
WATCH = """
window.waits = [];
let sent = 0;
const plain = window.fetch;
window.fetch = (path, ...rest) => { if (`${path}`.includes("rate/score")) sent = performance.now(); return plain(path, ...rest); };
new MutationObserver((changes) => {
  if (sent && changes.some((change) => change.attributeName === "data-place")) {
    requestAnimationFrame(() => setTimeout(() => { window.waits.push(performance.now() - sent); sent = 0; }));
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-place"] });
"""


def rate_all(page: Any, sets: int) -> list[float]:
    """Rate a study of `sets` text-only sets by keys; return the waits for the next set in ms, one a set but the last."""
    page.click("text=Begin without training")
    for place in range(sets):
        page.wait_for_selector(f'.desk[data-place="{place}"][data-ready="true"]')
        for key in "1234":
            page.keyboard.press(key)
    page.wait_for_selector('.desk[data-place="end"]')
    return page.evaluate("window.waits")[: sets - 1]


def processor() -> str:
    """Return the processor's name and the number of cores."""
    import os

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--sets", type=int, default=30, help="sets to rate (default 30)")
    parser.add_argument("--side", type=int, nargs="+", default=[64, 512], help="sides of the images (default 64 512)")
    parser.add_argument("--folder", type=Path, help="where the log is written (default: the temporary folder)")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    chromium = shutil.which("chromium")
    if chromium is None:
        raise InputError("no chromium on this machine; install Debian's package chromium")

    from playwright.sync_api import sync_playwright

    from tests.helpers.rating_toy import Server, write_study

    print(f"{processor()}, Python {platform.python_version()}")
    for side in args.side:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder, sync_playwright() as driver:
            server = Server(write_study(Path(folder), args.sets, side, ("ann",), kinds=("text",)))
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            try:
                page = browser.new_page(viewport={"width": 1920, "height": 1080})
                page.add_init_script(WATCH)
                page.goto(server.url("ann"))
                waits = sorted(rate_all(page, args.sets))
            finally:
                browser.close()
                server.stop()
        late = waits[int(0.95 * len(waits))]
        print(f"{side:>5} px  median {statistics.median(waits):.0f} ms, 95 % {late:.0f} ms, longest {waits[-1]:.0f} ms")


if __name__ == "__main__":
    run(main)
