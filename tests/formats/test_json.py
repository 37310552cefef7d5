"""The full profile and the stats, both as JSON: they agree with each other and add up."""

from __future__ import annotations

import json

import pytest
from busy import HOSTILE
from format_helpers import Export, function_named

pytestmark = pytest.mark.beside


@pytest.fixture(scope="module")
def profile(export: Export) -> dict:
    return json.loads(export("json", "busy.json").read_text(encoding="utf-8"))


def test_the_columns_are_equally_long(profile: dict) -> None:
    samples = profile["samples"]
    assert set(samples) == {"time_us", "thread", "stack", "state", "weight_us", "flags", "unsure", "wait"}
    assert {len(column) for column in samples.values()} == {profile["recording"]["samples"]}


def test_ids_refer_to_what_is_there(profile: dict) -> None:
    samples, stacks = profile["samples"], profile["stacks"]
    assert stacks[0] == {"parent": -1, "frame": -1}
    assert all(0 <= stack["parent"] < number for number, stack in enumerate(stacks) if number)
    assert all(0 <= stack["frame"] < len(profile["frames"]) for stack in stacks[1:])
    assert all(frame["function"] < len(profile["functions"]) for frame in profile["frames"])
    assert max(samples["stack"]) < len(stacks)
    assert max(samples["thread"]) < len(profile["threads"])
    assert max(samples["wait"]) < len(profile["waits"])
    assert samples["time_us"] == sorted(samples["time_us"])


def test_the_self_times_are_those_of_stats(profile: dict, stats: dict) -> None:
    times: dict[int, float] = {}
    for stack, weight in zip(profile["samples"]["stack"], profile["samples"]["weight_us"], strict=True):
        if stack:
            function = profile["frames"][profile["stacks"][stack]["frame"]]["function"]
            times[function] = times.get(function, 0.0) + weight / 1e6
    for number, seconds in times.items():
        function = profile["functions"][number]
        rows = [row for row in stats["functions"] if (row["name"], row["file"], row["line"]) ==
                (function["name"], function["file"], function["line"])]
        assert rows[0]["tottime_s"] == pytest.approx(seconds, abs=1e-4)


def test_recursion_is_counted_once(stats: dict) -> None:
    down = function_named(stats, "down")
    assert down["cumtime_s"] <= stats["totals"]["total_s"]
    assert down["cumtime_s"] == pytest.approx(down["tottime_s"], rel=0.02)
    assert "down" in [caller["name"] for caller in down["callers"]]


def test_names_survive(profile: dict) -> None:
    assert HOSTILE in [function["name"] for function in profile["functions"]]
    assert "worker-1" in [thread["name"] for thread in profile["threads"]]


def test_the_recording_is_the_same_in_both(profile: dict, stats: dict) -> None:
    assert profile["recording"] == stats["recording"]
