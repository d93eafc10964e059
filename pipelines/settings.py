"""Every section of params.yaml with the class that checks it, and what each run comes to."""

import re
from dataclasses import dataclass
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+]*(-[A-Za-z0-9_.+]+)*")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One entry of `runs`: a method and what it changes in the sections of the same names."""

    method: str
    settings: dict[str, Any]  # over methods.<method>
    model: dict[str, Any]
    train: dict[str, Any]
    data: dict[str, Any]
    evaluate: dict[str, Any]
    readings: dict[str, dict[str, Any]]  # further readings of the same model: name -> over `evaluate`
