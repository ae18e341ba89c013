"""Streams in memory that can be asked what was written, piece by piece."""


class MemoryRaw:
    """A raw stdout: keeps every write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: memoryview | bytes) -> int:
        self.writes.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def text(self) -> str:
        return b"".join(self.writes).decode()
