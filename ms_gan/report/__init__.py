"""One page for one run or several: pictures, curves, numbers, and what they say in plain words. No MindSpore needed."""

from ms_gan.report.page import write_comparison, write_report

__all__ = ["write_comparison", "write_report"]
