"""An import-linter contract that it lacks: packages that import only the standard library and each other."""

import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryOnly(Contract):
    """The packages import only themselves and the standard library, except its forbidden modules."""

    type_name = "standard_library_only"

    packages = fields.ListField(subfield=fields.StringField())
    forbidden_standard_modules = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        # import-linter replaces the declared fields with plain lists.
        packages: list[str] = list(cast("list[str]", self.packages))
        forbidden: list[str] = list(cast("list[str] | None", self.forbidden_standard_modules) or ())
        allowed = (sys.stdlib_module_names - set(forbidden)) | set(packages)
        wrong = [
            detail
            for package in packages
            for module in sorted({package} | graph.find_descendants(package))
            for imported in sorted(graph.find_modules_directly_imported_by(module))
            if imported.partition(".")[0] not in allowed
            for detail in graph.get_import_details(importer=module, imported=imported)
        ]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for detail in check.metadata["wrong"]:
            output.print_error(
                f"{detail['importer']} imports {detail['imported']} (line {detail['line_number']})",
                bold=False,
            )
