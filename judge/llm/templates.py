"""Renders the templates of prompts/judge/."""

from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from data.records import digest
from prompts.rules import Language

TEMPLATES = Path(__file__).resolve().parents[2] / "prompts" / "judge"
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    loader=FileSystemLoader(TEMPLATES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
    autoescape=False,  # plain text for a model; the report escapes what it shows
)
_NOT_JUDGING = ("draft.j2", "reminder.j2")  # templates that ask for no verdict


def render(language: Language, template: str, **values: object) -> str:
    """A template filled with these values. Raises jinja2.UndefinedError for an unknown name."""
    return _ENVIRONMENT.get_template(f"{language}/{template}.j2").render(**values).strip()


def templates_sha256(folder: Path) -> str:
    """Hash of the templates that ask for verdicts, in all languages."""
    return digest(
        {
            path.relative_to(folder).as_posix(): path.read_text("utf-8")
            for path in folder.glob("*/*.j2")
            if path.name not in _NOT_JUDGING
        }
    )
