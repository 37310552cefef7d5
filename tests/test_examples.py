"""The example programs: their variants answer the same, and differ in what the story says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythons import REPOSITORY, Python

pytestmark = pytest.mark.beside

EXAMPLES = REPOSITORY / "examples"
ORDERS = EXAMPLES / "s01_orders"
OTHERS = {
    "s03_loader/loader": ("--shipments", "300"),
    "s02_pipeline/pipeline": ("--orders", "30", "--products", "20"),
    "s06_prices/prices": ("--symbols", "3", "--delay", "0.01"),
    "s07_report/report": ("--size", "60"),
    "s09_history/history": ("--requests", "100"),
    "s09_service/service": ("--requests", "300"),
    "s10_client/client": ("--orders", "5"),
    "s12_search/search": ("--products", "30", "--reviews", "40"),
    "s13_load/load": ("--users", "6", "--requests", "2", "--delay", "0.002"),
}

COUNT_QUERIES = """
import sys
sys.path.insert(0, sys.argv[1])
from shop import database, orm
from shop.models import Order
from shop.serializers import FastOrderSerializer, OrderSerializer
from shop.views import order_list

queries = []
connection = database.create(orders=846, customers=50)
connection.set_trace_callback(queries.append)
orm.connect(connection)
answers = []
for orders, serializer in (
    (Order.all(), OrderSerializer),
    (Order.all(), FastOrderSerializer),
    (Order.all().select_related("customer"), OrderSerializer),
):
    queries.clear()
    answers.append(order_list(orders, serializer))
    print(len(queries))
print(len(answers[0]), answers[0] == answers[1] == answers[2])
"""


def test_the_orders_differ_in_queries_not_in_answers(python: Python) -> None:
    done = python.run(["-c", COUNT_QUERIES, ORDERS])
    assert done.stdout.split() == ["847", "847", "1", "846", "True"], done.stderr


def run_orders(python: Python, variant: str) -> str:
    script: Path = ORDERS / f"orders_{variant}.py"
    done = python.run([script, "--orders", "20", "--customers", "50", "--requests", "2"])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_orders_program_runs_by_itself(python: Python) -> None:
    outputs = {run_orders(python, variant) for variant in ("slow", "decoy", "fixed")}
    assert len(outputs) == 1
    assert outputs.pop().startswith("20 orders, ")


@pytest.mark.parametrize("name", OTHERS)
def test_each_program_of_a_story_answers_the_same(some_python: Python, name: str) -> None:
    done = [some_python.run([EXAMPLES / f"{name}_{variant}.py", *OTHERS[name]]) for variant in ("slow", "decoy", "fixed")]
    assert {one.returncode for one in done} == {0}, done
    assert len({one.stdout for one in done}) == 1 and done[0].stdout.strip(), done
