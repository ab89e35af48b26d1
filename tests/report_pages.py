"""Evaluations that were made up, and what is on a page."""

from html.parser import HTMLParser
from pathlib import Path

METRICS = {
    "fid": ("lower", 12.0, 0.1),
    "precision": ("higher", 0.6, 0.9),
    "recall": ("higher", 0.4, 0.9),
    "copies": ("floor", 0.01, 0.01),
    "swd": ("lower", 0.2, 0.02),
}


def result(step=50, width=1.0, file="Generator.ckpt", date="2026-11-22T12:00:00+00:00", **changes) -> dict:
    """Return what `ms-gan evaluate` writes, with other numbers on request."""
    metrics = []
    for kind, (better, value, floor) in METRICS.items():
        value = changes.pop(kind, value)
        metric = {"kind": kind, "name": f"{kind}10k_cnn", "title": kind, "value": value, "floor": floor}
        interval = {"low": value - width, "high": value + width, "floor_low": 0.0, "floor_high": 1.0}
        metrics.append(metric | interval | {"better": better, "reading": "how to read it"})
    protocol = {
        "generated": 10_000,
        "real": 10_000,
        "extractor": "cnn",
        "extractor_digest": "d" * 64,
        "extractor_facts": {"kind": "classifier", "accuracy": 0.995},
        "reference_sha256": "r" * 64,
        "unseen": True,
        "seed": 1,
        "interval": "95 %",
    }
    return {
        "source": {"file": file, "step": step},
        "protocol": protocol | changes,
        "notices": [],
        "metrics": metrics,
        "classes": {"names": ["0", "1"], "generated": [0.01, 0.99], "real": [0.5, 0.5], "missing": ["0"]},
        "date": date,
    }


class Outside(HTMLParser):
    """Collects what a page would load, and its visible text."""

    def __init__(self):
        super().__init__()
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href", "poster", "data", "srcset", "action") and not value.startswith(("data:", "#")):
                self.loads.append(f"{tag} {name}={value[:80]}")

    def handle_data(self, data):
        self.text.append(data)


def read(page: Path) -> Outside:
    parser = Outside()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser
