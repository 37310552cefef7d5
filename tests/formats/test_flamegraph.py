"""The flame graph: well-formed, harmless, and alive in a real browser (headless Chromium)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from busy import HOSTILE
from format_helpers import Export

pytestmark = pytest.mark.beside

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture(export: Export) -> Path:
    return export("flamegraph", "busy.svg", "-F")


def test_it_is_one_file_of_well_formed_xml(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()
    assert root.tag == SVG + "svg"
    assert len(root.findall(SVG + "script")) == 1
    text = picture.read_text(encoding="utf-8")
    assert not re.search(r"\b(?:href|src)\s*=|@import|url\(", text)
    assert "http" not in text.replace("http://www.w3.org/", "")


def test_the_data_is_what_was_recorded(picture: Path, stats: dict) -> None:
    data = json.loads(ElementTree.parse(picture).getroot().findtext(SVG + "metadata") or "")
    assert data["total"][0] == pytest.approx(stats["totals"]["total_s"] * 1e6, abs=2)
    assert HOSTILE in [name[0] for name in data["names"]]
    lengths = {len(data[column]) for column in ("depth", "name", "total", "self", "samples")}
    assert len(lengths) == 1


def test_line_1_is_in_it(picture: Path) -> None:
    texts = [text.text or "" for text in ElementTree.parse(picture).getroot().iter(SVG + "text")]
    assert any("% Python" in text for text in texts)


def test_threads_are_roots_when_asked(export: Export) -> None:
    data = ElementTree.parse(export("flamegraph", "threads.svg", "-t")).getroot().findtext(SVG + "metadata")
    names = json.loads(data or "")["names"]
    assert any(name[0].startswith("thread ") and name[0].endswith("worker-1") for name in names)


# ---- in the browser ----


@pytest.fixture
def page(browser, picture: Path) -> Iterator:
    """The picture, open. Errors, dialogs and requests of its script fail the test."""
    opened = browser.new_page(viewport={"width": 1200, "height": 800})
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda request: wrong.append(request.url) if request.url != picture.as_uri() else None)
    opened.goto(picture.as_uri())
    yield opened
    opened.close()
    assert wrong == []


def box(page, name: str):
    """The outermost box that starts with NAME."""
    return page.locator(".box", has=page.locator("text", has_text=re.compile("^" + re.escape(name)))).first


def width_of(page, name: str) -> float:
    return box(page, name).locator("rect").bounding_box()["width"]


def test_a_click_zooms_and_escape_goes_back(page) -> None:
    before = width_of(page, "hostile_spin")
    box(page, "hostile_spin").click()
    assert width_of(page, "hostile_spin") > 1100 > before
    assert "zoomed into hostile_spin" in page.locator(".status").text_content()
    page.keyboard.press("Escape")
    assert width_of(page, "hostile_spin") == pytest.approx(before, abs=1)


def test_search_shows_the_share(page, stats: dict) -> None:
    page.keyboard.press("/")
    page.keyboard.type("^hostile_sp.n$")
    page.get_by_text("in 1 name that match").wait_for()  # and not of the first letters that were typed
    shown = float(re.match(r"([\d.]+) %", page.locator(".status").text_content())[1])
    row = next(row for row in stats["functions"] if row["name"] == "hostile_spin")
    assert shown == pytest.approx(100 * row["cumtime_s"] / stats["totals"]["total_s"], abs=0.2)
    page.locator("button", has_text="Reset").click()
    assert page.locator(".hit").count() == 0


def test_a_bad_expression_is_said_to_be_one(page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("(")
    page.wait_for_function("document.querySelector('.status').textContent.includes('not a regular')")


def test_hover_tells_file_and_time(page) -> None:
    box(page, "hostile_spin").hover()
    tip = page.locator(".tip").text_content()
    assert "busy.py:" in tip
    assert "% of all" in tip


def test_the_keyboard_is_enough(page) -> None:
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "zoomed into" in page.locator(".status").text_content()
    page.keyboard.press("Backspace")
    page.keyboard.press("r")
    assert "zoomed into" not in page.locator(".status").text_content()
    top = box(page, "main").bounding_box()["y"]
    page.keyboard.press("i")
    assert box(page, "main").bounding_box()["y"] != top


def test_it_fills_any_width(page) -> None:
    page.set_viewport_size({"width": 700, "height": 500})
    page.wait_for_function("document.querySelector('.box rect').getBBox().width < 700")
    assert width_of(page, "") == pytest.approx(700 - 2 * 16, abs=2)


def test_without_a_script_it_still_shows_something(browser, picture: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(picture.as_uri())
    assert still.locator(".box").count() > 5
    context.close()
