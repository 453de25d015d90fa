"""A rule's message with the figures filled in."""

from __future__ import annotations

from services.alerts.domain.vocabulary import Bilingual
from services.alerts.domain.wording import places, worded


def test_figures_are_written_as_each_language_writes_them() -> None:
    message = Bilingual("Tỷ lệ {rate}%, kỳ {period}", "Rate {rate} %, period {period}")

    said = worded(message, {"rate": "41.54", "period": "2022M05"})

    assert said == {
        "vi": "Tỷ lệ 41,54%, kỳ 2022M05",
        "en": "Rate 41.54 %, period 2022M05",
    }


def test_what_is_not_known_says_so() -> None:
    said = worded(Bilingual("{rate}", "{rate}"), {})

    assert said == {"vi": "chưa rõ", "en": "unknown"}


def test_a_value_is_never_read_as_a_place() -> None:
    said = worded(Bilingual("{unit.name}", "{unit.name}"), {"unit.name": "{rate}"})

    assert said["vi"] == "{rate}"
    assert list(places("{a} and {b.c}")) == [("a", 0), ("b.c", 8)]
