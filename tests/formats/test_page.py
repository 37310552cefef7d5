"""The page of `pyrometer view`, in a real browser (headless Chromium): what it shows is what was recorded, and nothing gets out."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from busy import HOSTILE
from format_helpers import Export, function_named, head_of, unpacked

from pythons import REPOSITORY

pytestmark = pytest.mark.beside

NODES, DEPTH = 1_000_000, 20_000
PAGE_BYTES = 250_000


@pytest.fixture(scope="module")
def page_file(export: Export) -> Path:
    return export("html", "busy.html")


Show = Callable[..., object]


@pytest.fixture
def show(browser) -> Iterator[Show]:
    """show(FILE, FRAGMENT): the page, open. Errors, dialogs and requests of any page fail the test."""
    wrong: list[str] = []
    opened = []

    def open_page(file: Path, fragment: str = "", **options: object):
        page = browser.new_page(viewport={"width": 1280, "height": 800}, **options)
        opened.append(page)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(file.as_uri()) else None)
        page.goto(f"{file.as_uri()}#{fragment}")
        page.wait_for_selector("html[data-ready]", timeout=60000)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert wrong == []


def status(page) -> str:
    return page.locator(".status").text_content()


def address_has(page, text: str, there: bool = True) -> None:
    """Wait until TEXT is in the address of PAGE, or not: Playwright hears of it a moment after the page."""
    page.wait_for_url(lambda url: (text in url) == there, timeout=10000)


def seconds(text: str) -> float:
    """What the page writes as time, in seconds."""
    number, unit = re.match(r"([\d.]+) (s|ms|µs)", text).groups()
    return float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit]


# ---- the file ----


def test_the_page_is_small_and_refers_to_nothing(page_file: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    data = text.rpartition('type="application/octet-stream">')[2]
    assert len(text) - len(data) < PAGE_BYTES
    assert "default-src 'none'" in text and "unsafe" not in text
    assert not re.search(r"\b(?:href|src)=[\"']?(?!#)\w", text.replace(data, "").partition("<script type")[0])
    program = unpacked(text.partition('id="program" type="application/octet-stream">')[2].partition("<")[0]).decode()
    assert not re.search(r"https?://", text + program) and ".innerHTML" not in program


def test_nothing_of_the_recording_is_markup(page_file: Path) -> None:
    assert "alert(1)" not in page_file.read_text(encoding="utf-8")
    assert HOSTILE in head_of(page_file)["strings"]


def test_view_says_where_the_page_is_and_does_not_wait(pyrometer: Path, recording: Path, tmp_path: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_TTY", "SUDO_UID", "SUDO_GID")}
    plain["TMPDIR"] = str(tmp_path)
    asked = tmp_path / "asked"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\nprintf '%s' \"$1\" >{asked}.new\nmv {asked}.new {asked}\necho $$ >{tmp_path}/pid\nexec sleep 60\n")
    browser.chmod(0o755)

    def view(*arguments: str | Path, **environment: str) -> str:
        made = subprocess.run(
            [pyrometer, "view", recording, *arguments], env=plain | environment, capture_output=True, text=True, timeout=50, check=True
        )
        assert made.stdout == ""
        return made.stderr

    said = view()
    path = Path(re.search(r"wrote (\S+\.html) ", said)[1])
    assert path.parent == tmp_path and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "scp me@10.0.0.7:" in view(SSH_CONNECTION="10.0.0.9 51000 10.0.0.7 22", USER="me", DISPLAY=":0", BROWSER=str(browser))
    assert not asked.exists()
    view("--no-open", DISPLAY=":0", BROWSER=str(browser))
    view("-o", tmp_path / "there.html", DISPLAY=":0", BROWSER=str(browser))
    assert not asked.exists() and (tmp_path / "there.html").exists()
    opened = re.search(r"opened (\S+\.html) ", view(DISPLAY=":0", BROWSER=str(browser)))[1]
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.02)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert asked.read_text() == opened


def test_it_opens_whatever_is_said_of_it(browser, page_file: Path) -> None:
    """A server may name another encoding; what is in between may know line ends, ends of files and escapes."""
    text = page_file.read_bytes().decode()
    for part in text.split('type="application/octet-stream">')[1:]:
        assert not set(part.lstrip("\n").partition("<")[0]) & set("\0\b\t\n\v\f\r\x1a\x1b &\\\x7f")
    page = browser.new_page()
    page.route("**", lambda route: route.fulfill(body=page_file.read_bytes(), content_type="text/html; charset=iso-8859-1"))
    page.goto("http://pyrometer.invalid/page.html")
    page.wait_for_selector("html[data-ready]", timeout=60000)
    page.close()


@pytest.mark.parametrize("within", ["program", "data"])
def test_a_page_that_was_cut_short_says_so(browser, page_file: Path, tmp_path: Path, within: str) -> None:
    text = page_file.read_text(encoding="utf-8")
    cut = tmp_path / "cut.html"
    cut.write_text(text[: text.index(f'id="{within}"') + 1000], encoding="utf-8")
    page = browser.new_page()
    page.goto(cut.as_uri())
    page.get_by_text("The file may be cut short").wait_for()
    page.close()


def test_a_bad_file_is_one_clear_line(pyrometer: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pyro"
    bad.write_bytes(b"PYRO nonsense")
    made = subprocess.run([pyrometer, "view", bad, "-o", tmp_path / "x.html"], capture_output=True, text=True, check=False)
    assert made.returncode == 4 and made.stderr.count("\n") == 1 and not (tmp_path / "x.html").exists()


# ---- what it shows ----


def test_the_summary_is_that_of_the_recording(show: Show, page_file: Path, stats: dict) -> None:
    page = show(page_file)
    assert page.title().startswith("busy.py")
    assert "Memory was tracked" not in page.locator(".split").text_content()
    assert "% Python" in page.locator(".headline").text_content()
    shown = page.locator(".top").first.locator("tbody tr")
    times = {row.locator(".name button").text_content(): row.locator(".barred").text_content() for row in shown.all()}
    known = [row["name"] for row in stats["functions"]]
    for name, shown_time in times.items():
        if known.count(name) == 1:
            assert seconds(shown_time) == pytest.approx(function_named(stats, name)["tottime_s"], rel=0.02, abs=2e-6)
    assert "down" in times and HOSTILE in times
    assert f"{stats['recording']['samples']:,}".replace(",", " ") in page.locator(".quality").text_content()


def test_the_table_is_that_of_stats(show: Show, page_file: Path, stats: dict) -> None:
    page = show(page_file, "view=table&sort=self")
    rows = page.locator(".functions tbody tr").all()
    sampled = [row for row in stats["functions"] if row["cumtime_s"] > 0]
    assert page.locator("p.notes").text_content().startswith(f"{len(rows)} of {len(sampled)} functions")
    table = [[cell.text_content() for cell in row.locator("td").all()] for row in rows]
    tottimes = [float(cells[1].lstrip("~<")) for cells in table]
    assert tottimes == sorted(tottimes, reverse=True)
    for name in ("down", "main", "hostile_spin"):
        cells = next(cells for cells in table if cells[5].startswith(name + "  "))
        row = function_named(stats, name)
        assert float(cells[1].lstrip("~<")) == pytest.approx(row["tottime_s"], abs=0.0011)
        assert float(cells[3].lstrip("~<")) == pytest.approx(row["cumtime_s"], abs=0.0011)
    page.get_by_role("button", name="cumtime").click()
    assert page.locator("th[aria-sort=descending]").text_content().startswith("cumtime")


def test_callers_and_callees_are_those_of_stats(show: Show, page_file: Path, stats: dict) -> None:
    page = show(page_file, "view=table")
    page.locator(".functions tbody tr", has_text="down").first.click()
    edges = {row.locator("td").nth(0).text_content(): seconds(row.locator("td").nth(2).text_content()) for row in page.locator("#callers tbody tr").all()}
    expected = {edge["name"]: edge["time_s"] for edge in function_named(stats, "down")["callers"]}
    assert edges.keys() == expected.keys() and "main" in edges and "down" in edges
    for name, shown in edges.items():
        assert shown == pytest.approx(expected[name], rel=0.01)


def test_the_source_has_its_lines(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=table")
    page.locator(".functions tbody tr", has_text="down").first.click()
    page.keyboard.press("s")
    line = page.locator(".lines tr", has_text="while time.perf_counter() < end:").first
    assert "warm" in line.get_attribute("class")
    assert seconds(line.locator(".barred").text_content()) > 0


def test_of_a_library_only_what_ran_is_shown(pyrometer: Path, tmp_path: Path) -> None:
    """What it imports is kept for findings, and would be a third of all source in the page."""
    library = tmp_path / "site-packages" / "busybody.py"
    library.parent.mkdir()
    library.write_text(
        "from time import perf_counter as clock\n\nif clock() < 0:\n    from sys import flags\n\n\n"
        "def work(until):\n    while clock() < until:\n        pass\n"
    )
    program = tmp_path / "program.py"
    program.write_text("import sys\nsys.path.insert(0, 'site-packages')\nfrom busybody import clock, work\nwork(clock() + 1.5)\n")
    recording, page = tmp_path / "x.pyro", tmp_path / "x.html"
    subprocess.run([pyrometer, "run", "-o", recording, "--", sys.executable, program], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([pyrometer, "view", recording, "-o", page], check=True)
    strings = head_of(page)["strings"]
    assert "    while clock() < until:" in strings and "import sys" in strings
    assert "from sys import flags" not in strings


def test_the_flame_graph_zooms_and_goes_back(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=flame")
    page.keyboard.press("ArrowDown")
    assert re.match(r".+: [\d.]+ m?s, [\d.]+ % of the time", status(page))
    page.keyboard.press("Enter")
    assert status(page).startswith("zoomed into")
    address_has(page, "zoom=")
    page.keyboard.press("Escape")
    address_has(page, "zoom=", there=False)
    page.go_back()
    address_has(page, "zoom=")
    page.keyboard.press("r")
    box = page.locator("canvas.flame").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 30)
    assert "% of all" in page.locator(".tip").text_content()
    page.mouse.dblclick(box["x"] + 40, box["y"] + 30)
    address_has(page, "zoom=")
    page.keyboard.press("f")
    assert page.locator("canvas.flame").count() == 2


def test_libraries_are_folded_into_their_callers(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=flame")

    def outermost() -> set[str]:
        """What no other box is above, walked through by the keyboard; at the end Right does nothing."""
        page.keyboard.press("ArrowDown")
        said = [status(page)]
        page.keyboard.press("ArrowRight")
        while (text := status(page)) != said[-1]:
            said.append(text)
            page.keyboard.press("ArrowRight")
        return {text.partition(": ")[0] for text in said}

    shown = outermost()
    assert "Thread._bootstrap" in shown and "down" not in shown
    page.keyboard.press("l")
    assert page.get_by_role("button", name="fold libraries").get_attribute("aria-pressed") == "true"
    address_has(page, "libraries=folded")
    folded = outermost()
    assert "down" in folded and "Thread._bootstrap" not in folded
    page.get_by_role("button", name="fold libraries").click()
    assert outermost() == shown


TURNS = """
import time

