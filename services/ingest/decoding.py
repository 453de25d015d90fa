"""What the decoder of bulk bodies says, as faults that a client can act on."""

from __future__ import annotations

import re

from libs.common.problems import Fault, Text, escaped

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"field `([^`]*)`")


def type_fault(place: str, said: str) -> Fault:
    """What the decoder says, as a pointer, a stable code and both languages."""
    match = _AT.match(said)
    what, path = (match["what"], match["path"] or "") if match else (said, "")
    pointer = place + re.sub(r"\[(\d+)\]", r"/\1", path).replace(".", "/")
    named = _FIELD.search(what)
    if what.startswith("Object contains unknown field") and named:
        pointer += f"/{escaped(named[1])}"
        return Fault(pointer, "unknown_field", UNKNOWN_FIELD)
    if what.startswith("Object missing required field") and named:
        pointer += f"/{named[1]}"
        return Fault(pointer, "missing", MISSING)
    beyond = any(sign in what for sign in ("<=", ">=", "out of range"))
    code = "out_of_range" if beyond else "wrong_type"
    plain = what.replace("`", "")
    return Fault(pointer, code, Text(f"Sai kiểu hoặc ngoài khoảng: {plain}.", plain))


UNKNOWN_FIELD = Text(
    "Trường không có trong hợp đồng; hãy bỏ đi.", "No such field; remove it."
)
MISSING = Text("Thiếu trường bắt buộc.", "A required field is missing.")
