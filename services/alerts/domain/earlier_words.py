"""Words for what the published scorecard of an earlier cut says of the same row.

(name, kind, column of that scorecard, Vietnamese, English). They are joined when a row
is read, and unknown where the unit has no scorecard of that cut.
"""

from __future__ import annotations

from typing import Final

PREVIOUS_WORDS: Final = (
    (
        "previous.done",
        "count",
        "done",
        "Thi hành xong đến cuối tháng trước, từ 01/10",
        "Done from 1 October to the month end before",
    ),
    (
        "previous.enforceable",
        "count",
        "enforceable",
        "Số có điều kiện đến cuối tháng trước",
        "Enforceable at the month end before",
    ),
    (
        "previous.to_enforce",
        "count",
        "to_enforce",
        "Tổng số phải thi hành đến cuối tháng trước",
        "Total to enforce at the month end before",
    ),
    (
        "previous.classification",
        "percent",
        "classification",
        "Tỷ lệ có điều kiện trên tổng số phải thi hành cuối tháng trước",
        "Enforceable share at the month end before",
    ),
    (
        "previous.met",
        "flag",
        "met",
        "Cuối tháng trước đã đạt chỉ tiêu",
        "The target was met at the month end before",
    ),
    (
        "previous.rank.position",
        "number",
        "rank_position",
        "Thứ hạng cuối tháng trước",
        "Place in the ranking of the month end before",
    ),
    (
        "previous.rank.of",
        "number",
        "rank_of",
        "Tổng số đơn vị xếp hạng cuối tháng trước",
        "Units ranked at the month end before",
    ),
    (
        "previous.rank.from_bottom",
        "number",
        "rank_from_bottom",
        "Thứ hạng cuối tháng trước tính từ cuối lên",
        "Place counted from the last at the month end before",
    ),
)
"""Of the month end before, in the same working year: none in October."""

LAST_YEAR_WORDS: Final = (
    (
        "last_year.classification",
        "percent",
        "classification",
        "Tỷ lệ có điều kiện trên tổng số phải thi hành cùng kỳ năm trước",
        "Enforceable share of the same period last year",
    ),
)
"""Of the same cut a year earlier, where the unit itself reported it."""