def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass

def short():
    spin(0.1)

def long():
    spin(0.4)

for turn in (short, long, short):
    turn()
time.sleep(0.3)
"""


@pytest.mark.alone  # which function has more of the samples, and when, is not the program's to say where it has no CPU
def test_boxes_in_the_order_of_time(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    script, recorded, file = tmp_path / "turns.py", tmp_path / "turns.pyro", tmp_path / "turns.html"
    script.write_text(TURNS)
    command = [pyrometer, "run", "-r", "1000", "-o", recorded, "--", sys.executable, "-E", script]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    subprocess.run([pyrometer, "view", recorded, "-o", file], check=True, timeout=60)
    page = show(file, "view=flame&search=short|long")

    def turns() -> list[str]:
        """From left to right."""
        return [row["function"] for row in table_of(saved(page, "CSV")) if row["function"] in ("short", "long")]

    assert turns() == ["long", "short"]
    page.get_by_label("order").select_option("time")
    address_has(page, "order=time")
    assert turns() == ["short", "long", "short"]
    assert "of main" in page.locator(".flame-view .notes").text_content().lower()
    page.locator("canvas.flame").press("o")
    address_has(page, "order=time", there=False)
    assert turns() == ["long", "short"]


def test_recursion_is_collapsed_and_frames_are_hidden(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=flame")

    def boxes() -> int:
        """Of down(), which calls itself 60 times in one thread and 5 times in the other."""
        return [row["function"] for row in table_of(saved(page, "CSV"))].count("down")

    assert boxes() >= 61 + 6
    page.keyboard.press("k")
    address_has(page, "recursion=collapsed")
    assert boxes() == 2
    page.keyboard.press("k")
    address_has(page, "recursion=collapsed", there=False)
    fn = chosen_function(page)  # down, which has the most time of its own
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    address_has(page, f"hidden={fn}")
    assert boxes() == 0
    page.get_by_role("button", name="hidden: down").click()
    address_has(page, "hidden=", there=False)
    assert boxes() >= 61 + 6


def saved(page, name: str) -> Path:
    """What the button NAME hands out."""
    with page.expect_download() as download:
        page.get_by_role("group", name="Save or copy what is shown").get_by_role("button", name=name).click()
    page.locator(".status", has_text=re.compile("^saved ")).wait_for(state="attached")  # its policy lets no function be looked at again
    assert download.value.suggested_filename.endswith(f".{name.lower()}")
    return Path(download.value.path())


def table_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(keepends=True)))


def test_what_is_shown_is_saved_as_a_table(show: Show, page_file: Path, stats: dict) -> None:
    page = show(page_file, "view=table")
    rows = {row["function"]: row for row in table_of(saved(page, "CSV"))}
    for name in ("down", "hostile_spin", HOSTILE):
        row = function_named(stats, name)
        found = rows[name if name == HOSTILE else row["name"]]
        assert (float(found["tottime_s"]), float(found["cumtime_s"])) == pytest.approx((row["tottime_s"], row["cumtime_s"]), abs=1e-5)
    page = show(page_file, "view=flame&color=waiting")
    root, *below = table_of(saved(page, "CSV"))
    totals = stats["totals"]
    assert float(root["total_s"]) == pytest.approx(totals["total_s"], rel=1e-4)
    assert float(root["waiting_s"]) == pytest.approx(totals["waiting_s"] + totals["gil_wait_s"], rel=1e-3)
    assert sum(float(row["self_s"]) for row in [root, *below]) == pytest.approx(totals["total_s"], rel=1e-4)


def test_what_is_shown_is_saved_as_a_picture(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=flame")
    svg = ElementTree.fromstring(saved(page, "SVG").read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    names = [title.text for title in svg.iter(f"{space}title")]
    assert names[0].startswith("busy.py") and "down" in names and HOSTILE in names
    assert not list(svg.iter(f"{space}script")) and len(list(svg.iter(f"{space}rect"))) == len(names) + 1
    for view, wide in (("flame", 500), ("timeline", 500), (f"flame&focus={chosen_function(page)}", 500)):
        picture = saved(show(page_file, f"view={view}"), "PNG").read_bytes()
        width, height = struct.unpack(">II", picture[16:24])
        assert picture.startswith(b"\x89PNG") and width > wide and height > 20


def chosen_function(page) -> int:
    """The number of the function that the page begins with."""
    page.keyboard.press("f")
    address_has(page, "focus=")
    return int(re.search(r"focus=(\d+)", page.url)[1])


def test_search_shows_the_share(show: Show, page_file: Path, stats: dict) -> None:
    page = show(page_file, "view=flame")
    page.keyboard.press("/")
    page.keyboard.type("^hostile_sp.n")
    page.locator("#found", has_text="1 function").wait_for()  # all of it is typed
    shown = float(re.search(r"([\d.]+) %", page.locator(".notes .found").text_content())[1])
    row = function_named(stats, "hostile_spin")
    assert shown == pytest.approx(100 * row["cumtime_s"] / stats["totals"]["total_s"], abs=0.2)
    assert page.locator("#found").text_content() == "1 function"
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    page.keyboard.press("/")
    page.keyboard.type("(")
    page.locator("#found", has_text="not a regular expression").wait_for()


def test_a_range_of_the_timeline_rules_every_view(show: Show, page_file: Path) -> None:
    """busy.py sleeps at its end: what is chosen there is main alone, and nothing of down."""
    page = show(page_file, "view=timeline")
    box = page.locator("canvas.timeline").bounding_box()
    duration = float(page.get_by_label("range to, in seconds").input_value())
    right = box["x"] + box["width"] - 14
    page.mouse.move(right - 0.1 * box["width"] * 0.7 / duration, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(right, box["y"] + 40, steps=4)
    page.mouse.up()
    address_has(page, "from=")
    assert page.locator(".chip").count() == 1
    page.keyboard.press("3")
    names = [cell.text_content() for cell in page.locator(".functions td.name").all()]
    assert any(name.startswith("main  ") for name in names) and not any(name.startswith("down  ") for name in names)
    page.locator(".chip").click()
    assert any(cell.text_content().startswith("down  ") for cell in page.locator(".functions td.name").all())


def test_clocks_answer_as_stats_does(show: Show, page_file: Path, pyrometer: Path, recording: Path) -> None:
    made = subprocess.run([pyrometer, "stats", recording, "--json", "--clock", "cpu"], capture_output=True, check=True)
    row = function_named(json.loads(made.stdout), "main")
    page = show(page_file, "view=table")
    page.keyboard.press("c")
    address_has(page, "clock=cpu")
    cells = page.locator(".functions tbody tr", has_text=re.compile(r"main\s+\S*busy\.py")).first.locator("td").all()
    assert float(cells[3].text_content()) == pytest.approx(row["cumtime_s"], abs=0.0011)


def test_help_and_dark(show: Show, page_file: Path) -> None:
    page = show(page_file, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    dark = page.evaluate(background)
    assert dark != light
    assert show(page_file, color_scheme="dark").evaluate(background) == dark


def test_a_made_up_address_does_no_harm(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=__proto__&fn=99999999&from=5&to=2&zoom=-1&thread=1e9&sort=x&file=77777&clock=<b>&search=%5B&theme=x")
    assert page.locator(".summary-view").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_in_the_way_of_assistive_technology(show: Show, page_file: Path, axe: str, theme: str) -> None:
    page = show(page_file, color_scheme=theme)
    for key in "12345":
        page.keyboard.press(key)
        # the page's policy lets no script in: the debugger's evaluation is not under it
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [(key, it["id"], it["nodes"][0]["html"][:200]) for it in found] == []


def test_a_prof_file_is_labelled_an_estimate(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.prof"
    script = "import json\ndef inner():\n    for i in range(3000):\n        json.dumps({'a': i})\ndef outer():\n    return inner(), inner()\nouter()"
    subprocess.run([sys.executable, "-c", f"import cProfile; cProfile.run({script!r}, {str(made)!r})"], check=True)
    file = tmp_path / "prof.html"
    subprocess.run([pyrometer, "view", made, "-o", file], check=True)
    page = show(file, "view=flame")
    assert "estimated from caller edges" in page.locator(".notes").text_content()
    page.keyboard.press("3")
    row = page.locator(".functions tr", has_text="dumps").first
    assert row.locator("td").first.text_content() == "6 000"
    row.click()
    assert page.locator("#callers tbody tr", has_text="inner").locator("td").nth(1).text_content() == "6 000"


def test_a_baseline_shows_what_moved(show: Show, pyrometer: Path, tmp_path: Path, axe: str) -> None:
    for name, rounds in (("before", 6), ("after", 2)):
        script = f"import time\ndef gone():\n    time.sleep(0.2)\ndef new():\n    time.sleep(0.2)\ndef work():\n    for _ in range({rounds}):\n        time.sleep(0.05)\nwork()\n{'gone' if name == 'before' else 'new'}()\n"
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text(script)
        subprocess.run([pyrometer, "run", "--python", sys.executable, "-o", tmp_path / f"{name}.pyro", tmp_path / name / "app.py"], check=True, cwd=tmp_path / name)
    file = tmp_path / "difference.html"
    subprocess.run([pyrometer, "view", tmp_path / "after.pyro", "--baseline", tmp_path / "before.pyro", "-o", file], check=True)
    page = show(file, permissions=CLIPBOARD)
    page.keyboard.press("6")
    rows = [[cell.text_content() for cell in row.locator("td").all()] for row in page.locator(".moves tbody tr").all()]
    words = {cells[8].split("  ")[0]: cells[0] for cells in rows}
    assert words["gone"] == "gone" and words["new"] == "new"
    came = [cells[0] != "" for cells in rows]
    assert any(came[:2]) and "work" not in [cells[8].split("  ")[0] for cells in rows[: came.index(False)]]  # these first
    both = [cells for cells in rows if cells[1] != "0" and cells[2] != "0"]
    assert both
    for cells in both:
        assert float(cells[4].lstrip("× ")) == pytest.approx(seconds(cells[2]) / seconds(cells[1]), rel=0.02, abs=0.006)
    assert all(cells[4] == "" for cells in rows if cells not in both)
    assert re.search(r"× 0\.\d\d", page.locator(".difference-view .headline").text_content())
    boxes = fills(page)
    page.get_by_role("button", name="before").click()
    address_has(page, "widths=before")
    boxes |= fills(page)
    less = next(fill for name, fill in boxes.items() if name.startswith("gone  −"))
    more = next(fill for name, fill in boxes.items() if name.startswith("new  +"))
    assert less != more  # and the sign says it too
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(it["id"], it["nodes"][0]["html"][:200]) for it in found] == []
    page.keyboard.press("y")
    text = clipboard(page)
    assert "| gone | `gone` |" in text and "before | after |" in text
    page.keyboard.press("/")
    page.keyboard.type("^work")
    page.locator(".moves:not(:has(tbody tr + tr))").wait_for()
    assert page.locator(".moves tbody td").first.text_content() == ""
    assert page.locator(".moves tbody td").nth(5).text_content().lstrip("~").startswith("−")


MEMBERS = """
def slow(among, wanted):
    return sum(1 for it in wanted if it in among)

