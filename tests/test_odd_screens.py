"""Every chapter on screens that nobody wrote it for, and on every context of those of the book."""

import os

import odd_screens
import pytest

from helpers.data import registry

pytestmark = [
    pytest.mark.all,
    pytest.mark.skipif(
        not os.environ.get("BENCHBOOK_DATA"), reason="needs known relationships, and screens"
    ),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where steps that screens have in common are kept."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("name", odd_screens.MADE)
def test_every_chapter_answers_every_odd_screen_or_says_why_not(home, name, tmp_path):
    odd_screens.added(name, tmp_path)
    found = odd_screens.tried(name, home=home, cache=tmp_path)
    assert set(found) >= set(odd_screens.CANNOT)
    assert odd_screens.wrong(name, found) == []
    assert odd_screens.odd_words(home, name) == []


@pytest.mark.parametrize("name", registry.screens())
def test_every_chapter_takes_every_context_of_every_screen(home, name, tmp_path):
    contexts = sorted(set(registry.load(name).function.function().obs["context"].astype(str)))
    for context in contexts:
        found = odd_screens.tried(name, "--context", context, home=home, cache=tmp_path)
        assert [c for c, (verdict, _) in found.items() if verdict == "failed"] == []
    assert odd_screens.odd_words(home, name) == []
