"""Facts about numbers, for truthful text of any length."""

from collections.abc import Iterator
from itertools import takewhile
from math import isqrt

_ROMAN = (
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)


def facts(number: int) -> str:
    """Return a paragraph about a number from 1 to 399."""
    kinds = _kinds(number)
    also = f" It is {_listed(kinds)}." if kinds else ""
    return (
        f"**{number}** is {_makeup(number)}.{also} In binary it is {number:b}, in Roman numerals"
        f" {_roman(number)}, and its square is {number * number:,}."
    )


def _makeup(number: int) -> str:
    factors = _factors(number)
    if not factors:
        return "odd, and divides every number"
    parity = "odd" if number % 2 else "even"
    product = " \N{MULTIPLICATION SIGN} ".join(map(str, factors))
    return f"{parity} and prime" if len(factors) == 1 else f"{parity}: {product}"


def _factors(number: int) -> list[int]:
    factors, divisor = [], 2
    while number > 1:
        if number % divisor:
            divisor += 1
        else:
            factors.append(divisor)
            number //= divisor
    return factors


def _kinds(number: int) -> list[str]:
    divisors = [n for n in range(1, number // 2 + 1) if number % n == 0]
    kinds = {
        "a square": isqrt(number) ** 2 == number,
        "a cube": round(number ** (1 / 3)) ** 3 == number,
        "a triangular number": isqrt(8 * number + 1) ** 2 == 8 * number + 1,
        "a Fibonacci number": number in takewhile(lambda n: n <= number, _fibonacci()),
        "a perfect number": sum(divisors) == number,
        "a palindrome": number > 9 and str(number) == str(number)[::-1],
    }
    return [kind for kind, is_one in kinds.items() if is_one]


def _fibonacci() -> Iterator[int]:
    first, second = 1, 2
    while True:
        yield first
        first, second = second, first + second


def _roman(number: int) -> str:
    numeral = ""
    for value, sign in _ROMAN:
        count, number = divmod(number, value)
        numeral += sign * count
    return numeral


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
