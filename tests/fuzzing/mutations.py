"""How inputs are spoiled: bytes, text, and values of a tree; each a function of a seeded generator."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

EXTREMES = [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 100_000, 2**31 - 1, 2**31, 2**32 - 1, 2**60, 2**63, 2**64 - 1]
TOKENS = [
    *("", "0", "-1", "-0.0", "1e400", "-1e308", "nan", "inf", "1e-320", "0x10", "1_000", "½", "²", "１"),
    *("9" * 30, "9" * 5000),
    *("-rf", "--help", "a\nb", "a\tb", "a,b", "a;b", '"', "'", "\\", "\r", "\x00", "\x1b[31m", "\ufeff", "\u202e", "é"),
    *("%s%n", "{0}", "{name}", "{split}", "[a]*?", "$(touch x)", "../..", "a/b", "/", ".", "~", "con", "=1+1", "#"),
    "x" * 70_000,
    *("null", "true", "[]", "{}", "[1, [2]]", "{a: 1}", "*a", "&a [*a]", "!!python/name:os.system", "2001-01-01", "<<"),
]
VALUES = [None, True, False, 0, -1, 2**60, 2**70, 1e308, -1e-308, float("nan"), float("inf"), [], {}, [[]], {"a": {}}]


@dataclass(frozen=True)
class Kind:
    """One kind of input."""

    make: Callable[[Path], Iterable[Path]]  # writes valid files into a folder; returns those to be spoiled
    mutate: Callable[[Random, Path], None]  # spoils a file in place
    read: Callable[[Path], None]  # hands it to what a user would use
    share: float = 1.0  # of the inputs, relative to other kinds
    slow_s: float = 10  # of CPU that one input may take
    hang_s: float = 60  # the same, by the clock


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """Return bytes with one to four parts flipped, set, cut, inserted, repeated, exchanged or made extreme."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        # headers are what decides, so half of all places lie there
        size = max(len(found), 1)
        at = random.randrange(min(size, random.choice((32, 256, size, size))))
        length = min(random.choice((1, 2, 4, 8, 64, 1024)), size - at)
        block = bytes(found[at : at + length])
        match random.randrange(9):
            case 0:
                found[at : at + 1] = bytes([(found[at] if found else 0) ^ 1 << random.randrange(8)])
            case 1:
                found[at : at + 1] = bytes([random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))])
            case 2:
                del found[random.choice((at, size - at)) :]
            case 3:
                del found[at : at + length]
            case 4:
                found[at:at] = random.randbytes(length)
            case 5:
                found[at:at] = block * random.choice((1, 2, 50))
            case 6:
                found[at : at + length] = random.randbytes(length)
            case 7:
                width = random.choice((2, 4, 8))
                number = random.choice(EXTREMES) % 256**width
                found[at : at + width] = number.to_bytes(width, random.choice(("little", "big")))
            case 8:
                other = random.randrange(size)
                found[other : other + length] = block
    return bytes(found)


def mutate_text(random: Random, text: str, tokens: list[str] = TOKENS) -> str:
    """Return a text with words replaced, and lines left out, repeated or exchanged."""
    for _ in range(random.choice((1, 1, 2, 4))):
        lines = text.split("\n")
        at, other = random.randrange(len(lines)), random.randrange(len(lines))
        words = [*re.finditer(r"[\w.+-]+|[^\w\s]", text)]
        word = random.choice(words) if words else None
        match random.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines[at:at] = [lines[other]] * random.choice((1, 1, 300))
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] += random.choice(tokens)
            case _:
                start, end = word.span() if word else (0, 0)
                lines = [text[:start] + random.choice(tokens) + text[random.choice((start, end, end)) :]]
        text = "\n".join(lines)
    return text


def mutate_values(random: Random, values: object, hostile: list[object] | None = None) -> object:
    """Return a tree of lists and mappings of which one to three values or keys are replaced, left out or repeated."""
    choices = [*VALUES, *TOKENS, *(hostile or [])]
    for _ in range(random.choice((1, 1, 3))):
        values = _replace_one(random, values, choices)
    return values


def _replace_one(random: Random, values: object, choices: list[object]) -> object:
    if not isinstance(values, dict | list) or not values or random.random() < 0.1:
        return random.choice(choices)
    copy = dict(values) if isinstance(values, dict) else list(values)
    key = random.choice([*copy]) if isinstance(copy, dict) else random.randrange(len(copy))
    match random.randrange(8):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, dict):
            other = random.choice(["", "x", "-rf", 1, "a/b", "../x", key if isinstance(key, int) else f"{key} "])
            copy[other] = copy.pop(key)
        case 1:
            copy += [copy[key]] * random.choice((1, 1000))
        case 2:
            copy[key] = random.choice(choices)
        case 3:
            for _ in range(random.choice((1, 30, 100))):  # nested deeply
                copy[key] = [copy[key]] if random.random() < 0.5 else {"a": copy[key]}
        case _:
            copy[key] = _replace_one(random, copy[key], choices)
    return copy


def alias_bomb(depth: int = 30) -> str:
    """Return YAML of ten lines a level whose aliases stand for 10 ** depth values."""
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, depth)]
    return "\n".join(["a0: &a0 [x]", *levels]) + "\n"


def mutate_yaml(random: Random, text: str, hostile: list[object] | None = None) -> str:
    """Return YAML with another text, another tree, or with aliases, tags and anchors put in."""
    match random.randrange(8):
        case 0:
            return text + random.choice((alias_bomb(), "x: &x [*x]\n", "x: &x {y: *x}\n", "<<: &x {<<: *x}\n"))
        case 1:
            tags = ("!!python/object/apply:os.system ['touch x']", "!!binary x", "!!timestamp x", "!!set {a}")
            return re.sub(r"(?m): .*$", f": {random.choice(tags)}", text, count=random.choice((1, 3)))
        case 2:
            return text + "x: " + random.choice(("[" * 5000, "{a: " * 5000, "- " * 5000, "1" * 10_000, "? " * 5000))
        case 3 | 4:
            return mutate_text(random, text)
        case _:
            values = mutate_values(random, yaml.safe_load(text), hostile)
            return yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
