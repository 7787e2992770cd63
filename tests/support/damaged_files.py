"""834 files with damage, as Hypothesis strategies."""

from collections.abc import Sequence

from hypothesis import strategies as st


@st.composite
def damaged(draw: st.DrawFn, files: Sequence[bytes]) -> bytes:
    """Returns a file with segments dropped, swapped, duplicated or cut, and bytes overwritten."""
    content = draw(st.sampled_from(files))
    segments = content.split(b"~")
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(("drop", "swap", "duplicate", "cut", "bytes")))
        i = draw(st.integers(0, len(segments) - 1))
        j = draw(st.integers(0, len(segments) - 1))
        if kind == "drop" and len(segments) > 1:
            del segments[i]
        elif kind == "swap":
            segments[i], segments[j] = segments[j], segments[i]
        elif kind == "duplicate":
            segments.insert(j, segments[i])
        elif kind == "cut":
            segments[i] = segments[i][: draw(st.integers(0, len(segments[i])))]
        else:
            at = draw(st.integers(0, len(segments[i])))
            segments[i] = segments[i][:at] + draw(st.binary(max_size=4)) + segments[i][at + 1 :]
    return b"~".join(segments)
