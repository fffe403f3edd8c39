"""Accelerators and computers that people run models on, as their makers describe them: TOML rows, no probing."""

from freehold.hardware.devices.record import Device, Fact, Offer, Source
from freehold.hardware.devices.table import Devices

__all__ = ["Device", "Devices", "Fact", "Offer", "Source"]
