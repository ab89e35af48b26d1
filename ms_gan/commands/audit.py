"""`ms-gan audit`: whether the installed MindSpore has every operator of every recipe on Ascend."""

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ms_gan.commands.audit_graphs import graphs_of_steps, operators_of
from ms_gan.commands.preparing import scheduled_over
from ms_gan.commands.results import result_folder
from ms_gan.config import config_text, load_config, recipe_names
from ms_gan.device import activate, choose_device, describe_machine
from ms_gan.device.plugin import kernels_on_ascend
from ms_gan.files import write_atomically

_SETTINGS = ("batch_size=2",)  # which changes no operator
_STEPS = 10  # of a schedule, whose length is that of a run, which there is none of
_KERNELS = {"aclnn": "aclnn kernel", "acl": "by name (ACL)", "graph": "the graph's own"}
# No computations: order, tuples, and branches, which MindSpore's runtime takes on the host.
_OF_THE_GRAPH = ("Depend", "Load", "MakeTuple", "Partial", "Switch", "TupleGetItem", "UpdateState")


def audit(
    recipes: Sequence[str] = (),
    *,
    settings: Iterable[str] = (),
    out: str | Path | None = None,
    announce: Callable[[str], object] = print,
) -> tuple[Path, bool]:
    """Compile the steps of recipes, ask the Ascend plug-in for their operators, and write audit.json and audit.md.

    Parameters
    ----------
    recipes : sequence of str
        Recipes or YAML files; empty: every recipe.
    settings : iterable of str
        ``key=value`` texts for all of them.
    out : path-like, optional
        Folder of the result; None: runs/audit-<date-time>.
    announce : callable
        Where the lines go.

    Returns
    -------
    tuple[Path, bool]
        The folder, and whether every operator is there.

    Raises
    ------
    UserError
        If a recipe is unknown or cannot be compiled, the plug-in cannot be asked, or the folder cannot be written.
    """
    settings = [*_SETTINGS, *settings]
    configs = [scheduled_over(load_config(recipe, settings), _STEPS) for recipe in recipes or recipe_names()]
    name = configs[0].recipe if len(configs) == 1 else "recipes"
    with (
        result_folder("audit", name, out) as folder,
        tempfile.TemporaryDirectory(prefix="ms_gan-audit-") as temporary,
    ):
        steps = {}
        for number, config in enumerate(configs):
            announce(f"{config.recipe}: compiling its steps ...")
            graphs = Path(temporary) / str(number)
            graphs.mkdir()
            recipe = graphs / f"{config.recipe}.yaml"
            write_atomically(recipe, config_text(config))
            for step, graph in graphs_of_steps(recipe, graphs, "native").items():
                steps[f"{config.recipe} {step}"] = operators_of(graph)
        operators = sorted(set().union(*steps.values()))
        # For the docstrings alone: nothing is computed in this process.
        activate(choose_device("cpu", announce=lambda line: None))
        result = judge(steps, kernels_for(operators), documented_platforms(operators))
        result = {"machine": describe_machine(), **result}
        write_atomically(folder / "audit.json", json.dumps(result, indent=2) + "\n")
        write_atomically(folder / "audit.md", audit_table(result) + "\n")
    announce("")
    announce(audit_table(result))
    return folder, not result["failures"]


def kernels_for(operators: Iterable[str]) -> dict[str, str]:
    """Return what `kernels_on_ascend` tells, and 'graph' for nodes that compute nothing."""
    knots = {operator: "graph" for operator in operators if operator in _OF_THE_GRAPH}
    return kernels_on_ascend(operator for operator in operators if operator not in knots) | knots


def documented_platforms(operators: Iterable[str]) -> dict[str, str]:
    """Return what MindSpore's documentation gives as the platforms of operators, '' where it does not say.

    Looked up in the docstrings of the classes of `mindspore.ops.operations` and `mindspore.ops.auto_generate`.
    """
    from mindspore.ops import auto_generate, operations

    found = {}
    for operator in operators:
        texts = [getattr(getattr(module, operator, None), "__doc__", None) for module in (operations, auto_generate)]
        platforms = re.search(r"Supported Platforms:\s+(``.*``)", next(filter(None, texts), ""))
        found[operator] = platforms[1].replace("`", "") if platforms else ""
    return found


def judge(steps: dict[str, dict[str, int]], kernels: dict[str, str], documented: dict[str, str]) -> dict[str, Any]:
    """Judge every operator of every step.

    An operator is there if the plug-in has a kernel for it or hands it to CANN by name; not if the documentation
    names other platforms only, except where the plug-in has a kernel all the same.

    Parameters
    ----------
    steps : dict
        Operators of each step, and how often each occurs.
    kernels, documented : dict
        As `kernels_for` and `documented_platforms` return them.

    Returns
    -------
    dict
        ``operators`` (name, kernel, documented, ascend, calls by step) and ``failures``, one line each.
    """
    rows, failures = [], []
    for operator in sorted(kernels):
        kernel, platforms = kernels[operator], documented[operator]
        denied = bool(platforms) and "Ascend" not in platforms
        there = kernel in ("aclnn", "graph") or (kernel == "acl" and not denied)
        calls = {step: found[operator] for step, found in steps.items() if operator in found}
        rows.append(
            {"name": operator, "kernel": kernel, "documented": platforms, "ascend": there, "calls": calls},
        )
        reason = f"the documentation names {platforms} only" if denied else "the plug-in does not know it"
        failures += [] if there else [f"{operator} in {step}: {reason}" for step in calls]
    return {"operators": rows, "failures": failures}


def audit_table(result: dict[str, Any]) -> str:
    """Return a result, as audit.json holds it, as a table in Markdown and a verdict."""
    steps = list(dict.fromkeys(step for row in result["operators"] for step in row["calls"]))
    lines = [
        f"MindSpore {result['machine']['mindspore']}, {result['machine']['machine']}: nodes of each operator by step",
        "",
        f"| operator | on Ascend | documented | {' | '.join(steps)} |",
        f"|---|---|---|{'---:|' * len(steps)}",
    ]
    for row in result["operators"]:
        support = _KERNELS[row["kernel"]] if row["ascend"] else "**NO**"
        counts = [str(row["calls"].get(step, "")) for step in steps]
        lines.append(f"| {row['name']} | {support} | {row['documented']} | {' | '.join(counts)} |")
    lines += ["", *(f"NOT ON ASCEND: {failure}" for failure in result["failures"])]
    if not result["failures"]:
        lines.append(f"All {len(result['operators'])} operators of all {len(steps)} steps are there on Ascend.")
    return "\n".join(lines)
