#!/usr/bin/env python3
"""Writes seeds for fuzz_operations: random sequences of requests whose parts have plausible lengths. Usage: operations_seeds.py FOLDER"""
import random
import sys

# op, bytes behind the header, most bytes of the variable part
OPS = [(4, 8, 32), (10, 48, 5), (11, 32, 1500), (12, 16, 5), (13, 8, 5), (14, 8, 10), (15, 8, 5), (16, 24, 3), (17, 8, 0), (18, 32, 5), (19, 40, 5), (19, 40, 3), (20, 8, 0), (21, 16, 0), (22, 8, 3), (22, 8, 3), (24, 16, 5), (24, 16, 5), (25, 8, 5), (26, 8, 300), (27, 8, 1500), (28, 24, 1500), (59, 32, 5), (59, 32, 3), (59, 32, 2),
       (30, 16, 2), (31, 8, 0), (32, 56, 0), (33, 40, 40), (34, 24, 2), (35, 16, 2), (36, 16, 2), (37, 24, 4), (38, 24, 0), (39, 48, 0),
       (40, 32, 1500), (41, 8, 0), (42, 48, 0), (43, 8, 0), (48, 16, 48), (49, 24, 400), (49, 24, 1500), (50, 16, 0), (51, 16, 48),
       (2, 0, 0), (3, 8, 0), (44, 40, 0), (45, 48, 0), (45, 48, 0), (46, 8, 0), (47, 0, 0), (52, 24, 0), (53, 16, 0), (54, 40, 0), (55, 8, 0), (55, 8, 0), (56, 8, 40), (57, 8, 5), (58, 0, 0)]
RANGES = {11: 2, 40: 2}


def request(rng):
    op, fixed, variable = rng.choice(OPS)
    length = fixed + (rng.randrange(variable + 1) if variable else 0)
    flags = rng.choice([0, 0, 1, 2, 4, 255 & 127])
    if op == 45:
        flags = rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 18])
    if op in RANGES and rng.random() < 0.4:
        flags, length = RANGES[op], fixed + 24
    return bytes([op, flags, length & 255, length >> 8]) + rng.randbytes(length)


for number in range(200):
    rng = random.Random(number)
    with open(f"{sys.argv[1]}/seed-{number}", "wb") as seed:
        seed.write(b"".join(request(rng) for _ in range(rng.randrange(5, 60))))
