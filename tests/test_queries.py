"""Every public SQL function has one method, and it sends what the function takes."""

import dataclasses
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from inspect import Parameter, iscoroutinefunction, signature
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import asyncpg
import pytest
from pydantic import AwareDatetime, BaseModel

from database import Database
from queries.functions import Functions, function
from schemas.costs import TagKeys
from schemas.identities import Identity
from schemas.reservations import BudgetRoom, PlannedCall
from tools import schema

# Called by database.py itself, to check the connection.
OF_THE_DOOR = {"schema_version", "time_limits"}

SAMPLES: dict[Any, Any] = {
    UUID: UUID(int=1),
    datetime: datetime(2026, 1, 31, 12, tzinfo=UTC),
    AwareDatetime: datetime(2026, 1, 31, 12, tzinfo=UTC),
    date: date(2026, 1, 31),
    # A filter by tag splits it.
    str: "key=value",
    int: 1,
    bool: True,
    float: 0.5,
    Decimal: Decimal("0.5"),
    Any: "anything",
}
PYTHON = {
    "uuid": (UUID,),
    "timestamp with time zone": (datetime,),
    "date": (date,),
    "text": (str,),
    "integer": (int,),
    "bigint": (int,),
    "numeric": (Decimal, int),
    "boolean": (bool,),
}
ANSWERS = {"void": None, "boolean": bool, "bigint": int, "text": str | None}


@dataclasses.dataclass(frozen=True)
class SqlFunction:
    """A function as pg_proc has it: its parameters with their types in order, the last of them with a default."""

    name: str
    parameters: Mapping[str, str]
    defaults: int
    returns: str


class Sent(Exception):
    """The call that a method sends to the database."""

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        self.name = name
        self.parameters = parameters


class Recording:
    """A road that raises what would be sent."""

    async def call(self, name: str, parameters: Mapping[str, Any]) -> None:
        raise Sent(name, parameters)


def sample(annotation: Any) -> Any:
    """A value of a type, with every optional part."""
    kind, inner = get_origin(annotation), get_args(annotation)
    if annotation in SAMPLES:
        return SAMPLES[annotation]
    if kind is Literal:
        return inner[0]
    if kind is Annotated:
        return sample(inner[0])
    if kind in (Union, types.UnionType):
        return sample(next(each for each in inner if each is not type(None)))
    if kind in (list, Sequence, Iterable):
        return [sample(inner[0])]
    if kind is frozenset:
        return frozenset({sample(inner[0])})
    if kind is tuple:
        return tuple(sample(each) for each in inner)
    if kind in (dict, Mapping):
        return {sample(inner[0]): sample(inner[1])}
    if issubclass(annotation, BaseModel):
        fields = {name: sample(field.annotation) for name, field in annotation.model_fields.items()}
        return annotation.model_construct(**fields)
    assert dataclasses.is_dataclass(annotation) or issubclass(annotation, tuple), annotation
    return annotation(**{name: sample(hint) for name, hint in get_type_hints(annotation).items()})


def fits(value: Any, sql_type: str) -> bool:
    """Whether a column of a type takes a value as it is."""
    if value is None:
        return True
    if sql_type.endswith("[]"):
        return isinstance(value, list) and all(fits(each, sql_type[:-2]) for each in value)
    return type(value) in PYTHON[sql_type]


async def sent(method: Callable[..., Any], *, complete: bool) -> Sent:
    """The call that a method sends, with all its arguments or only the required ones."""
    named = {}
    for parameter in [*signature(method).parameters.values()][1:]:
        optional = type(None) in get_args(parameter.annotation)
        if complete:
            named[parameter.name] = sample(parameter.annotation)
        elif parameter.default is Parameter.empty:
            named[parameter.name] = None if optional else sample(parameter.annotation)
    with pytest.raises(Sent) as raised:
        await method(Database(cast(Any, Recording())), **named)
    return raised.value


async def faults(method: Callable[..., Any], wanted: SqlFunction) -> Iterable[str]:
    """The differences between a method and its function."""
    required = [*wanted.parameters][: len(wanted.parameters) - wanted.defaults]
    found = []
    for complete in (True, False):
        it = await sent(method, complete=complete)
        if it.name != wanted.name:
            found.append(f"{wanted.name} calls {it.name}")
        found += [f"{wanted.name} lacks {name}" for name in required if name not in it.parameters]
        found += [f"{wanted.name} has no {name}" for name in it.parameters if name not in wanted.parameters]
        found += [
            f"{wanted.name} takes {name} as {wanted.parameters[name]}, not {value!r}"
            for name, value in it.parameters.items()
            if name in wanted.parameters and not fits(value, wanted.parameters[name])
        ]
    answer = signature(method).return_annotation
    if answer != ANSWERS[wanted.returns] if wanted.returns in ANSWERS else answer in ANSWERS.values():
        found.append(f"{wanted.name} returns {wanted.returns}, not {answer}")
    return dict.fromkeys(found)


def methods() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """The file, the name and the method of each query."""
    for owner in Database.__mro__:
        room, _, noun = owner.__module__.partition(".")
        if room == "queries":
            for name, method in vars(owner).items():
                if not name.startswith("_") and iscoroutinefunction(method):
                    yield noun, name, method


