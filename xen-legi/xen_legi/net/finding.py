"""What is to be told of a place in the files."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """Something to tell about a place, FILE:LINE."""

    where: str
    level: str  # error, warning, difference
    text: str

    def __str__(self) -> str:
        line = f"{self.where}: {self.level}: {self.text}"
        return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)  # a file may hold anything
