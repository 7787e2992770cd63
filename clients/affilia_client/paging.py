"""All items of a list, whatever the size of its pages."""

from google.protobuf.message import Message

PAGE_SIZE = 200


def first_page(request: Message) -> Message:
    """A request of our own, whose page token may be changed; begins where the caller's does."""
    page = type(request)()
    page.CopyFrom(request)
    if not page.page_size:  # type: ignore[attr-defined]
        page.page_size = PAGE_SIZE  # type: ignore[attr-defined]
    return page
