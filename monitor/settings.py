"""What every part of the configuration is made of: frozen values that refuse unknown keys."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1 << 20)]
Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]
# Of one sensor, or those of each by point. Told apart by kind, so that a refusal is about the one.
NamesOrByPoint = Annotated[
    Annotated[Names, Tag("list")] | Annotated[dict[str, Names], Tag("point")],
    Discriminator(lambda value: "point" if isinstance(value, dict) else "list"),
]
Counts = Annotated[tuple[Count, ...], Field(min_length=1, max_length=16)]


def _not_zero(value: float) -> float:
    if not value:
        raise ValueError("must not be 0")
    return value


Factor = Annotated[Finite, AfterValidator(_not_zero)]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class CheckedSettings(Settings):
    """Settings whose values must also go together."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        self.check()
        return self

    def check(self) -> None:
        """Raises ValueError, a sentence, where the values do not go together."""


class ConfigError(Exception):
    """The configuration cannot be used; str() is one sentence a line, each naming key, value and
    rule.
    """
