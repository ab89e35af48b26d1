"""Commands about this machine and about Ascend: doctor and audit."""

import argparse

from ms_gan.cli.words import device_options
from ms_gan.config import recipe_names
from ms_gan.errors import UserError


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="check this machine: device, versions, settings, data; --self-test: the recipes",
        description="Report device, versions, settings and data folders. With --self-test, run every recipe for a few "
        "steps in both modes and hold it against the CPU: one table, to be pasted into an issue.",
    )
    parser.set_defaults(run=run_doctor)
    parser.add_argument("--self-test", action="store_true", help="run the recipes; exit status 1 if one disagrees")
    group = parser.add_argument_group("self-test")
    group.add_argument(
        "--config", metavar="NAME", nargs="+", help=f"recipes or .yaml files (all: {', '.join(recipe_names())})"
    )
    group.add_argument("--steps", type=int, metavar="N", help="steps of each run (20)")
    device_options(parser)

    parser = commands.add_parser(
        "audit",
        help="does the installed MindSpore have every operator of every recipe on Ascend?",
        description="Compile the D and G step of every recipe with the layers that Ascend uses, and ask MindSpore's "
        "Ascend plug-in, without an NPU, for each of their operators. Exit status 1 if one is missing or unknown.",
    )
    parser.set_defaults(run=run_audit)
    parser.add_argument("--config", metavar="NAME", nargs="+", default=[], help="recipes or .yaml files (every recipe)")
    parser.add_argument("--set", metavar="KEY=VAL", nargs="+", action="extend", default=[], help="any setting")
    parser.add_argument("--out", metavar="DIR", help="folder of the result (runs/audit-<date-time>)")


def run_doctor(options: argparse.Namespace) -> int:
    """Report what is here, or test it."""
    if not options.self_test:
        if options.config or options.steps is not None or options.require_ascend or options.device != "auto":
            raise UserError("doctor: its options go with --self-test")
        from ms_gan.doctor import run_doctor

        return run_doctor()
    from ms_gan.commands.self_test import self_test

    steps = {} if options.steps is None else {"steps": options.steps}
    device = {"device": options.device, "require_ascend": options.require_ascend}
    return 0 if self_test(options.config or (), **steps, **device) else 1


def run_audit(options: argparse.Namespace) -> int:
    """Audit the operators."""
    from ms_gan.commands.audit import audit

    folder, passed = audit(options.config, settings=options.set, out=options.out)
    print(f"wrote {folder / 'audit.json'} and {folder / 'audit.md'}")
    return 0 if passed else 1
