"""What stands over the pages and pictures of a run."""

from collections.abc import Mapping
from typing import Any

from ms_gan.config import Config
from ms_gan.data.sources import TITLES


def heading(config: Config, environment: Mapping[str, Any]) -> str:
    """Return the title of a run's recipe, and what it was trained on where that is not what the recipe prefers.

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
    asked, own = (
        {str(name).casefold() for name in names} for names in (config.data.classes, config.data.prefer_classes)
    )
    classes = config.data.classes if asked - own else ()
    # The titles of recipes name their data: a fallback, --data or --classes must not be shown as those.
    if source is None or (source == config.data.prefer and not classes):
        return title
    words = TITLES.get(source, source)
    return f"{title} (trained on {', '.join([words, *map(str, classes)])})"
