"""One run shared by several workers: worker 0 leads and writes, the others follow it from event to event."""

import dataclasses
from collections.abc import Callable

from ms_gan.commands.finite import NotFinite
from ms_gan.commands.preparing import Prepared, build, check_split
from ms_gan.commands.signals import noted_signals
from ms_gan.config import Config
from ms_gan.data.stream import data_seed
from ms_gan.device.team import join, role
from ms_gan.networks import ImageShape
from ms_gan.runs.state import player_parameters
from ms_gan.training.loop import Listener, Position, run_loop
from ms_gan.training.parallel import Alone, Worker
from ms_gan.training.players import Players
from ms_gan.training.setup import prepare_steps

# What worker 0 tells the others: it goes on, it goes back to an earlier state, it ends here.
_ON, _BACK, _END = 0.0, 1.0, 2.0


class _Ended(Exception):
    """Worker 0 ends, and says itself why."""


class Leader:
    """Worker 0's listener: tells the others after every event how it went."""

    def __init__(self, listener: Listener, worker: Worker, players: Players):
        self._listener, self._worker, self._players = listener, worker, players

    def on_step(self, position: Position) -> None:
        """Let the listener do what is quick."""
        self._listener.on_step(position)

    def on_record(self, position: Position, numbers: dict[str, float]) -> None:
        """Let the listener record, and tell."""
        self._tell(lambda: self._listener.on_record(position, numbers))

    def on_samples(self, position: Position) -> None:
        """Let the listener draw, and tell."""
        self._tell(lambda: self._listener.on_samples(position))

    def on_networks(self, position: Position) -> None:
        """Let the listener save the networks, and tell."""
        self._tell(lambda: self._listener.on_networks(position))

    def on_state(self, position: Position) -> None:
        """Let the listener save the state, if all workers hold the same, and tell."""
        _check_equal(self._worker, self._players, position)
        self._tell(lambda: self._listener.on_state(position))

    def _tell(self, event: Callable[[], None]) -> None:
        try:
            event()
        except NotFinite:
            self._worker.from_first([_BACK])
            raise
        except Exception:
            self._worker.from_first([_END])
            raise
        self._worker.from_first([_ON])


class Follower:
    """The listener of the other workers: writes nothing, and hears from worker 0 after every event."""

    def __init__(self, worker: Worker, players: Players):
        self._worker, self._players = worker, players

    def on_step(self, position: Position) -> None:
        """Nothing."""

    def on_record(self, position: Position, numbers: dict[str, float]) -> None:
        """Hear how it went."""
        self._hear(position)

    def on_samples(self, position: Position) -> None:
        """Hear how it went."""
        self._hear(position)

    def on_networks(self, position: Position) -> None:
        """Hear how it went."""
        self._hear(position)

    def on_state(self, position: Position) -> None:
        """Compare the parameters, and hear how it went."""
        _check_equal(self._worker, self._players, position)
        self._hear(position)

    def _hear(self, position: Position) -> None:
        told = self._worker.from_first([_ON])[0]
        if told == _BACK:
            raise NotFinite(position.step, "something that worker 0 has seen")
        if told == _END:
            raise _Ended


def meet(config: Config) -> Alone:
    """Meet the other workers that the environment tells of, if there are any; the device is active by now.

    Raises
    ------
    UserError
        If they do not come, or the batch cannot be split among them.
    """
    if role() == "alone":
        return Alone()
    rank, size = join()
    check_split(config, size)
    return Worker(rank, size, timed=config.minutes is not None) if size > 1 else Alone()


def lead(worker: Alone, players: Players, position: Position) -> None:
    """Give the other workers, if there are any, the parameters and the place to go on from."""
    if isinstance(worker, Worker):
        worker.from_first([_ON])
        _give(worker, players, position)


def release(worker: Alone) -> None:
    """Tell the other workers, if there are any, that there is nothing to do (any more)."""
    if isinstance(worker, Worker):
        worker.from_first([_END])


def follow(prepared: Prepared, worker: Worker, announce: Callable[[str], None]) -> None:
    """Do the part of a worker other than 0, from where worker 0 says until it ends."""
    config, players, plan = build(prepared.config, prepared.stream.batches_per_epoch)
    announce(f"Worker {worker.rank} of {worker.size}: worker 0 keeps the run, its history and what is to be said")
    position, listener = Position(), Follower(worker, players)
    if not _told_to_go_on(worker, players, position):
        return
    steps = prepare_steps(players, config, ImageShape(config.data.channels, config.data.size), announce)
    with noted_signals() as received:
        while True:
            seed = data_seed(config.seed, position.rollbacks)
            now, stream = dataclasses.replace(config, seed=seed), prepared.stream.reseeded(seed)
            stops = stopping(worker, position, received)
            try:
                run_loop(now, plan, stream, steps, position, listener, stops, worker)
                return
            except _Ended:
                return
            except NotFinite as error:
                announce(str(error))
                if not _told_to_go_on(worker, players, position):
                    return


def stopping(worker: Alone, position: Position, received: list[int]) -> Callable[[], bool]:
    """Return a function that tells whether the run stops, since a signal was received by one of the workers."""
    return lambda: worker.stops(position.step, bool(received))


def _told_to_go_on(worker: Worker, players: Players, position: Position) -> bool:
    if worker.from_first([_ON])[0] == _END:
        return False
    _give(worker, players, position)
    return True


def _give(worker: Worker, players: Players, position: Position) -> None:
    """Bring parameters and position of all workers to those of worker 0; all call it at the same time."""
    worker.share_parameters(player_parameters(players).values())
    # In halves, which float32 holds exactly.
    numbers = [*divmod(position.step, 1 << 16), position.seconds, position.rollbacks]
    high, low, seconds, rollbacks = worker.from_first([float(number) for number in numbers])
    if worker.rank:
        position.step, position.seconds, position.rollbacks = (int(high) << 16) + int(low), seconds, int(rollbacks)


def _check_equal(worker: Worker, players: Players, position: Position) -> None:
    if not worker.parameters_are_equal(player_parameters(players).values()):
        raise RuntimeError(f"after step {position.step} the workers do not hold the same parameters; nothing was saved")
