"""Samples by what was measured. A key is (part, placement, case, subject, metric); each round adds one value."""
import json
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    @staticmethod
    def of(values):
        return Spread(statistics.median(values), min(values), max(values))


class Results:
    def __init__(self):
        self.samples = {}

    def add(self, part, placement, case, subject, figures):
        for metric, value in figures.items():
            self.samples.setdefault((part, placement, case, subject, metric), []).append(value)

    def spread(self, *key):
        """None if it was not measured."""
        values = self.samples.get(key)
        return Spread.of(values) if values else None

    def median(self, *key):
        spread = self.spread(*key)
        return spread.median if spread else None

    def _rounds(self, *keys):
        """What each round has of all of them; None if one is missing."""
        columns = [self.samples.get(tuple(key)) for key in keys]
        return list(zip(*columns)) if all(columns) else None

    def ratio(self, key, base):
        """Of the first to the second, round by round: what disturbs a round disturbs both. None if one is missing."""
        rounds = self._rounds(key, base)
        return Spread.of([above / below for above, below in rounds]) if rounds else None

    def difference(self, key, base):
        """Of the first from the second, likewise."""
        rounds = self._rounds(key, base)
        return Spread.of([more - less for more, less in rounds]) if rounds else None

    def cases(self, part, placement=None):
        """In the order in which they were measured."""
        return list(dict.fromkeys(key[2] for key in self.samples if key[0] == part and placement in (None, key[1])))

    def subjects(self, part):
        return list(dict.fromkeys(key[3] for key in self.samples if key[0] == part))

    def ran(self, part):
        return any(key[0] == part for key in self.samples)

    def save(self, path, about):
        rows = [dict(zip(("part", "placement", "case", "subject", "metric"), key), median=statistics.median(values),
                     min=min(values), max=max(values), rounds=values) for key, values in self.samples.items()]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"about": about, "results": rows}, file, indent=1)
