"""How spreadsheets are read, and the categories that are declared."""

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ingest_mappings"
down_revision = "ingest_4"
branch_labels = None
depends_on = None

_CATEGORIES = [
    ("all", "Tất cả", "All", None),
    ("credit", "Tổ chức tín dụng", "Credit institutions", None),
    ("corruption", "Tham nhũng, kinh tế", "Corruption and economic crime", None),
    ("state_budget", "Thu cho ngân sách nhà nước", "State budget", None),
    ("prisoner", "Người đang chấp hành hình phạt tù", "Prisoners", None),
    ("own_initiative", "Chủ động", "On own initiative", "initiation"),
    ("on_request", "Theo yêu cầu", "On request", "initiation"),
]


def _ranked(sheet: str, measure: str) -> dict[str, object]:
    """One appendix of letter 679/TCTHADS-TKDLCN, and of our own ranking."""
    figure = {"measure": measure, "gives": "published_rate"}
    return {
        "sheet": sheet,
        "unit": {"title": ["Tên đơn vị"]},
        "figures": [
            {"title": ["Tỷ lệ (%)"], "optional": True, **figure},
            {
                "title": ["Kết quả thi hành xong/số có điều kiện"],
                "optional": True,
                **figure,
            },
        ],
    }


_APPENDIX = {
    "about": "Phụ lục xếp hạng như công văn 679/TCTHADS-TKDLCN: STT, Tên đơn vị, Tỷ lệ;"
    " trang tính «Về việc» và «Về tiền»."
    " The ranking as letter 679 prints it: one sheet for cases, one for money.",
    "labels": {
        "Kết quả chung toàn quốc": "VN",
        "Toàn quốc": "VN",
        "Cả nước": "VN",
    },
    "tables": [_ranked("Về việc", "cases"), _ranked("Về tiền", "money")],
}

_FORM_4 = {
    "about": "Minh họa: không phải biểu mẫu in trong Thông tư. Hãy chép sang tên khác,"
    " sửa tiêu đề cột cho đúng biểu của mình và bỏ «illustrative»."
    " Illustrative: no printed form. Copy it under a name of your own, give it your"
    " form's titles and take `illustrative` away.",
    "source": {"illustrative": True},
    "tables": [
        {
            "header": {"rows": 2},
            "unit": {"title": ["Tên đơn vị"]},
            "figures": [
                {"title": title, "measure": "cases", "gives": gives}
                for title, gives in (
                    (["Thụ lý", "Năm trước chuyển sang"], "carried_over"),
                    (["Thụ lý", "Thụ lý mới"], "newly_accepted"),
                    (["Phải thi hành"], "to_enforce"),
                    (["Có điều kiện", "Tổng số"], "enforceable"),
                    (["Có điều kiện", "Thi hành xong"], "completed"),
                    (["Có điều kiện", "Đình chỉ"], "terminated"),
                    (["Chưa có điều kiện"], "not_enforceable"),
                )
            ],
            "skip": ["A", "B", "Tổng số", "Tổng cộng", "Cộng"],
        }
    ],
}


def upgrade() -> None:
    op.create_table(
        "mapping",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column(
            "units",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="whose key put it; only a key over these puts the next",
        ),
        sa.Column("author", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_mapping")),
        schema="ingest",
        comment="how a clerk's sheet is read; a change is a new version",
    )
    op.create_table(
        "category",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("vi", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column(
            "partition",
            sa.Text(),
            nullable=True,
            comment="categories that share it add up to the whole; others overlap",
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_category")),
        schema="ingest",
    )
    for name, body in (("appendix", _APPENDIX), ("form-4", _FORM_4)):
        op.execute(
            sa.text(
                "INSERT INTO ingest.mapping (name, version, body, units, author,"
                " recorded_at) VALUES (:name, 1, CAST(:body AS jsonb), '{VN}',"
                " 'dondoc', '2010-01-01T00:00:00+07:00')"
            ).bindparams(name=name, body=json.dumps(body, ensure_ascii=False))
        )
    for code, vi, en, partition in _CATEGORIES:
        op.execute(
            sa.text(
                "INSERT INTO ingest.category VALUES (:code, :vi, :en, :partition)"
            ).bindparams(code=code, vi=vi, en=en, partition=partition)
        )
    op.execute("GRANT SELECT, INSERT ON ingest.mapping TO dondoc_ingest")
    op.execute("GRANT SELECT, INSERT, UPDATE ON ingest.category TO dondoc_ingest")


def downgrade() -> None:
    op.drop_table("category", schema="ingest")
    op.drop_table("mapping", schema="ingest")
