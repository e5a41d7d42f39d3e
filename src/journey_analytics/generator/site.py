"""The pages of the shop's site, each with a code.

Belongs here: what pages there are and which of them is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from journey_analytics.generator.behaviour import Behaviour, Flags, Floats, Ints, pick_by

HOME = "/"
STEP_PAGES = {
    "search": "/search",
    "wishlist": "/wishlist",
    "cart": "/cart",
    "checkout": "/checkout",
    "payment": "/checkout/payment",
    "newsletter": "/newsletter",
    "login": "/login",
    "register": "/register",
}
HELP_PREFIX = "/help/"
_PATTERNS = {"category": "/c/{}", "guide": "/guide/{}", "help": HELP_PREFIX + "{}", "product": "/p/{}"}


@dataclass(frozen=True)
class Site:
    """The pages of a shop."""

    behaviour: Behaviour

    @cached_property
    def paths(self) -> list[str]:
        """Path by code."""
        pages = [
            pattern.format(number)
            for section, pattern in _PATTERNS.items()
            for number in range(1, self.behaviour.pages[section] + 1)
        ]
        return [HOME, *STEP_PAGES.values(), *pages]

    def step(self, name: str) -> int:
        """The code of the page on which a step is taken."""
        return self.paths.index(STEP_PAGES[name])

    @cached_property
    def sections(self) -> dict[str, tuple[int, int]]:
        """The first code and the number of pages of each section."""
        found = {"home": (0, 1)}
        begin = 1 + len(STEP_PAGES)
        for section in _PATTERNS:
            found[section] = (begin, self.behaviour.pages[section])
            begin += self.behaviour.pages[section]
        return found

    def is_help(self, codes: Ints) -> Flags:
        """Whether each page is one of the help pages."""
        begin, count = self.sections["help"]
        return np.asarray((codes >= begin) & (codes < begin + count))

    def pages(self, section: str, uniform: Floats) -> Ints:
        """A page of the section for each number; the first ones are looked at most."""
        begin, count = self.sections[section]
        return begin + (uniform**2 * count).astype(np.int32)

    def browse(self, kind: Ints, uniform: tuple[Floats, Floats], help_factors: tuple[float, ...]) -> Ints:
        """A page for each view.

        Args:
            kind: of the visitor of each view, a place in `help_factors`.
            uniform: two numbers from [0, 1) for each view.
            help_factors: how much likelier a help page is for the visitors of a kind.
        """
        weights = self.behaviour.sections
        rows = [
            [weight * (factor if name == "help" else 1.0) for name, weight in weights.items()]
            for factor in help_factors
        ]
        section = pick_by(kind, uniform[0], rows)
        begin = np.array([self.sections[name][0] for name in weights], dtype=np.int32)
        count = np.array([self.sections[name][1] for name in weights], dtype=np.int32)
        return begin[section] + (uniform[1] ** 2 * count[section]).astype(np.int32)
