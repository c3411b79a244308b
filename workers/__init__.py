"""What runs: Celery workers that claim groups, send them and record outcomes.

`celery -A workers worker` starts one. Nothing in `dispatcher` imports this.
"""

from typing import Any

__all__ = ["celery"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - module attributes have no one type
    """Build the Celery application only when somebody asks for it."""
    if name == "celery":
        from workers.app import celery_app  # noqa: PLC0415 - it reads the settings

        return celery_app()
    raise AttributeError(name)