async def test_every_method_sends_what_its_function_takes(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    rows = await sql.fetch(
        "select proname, coalesce(proargnames, '{}') as names, pronargdefaults,"
        " format_type(prorettype, null) as returns,"
        " array(select format_type(type, null) from unnest(proargtypes) with ordinality t (type, place) order by place)"
        " as types from pg_proc where pronamespace = 'public'::regnamespace"
    )
    wanted = {
        row["proname"]: SqlFunction(
            row["proname"],
            dict(zip(row["names"], row["types"], strict=True)),
            row["pronargdefaults"],
            row["returns"],
        )
        for row in rows
    }
    assert len(wanted) == len(rows), "two functions have the same name"
    names = [name for _, name, _ in methods()]
    assert {*names} == wanted.keys() - OF_THE_DOOR
    assert len({*names}) == len(names), "two methods have the same name"
    found = [fault for _, name, method in methods() for fault in await faults(method, wanted[name])]
    assert not found


def test_a_method_is_in_the_file_of_its_noun() -> None:
    nouns = {
        statement.name.removeprefix("public."): place.split("_", 1)[1]
        for place, text in schema.schema().items()
        for statement in schema.statements(text)
        if statement.kind == "function" and statement.name.startswith("public.")
    }
    assert {name: noun for noun, name, _ in methods()} == {
        name: noun for name, noun in nouns.items() if name not in OF_THE_DOOR
    }


TAG_KEYS = SqlFunction("cost_tag_keys", {"p_workspace_id": "uuid", "p_limit": "integer"}, 0, "jsonb")
SPREAD = SqlFunction(
    "cost_tag_keys",
    {
        "p_workspace_id": "uuid",
        "p_actor_id": "uuid",
        "p_provider": "text",
        "p_model": "text",
        "p_tags": "text",
        "p_until": "timestamp with time zone",
    },
    1,
    "jsonb",
)


class Missing(Functions):
    @function
    async def cost_tag_keys(self, workspace_id: UUID) -> TagKeys:  # type: ignore[empty-body]
        """Does not fit."""


class Additional(Functions):
    @function
    async def cost_tag_keys(self, workspace_id: UUID, limit: int, key: str) -> TagKeys:  # type: ignore[empty-body]
        """Does not fit."""


class Misnamed(Functions):
    @function
    async def cost_tag_keys(self, workspace_id: UUID, most: int) -> TagKeys:  # type: ignore[empty-body]
        """Does not fit."""


class OfAnotherType(Functions):
    @function
    async def cost_tag_keys(self, workspace_id: UUID, limit: bool) -> TagKeys:  # type: ignore[empty-body]
        """Does not fit."""


class AnsweredOtherwise(Functions):
    @function
    async def cost_tag_keys(self, workspace_id: UUID, limit: int) -> int:  # type: ignore[empty-body]
        """Does not fit."""


class WrittenOut(Functions):
    async def cost_tag_keys(self, workspace_id: UUID | None, limit: tuple[int, int] | None) -> TagKeys:
        _, most = limit or (None, None)
        return await self._ask(TagKeys, "cost_tag_key", workspace_id=workspace_id, most=most)


class Fitting(Functions):
    @function
    async def cost_tag_keys(self, workspace_id: UUID, limit: int = 50) -> TagKeys:  # type: ignore[empty-body]
        """Fits."""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Missing, ["cost_tag_keys lacks p_limit"]),
        (Additional, ["cost_tag_keys has no p_key"]),
        (Misnamed, ["cost_tag_keys lacks p_limit", "cost_tag_keys has no p_most"]),
        (OfAnotherType, ["cost_tag_keys takes p_limit as integer, not True"]),
        (AnsweredOtherwise, ["cost_tag_keys returns jsonb, not <class 'int'>"]),
        (
            WrittenOut,
            [
                "cost_tag_keys calls cost_tag_key",
                "cost_tag_keys lacks p_limit",
                "cost_tag_keys has no p_most",
            ],
        ),
        (Fitting, []),
    ],
)
async def test_a_mismatch_is_found(wrong: Any, said: list[str]) -> None:
    assert [*await faults(wrong.cost_tag_keys, TAG_KEYS)] == said


async def test_an_argument_of_several_parameters_is_spread() -> None:
    class Spreading(Functions):
        @function
        async def cost_tag_keys(self, by: Identity, call: PlannedCall) -> TagKeys:  # type: ignore[empty-body]
            """Fits."""

    assert not await faults(Spreading.cost_tag_keys, SPREAD)


async def test_arguments_are_bound_as_python_binds_them() -> None:
    class Answering:
        async def call(self, name: str, parameters: Mapping[str, Any]) -> Any:
            return {"keys": [f"{name}({', '.join(f'{key}={value}' for key, value in parameters.items())})"]}

    queries: Any = Fitting(cast(Any, Answering()))
    for answer in (
        await queries.cost_tag_keys("a", 50),
        await queries.cost_tag_keys("a"),
        await queries.cost_tag_keys(limit=50, workspace_id="a"),
    ):
        assert answer == TagKeys(keys=["cost_tag_keys(p_workspace_id=a, p_limit=50)"])
    for wrong in ({}, {"workspace_id": "a", "most": 1}):
        with pytest.raises(TypeError):
            await queries.cost_tag_keys(**wrong)
    with pytest.raises(TypeError):
        await queries.cost_tag_keys("a", 1, 2)


async def test_an_answer_is_read_as_what_the_method_returns() -> None:
    class Road:
        """Answers as a void function does: each road has its own empty value."""

        def __init__(self, answer: Any) -> None:
            self.answer = answer

        async def call(self, *_: object) -> Any:
            return self.answer

    now: Any = SAMPLES[datetime]
    for nothing in ("", None):
        assert await Database(cast(Any, Road(nothing))).user_delete(UUID(int=1), now) is None  # type: ignore[func-returns-value]
    room = {"id": UUID(int=1), "name": "All", "hard": True, "limit": "2", "current_spend": "0.5", "reserved": 0,
            "remaining": "1.5", "period_start": now, "period_end": now}  # fmt: skip
    identity, call = sample(Identity), sample(PlannedCall)
    found = await Database(cast(Any, Road([room]))).budgets_of_call(identity, call, None, now)
    assert found == [BudgetRoom.model_validate(room)]
