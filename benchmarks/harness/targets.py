"""What was asked for: each target, and how a figure stands to it.

The figures come from the sections' runs, by name. It measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.harness.figures import table


@dataclass(frozen=True)
class Target:
    """One thing that was asked for.

    Attributes:
        what: For people.
        figure: Name of the figure that a section gives.
        floor: What it must be at least; at most if `less`.
        reach: What would be better yet; None if nothing was named.
        form: How a figure is written, `{}` being the number.
        less: Whether a smaller figure is the better one.
    """

    what: str
    figure: str
    floor: float
    reach: float | None
    form: str
    less: bool = False

    def verdict(self, value: float | None) -> str:
        """Reached, floor only, missed, or not measured."""
        if value is None:
            return "not measured"
        if self.reach is not None and self._meets(value, self.reach):
            return "reached"
        if self._meets(value, self.floor):
            return "met" if self.reach is None else "floor met"
        return "**missed**"

    def _meets(self, value: float, bound: float) -> bool:
        return value <= bound if self.less else value >= bound

    def row(self, value: float | None) -> list[str]:
        """Its line of the table."""
        sign = "at most " if self.less else "at least "
        reach = "" if self.reach is None else self._tell(self.reach)
        ours = "" if value is None else self._tell(value)
        floor = sign + self._tell(self.floor)
        return [self.what, floor, reach, ours, self.verdict(value)]

    def _tell(self, value: float) -> str:
        return self.form.format(value)


_TIMES: Final = "{:.3g} x"
_USED: Final = "permitted rate used at {:,} units/s"
_OVER: Final = "over rate x t at {:,} units/s, worst window, units"
#: Units a second at which the rate is looked at.
RATES: Final = (10, 400, 5000)

TARGETS: Final = (
    Target("sent and recorded, against a plain Celery task per group",
           "sent_vs_celery", 10, 20, _TIMES),
    Target("sent and recorded, against the best of dramatiq, taskiq and rq",
           "sent_vs_peers", 4, 8, _TIMES),
    Target("against a bare loop over our own HTTP stack that records nothing",
           "sent_vs_own_loop", 0.75, 0.9, "{:.2f}"),
    Target("the same where the provider takes 50 ms to answer",
           "distant_vs_own_loop", 0.75, 0.9, "{:.2f}"),
    Target("against a bare pyreqwest loop (the limit)",
           "sent_vs_pyreqwest", 0.2, 0.35, "{:.2f}"),
    Target("recipients submitted/s, against one Celery `delay` per group",
           "submit_vs_celery", 10, 30, _TIMES),
    Target("10,000,000 recipients from an E.164 file: seconds",
           "submit_10m_seconds", 90, 45, "{:.0f}", less=True),
    Target("the same: the producer's peak memory, MB",
           "submit_10m_megabytes", 300, 200, "{:.0f}", less=True),
    Target("Redis bytes per recipient, finished, with message ids",
           "bytes_finished", 30, 20, "{:.1f}", less=True),
    Target("Redis commands per group, all included, unthrottled",
           "commands_per_group", 1, 0.3, "{:.3f}", less=True),
    *(Target(_USED.format(rate), f"rate_used_{rate}", 0.99, None, "{:.2%}")
      for rate in RATES),
    *(Target(_OVER.format(rate), f"rate_over_{rate}", rate + 10, None, "{:,.1f}",
             less=True) for rate in RATES),
)  # fmt: skip


def tell(figures: Mapping[str, float]) -> str:
    """The table of all targets, ours beside them."""
    heads = ["what", "floor", "reach for", "here", ""]
    return table(heads, [t.row(figures.get(t.figure)) for t in TARGETS])
