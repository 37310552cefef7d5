#!/usr/bin/python3
"""How long the page of `pyrometer view` takes to open a large recording, beside speedscope and snakeviz, in the same headless browser.

    bench/page.py [--build FOLDER] [--nodes N] [--samples N] [--rounds N] [--limit SECONDS] [--samples-alone]

FOLDER (build) holds the program and the libraries that the recordings are written with (bench/make_profiles nodes, bench/large.c). Run it with a
Python that has Playwright (build/venv/bin/python). In each round every viewer (others than ours in the first two) opens the recording of a tree of N nodes in a browser of its own, in turn.
Open is from asking for the file to a picture on the screen; of speedscope, to the moment it names the profile in its title, which is a little before; of snakeviz, which
opens what pstats knows of it, to its first picture. snakeviz loads two scripts from a CDN: they are handed to it from npm, since the browser has no network (without them it
draws nothing). Who needs
longer than the limit is not asked again. Then our flame graph is zoomed and panned by the wheel, an event a frame; a frame is the time between two calls of
requestAnimationFrame, which is 16.7 ms at least. The CPU time of the page's main thread stands beside, since these times are those of the machine, too. At last `view` of a recording of N samples, in each round: writing the page, and
opening it; --samples-alone does this and nothing else."""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from large import write
from playwright.sync_api import CDPSession, Error, Page, Playwright, Route, sync_playwright

REPOSITORY = Path(__file__).resolve().parent.parent
SPEEDSCOPE = "1.25.0"
SNAKEVIZ = "2.2.2"
FROM_CDN = {"immutable": "3.8.1", "lodash": "4.17.4"}  # what its page asks for
PEER_ROUNDS = 2  # they take long, and differ little
FRAMES = """() => new Promise(done => {
  const canvas = document.querySelector('canvas.flame'), box = canvas.getBoundingClientRect(), times = [];
  let last = 0;
  const frame = now => {
    if (last) times.push(now - last);
    last = now;
    if (times.length === 200) return done(times);
    const [turn, half] = [times.length % 100 < 50, times.length < 100];
    const wheel = half ? {deltaY: turn ? -60 : 60, ctrlKey: true} : {deltaX: turn ? 40 : -40, deltaY: turn ? 4 : -4};
    canvas.dispatchEvent(new WheelEvent('wheel', {...wheel, cancelable: true, bubbles: true,
      clientX: box.left + box.width * 0.4, clientY: box.top + 200}));
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


def make(build: Path, folder: Path, nodes: int) -> None:
    """The recording, our page of it, and what speedscope opens."""
    recording = folder / "nodes.pyro"
    subprocess.run([REPOSITORY / "bench" / "make_profiles", "--build", build, "nodes", recording, str(nodes)], check=True)
    begin = time.perf_counter()
    subprocess.run([build / "pyrometer", "view", recording, "-o", folder / "page.html"], check=True, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - begin
    subprocess.run([build / "pyrometer", "export", recording, "-f", "speedscope", "-o", folder / "nodes.json"], check=True)
    sizes = {name: (folder / name).stat().st_size for name in ("nodes.pyro", "page.html", "nodes.json")}
    bare = (folder / "page.html").read_text(encoding="utf-8").rpartition('type="application/octet-stream">')[0]
    print(f"{nodes:,} nodes: recording {sizes['nodes.pyro'] / 1e6:.1f} MB; page {sizes['page.html'] / 1e6:.1f} MB, written in {took:.2f} s; "
          f"of speedscope {sizes['nodes.json'] / 1e6:.1f} MB; the page without data {len(bare) / 1e3:.0f} KB\n", flush=True)
    for package, version in {"speedscope": SPEEDSCOPE, **FROM_CDN}.items():
        (folder / package).mkdir()
        subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["tar", "-xzf", f"{package}-{version}.tgz", "-C", package, "--strip-components=1"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    subprocess.run([build / "pyrometer", "export", recording, "-f", "pstats", "-o", folder / "nodes.prof"], check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", f"snakeviz=={SNAKEVIZ}"], check=True)
    content = base64.b64encode((folder / "nodes.json").read_bytes()).decode()
    (folder / "nodes.js").write_text(f'speedscope.loadFileFromBase64("nodes.json", "{content}")')


def open_ours(page: Page, folder: Path, limit_ms: float) -> None:
    """Until it is drawn."""
    page.goto((folder / "page.html").as_uri() + "#view=flame", wait_until="commit")
    page.wait_for_selector("html[data-ready]", timeout=limit_ms)
    page.evaluate(PAINTED)


def open_speedscope(page: Page, folder: Path, limit_ms: float) -> None:
    """Until it has read the file; as its own command line opens one."""
    index = folder / "speedscope" / "dist" / "release" / "index.html"
    page.goto(f"{index.as_uri()}#localProfilePath={folder / 'nodes.js'}", wait_until="commit")
    page.wait_for_function("document.title.endsWith(' - speedscope')", timeout=limit_ms)


def hand_over(script: Path, route: Route) -> None:
    """In place of what a CDN has."""
    route.fulfill(path=script, content_type="text/javascript")


def open_snakeviz(page: Page, folder: Path, limit_ms: float) -> None:
    """Until there is a chart. Its server is another one each time."""
    for name, script in (("immutable", "dist/immutable.min.js"), ("lodash", "lodash.min.js")):
        page.route(f"**/{name}.min.js", partial(hand_over, folder / name / script))
    command = [folder / "venv" / "bin" / "python", "-u", "-m", "snakeviz", "-s", folder / "nodes.prof"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(line for line in server.stdout or [] if line.startswith("http"))
        page.goto(address.strip(), wait_until="commit", timeout=limit_ms)
        page.wait_for_function("document.querySelectorAll('#chart svg *').length > 1", timeout=limit_ms)
    finally:
        server.terminate()
        server.wait()


Opener = Callable[[Page, Path, float], None]
VIEWERS: dict[str, Opener] = {"pyrometer view": open_ours, "speedscope": open_speedscope, "snakeviz": open_snakeviz}


def busy_s(session: CDPSession) -> float:
    """CPU time of the page's main thread, whatever else the machine does."""
    return next(it["value"] for it in session.send("Performance.getMetrics")["metrics"] if it["name"] == "TaskDuration")


