"""Golden values of ln, log, exp and power, correctly rounded by Python's decimal arithmetic of 120 digits.

Prints the table and the hashes that ElementaryTests.swift holds the engine against; run it where they are to be checked again.
"""
import math, struct
from decimal import Decimal, getcontext, ROUND_HALF_EVEN

getcontext().prec = 120
getcontext().Emax, getcontext().Emin = 10**8, -(10**8)
MASK = 2**64 - 1


class Randomness:
    """splitmix64, as Tests/TestSupport/Randomness.swift."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        word = self.state
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
        return word ^ (word >> 31)

    def double(self, low, high):
        """Any sign and fraction, a biased exponent from low to high."""
        word = self.next()
        exponent = low + (word >> 52 & 0x7FF) % (high - low + 1)
        return struct.unpack("<d", struct.pack("<Q", word & 0x800FFFFFFFFFFFFF | exponent << 52))[0]


def nearest(value):
    """The float64 nearest to a decimal, ties to even, subnormals rounded once."""
    if value == 0:
        return 0.0
    try:
        return float(value)  # float(Decimal) goes through its text and is correctly rounded
    except OverflowError:
        return math.inf


def ln(x): return nearest(Decimal(x).ln())
def log(x): return nearest(Decimal(x).ln() / Decimal(10).ln())
def exp(x): return math.inf if x > 710 else 0.0 if x < -746 else nearest(Decimal(x).exp())


def power(x, y):
    if y == int(y) and abs(y) <= 64:
        return nearest(Decimal(x) ** int(y))
    size = Decimal(x).ln() * Decimal(y)
    return math.inf if size > 710 else 0.0 if size < -746 else nearest(size.exp())


def bits(x): return struct.unpack("<Q", struct.pack("<d", x))[0]


def hash_of(results):
    """FNV-1a over the words."""
    state = 0xCBF29CE484222325
    for result in results:
        state = ((state ^ bits(result)) * 0x100000001B3) & MASK
    return state


COUNT = 20_000
random = Randomness(1)
print("ln    0x%016x" % hash_of(ln(abs(random.double(1, 2046))) for _ in range(COUNT)))
random = Randomness(2)
print("ln~1  0x%016x" % hash_of(ln(abs(random.double(1021, 1024))) for _ in range(COUNT)))
random = Randomness(3)
print("log   0x%016x" % hash_of(log(abs(random.double(1, 2046))) for _ in range(COUNT)))
random = Randomness(4)
print("exp   0x%016x" % hash_of(exp(random.double(960, 1032)) for _ in range(COUNT)))
random = Randomness(5)
print("power 0x%016x" % hash_of(power(abs(random.double(1000, 1050)), random.double(1010, 1030)) for _ in range(COUNT)))
random = Randomness(6)
print("whole 0x%016x" % hash_of(power(abs(random.double(1003, 1043)), float(random.next() % 41) - 20) for _ in range(COUNT)))
print()
for name, function, arguments in [
    ("ln", ln, [(0.1,), (2.0,), (10.0,), (0.9999999999999999,), (1.0000000000000002,), (5e-324,), (1.7976931348623157e308,)]),
    ("log", log, [(0.1,), (2.0,), (1000.0,), (1e22,), (1e-5,), (0.9999999999999999,), (5e-324,)]),
    ("exp", exp, [(1.0,), (-1.0,), (0.1,), (1e-17,), (709.782712893384,), (709.7827128933841,), (-745.1332191019411,), (-745.1332191019412,), (-708.5,), (-744.0,)]),
    ("power", power, [(2.0, 0.5), (10.0, 3.0), (10.0, -3.0), (1.0000001, 1e7), (0.1, 2.0), (94906265.62425156, 2.0), (134217729.0, 2.0), (2.0, -1074.0), (2.0, -1073.5), (2.0, 1023.9999), (3.0, 40.0), (1.1, 64.0)]),
]:
    for given in arguments:
        print(f'        ("{name}", {list(given)}, 0x{bits(function(*given)):016x}),')
