"""The engine's JSON lines, cut anywhere, and what they tell about layers on their way."""

import pytest

from outrig.engine.progress import LONGEST, Transfer, events
from outrig.errors import EngineUnreachableError


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_come_whole_wherever_the_pieces_are_cut(size):
    data = b'{"stream":"a\\n"}\r\n\r\n{"stream":"b"}\n[1]\n{"last":1}'
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    assert list(events(pieces)) == [{"stream": "a\n"}, {"stream": "b"}, {}, {"last": 1}]


def test_what_is_no_json_is_no_engine():
    with pytest.raises(EngineUnreachableError, match="not JSON"):
        list(events([b"<html>\n"]))


def test_a_message_without_an_end_is_given_up():
    with pytest.raises(EngineUnreachableError, match="without an end"):
        list(events([b"x" * (LONGEST + 1)]))


def downloading(layer, current, total):
    detail = {"current": current, "total": total}
    return {"status": "Downloading", "id": layer, "progressDetail": detail}


def test_a_line_for_each_tenth_of_what_is_known_to_come():
    transfer = Transfer()
    told = [
        transfer.line({"status": "Pulling from library/debian", "id": "bookworm"}),
        transfer.line({"status": "Pulling fs layer", "progressDetail": {}, "id": "a"}),
        transfer.line(downloading("a", 1_000_000, 40_000_000)),
        transfer.line(downloading("a", 1_100_000, 40_000_000)),
        transfer.line(downloading("b", 0, 10_000_000)),
        transfer.line(downloading("a", 20_000_000, 40_000_000)),
        transfer.line({"status": "Download complete", "progressDetail": {}, "id": "a"}),
        transfer.line({"status": "Extracting", "progressDetail": {"current": 1}, "id": "a"}),
        transfer.line({"status": "Status: Downloaded newer image for debian:bookworm"}),
        transfer.line({"stream": "Step 1/1"}),
    ]
    assert [line for line in told if line] == [
        "1.0 of 40.0 MB",
        "20.0 of 50.0 MB",
        "40.0 of 50.0 MB",
        "Status: Downloaded newer image for debian:bookworm",
    ]
