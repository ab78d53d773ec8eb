"""A griffe extension: methods that a class takes from functions of other modules.

`MusicVAE` has lines such as `vary = vary.vary` and `sample = decorator(...)(sample.sample)`. For
the API reference they become methods with the signature and the docstring of the function, without
its first parameter, which is the model.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_FUNCTION = re.compile(r"(\w+)\.(\w+)\)?$")


class AssignedMethods(griffe.Extension):
    """Turns attributes of classes whose value is a function of an imported module into methods."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Replace the attributes of all classes of the package."""
        replace_attributes(pkg, pkg)


def replace_attributes(package: griffe.Module, module: griffe.Module) -> None:
    """Replace the attributes of the classes of a module and of the modules below it."""
    for below in module.modules.values():
        if not below.is_alias:
            replace_attributes(package, below)
    for owner in module.classes.values():
        if owner.is_alias:
            continue
        for name, attribute in list(owner.attributes.items()):
            found = _FUNCTION.search(str(attribute.value))
            imported = module.imports.get(found[1]) if found else None
            if found is None or imported is None or not imported.startswith(f"{package.name}."):
                continue
            target = package[imported.removeprefix(f"{package.name}.")].members.get(found[2])
            if isinstance(target, griffe.Function):
                owner.set_member(name, as_method(name, attribute, target))


def as_method(name: str, attribute: griffe.Attribute, function: griffe.Function) -> griffe.Function:
    """Return a function as a method of the class of an attribute."""
    method = griffe.Function(
        name,
        lineno=attribute.lineno,
        endlineno=attribute.endlineno,
        parameters=griffe.Parameters(*list(function.parameters)[1:]),
        returns=function.returns,
        docstring=function.docstring,
    )
    method.labels |= function.labels
    return method
