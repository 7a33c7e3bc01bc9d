"""What discovery has found out of one shape of messages: reasons, and questions it cannot answer.

A stage asks by a key. Where a person has answered, it gets the answer; else the
question is noted and the stage goes on as far as it can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Choice:
    """value : the answer as a person writes it; why : what speaks for it, "" if nothing does"""

    value: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """choices : the likeliest first; none where any text may be the answer."""

    key: str
    text: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    key: str
    text: str


@dataclass(slots=True)
class Notes:
    """answers : by key; "2.unit" holds for the second shape alone, "unit" for all"""

    number: int = 1
    answers: Mapping[str, str] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    def say(self, key: str, text: str) -> None:
        if Reason(key, text) not in self.reasons:
            self.reasons.append(Reason(key, text))

    def ask(self, key: str, text: str, choices: Sequence[Choice] = ()) -> str | None:
        """The answer, where there is one already."""
        answer = self.answer(key)
        if answer is not None:
            self.say(key, f"{answer}, as answered")
            return answer
        if all(question.key != key for question in self.questions):
            self.questions.append(Question(key, text, tuple(choices)))
        return None

    def answer(self, key: str) -> str | None:
        return self.answers.get(f"{self.number}.{key}", self.answers.get(key))
