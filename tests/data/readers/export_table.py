"""The exports that tests read, and the table of forms × rows read of docs/logs.md.

`python -m tests.data.readers.export_table` prints the table.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from config.log_formats import AutoLogs
from data.readers.recognise import scan_source
from data.readers.recognised_logs import RecognisedLogs
from data.rows import Row

EXPORTS = Path(__file__).parent / "exports"


class ExportForm(NamedTuple):
    """What one export is and holds."""

    name: str
    rows: int  # exchanges that its records log


def _forms(name: str, *files: str, rows: int = 12) -> dict[str, ExportForm]:
    return {file: ExportForm(name, rows) for file in files}


FORM_OF = {
    **_forms("OpenAI chat messages", "openai_chat.jsonl", rows=18),
    **_forms("OpenAI chat messages", "openai_fine_tuning.jsonl", rows=17),
    **_forms("OpenAI preference data", "openai_preference.jsonl"),
    **_forms("prompt-completion pairs", "prompt_completion.jsonl"),
    **_forms("OpenAI stored completions", "openai_stored_completions.jsonl"),
    **_forms("OpenAI stored completions", "openai_stored_page.json", "openai_responses.jsonl"),
    **_forms("OpenAI evals", "openai_eval_items.json", "openai_eval_data.jsonl"),
    **_forms("ShareGPT conversations", "sharegpt.json", "sharegpt_system_key.jsonl", rows=16),
    **_forms("OpenTelemetry gen_ai spans", "otel_otlp.jsonl", "otel_flat.jsonl"),
    **_forms("OpenTelemetry gen_ai spans", "otel_indexed_prompts.jsonl", "otel_log_events.json"),
    **_forms("OpenTelemetry gen_ai spans", "otel_message_events.jsonl"),
    **_forms("OpenTelemetry gen_ai spans", "otel_prompt_events.jsonl"),
    **_forms("OpenTelemetry gen_ai spans", "otel_operation_events.jsonl"),
    **_forms("Phoenix (OpenInference) spans", "phoenix_flat.jsonl", "phoenix_nested.json"),
    **_forms("Phoenix (OpenInference) spans", "phoenix_dataframe.jsonl", "phoenix_otlp.jsonl"),
    **_forms("Phoenix (OpenInference) spans", "phoenix_annotations.jsonl"),
    **_forms("Langfuse observations", "langfuse_observations.jsonl", "langfuse_traces.json"),
    **_forms("Langfuse observations", "langfuse.csv", "langfuse_scores.jsonl"),
    **_forms("LangSmith runs", "langsmith_llm_runs.jsonl", "langsmith_openai_runs.jsonl"),
    **_forms("LangSmith runs", "langsmith_chains.json", "langsmith_graph.jsonl"),
    **_forms("LangSmith runs", "langsmith_feedback.jsonl"),
    **_forms("promptfoo results", "promptfoo.json", "promptfoo_text.jsonl"),
    **_forms("promptfoo results", "promptfoo.csv", "promptfoo_prefixes.csv"),
    **_forms("Gemini contents", "gemini_requests.jsonl", "gemini_genai.jsonl"),
    **_forms("Gemini contents", "gemini_tuning.jsonl", rows=15),
    **_forms("LiteLLM logs", "litellm_standard.jsonl", "litellm_spend.jsonl"),
    **_forms("request-response logs", "request_response.jsonl", "anthropic.jsonl"),
    **_forms("table", "table.csv", "excel_utf8.csv", "excel_utf16.csv", "alpaca.json"),
    **_forms("table", "excel.xlsx"),
}


@cache
def read_export(name: str) -> tuple[RecognisedLogs, list[Row]]:
    """The form of an export, and its rows."""
    rows: list[Row] = []
    form = scan_source(AutoLogs(path=name), EXPORTS, rows.append).form
    assert form is not None  # the settings do not name it
    return form, rows


def table_lines() -> list[str]:
    """The table as Markdown: form, files, rows that they log, rows read."""
    lines = ["| form | fixtures | rows logged | rows read |", "|---|---|---|---|"]
    for form in dict.fromkeys(export.name for export in FORM_OF.values()):
        names = [name for name, export in FORM_OF.items() if export.name == form]
        logged = sum(FORM_OF[name].rows for name in names)
        read = sum(read_export(name)[0].rows for name in names)
        lines.append(f"| {form} | {len(names)} | {logged} | {read} |")
    return lines


if __name__ == "__main__":
    from config.console import print

    print("\n".join(table_lines()))
