"""Writes enrollment files for trading partners (X12 834, 005010X220A1) from the server's public calls.

Like every client, it uses `affilia_client` and imports nothing of the server.
"""

from affilia_cli.enrollment_export.exporting import ExportFailed, export_full, export_since, token_path_of
from affilia_cli.enrollment_export.writing import Exported

__all__ = ["ExportFailed", "Exported", "export_full", "export_since", "token_path_of"]
