"""The parameters of MySQL as RDS knows them, and what a parameter group makes of them on an instance."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from dev.sandbox.mysql.time_zones import PARAMETER_VALUES
from dev.sandbox.rds.errors import invalid_value

__all__ = ["FAMILIES", "AccountInventory", "Parameter", "catalogue", "evaluate", "server_settings"]

# With the column of the catalogue that describes them. What AWS changed for 9.7 is not known here: it has the names of 8.4.
FAMILIES = {"mysql5.7": 4, "mysql8.0": 5, "mysql8.4": 6, "mysql9.7": 6}
# A sandbox has many servers on one machine: formulas over the class's memory are honoured up to this.
_BUFFER_POOL_CAP = 128 * 2**20
_MEMORY_GIB = {"nano": 0.5, "micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}


@dataclass(frozen=True)
class Parameter:
    """One row of the catalogue."""

    name: str
    apply_type: str
    data_type: str
    allowed: str
    default: str | None
    kind: str

    @property
    def modifiable(self) -> bool:
        return self.kind != "system"

    @property
    def dynamic(self) -> bool:
        return self.apply_type == "dynamic"

    def check(self, value: str) -> None:
        """Refuse a value outside what is allowed."""
        if not self.modifiable:
            raise invalid_value(f"The parameter {self.name} cannot be modified.")
        if self.allowed and not re.fullmatch(r"\{.*\}", value) and not self._allows(value):
            raise invalid_value(
                f"Invalid parameter value: {value} for: {self.name} allowed values are: {self.allowed}"
            )

    def kept(self, value: str) -> str:
        """What a group says of a value that was written: of a boolean it answers 1 or 0."""
        if self.data_type == "boolean" and value.lower() in ("on", "off"):
            return str(int(value.lower() == "on"))
        return value

    def _allows(self, value: str) -> bool:
        for choice in self.allowed.split(","):
            span = re.fullmatch(r"(\d+)-(\d+)", choice)
            if span and re.fullmatch(r"\d+(\.\d+)?", value):
                if int(span[1]) <= Decimal(value) <= int(span[2]):
                    return True
            elif value.lower() == choice.lower():
                return True
        return self.data_type == "boolean" and value.lower() in ("on", "off")


@dataclass(frozen=True)
class AccountInventory:
    """What a formula may refer to."""

    instance_class: str
    allocated_storage: int
    port: int
    is_replica: bool

    @property
    def memory(self) -> int:
        """The memory of the instance class in bytes (the r families have twice as much for each vCPU)."""
        _, family, size = self.instance_class.split(".", 2)
        times = re.fullmatch(r"(\d+)xlarge", size)
        gib = 16 * int(times[1]) if times else _MEMORY_GIB.get(size, 8)
        return int(gib * (2 if family.startswith("r") else 1) * 2**30)


@cache
def catalogue(family: str) -> Mapping[str, Parameter]:
    """Return the parameters of a family by name."""
    column = FAMILIES[family]
    parameters: dict[str, Parameter] = {}
    for line in Path(__file__).with_name("parameters.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if cells[column] != "-":
            default = cells[column] or None
            allowed = cells[3].replace("@time zones", ",".join(PARAMETER_VALUES))
            parameters[cells[0]] = Parameter(cells[0], cells[1], cells[2], allowed, default, cells[7])
    return parameters


def server_settings(
    family: str, user_values: Mapping[str, str], inventory: AccountInventory
) -> dict[str, str]:
    """Return what an instance's server is started with: RDS's own defaults, and over them the group's values."""
    parameters = catalogue(family)
    values = {p.name: p.default for p in parameters.values() if p.kind == "rds" and p.default is not None}
    values.update({name: value for name, value in user_values.items() if name in parameters})
    return {name: evaluate(value, inventory, name) for name, value in values.items()}


def evaluate(value: str, inventory: AccountInventory, name: str = "") -> str:
    """Return the value with its formula, if it is one, worked out."""
    formula = re.fullmatch(r"\{(.*)\}", value)
    if formula is None:
        return value
    if formula[1] == "TrueIfReplica":
        return "1" if inventory.is_replica else "0"
    variables = {
        "DBInstanceClassMemory": inventory.memory,
        "AllocatedStorage": inventory.allocated_storage * 2**30,
        "EndPointPort": inventory.port,
    }
    try:
        number = int(_Formula(variables).value(ast.parse(formula[1], mode="eval").body))
    except (SyntaxError, KeyError, ZeroDivisionError) as error:
        raise invalid_value(f"Invalid formula {value} for parameter {name}.") from error
    return str(min(number, _BUFFER_POOL_CAP) if name == "innodb_buffer_pool_size" else number)


class _Formula:
    """The arithmetic that RDS allows in parameter values."""

    _operators: Mapping[type[ast.operator], Callable[[float, float], float]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
    }
    _functions: Mapping[str, Callable[..., float]] = {
        "GREATEST": max,
        "LEAST": min,
        "SUM": lambda *terms: sum(terms),
        "log": math.log2,
    }

    def __init__(self, variables: Mapping[str, int]) -> None:
        self._variables = variables

    def value(self, node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name):
                return self._variables[name]
            case ast.BinOp(left=left, op=op, right=right):
                return self._operators[type(op)](self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._functions[name](*(self.value(argument) for argument in arguments))
        raise KeyError(ast.dump(node))
