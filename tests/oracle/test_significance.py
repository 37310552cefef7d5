"""The statistics are right themselves: known values, uniform p-values where nothing differs (also
for samples that depend on each other), and power where something does."""

import math
import random

import pytest

from oracle import significance

pytestmark = pytest.mark.beside

SHARES = [0.3, 0.2, 0.1, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01, 0.01]


def independent(chance, count, shares):
    return chance.choices(range(len(shares)), shares, k=count)


def sticky(chance, count, shares):
    """Now and then the program stands still for a while, as one that lost its processor does."""
    found = []
    while len(found) < count:
        if chance.random() < 0.004:
            found += chance.choices(range(len(shares)), shares) * chance.randint(5, 40)
        else:
            found += chance.choices(range(len(shares)), shares)
    return found[:count]


def phased(chance, count, shares):
    """Phases of about 20 samples in which only the even or only the odd cells run."""
    found = []
    while len(found) < count:
        parity = chance.random() < 0.5
        cells = [cell for cell in range(len(shares)) if cell % 2 == parity]
        weights = [shares[cell] for cell in cells]
        if chance.random() * sum(shares) / 2 > sum(weights):
            continue
        found += chance.choices(cells, weights, k=20)
    return found[:count]


def p_values(source, runs, count, other=SHARES, seed=7):
    chance = random.Random(seed)
    return [significance.Homogeneity(source(chance, count, SHARES), source(chance, count, other)).p_value
            for _ in range(runs)]


@pytest.mark.parametrize("x, degrees, tail", [
    (0.0, 3, 1.0), (3.841458820694124, 1, 0.05), (18.307038053275146, 10, 0.05),
    (29.58829844507442, 10, 0.001), (124.34211340400407, 100, 0.05), (1.0, 10, 0.9998278843700441),
    (2 * math.log(1000), 2, 0.001)])
def test_tail_of_chi_square(x, degrees, tail):
    assert significance.chi_square_tail(x, degrees) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize("source", [independent, sticky, phased])
def test_size_is_what_it_says(source):
    runs = 120
    found = p_values(source, runs, 3000)
    for level in (0.1, 0.05, 0.01):
        below = sum(p < level for p in found)
        slack = 4 * math.sqrt(runs * level * (1 - level))
        assert below <= runs * level + slack, f"p < {level} in {below} of {runs} runs"
        assert below >= runs * level * 0.3 - slack, f"p < {level} in {below} of {runs} runs"
    assert sum(p < 0.001 for p in found) <= 2


def test_counting_sticky_samples_as_independent_would_be_wrong():
    chance = random.Random(3)
    wrong = 0
    for _ in range(60):
        verdict = significance.Homogeneity(sticky(chance, 3000, SHARES), sticky(chance, 3000, SHARES))
        wrong += significance.chi_square_tail(verdict.raw, verdict.cells - 1) < 0.001
    assert wrong > 6


@pytest.mark.parametrize("source", [independent, sticky])
def test_a_shift_of_five_points_is_found(source):
    shifted = [SHARES[0] - 0.05, *SHARES[1:-1], SHARES[-1] + 0.05]
    assert all(p < 0.001 for p in p_values(source, 20, 10000, shifted))


def test_a_shift_along_the_depth_is_found_in_small_cells():
    chance = random.Random(5)
    even = [1.0] * 400
    tilted = [1.0 + 0.2 * (cell - 200) / 200 for cell in range(400)]
    first = [("a", cell) for cell in independent(chance, 10000, even)]
    second = [("a", cell) for cell in independent(chance, 10000, tilted)]
    third = [("a", cell) for cell in independent(chance, 10000, even)]
    assert significance.Homogeneity(first, second).p_value < 0.001
    assert significance.Homogeneity(first, third).p_value > 0.001


def test_sigma_of_independent_samples_is_binomial():
    chance = random.Random(2)
    hits = [chance.random() < 0.3 for _ in range(20000)]
    expected = math.sqrt(0.3 * 0.7 / 20000)
    assert significance.share_sigma(hits, [1] * 20000) == pytest.approx(expected, rel=0.25)


def test_sigma_of_phases_is_wider():
    hits = ([True] * 60 + [False] * 140) * 100
    chance = random.Random(4)
    hits = [hit for block in chance.sample(significance.cut(hits, 500), 500) for hit in block]
    assert significance.share_sigma(hits, [1] * len(hits)) > 2 * math.sqrt(0.21 / len(hits))
