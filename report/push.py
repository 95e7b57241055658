"""Pushes the best student to a repository of the Hugging Face hub, laid out as its tools read it.

An adapter stands at the top of the repository, so do merged weights; beside them the model card
and the chat template to serve with. Answers, logs and verdicts stay here. The hub is the one that
HF_ENDPOINT names; the token is HF_TOKEN's, or of `hf auth login`.
"""

import json
import os
import tempfile
from pathlib import Path

from huggingface_hub import CommitInfo, HfApi, constants, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # documented
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from config.console import print
from config.errors import ConfigError, DataError, SetupError
from config.schema import Config
from report.base_model import base_for_others, hub_base
from report.card_metadata import EVAL_RESULTS, eval_results_yaml
from report.numbers import build_numbers
from report.push_errors import may_pass, push_error
from report.render import render_card
from report.run_files import RunFiles, SavedStudent, read_run

_ADAPTER_CONFIG = "adapter_config.json"
# what an earlier push may have left of a student of another method, and nothing else
_OURS = (
    *("adapter*", "adapter/*", "config.json", "model*.safetensors*", "chat_template.jinja"),
    EVAL_RESULTS,
)


def push_best(config: Config, repo_id: str) -> None:
    """Uploads the best student in one commit; unchanged files make none. Prints what it does.

    Raises ConfigError for a malformed repository id, DataError when no student has been saved,
    SetupError without a token and when the hub refuses or cannot be reached.
    """
    _check_repo_id(repo_id)
    material = read_run(config)
    if material.saved is None or material.choice is None:
        raise DataError(f"{material.run.best}: no best student yet; run `unprompted run CONFIG`")
    api = _hub()
    numbers = build_numbers(material)
    for reason in numbers.do_not_serve:
        print(f"warning: do not serve this model: {reason.finding}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _lay_out(folder, material, material.saved)
        _replace(folder / "README.md", render_card(material, numbers, repo_id))
        results = eval_results_yaml(material, numbers)
        if results is not None:
            _replace(folder / EVAL_RESULTS, results)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in files) / 1e6
        print(
            f"{material.choice.best}: {len(files)} files, {size:.1f} MB, to {repo_id}; a new "
            "repository is private"
        )
        try:
            for attempt in _attempts():
                with attempt:
                    _upload(api, repo_id, folder, material.choice.best)
        except Exception as error:  # of three libraries that share no class
            raise push_error(error, api.endpoint, repo_id) from None


def _attempts() -> Retrying:
    """Two: the client itself repeats only some requests. What was sent is not sent again."""
    return Retrying(
        stop=stop_after_attempt(2),
        wait=wait_fixed(1),
        retry=retry_if_exception(may_pass),
        reraise=True,
    )


def _check_repo_id(repo_id: str) -> None:
    way_out = "write OWNER/NAME, of letters, digits, '-', '_' and '.'"
    if repo_id.count("/") != 1:
        raise ConfigError(f"REPO_ID = {repo_id!r}: no id of a hub repository; {way_out}")
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise ConfigError(f"REPO_ID = {repo_id!r}: no id of a hub repository; {way_out}") from None


def _hub() -> HfApi:
    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    if constants.is_offline_mode():
        raise SetupError("HF_HUB_OFFLINE is set, so nothing can be pushed; unset it")
    token = get_token()
    if token is None:
        raise SetupError(
            f"HF_TOKEN: no token for {endpoint}; create one that may write at "
            f"{endpoint}/settings/tokens and set HF_TOKEN to it, or run `hf auth login`"
        )
    # read when hf_xet begins: a store that is not reachable is not asked for many minutes
    os.environ.setdefault("HF_XET_CLIENT_RETRY_MAX_DURATION", "30s")
    return HfApi(endpoint=endpoint, token=token, library_name="unprompted")


def _lay_out(folder: Path, material: RunFiles, saved: SavedStudent) -> None:
    """Fills a folder with links to what the repository gets."""
    best = material.run.best
    if saved.served == "folded":
        _link(best / "merged", folder)
        _link(best / "adapter", folder / "adapter")
    else:
        _link(best / "adapter", folder)
    for path in folder.rglob(_ADAPTER_CONFIG):
        _name_base(path, material.config, saved)
    if saved.chat_template is not None:  # in place of the tokenizer's own: it leaves the prompt out
        _replace(folder / saved.chat_template.name, saved.chat_template.read_text("utf-8"))


def _link(source: Path, target: Path) -> None:
    for path in sorted(source.glob("*")):
        target.mkdir(exist_ok=True)
        (target / path.name).symlink_to(path.resolve())


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)  # a link would lead into the run
    path.write_text(text, "utf-8")


def _name_base(path: Path, config: Config, saved: SavedStudent) -> None:
    """Names the base as others know it in an adapter's config."""
    values = json.loads(path.read_text("utf-8"))
    base = base_for_others(config, saved)
    if hub_base(config, saved) is None:
        print(
            f"warning: the base {saved.base} is a folder of this machine; whoever loads the "
            f"adapter needs the same weights (the card calls them {base})"
        )
    _replace(path, json.dumps(values | {"base_model_name_or_path": base}, indent=2) + "\n")


def _upload(api: HfApi, repo_id: str, folder: Path, student: str) -> None:
    api.create_repo(repo_id, private=True, exist_ok=True)
    before = api.model_info(repo_id)
    if not before.private and (folder / "chat_template.jinja").exists():
        print(
            f"warning: {repo_id} is public: everybody can read the system prompt in "
            "chat_template.jinja"
        )
    commit = api.upload_folder(
        repo_id=repo_id,
        folder_path=folder,
        commit_message=f"Student {student}",
        delete_patterns=list(_OURS),
    )
    address = f"{api.endpoint}/{repo_id}"
    if commit.oid == before.sha:
        print(f"nothing to push: {address} holds these files already")
        return
    _report(commit, address, private=bool(before.private))


def _report(commit: CommitInfo, address: str, private: bool) -> None:
    who = "private: only its owner sees it" if private else "public"
    print(f"pushed: {address} ({who}), commit {commit.oid[:12]}")
