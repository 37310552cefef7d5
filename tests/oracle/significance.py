"""Statistics for samples that are not independent, with the standard library only.

Consecutive samples of a program resemble each other: it has phases, and while the kernel gives the
processor to somebody else, it stands still. So nothing here counts samples as if they were
independent draws: the spread of a share comes from resampled blocks, and the test that two
recordings show the same distribution is a chi-square test whose reference is corrected by the spread
between batches (Rao and Scott's second-order correction).
"""

import math
import random
from collections import Counter

BLOCKS = 100
BATCHES = 50
REPLICATES = 400


def gamma_p_series(a, x):
    """The lower regularised gamma function by its series; good for x < a + 1."""
    term = total = 1.0 / a
    n = a
    for _ in range(10000):
        n += 1.0
        term *= x / n
        total += term
        if abs(term) < abs(total) * 1e-15:
            break
    return total * math.exp(-x + a * math.log(x) - math.lgamma(a))


def gamma_q_fraction(a, x):
    """The upper regularised gamma function by its continued fraction; good for x >= a + 1."""
    tiny = 1e-300
    b = x + 1.0 - a
    c = 1.0 / tiny
    d = 1.0 / b
    h = d
    for i in range(1, 10000):
        numerator = -i * (i - a)
        b += 2.0
        d = numerator * d + b
        d = 1.0 / (d if abs(d) > tiny else tiny)
        c = b + numerator / c
        c = c if abs(c) > tiny else tiny
        h *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return h * math.exp(-x + a * math.log(x) - math.lgamma(a))


def gamma_q(a, x):
    """The upper regularised gamma function Q(a, x)."""
    if x <= 0:
        return 1.0
    return 1.0 - gamma_p_series(a, x) if x < a + 1.0 else gamma_q_fraction(a, x)


def chi_square_tail(x, degrees):
    """How likely a chi-square with DEGREES (not necessarily whole) is at least X."""
    return gamma_q(degrees / 2.0, x / 2.0)


def cut(sequence, parts):
    """SEQUENCE in PARTS pieces of nearly equal length."""
    size = len(sequence)
    edges = [size * part // parts for part in range(parts + 1)]
    return [sequence[low:high] for low, high in zip(edges, edges[1:])]


def share(hits, weights):
    """The weighted share of HITS (0 or 1 for each sample)."""
    total = sum(weights)
    return sum(w for hit, w in zip(hits, weights) if hit) / total if total else 0.0


def share_sigma(hits, weights, blocks=BLOCKS, replicates=REPLICATES, seed=1):
    """The standard error of share() by a block bootstrap over BLOCKS stretches of time."""
    blocks = min(blocks, max(2, len(hits) // 5))
    pairs = []
    for piece in cut(list(zip(hits, weights)), blocks):
        pairs.append((sum(w for hit, w in piece if hit), sum(w for _, w in piece)))
    chance = random.Random(seed)
    found = []
    for _ in range(replicates):
        drawn = chance.choices(pairs, k=len(pairs))
        total = sum(all_ for _, all_ in drawn)
        found.append(sum(part for part, _ in drawn) / total if total else 0.0)
    mean = sum(found) / len(found)
    return math.sqrt(sum((value - mean) ** 2 for value in found) / (len(found) - 1))


def pool_cells(first, second, least_expected=10.0):
    """Map each cell to its pool, so that each pool is expected at least that often in both samples.

    Small cells are put together in the order of their keys, neighbours with neighbours, so that a
    shift along the depth of a stack is not lost in one big rest."""
    both = Counter(first) + Counter(second)
    smaller = min(len(first), len(second)) / (len(first) + len(second))
    pools = {}
    waiting, waiting_count, last = [], 0, None
    for cell in sorted(both, key=repr):
        if both[cell] * smaller >= least_expected:
            pools[cell] = cell
            last = cell
            continue
        waiting.append(cell)
        waiting_count += both[cell]
        if waiting_count * smaller >= least_expected:
            pools.update((one, ("pool", cell)) for one in waiting)
            waiting, waiting_count, last = [], 0, ("pool", cell)
    pools.update((one, last if last is not None else ("pool",)) for one in waiting)
    return pools


class Spread:
    """How much the shares of the cells of one sample vary: traces of its covariance matrix, in the
    metric in which independent samples have the identity (times 1/n)."""

    def __init__(self, sequence, cells, weights, batches):
        self.rows = []
        pieces = [piece for piece in cut(sequence, batches) if piece]
        counts = [Counter(piece) for piece in pieces]
        total = len(sequence)
        overall = Counter(sequence)
        for piece, count in zip(pieces, counts):
            self.rows.append([(count[cell] - len(piece) * overall[cell] / total) / total * weight
                              for cell, weight in zip(cells, weights)])
        b = len(self.rows)
        self.factor = b / (b - 1)
        self.batches = b
        gram = sum(dot(one, other) ** 2 for one in self.rows for other in self.rows)
        self.trace = self.factor * sum(dot(row, row) for row in self.rows)
        square = self.factor ** 2 * gram
        # What B batches add to the trace of the square by themselves is taken out again.
        n = b - 1
        self.square = max(self.trace ** 2 / len(cells),
                          n * n / ((n - 1) * (n + 2)) * (square - self.trace ** 2 / n))

    def cross(self, other):
        total = sum(dot(one, two) ** 2 for one in self.rows for two in other.rows)
        return self.factor * other.factor * total


def dot(one, other):
    return sum(map(float.__mul__, one, other))


class Homogeneity:
    """The verdict: p_value, statistic (corrected), degrees (corrected), cells, design_effect (how
    much more than independent samples these vary), and the cells that differ most."""

    def __init__(self, first, second, least_expected=10.0, batches=BATCHES):
        pools = pool_cells(first, second, least_expected)
        first = [pools[cell] for cell in first]
        second = [pools[cell] for cell in second]
        counts = Counter(first), Counter(second)
        both = counts[0] + counts[1]
        cells = sorted(both, key=repr)
        self.cells = len(cells)
        self.sizes = len(first), len(second)
        na, nb = self.sizes
        scale = math.sqrt(na * nb / (na + nb))
        weights = [scale / math.sqrt(both[cell] / (na + nb)) for cell in cells]
        deviations = [(counts[0][cell] / na - counts[1][cell] / nb) * weight
                      for cell, weight in zip(cells, weights)]
        self.raw = sum(value * value for value in deviations)
        order = sorted(range(len(cells)), key=lambda index: -abs(deviations[index]))
        self.worst = [(cells[i], counts[0][cells[i]] / na, counts[1][cells[i]] / nb, deviations[i])
                      for i in order[:5]]
        self._judge(first, second, cells, weights, batches)

    def _judge(self, first, second, cells, weights, batches):
        free = len(cells) - 1
        if free < 1:
            self.design_effect, self.statistic, self.degrees, self.p_value = 1.0, 0.0, 0, 1.0
            return
        one = Spread(first, cells, weights, batches)
        two = Spread(second, cells, weights, batches)
        trace = one.trace + two.trace
        square = one.square + two.square + 2 * one.cross(two)
        # Independent samples have trace = square = free; never trust an estimate below that.
        self.design_effect = trace / free
        if trace < free:
            square *= (free / trace) ** 2
            trace = free
        square = max(square, trace * trace / free)
        self.statistic = self.raw * trace / square
        self.degrees = trace * trace / square
        self.p_value = chi_square_tail(self.statistic, self.degrees)
