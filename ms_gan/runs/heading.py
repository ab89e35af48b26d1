"""What stands over the pages and pictures of a run."""

from collections.abc import Mapping
from typing import Any

from ms_gan.config import Config
from ms_gan.data.sources import TITLES


def heading(config: Config, environment: Mapping[str, Any]) -> str:
    """Return the title of a run's recipe, and what it was trained on where the recipe was written for other data.

    Parameters
    ----------
    config : Config
        Of the run.
    environment : mapping
        Of the run, see :meth:`ms_gan.runs.folder.RunFolder.environment`.
    """
    title = config.title or config.recipe
    data = environment.get("data")
    source = data.get("source") if isinstance(data, Mapping) else None
    # The titles of recipes name their data, and a fallback or --data must not be shown as those.
    return title if source in (None, config.data.prefer) else f"{title} (trained on {TITLES.get(source, source)})"
