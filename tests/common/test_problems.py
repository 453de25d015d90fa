"""Problem documents speak both languages and the caller's first."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common import problems
from libs.common.problems import Fault, Problem, Text, language_of

KINDS = sorted(Problem.__subclasses__(), key=lambda kind: kind.status)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        pytest.param(None, "vi", id="nothing said"),
        pytest.param("", "vi", id="empty"),
        pytest.param("vi", "vi", id="Vietnamese"),
        pytest.param("en", "en", id="English"),
        pytest.param("EN-us", "en", id="case and region do not matter"),
        pytest.param("vi-VN,vi;q=0.9,en;q=0.8", "vi", id="a Vietnamese browser"),
        pytest.param("en-GB,en;q=0.9,vi;q=0.8", "en", id="an English browser"),
        pytest.param("vi;q=0.5, en", "en", id="the higher quality"),
        pytest.param("vi;q=0.5, en;q=0.4", "vi", id="not the later one"),
        pytest.param("en;q=0.5, vi;q=0.5", "en", id="the first of two alike"),
        pytest.param("fr, en;q=0.1", "en", id="a language that we have not"),
        pytest.param("fr", "vi", id="only such a language"),
        pytest.param("*", "vi", id="any"),
        pytest.param("en;q=0", "vi", id="English refused"),
        pytest.param("vi;q=0, en;q=0.1", "en", id="Vietnamese refused"),
        pytest.param("enm", "vi", id="Middle English is not English"),
        pytest.param("en;q=much", "vi", id="a quality that is none"),
        pytest.param("en;q=NaN, vi;q=0.1", "vi", id="not a number"),
    ],
)
def test_the_language_of_an_answer(accepted: str | None, language: str) -> None:
    assert language_of(accepted) == language


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_header_gives_one_of_our_languages(accepted: str) -> None:
    assert language_of(accepted) in ("vi", "en")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.status))
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_document_has_both_languages_and_leads_with_one(
    kind: type[Problem], language: str
) -> None:
    shown = kind("some_code", Text("một", "one")).document(language)

    both = {name: getattr(kind.title, name) for name in ("vi", "en")}
    assert shown["texts"] == {
        "vi": {"title": both["vi"], "detail": "một"},
        "en": {"title": both["en"], "detail": "one"},
    }
    assert (shown["title"], shown["detail"]) == (
        both[language],
        {"vi": "một", "en": "one"}[language],
    )
    assert (shown["code"], shown["status"]) == ("some_code", kind.status)
    assert "errors" not in shown


def test_every_kind_has_a_status_of_its_own() -> None:
    statuses = [kind.status for kind in KINDS]

    assert statuses == [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503]


def test_faults_are_listed_by_pointer_up_to_a_limit() -> None:
    message = Text("sai", "wrong")
    many = [
        Fault(f"/reports/{index}", "wrong_type", message)
        for index in range(problems.MOST_ERRORS + 5)
    ]

    shown = problems.invalid(many).document("en")

    assert isinstance(shown["errors"], list)
    assert len(shown["errors"]) == problems.MOST_ERRORS
    assert shown["errors"][1] == {
        "pointer": "/reports/1",
        "code": "wrong_type",
        "message": {"vi": "sai", "en": "wrong"},
    }
    assert str(len(many)) in str(shown["detail"])
    json.dumps(shown)


def test_a_unit_outside_and_one_that_is_nowhere_answer_alike() -> None:
    outside = problems.unknown_unit_in_path("HN").document("vi")
    nowhere = problems.unknown_unit_in_path("ZZ").document("vi")

    assert json.dumps(outside).replace("HN", "ZZ") == json.dumps(nowhere)
