"""The project is written in plain English: words of the list in tests/data/words.txt do not appear."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent

# Values of the API and names of older versions, which cannot change.
FIXED = ("dearest:", "house_the_homeless")
# Generated files, and data.
NOT_WRITTEN = ("supabase/migrations/", "tests/data/")

_SUFFIXES = frozenset({".example", ".ini", ".md", ".mjs", ".py", ".sh", ".sql", ".toml", ".ts", ".tsx", ".txt", ".yml"})
_NAMES = frozenset({".dockerignore", ".gitignore", "Dockerfile"})
# Between two words of a phrase: white space, and the comment marks of a new line.
_GAP = r"(?:\s|#|--|//|\*)+"
_START = r"(?:#|--|//|/\*+|\"|'|`)\s*"


class Rule(NamedTuple):
    """A word or phrase, its pattern, and better ones."""

    phrase: str
    pattern: re.Pattern[str]
    better: str


def rules() -> Iterator[Rule]:
    for line in (ROOT / "tests" / "data" / "words.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            phrase, better = (part.strip() for part in line.split("|"))
            words = (r"\d+" if word == "N" else re.escape(word) for word in phrase.removeprefix("^").split())
            start = _START if phrase.startswith("^") else r"\b"
            yield Rule(phrase, re.compile(rf"{start}{_GAP.join(words)}\b", re.IGNORECASE), better)


RULES = tuple(rules())


def words_of_names(text: str) -> str:
    """The text with the words of identifiers separated; lines stay the same."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=\d)|_", " ", text)


def findings(text: str) -> list[tuple[int, Rule]]:
    """The number of the line and the rule of each word that the text should not contain."""
    for value in FIXED:
        text = text.replace(value, "")
    text = words_of_names(text)
    found = [(text.count("\n", 0, match.end()) + 1, rule) for rule in RULES for match in rule.pattern.finditer(text)]
    return sorted(found, key=lambda finding: finding[0])


def written_files() -> list[str]:
    """The files that people write, by their path in the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [
        path
        for path in listed
        if (Path(path).suffix in _SUFFIXES or Path(path).name in _NAMES)
        and not path.startswith(NOT_WRITTEN)
        and (ROOT / path).is_file()
    ]


def report(path: str) -> list[str]:
    found = findings((ROOT / path).read_text())
    return [f'{path}:{line}: "{rule.phrase}"; better: {rule.better}' for line, rule in found]


def test_the_words_of_the_list_do_not_appear() -> None:
    found = [line for path in written_files() for line in report(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.phrase)
def test_every_word_is_found_in_comments_strings_and_names(rule: Rule) -> None:
    words = rule.phrase.removeprefix("^").replace("N", "19").split()
    for text in (
        f"# {' '.join(words).capitalize()} it takes",
        f"-- {' '.join(words)}",
        f'"""{" ".join(words).upper()}."""',
        "// " + "\n  // ".join(words),
    ):
        assert rule in [rule for _, rule in findings(text)], text
    if not rule.phrase.startswith("^"):
        for text in (f"call_{'_'.join(words)} = 1", f"call{''.join(word.capitalize() for word in words)}()"):
            assert rule in [rule for _, rule in findings(text)], text


def test_parts_of_words_and_other_places_are_not_found() -> None:
    assert findings("# Not so long ago.\nuntold = marshall(renewed)\nrun(tell_tale, foretold, tell)\n") == []
    assert findings("pricing = 'dearest:openai/gpt-4o'") == []


def test_the_line_is_named() -> None:
    assert [line for line, _ in findings(f"one\ntwo\n# {RULES[0].phrase}\nfour")] == [3]
