"""What logged requests contain beside the row, for reading recognised logs."""

from pathlib import Path

from config.log_formats import AutoLogs
from config.schema import Config
from data.readers.turn_template import PromptText
from prompts.prompt_file import Prompt, example_text, read_prompt


def logged_prompt(config: Config, root: Path) -> PromptText | None:
    """The prompt as it stands in the logs; None where no logs are to be recognised.

    Raises what `read_prompt` raises.
    """
    data = config.data
    if not any(isinstance(logs, AutoLogs) for logs in (data.train, data.val, data.hidden)):
        return None
    return prompt_text(read_prompt(config.prompt, root))


def prompt_text(prompt: Prompt) -> PromptText:
    """The parts of a prompt that logged requests contain."""
    examples = tuple((example_text(prompt, example), example.answer) for example in prompt.examples)
    return PromptText(prompt.system, prompt.user_template, prompt.tags, examples)
