"""Information of two labels of the same pixels, term by term."""

import math
from collections import Counter


def entropy(values):
    counts = Counter(values)
    return -sum(count / len(values) * math.log(count / len(values)) for count in counts.values())


def mutual_information(first, second):
    """Σ p(x,y) ln(p(x,y) / p(x)p(y)) over the pairs (x,y) that occur, in nats."""
    together, ones, others, total = (
        Counter(zip(first, second, strict=True)),
        Counter(first),
        Counter(second),
        len(first),
    )
    return sum(
        count / total * math.log(count * total / (ones[one] * others[other]))
        for (one, other), count in together.items()
    )


def normalized_mutual_information(first, second):
    both = entropy(first) + entropy(second)
    return 2 * mutual_information(first, second) / both if both else 0.0
