"""Files of short sweeps."""

import yaml

SHORT = {
    "generator.options.widths": [64, 128],
    "discriminator.options.widths": [64],
    "steps": 4,
    "batch_size": 16,
    "log_every": 1,
    "samples.every": 2,
    "evaluation.every": 2,
    "evaluation.images": 64,
}


def write(path, **changes):
    """Write the file of a sweep of two short runs with some keys changed, None: left out; return its path."""
    values = {
        "base": "mlp",
        "set": SHORT,
        "runs": [{"name": "plain"}, {"name": "hinge", "set": {"objective": {"loss": "hinge"}}}],
    } | changes
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
    return path
