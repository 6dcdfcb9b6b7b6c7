"""Installed versions of the libraries that code uses."""

import functools
import importlib.metadata
import platform

_SLOW_TO_FIND = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "scvi": "scvi-tools",
    "yaml": "pyyaml",
}


@functools.cache
def versions(libraries: tuple[str, ...]) -> dict[str, str]:
    names = {d for library in libraries for d in _distributions_of(library)}
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in sorted(names)
    }


@functools.cache
def _distributions_of(library: str) -> tuple[str, ...]:
    """Distributions that bring an importable name; most bear its name."""
    name = _SLOW_TO_FIND.get(library, library)
    try:
        return (importlib.metadata.metadata(name)["Name"],)
    except importlib.metadata.PackageNotFoundError:
        return tuple(sorted(set(_every_distribution().get(library, ()))))


@functools.cache
def _every_distribution() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())  # reads a thousand files