def seconds(playwright: Playwright, open_it: Opener, folder: Path, limit_s: float) -> tuple[float, list[float]]:
    """How long it took to open, and, of ours, how long each frame."""
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        begin = time.perf_counter()
        open_it(page, folder, limit_s * 1000)
        took, opening_s = time.perf_counter() - begin, busy_s(session)
        if open_it is not open_ours:
            return took, []
        frames = page.evaluate(FRAMES)
        drawing_ms = 1000 * (busy_s(session) - opening_s) / len(frames)
        print(f"  CPU time of the main thread: {opening_s:.2f} s to open, {drawing_ms:.1f} ms a frame", flush=True)
        return took, frames
    finally:
        browser.close()


def report_frames(frames: list[float]) -> None:
    """Of one run."""
    frames.sort()
    under = sum(frame < 33 for frame in frames)
    print(f"  frames of a zoom and a pan: median {frames[len(frames) // 2]:.1f} ms, 95 % under {frames[len(frames) * 95 // 100]:.1f} ms; {100 * under / len(frames):.1f} % under 33 ms", flush=True)


def compare(playwright: Playwright, folder: Path, rounds: int, limit_s: float) -> None:
    """All viewers in turn, and the table."""
    opened: dict[str, list[float]] = {name: [] for name in VIEWERS}
    gone: dict[str, str] = {}
    for turn in range(rounds):
        for viewer, open_it in VIEWERS.items():
            if viewer in gone or (open_it is not open_ours and turn >= PEER_ROUNDS):
                continue
            try:
                took, frames = seconds(playwright, open_it, folder, limit_s)
            except Error as error:  # a viewer that cannot open it is a result, too
                gone[viewer] = str(error).splitlines()[0]
                print(f"{viewer}: {gone[viewer]}", flush=True)
                continue
            opened[viewer].append(took)
            print(f"{viewer}: {took:.2f} s", flush=True)
            if frames:
                report_frames(frames)
    print("\n| viewer | opens in, s (median; least, most) | rounds |\n|---|---|---|")
    for viewer, times in opened.items():
        shown = f"{statistics.median(times):.2f} ({min(times):.2f}, {max(times):.2f})" if times else f"not in {limit_s:.0f} s"
        print(f"| {viewer} | {shown} | {len(times)} |")


def view_large(playwright: Playwright, build: Path, folder: Path, samples: int, rounds: int, limit_s: float) -> None:
    """From the command to the picture."""
    write(build, folder / "large.pyro", samples)
    both = []
    for _ in range(rounds):
        begin, used = time.perf_counter(), os.times()
        subprocess.run([build / "pyrometer", "view", folder / "large.pyro", "-o", folder / "page.html"], check=True, stderr=subprocess.DEVNULL)
        wrote, after = time.perf_counter() - begin, os.times()
        cpu = after.children_user + after.children_system - used.children_user - used.children_system
        size = (folder / "page.html").stat().st_size
        took, frames = seconds(playwright, open_ours, folder, limit_s)
        print(f"{samples:,} samples: {wrote:.2f} s ({cpu:.2f} s of CPU) to write the page ({size / 1e6:.1f} MB), {took:.2f} s to open it", flush=True)
        report_frames(frames)
        both.append(wrote + took)
    print(f"\nfrom the command to the picture: {statistics.median(both):.2f} s (median of {len(both)}; {min(both):.2f} to {max(both):.2f})", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build")
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=120)
    parser.add_argument("--samples-alone", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        if not arguments.samples_alone:
            make(arguments.build, folder, arguments.nodes)
            compare(playwright, folder, arguments.rounds, arguments.limit)
        view_large(playwright, arguments.build, folder, arguments.samples, arguments.rounds, arguments.limit)


if __name__ == "__main__":
    main()
