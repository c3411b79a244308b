"""Submit a list, wait until it is sent, and say who got nothing and why.

    python examples/submit_and_report.py families.csv +19195551212 "Doors open at 6 pm."

It needs a worker (`dispatcher worker`) and the settings in the environment. Run it
twice, or again after a crash: nothing is sent twice, the report is just made again.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from dispatcher import Campaign, Dispatcher, DispatchError, Run, read_recipients


def id_of(path: Path, campaign: Campaign) -> str:
    """An id that the same list and message have every time.

    That is what makes a second call harmless. A program with records of its own takes
    the key of the record instead ("reminder-4711").
    """
    digest = hashlib.sha256(campaign.to_json().encode())
    digest.update(path.read_bytes())
    return f"{path.stem[:40]}-{digest.hexdigest()[:16]}"


def report(run: Run) -> int:
    """Print what happened; how many recipients got nothing."""
    now = run.progress()
    left_out = sum(now.rejected.values()) + sum(now.dropped.values())
    print(
        f"{run.id}: {now.state}, {now.counts['accepted']} of {now.groups} groups sent"
    )
    # Bad rows never became a group: they are counted by reason, and listed in a file.
    for reason, count in {**now.rejected, **now.dropped}.items():
        print(f"  {count} rows left out: {reason}")
    if run.submission and run.submission.rejections_file:
        print(f"  every one of them: {run.submission.rejections_file}")
    # Results are streamed: this takes no more memory for a million groups.
    unsent = 0
    for group in run.results():
        if group.state != "accepted":
            unsent += len(group.to)
            # The code only: the provider's own words may quote a number.
            why = group.error.code if group.error else "no reason known"
            print(
                f"  group {group.number} ({len(group.to)} people): {group.state}, {why}"
            )
    return left_out + unsent


def main() -> int:
    """Run it; 0 if everybody was sent to, 1 if not."""
    parser = argparse.ArgumentParser(description="Submit a list and report.")
    parser.add_argument("list", type=Path)
    parser.add_argument("sender", help="a number of yours, like +19195551212")
    parser.add_argument("text")
    parser.add_argument("--timeout", type=float, help="seconds to wait; else for ever")
    wanted = parser.parse_args()
    try:
        campaign = Campaign(sender=wanted.sender, text=wanted.text)
        with Dispatcher() as dispatcher:
            recipients = read_recipients(wanted.list)
            id_ = id_of(wanted.list, campaign)
            run = dispatcher.submit(campaign, recipients, id=id_)
            run.wait(wanted.timeout)
            return 1 if report(run) else 0
    except (DispatchError, TimeoutError) as error:
        # Every error of the library says in one line what to do, without numbers.
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
