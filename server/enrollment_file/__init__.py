"""The file door: enrollment files of sponsors (X12 834, 005010X220A1), played through the public calls.

A client of the server like any other: it knows the stubs, and nothing of domain, storage or operations.
"""

from server.enrollment_file.findings import EnrollmentFileError
from server.enrollment_file.importing import import_834, plan_834
from server.enrollment_file.mapping import Mapping, read_mapping
from server.enrollment_file.report import Report

__all__ = ["EnrollmentFileError", "Mapping", "Report", "import_834", "plan_834", "read_mapping"]
