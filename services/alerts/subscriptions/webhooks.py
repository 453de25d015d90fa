"""What subscribers get, as the OpenAPI document describes it: one entry per type."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import APIRouter, Header
from pydantic import BaseModel
from typing_extensions import TypedDict

from services.alerts.rulebooks.shown import RuleShown
from services.alerts.shown import Escalation
from services.alerts.subscriptions.shown import Delivery, Subscription

Data = TypeVar("Data")


class CloudEvent(BaseModel, Generic[Data]):
    """CloudEvents 1.0, structured; `id` is the `webhook-id`, `time` business time."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: str
    datacontenttype: Literal["application/json"]
    subject: str | None = None
    data: Data


class ReportNews(TypedDict):
    """A revision of a report: the figures stand in `GET /v1/reports`."""

    unit: str
    period: str
    revision: int
    batch: str
    form: str | None
    reason: str | None
    correction: bool
    illustrative: bool
    received_at: str | None


class Lacking(TypedDict):
    """A row that a report must hold and that is not there."""

    measure: str
    category: str


class ReportMissing(TypedDict):
    """A report whose last day in time is over, and the rows that it lacks."""

    unit: str
    period: str
    obligation: str
    due_on: str
    lacks: list[Lacking]


class ClosingNews(TypedDict):
    """A period that was closed for a unit and all below it."""

    period: str
    under: str
    reason: str | None
    closed_at: str | None


class RuleNews(RuleShown):
    """The version that is active now, and the one that it replaced."""

    replaced_version: int | None
    reason: str | None


class PingNews(TypedDict):
    """Which subscription is tested."""

    subscription: str


class Nothing(TypedDict):
    """No data: that it came is the message."""


_EVENTS: tuple[tuple[str, Any, str], ...] = (
    ("report.accepted", ReportNews, "A report came in for the first time."),
    ("report.corrected", ReportNews, "A report was revised, or came after closing."),
    ("report.missing", ReportMissing, "A report that a unit owes did not come."),
    ("period.closed", ClosingNews, "A period was closed for a unit and all below it."),
    ("escalation.opened", Escalation, "A matter opened, or opened again."),
    ("escalation.acknowledged", Escalation, "The unit said that it knows of a matter."),
    ("escalation.explained", Escalation, "The unit handed in what it owed."),
    ("escalation.returned", Escalation, "What was handed in was returned for more."),
    ("escalation.overdue", Escalation, "The deadline of a matter has passed."),
    ("escalation.escalated", Escalation, "A matter went up the tree."),
    ("escalation.closed", Escalation, "A matter was closed; `closed_as` says how."),
    ("rule.activated", RuleNews, "A version of a rule became the active one."),
    ("subscription.disabled", Subscription, "A subscription of your key was cut off."),
    ("delivery.dead", Delivery, "A delivery of your key used up its tries."),
    ("heartbeat", Nothing, "Every five minutes, to those who name it in `types`."),
    ("ping", PingNews, "A test that you asked for."),
)

_ABOUT = """
Signed by Standard Webhooks; verify before trusting. At least once: drop a `webhook-id`
that you have seen. The messages of one escalation come in `sequence`, per subscription.
Answer 2xx within ten seconds. 410 disables the subscription; 429 and 503 may ask for
time with `Retry-After`; anything else is tried ten times over some 76 hours.
"""


def _receiver(body_type: Any) -> Callable[..., None]:
    def receive(
        body: CloudEvent[body_type],
        webhook_id: Annotated[str, Header(description="The CloudEvents `id`.")],
        webhook_timestamp: Annotated[
            str, Header(description="Seconds of true time, when it was sent.")
        ],
        webhook_signature: Annotated[
            str, Header(description="`v1,` and base64, for each live secret.")
        ],
    ) -> None:
        """Never called: the document says what a subscriber has to expect."""

    return receive


webhooks = APIRouter()
for _type, _data, _says in _EVENTS:
    webhooks.add_api_route(
        _type,
        _receiver(_data),
        methods=["POST"],
        name=f"on_{_type.replace('.', '_')}",
        description=f"{_says}\n{_ABOUT}",
        status_code=204,
        responses={
            "410": {"description": "No more of this: the subscription is disabled."},
            "4XX": {"description": "It is tried again, later and later."},
        },
    )
