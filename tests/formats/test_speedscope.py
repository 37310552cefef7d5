"""speedscope files against the schema in speedscope's own package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from format_helpers import Export

pytestmark = pytest.mark.beside

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module", params=[(), ("-F",), ("-t", "--clock", "cpu")], ids=["lines", "functions", "cpu"])
def exported(export: Export, request: pytest.FixtureRequest) -> dict:
    path = export("speedscope", f"busy{len(request.param)}.speedscope.json", *request.param)
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_fits_the_schema(exported: dict, speedscope_schema: Path) -> None:
    jsonschema.validate(exported, json.loads(speedscope_schema.read_text(encoding="utf-8")))


def test_each_thread_adds_up(exported: dict) -> None:
    frames = len(exported["shared"]["frames"])
    assert len(exported["profiles"]) == 2
    for profile in exported["profiles"]:
        assert profile["unit"] == "microseconds"
        assert len(profile["samples"]) == len(profile["weights"])
        assert sum(profile["weights"]) == pytest.approx(profile["endValue"] - profile["startValue"])
        assert all(0 <= index < frames for sample in profile["samples"] for index in sample)
    assert any("worker-1" in profile["name"] for profile in exported["profiles"])
