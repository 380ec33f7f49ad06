"""Captions by a language model behind an endpoint of OpenAI's form, and the guard of where reports may be sent.

Answers are kept by a hash of report, model and instruction, so a report is sent once; of an answer that is dropped is
kept that it was refused. What is kept holds no report.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.feedback.captions import NoCaption, check_caption

INSTRUCTION = (
    "You turn the report of a chest X-ray into a caption for that one image. Answer with the caption alone, in at most "
    "five words. Name the most important finding, with its side and size where they fit. Leave out every comparison with "
    "an earlier examination (new, unchanged, larger, since), dates, names and advice. A finding that the report denies is "
    "no finding. If the film is normal, answer: Normal"
)
AGREEMENTS = {
    "mimic": "MIMIC-CXR's PhysioNet data use agreement forbids sharing the data with third parties, online services included",
    "candid": "CANDID-PTX is given out under an ethics agreement that forbids passing its reports on",
}
OTHERS = "a report is a patient's record, and whoever gave it may forbid passing it on"


def is_remote(base_url: str) -> bool:
    """Return whether an endpoint may lie outside this machine: any host but localhost and loopback addresses.

    Raises InputError for what is no http or https address.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"captions.base_url = {base_url!r}: expected an address such as http://127.0.0.1:8000/v1")
    if parts.hostname == "localhost":
        return False
    try:
        return not ip_address(parts.hostname).is_loopback
    except ValueError:
        return True  # a name, whatever it resolves to at the moment


def check_destination(settings: Mapping[str, Any], cohorts: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where reports would leave this machine and `allow_remote_reports` is not true.

    `cohorts` are the cohorts' descriptions (cohort.json). Nothing in one tells a phantom's reports from patients', so
    every report counts as restricted.
    """
    if settings["allow_remote_reports"] is True or not is_remote(settings["base_url"]):
        return
    reasons = [f"{meta.get('dataset')}: {AGREEMENTS.get(str(meta.get('format')), OTHERS)}" for meta in cohorts]
    raise InputError(
        f"captions.base_url: {urlsplit(settings['base_url']).hostname} is not this machine, so no report is sent there ("
        f"{'; '.join(reasons)}). Use an endpoint on 127.0.0.1, or backend: rules; only if your agreements and the "
        f"provider's terms allow it, set captions.allow_remote_reports: true"
    )


class RemoteWriter:
    """Ask a model for captions; `settings`: base_url, model, instruction, api_key_env, timeout, retries, refused, allow_..."""

    def __init__(self, settings: Mapping[str, Any], cohorts: Sequence[Mapping[str, Any]], cache: Path | None) -> None:
        check_destination(settings, cohorts)
        self.model: str = settings["model"]
        self.instruction: str = settings["instruction"] or INSTRUCTION
        self.cache = cache
        self.drops: bool = settings["refused"] == "drop"
        self.asked = 0
        self._base_url: str = settings["base_url"]
        self._client = _open_client(settings)

    def __call__(self, report: str) -> str:
        """Return the caption of a report; raises NoCaption for an answer that is none, InputError when the endpoint fails.

        Where refused answers stop the command instead of being dropped, the report is sent again.
        """
        path = None if self.cache is None else self.cache / f"{content_hash(report, self.model, self.instruction)}.json"
        if path is not None and path.is_file():
            kept = _cached(path)
            if kept is not None:
                return check_caption(kept)
            if self.drops:
                raise NoCaption(f"captions.model {self.model}: its answer was refused before ({path})")
        try:
            caption = check_caption(self._ask(report))
        except NoCaption as error:
            if self.drops:
                self._keep(path, None)
            raise NoCaption(f"captions.model {self.model}: {error}") from None
        self._keep(path, caption)
        return caption

    def _keep(self, path: Path | None, caption: str | None) -> None:
        if path is not None:
            with atomic_file(path) as part:
                part.write_text(json.dumps({"caption": caption, "model": self.model}) + "\n")

    def _ask(self, report: str) -> str | None:
        import openai

        self.asked += 1
        messages = [{"role": "system", "content": self.instruction}, {"role": "user", "content": report}]
        try:
            answer = self._client.chat.completions.create(model=self.model, messages=messages, temperature=0)
        except openai.APIConnectionError as error:
            raise InputError(
                f"no answer from {self._base_url} ({error}); start the endpoint or correct base_url"
            ) from None
        except openai.OpenAIError as error:
            raise InputError(f"{self._base_url} refused: {' '.join(str(error).split())[:200]}") from None
        if not getattr(answer, "choices", None):
            raise InputError(f"{self._base_url} sent no choices; expected an endpoint of OpenAI's form")
        return answer.choices[0].message.content


def _open_client(settings: Mapping[str, Any]) -> Any:
    """Return the client. It follows no redirect, and on this machine no proxy, so a report ends at base_url's host."""
    try:
        import openai
    except ImportError:
        raise InputError(
            "captions.backend = openai needs the package openai: pip install openai, or set captions.backend: rules"
        ) from None
    name, remote = settings["api_key_env"], is_remote(settings["base_url"])
    key = os.environ.get(name or "")
    if remote and not key:
        raise InputError(f"captions.api_key_env: the environment variable {name} is not set; export it, or use rules")
    http = openai.DefaultHttpxClient(follow_redirects=False, trust_env=remote)
    return openai.OpenAI(
        base_url=settings["base_url"],
        api_key=key or "none",
        timeout=settings["timeout"],
        max_retries=settings["retries"],
        http_client=http,
    )


def _cached(path: Path) -> str | None:
    """Return a kept caption, None for an answer that was refused."""
    try:
        caption = json.loads(path.read_text())["caption"]
        if caption is not None and not isinstance(caption, str):
            raise TypeError(f"{caption!r} is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a kept caption ({error}); remove this file") from None
    return caption
