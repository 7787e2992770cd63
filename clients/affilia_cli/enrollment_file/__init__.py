"""Imports enrollment files of sponsors (X12 834, 005010X220A1) through the server's public calls.

Like every client, it uses `affilia_client` and imports nothing of the server.
"""

from affilia_cli.enrollment_file.applying.report import Report
from affilia_cli.enrollment_file.findings import EnrollmentFileError
from affilia_cli.enrollment_file.importing import import_834, plan_834
from affilia_cli.enrollment_file.mapping import Mapping, read_mapping

__all__ = ["EnrollmentFileError", "Mapping", "Report", "import_834", "plan_834", "read_mapping"]
