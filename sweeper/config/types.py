"""What the keys of a sweep file are made of."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not yes or no")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0, strict=True)]

# cpu: CPU cores alone. gpu: GPUs, and a refusal where there are none. auto: GPUs where this machine has one.
DeviceChoice = Literal["auto", "cpu", "gpu"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

# Names become parts of file names, which may not be longer than 255 bytes in all.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each name may stand here once")
    return names


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_each_once)]


class Model(BaseModel):
    """A section of a sweep file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
