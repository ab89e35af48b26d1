"""The one place that knows Ascend from CPU: probe, fallback, settings, and what was chosen and why.

Nothing here imports mindspore before :func:`activate` does, because the settings are environment variables
that MindSpore reads when it starts.
"""

from ms_gan.device.choice import REQUESTS, DeviceChoice, activate, choose_device
from ms_gan.device.machine import describe_machine
from ms_gan.device.settings import cpu_settings

__all__ = ["REQUESTS", "DeviceChoice", "activate", "choose_device", "cpu_settings", "describe_machine"]
