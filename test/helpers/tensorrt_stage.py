"""A stand-in for the module `tensorrt`, made of the real bindings, on which our code can run without a GPU.

Names, enumerations and base classes are the real ones. Objects that only a GPU can make (builder, network, engine, …)
are played by understudies: instances of subclasses of the real classes, whose every use is held to the real signatures,
which pybind11 writes into the docstrings. An attribute, an argument or a keyword that this version lacks is an error,
as it would be on a robot. What a call returns is an understudy of the class that the signature names, unless `answers`
says otherwise.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

CONSTRUCTED = ("Builder", "OnnxParser", "Runtime")
"""The classes that code creates objects of; the constructors of the real ones ask the library, here a stub."""

SIGNATURE = re.compile(r"^(?:\d+\. )?(\w*)\((.*)\) -> (.+)$", re.MULTILINE)
PARAMETER = re.compile(r"(\w+)(?:: ([^=]*?))?(?: = (.*))?$")
MODULES = ("tensorrt_bindings", "tensorrt", "nvinfer1", "nvonnxparser")
BUFFERS = ("buffer", "Buffer")
PLAIN = {"int": int, "SupportsInt": int, "str": str, "bool": bool, "tuple": tuple, "list": list, "object": object}


class Stage(ModuleType):
    """used: what was asked of the library, as "name" or "Class.name". hidden: one of those that shall be missing.

    answers: "Class.name" → what a method or property gives: a value, or a function of self and the arguments.
    """

    def __init__(self, library: ModuleType, answers: Mapping[str, Any]) -> None:
        super().__init__("tensorrt")
        self.__dict__.update(library=library, answers=answers, used=set(), hidden=None, __version__=library.__version__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self.look_up(self.library, name)
        if name in CONSTRUCTED:
            return lambda *args, **kwargs: self._construct(value, args, kwargs)
        return _Members(self, value) if hasattr(value, "__members__") else value

    def look_up(self, owner: Any, name: str) -> Any:
        """The real attribute; AttributeError if it does not exist or is hidden."""
        full_name = name if owner is self.library else f"{owner.__name__}.{name}"
        if full_name == self.hidden:
            raise AttributeError(f"{full_name} is hidden")
        value = getattr(owner, name)
        self.used.add(full_name)
        return value

    def understudy(self, real: type) -> Any:
        """An object that passes for one of `real`; made without its constructor."""
        stage = self

        class Understudy(real):
            def __getattribute__(self, name: str) -> Any:
                if name.startswith("__"):
                    return super().__getattribute__(name)
                attribute = stage.look_up(real, name)
                if isinstance(attribute, property):
                    return stage._answer(f"{real.__name__}.{name}", attribute.fget, (self,), {})
                return lambda *args, **kwargs: stage._answer(
                    f"{real.__name__}.{name}", attribute, (self, *args), kwargs
                )

            def __del__(self) -> None:
                """There is nothing to delete, and nobody deletes it by name, which the real one would warn of."""

            def __setattr__(self, name: str, value: Any) -> None:
                attribute = stage.look_up(real, name)
                stage._answer(f"{real.__name__}.{name}", attribute.fset, (self, value), {})

        return Understudy.__new__(Understudy)

    def _construct(self, real: type, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        made = self.understudy(real)
        self._answer(f"{real.__name__}.__init__", real.__init__, (made, *args), kwargs)
        return made

    def _answer(self, name: str, function: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        returned = self._match(name, function.__doc__, args, kwargs)
        if name in self.answers:
            answer = self.answers[name]
            return answer(*args, **kwargs) if isinstance(answer, Callable) else answer
        if returned in ("None", "bool"):
            return {"None": None, "bool": True}[returned]
        return self.understudy(self._type(returned))

    def _match(self, name: str, doc: str, args: tuple, kwargs: Mapping[str, Any]) -> str:
        """The return type of the first overload that takes these arguments; TypeError if none does."""
        reasons = []
        for _, parameters, returned in SIGNATURE.findall(doc):
            try:
                signature = _signature(parameters)
                for parameter, value in signature.bind(*args, **kwargs).arguments.items():
                    self._check(signature.parameters[parameter], value)
            except TypeError as error:
                reasons.append(f"({parameters}): {error}")
            else:
                return returned
        raise TypeError(f"{name} takes none such: {'; '.join(reasons) or doc}")

    def _check(self, parameter: inspect.Parameter, value: Any) -> None:
        expected = parameter.annotation.split(".")[-1]
        if expected in BUFFERS:
            memoryview(value)
        elif expected == "Dims":
            self.library.Dims(value)
        elif not isinstance(value, PLAIN.get(expected) or self._type(parameter.annotation)):
            raise TypeError(f"{parameter.name} is {value!r}, expected {parameter.annotation}")

    def _type(self, annotation: str) -> type:
        """The class that a signature names, as Python or, where pybind11 did not know better, as C++ has it."""
        value: Any = self.library
        for name in re.split(r"\.|::", annotation):
            value = (
                value if name in ("tensorrt_bindings", "tensorrt", "nvinfer1", "nvonnxparser") else getattr(value, name)
            )
        return value


class _Members:
    """An enumeration of the library; asking for a member is recorded."""

    def __init__(self, stage: Stage, real: type) -> None:
        self._stage, self._real = stage, real

    def __getattr__(self, name: str) -> Any:
        return self._stage.look_up(self._real, name)


def _signature(parameters: str) -> inspect.Signature:
    """Of the text between the parentheses."""
    depth, split = 0, []
    for character in parameters:
        depth += (character in "[(<") - (character in "])>")
        split.append("\n" if character == "," and depth == 0 else character)
    parsed = [PARAMETER.match(text.strip()) for text in "".join(split).split("\n")]
    return inspect.Signature(
        [
            inspect.Parameter(
                match[1],
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=match[2] or "object",
                default=inspect.Parameter.empty if match[3] is None else match[3],
            )
            for match in parsed
        ]
    )
