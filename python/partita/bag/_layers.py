"""Layers."""

from __future__ import annotations

from typing import Any


class Build:
    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers
