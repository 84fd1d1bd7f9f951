"""Providers from libraries of others, as far as onnxruntime has loaded them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Plugin:
    """A library that is loaded.

    Attributes
    ----------
    path : Path
        As the user named it.
    sha256 : str
        From before it was loaded.
    devices : tuple
        What onnxruntime lists of it: pairs of a provider and a device that it can use here.
    """

    path: Path
    sha256: str
    devices: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Its providers, as onnxruntime calls them."""
        return tuple(dict.fromkeys(each.ep_name for each in self.devices))


LOADED: dict[Path, Plugin] = {}


def plugin_of(runtime_name: str) -> Plugin | None:
    """The loaded library that brings a provider, by onnxruntime's name of it."""
    return next((each for each in LOADED.values() if runtime_name in each.names), None)


def brought() -> tuple[str, ...]:
    """Providers of loaded libraries, as onnxruntime calls them."""
    return tuple(name for each in LOADED.values() for name in each.names)


def available() -> list[str]:
    """Providers that onnxruntime has, of loaded libraries first."""
    from onnxruntime import get_available_providers

    return [*dict.fromkeys([*brought(), *get_available_providers()])]


def session_arguments(options: Any, providers: list[tuple[str, dict[str, str]]]) -> dict[str, Any]:
    """What makes a session run on the first of some providers, and on the others what it leaves.

    A provider of a library takes the first device that the library lists, and leaves nodes to the
    CPU; `options` is changed for it.
    """
    name, own = providers[0]
    plugin = plugin_of(name)
    if plugin is None:
        return {"providers": providers, "enable_fallback": 0}
    device = next(each for each in plugin.devices if each.ep_name == name)
    options.add_provider_for_devices([device], own)
    return {"enable_fallback": 0}
