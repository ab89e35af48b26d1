"""Images per second with one worker and with several on this CPU, the share of communication, and the messages.

    python benchmarks/scaling.py [--recipe mlp] [--workers 2] [--batch 64] [--steps 20] [--paper MS]

One process does the whole batch; then so many do their shares at the same time without knowing of each other; then
they are workers. The difference of the last two is communication, and waiting for each other. From the messages and
the step time of one worker, or `--paper MS` for that of a card, it works out what 8 and 64 cards would do.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

# 100 Gbit/s Ethernet of each card: support.huawei.com, Atlas 300T training card (model 9000), "Typical Networking".
LINK = 12.5e9  # bytes/s
LATENCY = 20e-6  # seconds for each message and hop: an assumption


def main() -> None:
    """Measure, and work out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="mlp")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--paper", type=float, metavar="MS", help="step time of a card alone, with its whole batch")
    parser.add_argument("--share", type=int, metavar="SHARE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.share:
        _work(options)
        return
    share = options.batch // options.workers
    whole = _alone(options, 1, options.batch)["ms"]
    apart = _alone(options, options.workers, share)["ms"]
    together = _together(options, share)
    print(f"{options.recipe}, batch {options.batch}, CPU, median of {options.steps} steps")
    print(f"| 1 worker | {whole:.1f} ms/step | {1000 * options.batch / whole:,.0f} images/s | |")
    print(
        f"| {options.workers} workers | {together['ms']:.1f} ms/step | {1000 * options.batch / together['ms']:,.0f} "
        f"images/s | communication {100 * max(0.0, 1 - apart / together['ms']):.0f} % (without: {apart:.1f} ms) |"
    )
    gradients, statistics = together["gradients"], together["statistics"]
    print(f"messages a step: gradients {gradients} bytes, statistics {statistics} bytes")
    for cards in (8, 64):
        print(_on_paper(cards, (options.paper or whole) / 1000, [*gradients, *statistics], options.batch))


def _on_paper(cards: int, step: float, messages: list[int], batch: int) -> str:
    """Return what a ring of cards would do, each with a batch of its own: the whole batch grows with them."""
    sent = 2 * (cards - 1) / cards * sum(messages) / LINK
    waited = 2 * (cards - 1) * LATENCY * len(messages)
    total = step + sent + waited
    return (
        f"on paper, {cards} cards: {1000 * total:.2f} ms/step ({1000 * sent:.2f} sending, {1000 * waited:.2f} "
        f"latency), {cards * batch / total:,.0f} images/s, {100 * step / total:.0f} % of {cards} times one"
    )


def _work(options: argparse.Namespace) -> None:
    """Be one process, or one worker where the launcher says so: time steps on a share of the batch."""
    from ms_gan.config import load_config
    from ms_gan.device import activate, choose_device
    from ms_gan.device.team import join, role, serve_as_scheduler

    if role() == "scheduler":
        serve_as_scheduler()
        return
    activate(choose_device("cpu", announce=lambda line: None))
    rank = join()[0] if role() == "worker" else 0

    from ms_gan.commands.ready import make_ready

    settings = ["data.source=builtin", "data.images_per_epoch=2048", "steps=100", f"batch_size={options.share}"]
    ready = make_ready(load_config(options.recipe, settings, {}), device="cpu", announce=lambda line: None)
    milliseconds = _time(ready, options.steps)
    players = ready.players
    optimizers = (players.discriminator_optimizer, players.generator_optimizer)
    # Passes of a step, each with a message forward and one back: G once; D for real, for fake, and in the update of G.
    passes = ((players.generator, 1), (players.discriminator, 3))
    found = {
        "ms": milliseconds,
        "gradients": [sum(4 * weight.size for weight in optimizer.parameters) for optimizer in optimizers],
        # Sums and sums of squares, and their derivatives.
        "statistics": [
            8 * parameter.size
            for network, times in passes
            for parameter in network.get_parameters()
            if parameter.name.endswith("moving_mean")
            for _ in range(2 * times)
        ],
    }
    if rank == 0:
        print(json.dumps(found), flush=True)


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


def _alone(options: argparse.Namespace, processes: int, batch: int) -> dict:
    """Run so many processes at once, each with a batch of its own; return what the first found."""
    children = [
        subprocess.Popen([sys.executable, __file__, *_words(options, batch)], stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    outputs = [child.communicate()[0] for child in children]
    return _found(outputs[0])


def _together(options: argparse.Namespace, share: int) -> dict:
    """Run the workers; return what worker 0 found."""
    count = options.workers
    with tempfile.TemporaryDirectory() as folder:
        launcher = [sys.executable, "-m", "mindspore.parallel.cluster.run", "--join=True", f"--log_dir={folder}"]
        launcher += [f"--worker_num={count}", f"--local_worker_num={count}", "--master_port=18377"]
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = [*launcher, str(Path(__file__).resolve()), *_words(options, share)]
        subprocess.run(command, env=os.environ | path, capture_output=True)
        return _found((Path(folder) / "worker_0.log").read_text())


def _found(text: str) -> dict:
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else sys.exit(f"nothing was measured:\n{text}")


def _words(options: argparse.Namespace, batch: int) -> list[str]:
    return ["--share", str(batch), "--recipe", options.recipe, "--steps", str(options.steps)]


if __name__ == "__main__":
    main()
