"""Templates are sandboxed, and text that looks like a template is not rendered."""

import pytest
from jinja2 import TemplateError

import judge.llm.templates
import report.render
from data.rows import Context, Row
from prompts.prompt_file import Prompt, user_text

PROMPT = Prompt(system="Be brief.", user_template="{summaries}\nQ: {question}")


ESCAPES = [
    f"{{{{ {expression} }}}}"
    for expression in (
        "''.__class__.__mro__[1].__subclasses__()",
        "().__class__.__bases__[0]",
        "''.__class__",
        "x.__init__.__globals__",
        "x.__class__.__init__.__globals__['os']",
        "self.__init__.__globals__.__builtins__",
        "self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read()",
        "cycler.__init__.__globals__.os.popen('id').read()",
        "joiner.__init__.__globals__.os",
        "namespace.__init__.__globals__.os",
        "lipsum.__globals__['os'].popen('id').read()",
        "lipsum.__globals__.__builtins__.open('/etc/passwd').read()",
        "config.items()",
        "request.application.__globals__",
        "url_for.__globals__",
        "get_flashed_messages.__globals__",
        "''|attr('__class__')",
        "''|attr('\\x5f\\x5fclass\\x5f\\x5f')",
        "(''|attr('__class__')).mro()",
        "['__class__']|map('attr', '__class__')|list|first|attr('__mro__')",
        "'{0.__class__.__init__.__globals__}'.format(x)",
        "'{0.__class__}'.format(1)",
        "'%s'|format(x.__class__)",
        "'{a.__class__}'.format_map({'a': 1})",
        "[].append.__self__.__class__",
        "(x.append)(1)",
        "[1].append(2) or 'appended'",
        "{'a': 1}.update({'b': 2}) or 'updated'",
        "range(10000000)|list",
        "undefined_name",
    )
]


@pytest.mark.reliability(line=16)
@pytest.mark.parametrize("payload", ESCAPES)
def test_a_template_cannot_leave_its_sandbox(payload: str) -> None:
    """30 payloads in the judge's and the report's environments: refused, or nothing but a name."""
    for environment in (judge.llm.templates._ENVIRONMENT, report.render._environment(html=True)):
        try:
            output = environment.from_string(payload).render(x=[1])
        except (TemplateError, OverflowError):
            continue
        assert not any(word in output for word in ("class", "module", "root:", "uid=", "appended"))


@pytest.mark.reliability(line=16)
def test_text_that_looks_like_a_template_stays_as_it_is() -> None:
    """50 questions with braces, and the 30 payloads, are the same bytes in the user's turn."""
    braces = [f"{'{}' * (at % 4 + 1)} {{0.__class__}} {{{at}}} question" for at in range(50)]
    for text in [*braces, *ESCAPES]:
        row = Row(id="r", question=text, contexts=(Context(text=text),))
        assert user_text(PROMPT, row) == f"Content 1: {text}\nQ: {text}"
