"""What the documentation site shows beyond the files of docs/: generated references, linked files, formulas."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

import yaml
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
SHOWN = "repository"  # folder of the site for files of the repository outside docs/ that a page links to
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)")
IN_NAV = ("CHANGELOG.md", "CONTRIBUTING.md")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)  # holds no links
GENERATED = re.compile(r"<!-- generated: (\w+) -->.*?<!-- end -->", re.DOTALL)
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that pages link to, and those that these link to."""
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()] + list(IN_NAV)
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        if not path.startswith("docs/"):
            files.append(File.generated(config, _place(path), content=_shown(path)))
        if path.endswith(".md"):
            found = set(_linked(path)) - seen
            seen |= found  # of a file that does not exist mkdocs will complain where it is linked
            outside = [each for each in sorted(found) if not each.startswith(("docs/", "../"))]
            waiting += [each for each in outside if (ROOT / each).exists()]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is generated, and let links to files outside docs/ lead to where the site shows them."""
    markdown = GENERATED.sub(lambda marker: GENERATORS[marker[1]](), markdown)
    here = _path(page.file.src_uri)

    def lead(link: re.Match[str]) -> str:
        place = _place(_target(here, link[1]))
        return relpath(place, PurePosixPath(page.file.src_uri).parent)

    return "".join(LINK.sub(lead, text) if is_text else text for text, is_text in _parts(markdown))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn formulas into MathML, which browsers show without a script; let the keyboard reach tables that scroll."""
    html = FORMULA.sub(lambda found: _mathml(unescape(found[2]), found[1] == "div"), html)
    return html.replace("<table>", '<table tabindex="0">')


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Name the search dialog, for screen readers."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def _mathml(latex: str, display: bool) -> str:
    math = convert(latex.strip(), display="block" if display else "inline")
    return f'<div class="formula" tabindex="0">{math}</div>' if display else math


def _parts(markdown: str) -> Iterator[tuple[str, bool]]:
    # the text, and whether it is no code
    end = 0
    for code in CODE.finditer(markdown):
        yield markdown[end : code.start()], True
        yield code[0], False
        end = code.end()
    yield markdown[end:], True


def _linked(path: str) -> Iterator[str]:
    for text, is_text in _parts((ROOT / path).read_text(encoding="utf-8")):
        if is_text:
            yield from (_target(path, link) for link in LINK.findall(text))


def _target(path: str, link: str) -> str:
    # a link of a file as a path from the repository's root
    return normpath(PurePosixPath(path).parent / link)


def _place(path: str) -> str:
    # where the site holds a file of the repository
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"{SHOWN}/{path}" if path.endswith(".md") else f"{SHOWN}/{path}.md"


def _path(place: str) -> str:
    inside = place.removeprefix(f"{SHOWN}/")
    return f"docs/{place}" if inside == place else inside


def _shown(path: str) -> str:
    head = f"---\nsearch: {{exclude: true}}\n---\n\n# `{path}`\n\n"
    if (ROOT / path).is_dir():
        names = sorted(each.name for each in (ROOT / path).iterdir() if not each.name.startswith(("_", ".")))
        return head + "".join(f"* `{name}`\n" for name in names)
    text = (ROOT / path).read_text(encoding="utf-8")
    language = {"py": "python", "smk": "python", "yaml": "yaml"}.get(path.rpartition(".")[2], "text")
    return text if path.endswith(".md") else f"{head}````{language}\n{text}\n````\n"


def commands() -> str:
    """Return the verbs of `ssvif` and their options as Markdown, by typer."""
    command = [sys.executable, "-m", "typer", "ssvif.cli.app", "utils", "docs", "--name", "ssvif"]
    text = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", cwd=ROOT / "src").stdout
    return text[text.index("\n## ") :].replace("* `--help`: Show this message and exit.\n", "")


def settings() -> str:
    """Return every key of a configuration as Markdown, a table a section, from the JSON schema."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    sections = {"": schema}
    for key, each in schema["properties"].items():
        if name := _section(each):
            sections[key] = schema["$defs"][name]
    return "\n".join(_table(key, section) for key, section in sections.items())


def _section(key: Mapping[str, Any]) -> str:
    # the name of the definition that holds what a key has below it; empty if it is a value
    kinds = [key, *key.get("anyOf", ())]
    return next((each["$ref"].rpartition("/")[2] for each in kinds if "$ref" in each), "")


def _table(key: str, section: Mapping[str, Any]) -> str:
    about = section.get("description", "").partition("\n\nRaises")[0]
    head = f"## `{key}`\n\n{about}\n" if key else "## The file\n"
    rows = [head, "| key | value | default | meaning |", "|---|---|---|---|"]
    for name, each in section["properties"].items():
        inner = f"settings, [below](#{name})" if _section(each) else _kind(each)
        default = "required" if name in section.get("required", ()) else _default(each)
        rows.append(_row(f"`{name}`", inner, default, each.get("description", "")))
    return "\n".join(rows) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(each.replace("|", "\\|").replace("\n", " ") for each in cells) + " |"


def _default(key: Mapping[str, Any]) -> str:
    if _section(key) or "default" not in key:
        return ""
    value = key["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value not in ("", None) else ""


def _kind(key: Mapping[str, Any]) -> str:
    if "anyOf" in key:
        return " or ".join(_kind(each) for each in key["anyOf"])
    if values := key.get("enum", [key["const"]] if "const" in key else []):
        return ", ".join(f"`{str(each).lower() if isinstance(each, bool) else each}`" for each in values)
    if key.get("type") == "array":
        return f"list of {_kind(key['items'])}"
    if key.get("type") == "object":
        return f"mapping to {_kind(key.get('additionalProperties', {}))}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {key[name]:g}" for name, sign in signs.items() if name in key]
    names = {"integer": "whole number", "string": "text", "boolean": "`true`, `false`", "null": "nothing"}
    return " ".join([names.get(key.get("type", ""), key.get("type", "settings")), ", ".join(bounds)]).strip()


GENERATORS = {"settings": settings, "commands": commands}
