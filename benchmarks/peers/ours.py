"""The job on what this project is: `submit`, and `dispatcher worker`.

Both exactly as a user has them; the account's rate is none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from benchmarks.harness import job
from dispatcher import Campaign, Dispatcher
from dispatcher.settings import Settings

ID = "bench"


def environment(redis: str, provider: str) -> dict[str, str]:
    """The settings of client and workers."""
    return {
        "DISPATCHER_REDIS_URL": redis,
        "DISPATCHER_ACCOUNT_RATE": "none",
        "BW_ACCOUNT_ID": job.ACCOUNT,
        "BW_USERNAME": job.USERNAME,
        "BW_PASSWORD": job.PASSWORD,
        "BW_APPLICATION_ID": job.APPLICATION,
        "BW_BASE_URL": provider,
    }


def settings(environ: Mapping[str, str]) -> Settings:
    """The same as an object, for this process."""
    fields = {field.alias: n for n, field in Settings.model_fields.items()}
    return Settings.load(**{fields[k]: v for k, v in environ.items() if k in fields})


def enqueue(bodies: list[job.Body]) -> None:
    """One campaign of them all."""
    environ = environment(job.redis_url(), os.environ[job.PROVIDER])
    environ["DISPATCHER_DATA_DIR"] = os.environ["DISPATCHER_DATA_DIR"]
    campaign = Campaign(sender=job.SENDER, text=job.TEXT, tag=job.TAG)
    with Dispatcher(settings(environ)) as dispatcher:
        recipients = (number for body in bodies for number in body["to"])
        dispatcher.submit(campaign, recipients, id=ID)
