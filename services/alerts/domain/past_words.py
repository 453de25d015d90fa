"""Words for what a month is held against: last year, the month before, peers.

(name, kind, column of the published scorecard, Vietnamese, English). Outliers, runs and
workload are known for rows of category `all` of cases and money, outliers and runs of
whole months only; everything else is unknown.
"""

from __future__ import annotations

from typing import Final

PAST_WORDS: Final = (
    (
        "last_year.done",
        "count",
        "last_done",
        "Thi hành xong cùng kỳ năm trước",
        "Done in the same period last year",
    ),
    (
        "last_year.enforceable",
        "count",
        "last_enforceable",
        "Số có điều kiện cùng kỳ năm trước",
        "Enforceable in the same period last year",
    ),
    (
        "change.numerator_effect",
        "points",
        "numerator_effect",
        "Phần tăng, giảm tỷ lệ so với cùng kỳ do kết quả thi hành xong (điểm %)",
        "Points of the change against last year that came from finishing",
    ),
    (
        "change.denominator_effect",
        "points",
        "denominator_effect",
        "Phần tăng, giảm tỷ lệ so với cùng kỳ do số có điều kiện thay đổi (điểm %)",
        "Points of the change against last year that came from the denominator",
    ),
    (
        "change.denominator_share",
        "percent",
        "denominator_share",
        "Tỷ trọng của mẫu số trong mọi biến động so với cùng kỳ",
        "Share of all movement against last year that came from the denominator",
    ),
    (
        "classification",
        "percent",
        "classification",
        "Tỷ lệ có điều kiện trên tổng số phải thi hành",
        "Share of all that is to be enforced that is enforceable",
    ),
    (
        "previous.rate",
        "percent",
        "previous_rate",
        "Tỷ lệ của kỳ cuối tháng trước trong cùng năm công tác",
        "Rate at the month end before, within the working year",
    ),
    (
        "month.done",
        "count",
        "month_done",
        "Thi hành xong từ cuối tháng trước",
        "Done since the month end before",
    ),
    (
        "month.completed",
        "count",
        "month_completed",
        "Thi hành xong (không kể đình chỉ) từ cuối tháng trước",
        "Completed since the month end before",
    ),
    (
        "month.terminated",
        "count",
        "month_terminated",
        "Đình chỉ từ cuối tháng trước",
        "Terminated since the month end before",
    ),
    (
        "month.newly_accepted",
        "count",
        "month_newly_accepted",
        "Thụ lý mới từ cuối tháng trước",
        "Newly accepted since the month end before",
    ),
    (
        "month.entrusted",
        "count",
        "month_entrusted",
        "Ủy thác từ cuối tháng trước",
        "Entrusted since the month end before",
    ),
    (
        "month.enforceable",
        "count",
        "month_enforceable",
        "Số có điều kiện tăng, giảm so với cuối tháng trước; tháng 10 không có",
        "What the enforceable moved by since the month end before; not in October",
    ),
    (
        "month.separate_ledger",
        "count",
        "month_separate_ledger",
        "Sổ theo dõi riêng tăng, giảm so với cuối tháng trước; tháng 10 không có",
        "What the ledger moved by since the month end before; not in October",
    ),
    (
        "month.usual_done",
        "count",
        "usual_done",
        "Số thi hành xong một tháng thường có: trung vị của 24 tháng trước",
        "Done in a usual month: the median of the 24 months before",
    ),
    (
        "runs.below_last_year",
        "number",
        "runs_below_last_year",
        "Số kỳ báo cáo tháng liên tiếp trong năm thấp hơn cùng kỳ, tính cả kỳ này",
        "Reported months of the year in a row below last year, this one included",
    ),
    (
        "outlier.reclassified",
        "decimal",
        "outlier_reclassified",
        "Mức bất thường của việc giảm tỷ lệ có điều kiện, so với 24 tháng của đơn vị",
        "How unusual the drop of the enforceable share is in the unit's 24 months",
    ),
    (
        "outlier.separate_ledger",
        "decimal",
        "outlier_separate_ledger",
        "Mức bất thường của số chuyển sổ theo dõi riêng, so với 24 tháng của đơn vị",
        "How unusual the ledger's movement is in the unit's 24 months",
    ),
    (
        "outlier.entrusted",
        "decimal",
        "outlier_entrusted",
        "Mức bất thường của số ủy thác trong tháng, so với 24 tháng của đơn vị",
        "How unusual the month's entrusting is in the unit's 24 months",
    ),
    (
        "outlier.done",
        "decimal",
        "outlier_done",
        "Mức bất thường của số thi hành xong trong tháng; âm là chững lại",
        "How unusual the month's finishing is in the unit's 24 months; below 0 is slow",
    ),
    (
        "outlier.reclassified_among_peers",
        "decimal",
        "peers_reclassified",
        "Mức bất thường của việc giảm tỷ lệ có điều kiện, so với đơn vị cùng loại",
        "How unusual the drop of the enforceable share is among units of the kind",
    ),
    (
        "outlier.separate_ledger_among_peers",
        "decimal",
        "peers_separate_ledger",
        "Mức bất thường của số chuyển sổ theo dõi riêng, so với đơn vị cùng loại",
        "How unusual the ledger's movement is among units of the kind",
    ),
    (
        "outlier.entrusted_among_peers",
        "decimal",
        "peers_entrusted",
        "Mức bất thường của số ủy thác trong tháng, so với đơn vị cùng loại",
        "How unusual the month's entrusting is among units of the kind",
    ),
    (
        "outlier.done_among_peers",
        "decimal",
        "peers_done",
        "Mức bất thường của số thi hành xong trong tháng, so với đơn vị cùng loại",
        "How unusual the month's finishing is among units of the kind",
    ),
    (
        "workload.officers",
        "number",
        "officers",
        "Số chấp hành viên thuộc đơn vị vào ngày cuối kỳ",
        "Officers under the unit on the period's last day",
    ),
    (
        "workload.cases_per_officer",
        "decimal",
        "cases_per_officer",
        "Số việc phải thi hành trên mỗi chấp hành viên (dòng về việc)",
        "Cases to enforce per officer (rows of cases)",
    ),
    (
        "workload.money_per_officer",
        "vnd",
        "money_per_officer",
        "Số tiền phải thi hành trên mỗi chấp hành viên (dòng về tiền)",
        "Money to enforce per officer (rows of money)",
    ),
    (
        "workload.outlier",
        "decimal",
        "workload_outlier",
        "Mức lệch của khối lượng mỗi chấp hành viên so với đơn vị cùng loại",
        "How far the load per officer stands from that of units of the kind",
    ),
)
