"""The example programs: their variants answer the same, and differ in what the story says."""

from __future__ import annotations

from pathlib import Path

from pythons import REPOSITORY, Python

ORDERS = REPOSITORY / "examples" / "s01_orders"

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
