"""The first request for a list that is read page by page."""

from google.protobuf.message import Message

PAGE_SIZE = 200


def first_page(request: Message) -> Message:
    """Returns a copy of the request, whose page token can be changed. Sets the page size if it is unset."""
    page = type(request)()
    page.CopyFrom(request)
    if not page.page_size:  # type: ignore[attr-defined]
        page.page_size = PAGE_SIZE  # type: ignore[attr-defined]
    return page
