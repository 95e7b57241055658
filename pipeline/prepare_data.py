"""`python -m pipeline.prepare_data CONFIG`: reads logs, writes rows and quality.json."""

from datetime import date
from pathlib import Path

from config.cli import add_run_arguments, load_arguments, parse_arguments, run_command
from config.command_parser import command_parser
from config.console import print
from data.data_quality import quality_notes
from data.file_lock import claim
from data.overlap_lines import overlap_lines
from data.prepare import prepare_data
from data.run_date import record_run_date
from data.run_paths import RunPaths
from data.stored_file import make_folder
from prompts.prompt_text import logged_prompt


def main() -> int:
    """Prepares the data of a run and prints the counts."""
    parser = command_parser("run", "Reads, cleans and splits the logs.")
    add_run_arguments(parser)
    config = load_arguments(parse_arguments(parser))
    run = RunPaths.of(config)
    make_folder(run.root)
    with claim(run.root, "data"):
        record_run_date(run.date, date.today())  # shards on other machines share it
        prompt = logged_prompt(config, Path())
        quality = prepare_data(config.data, Path(), run.data, config.seed, prompt)
    counts = ", ".join(f"{name} {split.rows}" for name, split in quality.splits.items())
    turns = quality.follow_ups
    if turns is not None and turns.logged:
        why = ", ".join(f"{len(ids)} {reason}" for reason, ids in turns.unusable.items())
        print(f"follow-up turns: {turns.rows} of {turns.logged} follow-ups; not used: {why or 0}")
    for note in quality_notes(quality):
        print(note)
    for line in overlap_lines(quality):
        print(f"warning: {line}")
    print(
        f"rows: {counts}; {len(quality.leaks_removed)} leaks and "
        f"{len(quality.duplicates_removed)} duplicates removed, "
        f"{quality.quarantine_counts.total()} quarantined"
    )
    return 0


if __name__ == "__main__":
    run_command(main)
