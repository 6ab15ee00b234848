"""How long and how hard: the whole campaign, and the short form for the test suite."""

from tests.system.faults.campaign import Plan
from tests.system.faults.chaos import Violence


def full_plan(lease: float) -> Plan:
    """Return the plan whose table stands in docs/reliability.md."""
    return Plan(
        updates=2000,
        chats=50,
        rate=8,
        delay=0.4,
        gemini_faults=0.05,
        odd_posts=0.08,
        violence=Violence(kills=12, freezes=3, outages=4, pause=4, drizzle=0.8, lease=lease),
    )


def short_plan() -> Plan:
    """Return a plan of some seconds in which every kind of fault comes up.

    Its lease leaves room for a machine that runs other tests beside it: what stands still for
    longer than a lease without having been frozen has no excuse.
    """
    return Plan(
        updates=60,
        chats=10,
        rate=12,
        delay=0.1,
        gemini_faults=0.3,
        odd_posts=0.2,
        violence=Violence(kills=1, freezes=1, outages=1, pause=0.5, drizzle=0.25, lease=5),
    )
