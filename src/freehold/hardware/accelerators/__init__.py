"""The accelerators of this machine, as their drivers report them: NVML for NVIDIA, sysfs for AMD and Intel."""

from freehold.hardware.accelerators.found import Accelerator, Found
from freehold.hardware.accelerators.look import look

__all__ = ["Accelerator", "Found", "look"]
