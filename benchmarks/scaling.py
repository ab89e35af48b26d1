"""Images per second with one worker and with several on this CPU, the share of communication, and the messages.

    python benchmarks/scaling.py [--recipe mlp] [--workers 2] [--batch 64] [--steps 20] [--paper MS] [--json FILE]

One process does the whole batch; then so many do their shares at the same time without knowing of each other; then
they are workers. The difference of the last two is communication, and waiting for each other. From the messages and
the step time of one worker, or `--paper MS` for that of a card, it works out what 8 and 64 cards would do.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import circumstances, headline, leave, run, table
from ms_gan.commands.preparing import check_split
from ms_gan.commands.workers import free_port
from ms_gan.config import Config, load_config
from ms_gan.errors import UserError
from ms_gan.files import check_writable

# 100 Gbit/s Ethernet of each card: support.huawei.com, Atlas 300T training card (model 9000), "Typical Networking".
LINK = 12.5e9  # bytes/s
LATENCY = 20e-6  # seconds for each message and hop: an assumption
_IMAGES = 2048


def main(words: Sequence[str]) -> dict[str, Any]:
    """Measure, work out, print the tables and return the numbers; with --share, be one of the processes."""
    options = _parser().parse_args(words)
    if options.share:
        return _work(options)
    if min(options.workers, options.batch, options.steps) < 1:
        raise UserError("--workers, --batch and --steps are whole numbers from 1")
    if options.batch > _IMAGES:
        raise UserError(f"--batch {options.batch}: the data are {_IMAGES:,} images; give at most so many")
    if options.paper is not None and not (math.isfinite(options.paper) and options.paper > 0):
        raise UserError("--paper is a number of milliseconds above 0")
    if options.batch % options.workers:
        raise UserError(
            f"--batch {options.batch}: cannot be split into {options.workers} equal shares; give a multiple of "
            f"--workers, for example {math.ceil(options.batch / options.workers) * options.workers}"
        )
    check_split(_config(options, options.batch), options.workers)
    check_writable(options.json)
    result = circumstances() | {key: getattr(options, key) for key in ("recipe", "workers", "batch", "steps")}
    share = options.batch // options.workers
    whole, apart, together = (
        _alone(options, 1, options.batch),
        _alone(options, options.workers, share),
        _together(options, share),
    )
    result["ms"] = {"whole": whole["ms"], "apart": apart["ms"], "together": together["ms"]}
    result["communication"] = max(0.0, 1 - apart["ms"] / together["ms"])
    result["messages"] = {key: together[key] for key in ("gradients", "statistics")}
    messages = [*together["gradients"], *together["statistics"]]
    step = options.paper or whole["ms"]
    result["on_paper"] = [on_paper(cards, step / 1000, messages, options.batch) for cards in (8, 64)]
    print(f"{headline(result)}\n\n{markdown(result)}")
    leave(options.json, result)
    return result


def markdown(result: dict[str, Any]) -> str:
    """Return the numbers as tables."""
    ms, workers = result["ms"], result["workers"]
    of = {"1 worker": ms["whole"], f"{workers} workers": ms["together"], f"{workers} that send nothing": ms["apart"]}
    rows = [[name, f"{step:.1f}", f"{1000 * result['batch'] / step:,.0f}"] for name, step in of.items()]
    head = [f"{result['recipe']}, batch {result['batch']}", "ms/step", "images/s"]
    paper = result["on_paper"]
    times = [[f"{one[key]:.2f}" for key in ("ms", "sending_ms", "latency_ms")] for one in paper]
    gains = [[f"{one['images_per_second']:,.0f}", f"{100 * one['efficiency']:.0f} %"] for one in paper]
    cards = [[f"{one['cards']} cards", *time, *gain] for one, time, gain in zip(paper, times, gains, strict=True)]
    return (
        f"{table(head, rows)}\n\nMedians of {result['steps']} steps; communication is "
        f"{100 * result['communication']:.0f} % of a step. Messages of a step, bytes: gradients "
        f"{result['messages']['gradients']}, statistics {result['messages']['statistics']}.\n\n"
        f"{table(['on paper', 'ms/step', 'sending', 'latency', 'images/s', 'of so many times one'], cards)}"
    )


def on_paper(cards: int, step: float, messages: Sequence[int], batch: int) -> dict[str, float]:
    """Return what a ring of cards would do, each with a batch of its own: the whole batch grows with them.

    Parameters
    ----------
    cards : int
        How many.
    step : float
        Seconds of a step of a card alone.
    messages : sequence of int
        Bytes of each message of a step.
    batch : int
        Images of a card.
    """
    sent = 2 * (cards - 1) / cards * sum(messages) / LINK
    waited = 2 * (cards - 1) * LATENCY * len(messages)
    total = step + sent + waited
    return {
        "cards": cards,
        "ms": 1000 * total,
        "sending_ms": 1000 * sent,
        "latency_ms": 1000 * waited,
        "images_per_second": cards * batch / total,
        "efficiency": step / total,
    }


def _config(options: argparse.Namespace, batch: int) -> Config:
    settings = ["data.source=builtin", f"data.images_per_epoch={_IMAGES}", "steps=100", f"batch_size={batch}"]
    return load_config(options.recipe, settings, {})


def _work(options: argparse.Namespace) -> dict[str, Any]:
    """Be one process, or one worker where the launcher says so: time steps on a share of the batch."""
    from ms_gan.device import activate, choose_device
    from ms_gan.device.team import join, role, serve_as_scheduler

    if role() == "scheduler":
        serve_as_scheduler()
        return {}
    activate(choose_device("cpu", announce=lambda line: None))
    rank = join()[0] if role() == "worker" else 0

    from ms_gan.commands.ready import make_ready

    ready = make_ready(_config(options, options.share), device="cpu", announce=lambda line: None)
    sent = messages(ready.players, ready.config)
    found = {"ms": _time(ready, options.steps)} | sent
    if rank == 0:
        print(json.dumps(found), flush=True)
    return found


def messages(players: Any, config: Config) -> dict[str, list[int]]:
    """Return the bytes of each message that a worker sends in a step.

    Parameters
    ----------
    players : ms_gan.training.players.Players
        The networks and their optimizers.
    config : Config
        The run.

    Returns
    -------
    dict
        ``gradients``: one for each update; ``statistics``: of each layer of batch normalisation in each pass.

    Raises
    ------
    UserError
        If there is a penalty on a discriminator with batch normalisation, whose passes are not counted.
    """
    from ms_gan.training.judgement import has_batch_norm
    from ms_gan.training.plan import updates_jointly
    from ms_gan.training.steps import is_paired

    if config.objective.penalty != "none" and has_batch_norm(players.discriminator):
        raise UserError(
            f"--recipe {config.recipe}: the messages of a penalty through batch normalisation of the discriminator are "
            "not counted here; take a recipe without the one or the other"
        )
    d_steps, parts = config.updates.d_steps, config.updates.accumulate
    # Forward, and back for the derivatives. G draws for every D step, without derivatives, and for its own update,
    # which may be of what it drew for the last D step. D looks at real and at fake images, and at those that G draws
    # for its update; where the loss is one of pairs, at real ones beside them, without derivatives.
    g_passes = d_steps + (1 if updates_jointly(config) else 2)
    d_passes = 4 * d_steps + 2 + is_paired(config)
    d_updates = d_steps * (2 if config.updates.real_and_fake == "in_turn" else 1)
    optimizers = [*[players.discriminator_optimizer] * d_updates, players.generator_optimizer]
    return {
        "gradients": [sum(4 * weight.size for weight in optimizer.parameters) for optimizer in optimizers],
        # Sums and sums of squares, or their derivatives.
        "statistics": [
            8 * parameter.size
            for network, passes in ((players.generator, g_passes), (players.discriminator, d_passes))
            for parameter in network.get_parameters()
            if parameter.name.endswith("moving_mean")
            for _ in range(parts * passes)
        ],
    }


def _time(ready, steps: int) -> float:
    """Return the median milliseconds of a step, after two that compile."""
    from ms_gan.training.loop import _one_step

    times = []
    for step in range(steps + 2):
        began = time.perf_counter()
        for part in _one_step(ready.config, ready.stream, ready.steps, step, slice(None)):
            part.asnumpy()
        times.append(1000 * (time.perf_counter() - began))
    return sorted(times[2:])[steps // 2]


def _alone(options: argparse.Namespace, processes: int, batch: int) -> dict[str, Any]:
    """Run so many processes at once, each with a batch of its own; return what the first found."""
    command = [sys.executable, str(Path(__file__).resolve()), *_words(options, batch)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    children = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    outputs = [child.communicate()[0] for child in children]
    for child, output in zip(children, outputs, strict=True):
        _check(child.returncode, output, f"a process with {batch} images")
    return _found(outputs[0])


def _together(options: argparse.Namespace, share: int) -> dict[str, Any]:
    """Run the workers; return what worker 0 found."""
    count = options.workers
    with tempfile.TemporaryDirectory(prefix="ms_gan-scaling-") as folder:
        launcher = [sys.executable, "-m", "mindspore.parallel.cluster.run", "--join=True", f"--log_dir={folder}"]
        launcher += [f"--worker_num={count}", f"--local_worker_num={count}", f"--master_port={free_port()}"]
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = [*launcher, str(Path(__file__).resolve()), *_words(options, share)]
        ended = subprocess.run(
            command, env=os.environ | path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        log = Path(folder) / "worker_0.log"
        output = log.read_text(errors="replace") if log.exists() else ended.stdout
        _check(ended.returncode, output, f"the launcher of {count} workers")
        return _found(output)


def _check(status: int, output: str, what: str) -> None:
    """Raise UserError where a process failed."""
    if status:
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "nothing said")
        raise UserError(f"{what} ended with status {status}: {last.strip()}")


def _found(output: str) -> dict[str, Any]:
    """Return the numbers among what a process has written."""
    lines = [line for line in output.splitlines() if line.startswith('{"ms"')]
    if not lines:
        raise UserError("a process ended well without numbers; run it again with fewer --workers")
    return json.loads(lines[-1])


def _words(options: argparse.Namespace, batch: int) -> list[str]:
    return ["--share", str(batch), "--recipe", options.recipe, "--steps", str(options.steps)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="mlp", metavar="NAME", help="a recipe (mlp)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="how many (2)")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="images of all workers together (64)")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps that are timed (20)")
    parser.add_argument("--paper", type=float, metavar="MS", help="step time of a card alone, with its whole batch")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--share", type=int, metavar="SHARE", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    run(main)
