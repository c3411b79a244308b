"""Any environment gives settings, or one error that shows no value."""

from __future__ import annotations

import os
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import ConfigError
from dispatcher.settings import Settings

NAMES = sorted(str(field.alias) for field in Settings.model_fields.values())
#: What no error may show.
MARK = "s3cret"
PLAIN = ["", " ", "none", "0", "1", "-1", "1e309", "nan", "true", "hold", "json", "{}"]
VALUE = st.sampled_from([*PLAIN, "https://h", "redis://h/0"]) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20
).map(lambda text: text + MARK)


def load() -> Settings | ConfigError:
    try:
        return Settings.load()
    except ConfigError as error:
        return error


@given(st.dictionaries(st.sampled_from(NAMES), VALUE))
def test_any_environment(environment: dict[str, str]) -> None:
    """Nothing else is raised, and neither settings nor error show a secret."""
    with patch.dict(os.environ, environment, clear=True):
        loaded = load()
    shown = f"{loaded} {loaded!r}"
    if isinstance(loaded, ConfigError):
        assert MARK not in shown
        assert "\n" not in str(loaded)
        assert any(name in shown for name in environment)
    secrets = {value for name, value in environment.items() if "PASSWORD" in name}
    told = [value for name, value in environment.items() if "PASSWORD" not in name]
    # What stands in another variable, too, may be shown for that.
    hidden = {s for s in secrets if MARK in s and not any(s in text for text in told)}
    assert not [value for value in hidden if value in shown]