numbers = list(range(3000))
for turn in range(40):
    slow({kind}(numbers), numbers)
"""


def test_findings_that_are_gone_are_said_to_be(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    """A membership test in a list, and the same in a set."""
    recorded = {}
    for kind in ("list", "set"):
        (tmp_path / kind).mkdir()
        script = tmp_path / kind / "app.py"
        script.write_text(MEMBERS.replace("{kind}", kind))
        recorded[kind] = tmp_path / f"{kind}.pyro"
        subprocess.run([pyrometer, "run", "-r", "1000", "--python", sys.executable, "-o", recorded[kind], script], check=True, capture_output=True)
    for after, before, word in (("set", "list", "gone"), ("list", "set", "new"), ("list", "list", "still")):
        file = tmp_path / f"{after}-{before}.html"
        subprocess.run([pyrometer, "view", recorded[after], "--baseline", recorded[before], "-o", file], check=True)
        said = show(file, "view=difference").get_by_role("list", name="Findings").locator("li").all_text_contents()
        assert any(text.startswith(f"{word} ") and "slow" in text for text in said), said


def test_bytes_are_those_of_memory(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    script, recording, file = (tmp_path / f"app.{suffix}" for suffix in ("py", "pyro", "html"))
    script.write_text("def make(size):\n    return bytes(size)\n\nkept = [make(1000) for i in range(5000)]\nfor i in range(3000):\n    make(2000)\n")
    subprocess.run([pyrometer, "run", "--memory", "--python", sys.executable, "-o", recording, script], check=True)
    subprocess.run([pyrometer, "view", recording, "-o", file], check=True)
    told = subprocess.run([pyrometer, "memory", recording, "-n", "0", "--json"], check=True, capture_output=True)
    memory = json.loads(told.stdout)
    (line,) = (it for it in function_named(memory, "make")["lines"] if it["line"] == 2)
    assert line["self_allocated"] > 11_000_000 and 5_000_000 < line["self_peak"] < 6_000_000
    for clock, key, all_of_it in (("allocated", "self_allocated", "allocated_bytes"), ("held", "self_peak", "peak_bytes")):
        page = show(file, f"view=flame&clock={clock}")
        root, *below = table_of(saved(page, "CSV"))
        assert sum(float(row["self_bytes"]) for row in below if row["function"] == "make") == line[key]
        assert float(root["total_bytes"]) == memory[all_of_it]
        page.keyboard.press("ArrowDown")
        assert re.match(r".+: [\d.]+ MiB, [\d.]+ % of all bytes", status(page))
    page = show(file, "view=table&sort=allocated")
    assert page.locator("tbody tr").first.locator(".name").text_content().startswith("make")
    page.locator("tbody tr").first.click()  # what is chosen by itself is the hottest, by time
    (row,) = (row for row in table_of(saved(page, "CSV")) if row["function"] == "make")
    assert float(row["allocated_bytes"]) == line["self_allocated"]
    page.keyboard.press("s")
    rows = {row["line"]: row for row in table_of(saved(page, "CSV"))}
    assert float(rows["2"]["allocated_bytes"]) == line["self_allocated"] and "bytes(size)" in rows["2"]["source"]
    page = show(file)
    assert "Memory was tracked" in page.locator(".split").text_content()
    assert "calls are not counted with --memory" in page.locator(".quality").text_content()
    assert "estimated" not in page.locator("body").text_content()


def test_bytes_of_a_sample_are_said_to_be_estimated(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    script, recording, file = (tmp_path / f"app.{suffix}" for suffix in ("py", "pyro", "html"))
    script.write_text("def make(size):\n    return bytes(size)\n\nkept = [make(1000) for i in range(5000)]\n")
    rare = ["-r", "1"]  # samples of time: what has none stands in the table for its bytes
    subprocess.run([pyrometer, "run", *rare, "--memory=sampled:8k", "--python", sys.executable, "-o", recording, script], check=True)
    subprocess.run([pyrometer, "view", recording, "-o", file], check=True)
    assert "All bytes are estimated, from a sample each 8.00 KiB" in show(file).locator(".split").text_content()
    for clock, words in (("allocated", "bytes allocated, estimated"), ("held", "bytes held at the peak, estimated")):
        assert words in show(file, f"view=flame&clock={clock}").locator(".chip").all_text_contents()[0]
    page = show(file, "view=table&sort=allocated")
    assert page.locator("th", has_text="allocated (estimated)").count() == 1
    made = page.locator("tbody tr").first
    assert "make" in made.text_content()
    made.click()
    page.keyboard.press("s")
    assert page.locator("th", has_text="allocated (estimated)").count() == 1


# ---- colours, copies, keys ----


def fills(page) -> dict[str, str]:
    """Of the flame graph, the colour of each function's first box."""
    svg = ElementTree.fromstring(saved(page, "SVG").read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    boxes = [box for box in svg.iter(f"{space}g") if box.find(f"{space}title") is not None]
    return {box.find(f"{space}title").text: box.find(f"{space}rect").get("fill") for box in reversed(boxes)}


def test_colours_tell_what_is_chosen(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=flame")
    by_code = fills(page)
    assert len({by_code[name] for name in ("down", "main", "Thread._bootstrap")}) == 3  # a shade for each, in families
    assert "own code" in page.locator(".flame-view .notes").text_content()
    for color, words in (("module", "module has one colour"), ("file", "file has one colour")):
        page.keyboard.press("m")
        address_has(page, f"color={color}")
        found = fills(page)
        assert found["down"] == found["main"] != found["Thread._bootstrap"] == found["Thread.run"]
        assert words in page.locator(".flame-view .notes").text_content()
    page.keyboard.press("m")
    address_has(page, "color=waiting")
    assert "waiting" in page.locator(".flame-view .notes").text_content()
    found = fills(page)
    waited = {fill for name, fill in found.items() if re.search(r", ([3-9]\d|100) % waiting$", name)}  # main sleeps at its end
    ran = {fill for name, fill in found.items() if not name.endswith("% waiting")}
    assert waited and ran and not waited & ran


def test_callers_stand_above_and_callees_below(show: Show, page_file: Path) -> None:
    page = show(page_file, "view=table")
    page.locator(".functions tbody tr", has_text="hostile_spin").first.click()
    page.keyboard.press("f")
    address_has(page, "focus=")
    flames: dict[str, list[str]] = {"0": [], "1": []}
    for row in table_of(saved(page, "CSV")):
        flames[row["flame"]].append(row["function"])
    assert flames["0"][:2] == ["hostile_spin", "main"] and HOSTILE not in flames["0"]
    assert flames["1"][:2] == ["hostile_spin", HOSTILE] and "main" not in flames["1"]
    page.keyboard.press("Escape")
    address_has(page, "focus=", there=False)


CLIPBOARD = ["clipboard-read", "clipboard-write"]


def clipboard(page) -> str:
    page.locator(".status", has_text=re.compile("^copied as Markdown$")).wait_for(state="attached")
    return page.evaluate("navigator.clipboard.readText()")


def test_what_is_shown_is_copied_as_markdown(show: Show, page_file: Path, stats: dict) -> None:
    page = show(page_file, "view=table&sort=self", permissions=CLIPBOARD)
    page.get_by_role("button", name="Copy as Markdown").click()
    head, rule, *rows = clipboard(page).splitlines()
    assert head == "| ncalls | tottime | cumtime | function | place |" and rule == "| ---: | ---: | ---: | --- | --- |"
    cells = next(row.split(" | ") for row in rows if "| `down` |" in row)
    assert float(cells[1].lstrip("~<")) == pytest.approx(function_named(stats, "down")["tottime_s"], abs=0.0011)
    assert all(row.count(" | ") == 4 for row in rows)  # whatever names hold
    page = show(page_file, permissions=CLIPBOARD)
    page.keyboard.press("y")
    text = clipboard(page)
    assert text.startswith("**`busy.py`**") and "busy.py:" in text and "count += 1" in text
    page = show(page_file, "view=flame", permissions=CLIPBOARD)
    page.locator(".detail").get_by_role("button", name="Copy").click()
    text = clipboard(page)
    assert text.startswith("**`down`** `") and "called by |" in text and re.search(r"self [\d.]+ ms|self [\d.]+ s", text)


def test_the_keyboard_does_it_all(show: Show, page_file: Path) -> None:
    page = show(page_file)
    for key, view in zip("12345", ("summary", "flame", "table", "source", "timeline"), strict=True):
        page.keyboard.press(key)
        page.locator(f".tab[data-view={view}][aria-current]").wait_for()
    page.keyboard.press("3")
    page.keyboard.press("ArrowDown")
    row = page.locator(".functions tbody tr:focus")
    before = row.get_attribute("data-fn")
    page.keyboard.press("ArrowDown")
    assert page.locator(".functions tbody tr:focus").get_attribute("data-fn") != before
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.locator(".tab[data-view=source][aria-current]").wait_for()
    page.keyboard.press("5")
    timeline = page.locator("canvas.timeline")
    timeline.press("ArrowDown")
    address_has(page, "thread=")
    timeline.press("ArrowRight")
    address_has(page, "to=")
    width = int(re.search(r"to=(\d+)", page.url)[1])
    timeline.press("Shift+ArrowRight")
    page.wait_for_url(lambda url: int(re.search(r"to=(\d+)", url)[1]) > width)
    page.keyboard.press("2")
    root = table_of(saved(page, "CSV"))[0]
    assert 0 < float(root["total_s"]) < 0.6  # a part of the time, of one thread
    address = page.url
    again = show(page_file, address.partition("#")[2])
    assert table_of(saved(again, "CSV"))[0] == root  # an address shows the same again
    page.keyboard.press("r")
    address_has(page, "thread=", there=False)
    page.keyboard.press("?")
    keys = page.locator("dialog dt").all_text_contents()
    assert {"/", "Esc", "f", "l", "k", "h", "o", "m", "p", "s", "c", "y", "r", "d", "?"} <= set(keys)


# ---- memory over time ----


GROWS = """
import time

def grow(kept):
    for i in range(20):
        kept.append(b"x" * 1_000_000)  # grow
        time.sleep(0.05)

def spike():
    large = b"x" * 30_000_000  # spike
    time.sleep(0.6)

kept = []
grow(kept)
spike()
kept.clear()
time.sleep(0.4)
"""


@pytest.fixture(scope="module")
def grown(pyrometer: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """The page of a program that grows, and what `memory --json` says of it over time."""
    folder = tmp_path_factory.mktemp("grown")
    script, recording, page = folder / "grows.py", folder / "grows.pyro", folder / "grows.html"
    script.write_text(GROWS)
    subprocess.run([pyrometer, "run", "--memory", "--python", sys.executable, "-o", recording, script], check=True, capture_output=True, cwd=folder)
    subprocess.run([pyrometer, "view", recording, "-o", page], check=True)
    told = subprocess.run([pyrometer, "memory", recording, "--json"], check=True, capture_output=True)
    return page, json.loads(told.stdout)["timeline"]


def line_of(comment: str) -> int:
    (line,) = [at for at, text in enumerate(GROWS.splitlines(), 1) if text.endswith(f"# {comment}")]
    return line


def held(page) -> dict[str, float]:
    """The lines in the panel, and their bytes in MiB."""
    rows = page.locator("table.holders tbody tr").all()
    sizes = {row.locator(".name button, .name span").first.text_content(): row.locator("td").first.text_content().split() for row in rows}
    return {name: float(size) * {"B": 2**-20, "KiB": 2**-10, "MiB": 1}[unit] for name, (size, unit) in sizes.items()}


def test_memory_over_time_is_that_of_the_recording(show: Show, grown: tuple[Path, dict]) -> None:
    file, timeline = grown
    page = show(file, "view=timeline")
    rows = table_of(saved(page, "CSV"))
    steps = timeline["steps"]
    assert len(rows) == len(steps)
    for row, step in zip(rows, steps, strict=True):
        for column, member in (("resident_bytes", "rss_bytes"), ("live_bytes", "live_bytes"), ("native_live_bytes", "native_live_bytes")):
            assert float(row[column]) == pytest.approx(step[member], abs=1024)
        assert float(row["time_s"]) == pytest.approx(step["time_s"], abs=0.001) and int(row["processes"]) == step["processes"]
    chart = page.locator("canvas.memory")
    most, at = re.search(r"at most ([\d.]+) MiB resident, at ([\d.]+) s", chart.get_attribute("aria-label")).groups()
    assert float(most) == pytest.approx(timeline["peak_bytes"] / 2**20, abs=0.051)
    assert float(at) == pytest.approx(timeline["peak_s"], abs=0.006)  # two digits there, of more digits than three here
    assert "the peak" in page.locator(".held h2").text_content()
    assert held(page)[f"grows.py:{line_of('spike')}"] == pytest.approx(30_000_000 / 2**20, rel=0.01)
    assert "large = b" in page.locator("table.holders").text_content()


def test_a_moment_of_memory_is_chosen(show: Show, grown: tuple[Path, dict]) -> None:
    """By the keyboard, by the mouse, and from the table."""
    file, timeline = grown
    page = show(file, "view=timeline")
    chart = page.locator("canvas.memory")
    chart.press("Home")
    address_has(page, "at=")
    steps = timeline["steps"]
    last = len(steps) - 1

    def is_at(text: str, step: int) -> bool:
        return seconds(text) == pytest.approx(steps[step]["time_s"], abs=0.006)

    assert is_at(status(page), 0)
    chart.press("ArrowRight")
    chart.press("Shift+ArrowRight")
    assert is_at(status(page), min(11, last))
    chart.press("ArrowLeft")
    assert is_at(page.locator(".held h2").text_content(), min(11, last) - 1)
    chart.press("End")
    assert is_at(status(page), last) and "no process" in status(page) and page.locator("table.holders").count() == 0
    page.locator("main").press("p")
    address_has(page, "at=", there=False)
    assert "the peak" in status(page)
    box = chart.bounding_box()
    plot = box["width"] - 190 - 12
    duration = float(page.get_by_label("range to, in seconds").input_value())
    middle = box["x"] + 190 + plot * 0.8 / duration
    page.mouse.move(middle, box["y"] + 60)
    assert "MiB resident" in page.locator(".held .tip").text_content() and "grows.py:" in page.locator(".held .tip").text_content()
    page.mouse.click(middle, box["y"] + 60)
    address_has(page, "at=")
    assert 3 < held(page)[f"grows.py:{line_of('grow')}"] < 20
    page.get_by_text("Memory over time as a table").click()
    rows = page.locator("details.steps tbody tr")
    rows.first.wait_for()
    assert rows.count() > 5 and rows.filter(has_text="peak").count() == 1
    assert "grows.py:" in rows.nth(5).locator("td").last.text_content()
    rows.filter(has_text="peak").get_by_role("button").click()
    address_has(page, "at=", there=False)
    page.mouse.move(middle, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(middle + plot / 4, box["y"] + 60, steps=3)
    page.mouse.up()
    address_has(page, "from=")
    address_has(page, "at=", there=False)  # what is dragged is a range
    page.locator("table.holders button").first.click()
    assert page.locator(".lines .here").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_memory_is_not_told_by_colour_alone(show: Show, grown: tuple[Path, dict], axe: str, theme: str) -> None:
    page = show(grown[0], "view=timeline", color_scheme=theme)
    page.get_by_text("Memory over time as a table").click()
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(it["id"], it["nodes"][0]["html"][:200]) for it in found] == []
    styles = page.evaluate("['rss', 'live', 'native'].map(it => getComputedStyle(document.querySelector(`.stroke.${it}`), '::before').borderTopStyle)")
    assert styles == ["solid", "dashed", "dotted"]
    drawn = page.evaluate(COLOURS, ["--m-rss", "--m-live", "--m-native", "--accent"])
    assert all(count > 20 for count in drawn.values()), drawn


COLOURS = """names => {
  const canvas = document.querySelector('canvas.memory'), pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const found = {};
  for (const name of names) {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const [r, g, b] = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
    found[name] = 0;
    for (let i = 0; i < pixels.length; i += 4)
      if (Math.abs(pixels[i] - r) + Math.abs(pixels[i + 1] - g) + Math.abs(pixels[i + 2] - b) < 40) found[name]++;
  }
  return found;
}"""


def test_what_was_only_looked_at_is_a_timeline(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    recording, file = tmp_path / "rss.pyro", tmp_path / "rss.html"
    subprocess.run([pyrometer, "run", "--rss", "-o", recording, "--", sys.executable, "-c", "import time; a = b'x' * 50_000_000; time.sleep(.5)"], check=True, capture_output=True)
    subprocess.run([pyrometer, "view", recording, "-o", file], check=True)
    page = show(file)
    assert page.locator("canvas.timeline").is_hidden()
    rows = table_of(saved(page, "CSV"))
    assert max(float(row["resident_bytes"]) for row in rows) > 50_000_000 and "live_bytes" not in rows[0]
    assert "--memory" in page.locator(".held").text_content()
    page.keyboard.press("1")
    text = page.locator("main").text_content()
    assert "what was resident over time is in the timeline" in text and "worth changing" not in text
    for key in "2345":
        page.keyboard.press(key)
    subprocess.run([pyrometer, "export", recording, "-o", tmp_path / "other.html"], check=True)
    assert (tmp_path / "other.html").stat().st_size > 10_000


def test_a_file_of_counted_lines_is_its_source(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    script, counted, file = tmp_path / "app.py", tmp_path / "app.lprof", tmp_path / "lprof.html"
    script.write_text("import time\n\ndef work(n):\n    for i in range(n):\n        time.sleep(0.01)\n\nwork(7)\n")
    subprocess.run([pyrometer, "run", "--lines=work", "--python", sys.executable, "-o", counted, script], check=True, capture_output=True, cwd=tmp_path)
    subprocess.run([pyrometer, "view", counted, "-o", file], check=True, cwd=tmp_path)
    page = show(file)
    row = page.locator(".lines tbody tr", has_text="time.sleep(0.01)")
    assert row.locator("td").nth(1).text_content() == "7"
    assert seconds(row.locator(".barred").text_content()) > 0.07
    for key in "1234":
        page.keyboard.press(key)
    page.keyboard.press("1")
    assert "counted lines and nothing else" in page.locator("main").text_content()


# ---- what is hard to show ----


@pytest.fixture(scope="module")
def hard(pyrometer: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """hard(WHAT, COUNT): the page of a recording of bench/make_profiles."""
    folder = tmp_path_factory.mktemp("hard")

    def make(what: str, count: int = 0) -> Path:
        recording, page = folder / f"{what}.pyro", folder / f"{what}.html"
        subprocess.run([REPOSITORY / "bench" / "make_profiles", "--build", pyrometer.parent, what, recording, str(count)], check=True)
        subprocess.run([pyrometer, "view", recording, "-o", page], check=True, timeout=120)
        return page

    return make


def test_an_empty_recording_opens(show: Show, hard: Callable[..., Path]) -> None:
    page = show(hard("empty"))
    for key in "1234":
        page.keyboard.press(key)
    assert page.locator("main").text_content()


def test_twenty_thousand_frames_are_walked(show: Show, hard: Callable[..., Path]) -> None:
    page = show(hard("deep", DEPTH), "view=flame")
    page.evaluate(
        """count => { const flame = document.querySelector('.flame');
        for (let i = 0; i < count; i++) flame.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'})) }""",
        30,
    )
    assert "100.0 % of the time" in status(page)
    page.keyboard.press("f")
    assert page.locator("canvas.flame").count() == 2
    page.keyboard.press("3")
    totals = [row.locator("td").nth(3).text_content() for row in page.locator(".functions tbody tr").all()]
    assert totals == ["0.100", "0.100"]  # a recursion counts once


def test_two_hundred_threads_have_a_row_each(show: Show, hard: Callable[..., Path]) -> None:
    page = show(hard("threads", 200), "view=timeline")
    assert page.locator("canvas.timeline").get_attribute("aria-label").startswith("200 threads")
    scroll = page.locator(".timeline-view .scroll")
    scroll.evaluate("it => it.scrollTo(0, it.scrollHeight)")
    assert page.locator("canvas.axis").bounding_box()["y"] == pytest.approx(scroll.bounding_box()["y"], abs=2)
    box = page.locator("canvas.timeline").bounding_box()
    row = (box["height"] - 4) / 200
    page.mouse.click(box["x"] + 30, box["y"] + 199.5 * row)
    address_has(page, "thread=")
    last = page.locator(".chip").text_content()
    page.keyboard.press("ArrowDown")  # around: all of them
    page.locator(".chip").wait_for(state="detached")
    page.keyboard.press("ArrowUp")
    assert page.locator(".chip").text_content() == last


def test_times_of_a_large_recording_are_opened_when_they_are_asked_for(show: Show, hard: Callable[..., Path]) -> None:
    page = show(hard("threads", 200))
    assert page.locator("#later").count() == 1 and page.locator("#data").count() == 0
    page.keyboard.press("3")
    before = page.locator(".table-view tbody tr").all_text_contents()
    assert len(before) == 200 and page.locator("#later").count() == 1
    page.get_by_role("button", name="Timeline").click()
    page.locator("canvas.timeline").wait_for()
    assert page.locator("#later").count() == 0
    page.keyboard.press("3")
    assert page.locator(".table-view tbody tr").all_text_contents() == before
    half = show(hard("threads", 200), "view=table&to=1000")
    assert half.locator("#later").count() == 0
    assert half.locator(".chip").text_content().startswith("only 0.00 – 1.00 s")


def test_a_process_rules_every_view(show: Show, pyrometer: Path, tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "def spin(seconds):\n    end = time.perf_counter() + seconds\n    while time.perf_counter() < end: pass\n"
        "def first_work():\n    spin(0.3)\n"
        "def second_work():\n    spin(0.3)\n"
        "if len(sys.argv) > 1: second_work()\nelse:\n    run = subprocess.Popen([sys.executable, '-E', __file__, 'second'])\n    first_work()\n    run.wait()\n"
    )
    recording, file = tmp_path / "two.pyro", tmp_path / "two.html"
    subprocess.run([pyrometer, "run", "--subprocesses", "-o", recording, "--", sys.executable, "-E", script], check=True, timeout=60)
    subprocess.run([pyrometer, "view", recording, "-o", file], check=True, timeout=60)
    page = show(file, "view=table")
    rows = page.locator(".table-view tbody tr")
    names = lambda: " ".join(rows.locator(".name button, td.name").all_text_contents())  # noqa: E731
    assert "first_work" in names() and "second_work" in names()
    choice = page.get_by_label("Which process")
    assert choice.locator("option").count() == 3
    choice.select_option(index=2)
    address_has(page, "process=")
    assert page.locator(".chip").text_content().startswith("only process")
    assert ("first_work" in names()) != ("second_work" in names())
    page.get_by_role("button", name="Timeline").click()
    threads = lambda: int(page.locator("canvas.timeline").get_attribute("aria-label").split()[0])  # noqa: E731
    of_one = threads()
    page.locator(".chip").click()
    address_has(page, "process=", there=False)
    assert 0 < of_one < threads()


def test_a_million_nodes_are_all_there(show: Show, hard: Callable[..., Path]) -> None:
    page = show(hard("nodes", NODES), "view=flame")
    svg = ElementTree.fromstring(saved(page, "SVG").read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    boxes = [box for box in svg.iter(f"{space}g") if box.find(f"{space}title") is not None]
    assert any("too narrow" in box.find(f"{space}title").text for box in boxes)
    places = [box.find(f"{space}rect").attrib for box in boxes]
    rows = [sum(float(place["width"]) + 1 for place in places if float(place["y"]) == y) for y in (0, 19)]
    assert rows[1] == pytest.approx(rows[0], abs=3)  # each node has its place: one of its own, or among those that are too narrow
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert status(page).startswith("zoomed into")
    assert "1 000 000" in show_quality(page)


def show_quality(page) -> str:
    page.keyboard.press("1")
    return page.locator(".quality").text_content()
