"""What only data and networks tell of a sweep's runs, found out before anything of it is written."""

import contextlib
from collections.abc import Callable, Iterator

from ms_gan.commands.preparing import build, check_lazy_penalty, check_measures, fitted_for_run
from ms_gan.commands.references import load_real_images
from ms_gan.commands.sweep_file import Sweep
from ms_gan.commands.tensorboard import check_tensorboard
from ms_gan.config import Config
from ms_gan.config.schema import DataConfig
from ms_gan.data.configured import configured_images
from ms_gan.data.images import ImageSet
from ms_gan.errors import UserError
from ms_gan.evaluation.extractors import check_extractor

EVALUATION_SEED = 1


def check_runs(sweep: Sweep, announce: Callable[[str], None]) -> None:
    """Load the data of every run, each once, and see that networks, run and evaluation can be made for them.

    The device is to be activated before: networks are built, and given up again.

    Parameters
    ----------
    sweep : Sweep
        What was asked for.
    announce : callable
        Takes lines about downloads.

    Raises
    ------
    UserError
        If data cannot be loaded, or do not suit a run, its networks or the extractor.
    """
    # In a function of its own, so that one set is given up before the next is loaded.
    for data in dict.fromkeys(config.data for config in sweep.runs.values()):
        _check_runs_on(data, sweep, announce)


def _check_runs_on(data: DataConfig, sweep: Sweep, announce: Callable[[str], None]) -> None:
    runs = {name: config for name, config in sweep.runs.items() if config.data == data}
    with _naming(next(iter(runs))):
        images = _load(sweep, data, announce)
    for name, config in runs.items():
        with _naming(name):
            _check_run(config, images)


@contextlib.contextmanager
def _naming(run: str) -> Iterator[None]:
    """Put the name of a run before what is refused."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{run}: {error}") from None


def _load(sweep: Sweep, data: DataConfig, announce: Callable[[str], None]) -> ImageSet:
    """Return the images to train on; refuse those that cannot be evaluated with as planned."""
    if not sweep.evaluate:
        return configured_images(data, announce)
    real = load_real_images(data, None, announce, EVALUATION_SEED)
    check_extractor(sweep.extractor, real.train, real.test, "extractor:")
    return real.seen


def _check_run(config: Config, images: ImageSet) -> None:
    check_measures(config)
    check_tensorboard(config)
    config, stream = fitted_for_run(config, images)
    check_lazy_penalty(config, stream.batches_per_epoch)
    build(config, stream.batches_per_epoch)
