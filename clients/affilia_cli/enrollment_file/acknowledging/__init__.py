"""Acknowledges received enrollment files for their senders: an interchange acknowledgement (TA1) and an implementation
acknowledgement (999, 005010X231A1).

    envelope = read_envelope(path)
    if envelope is not None:
        write_acknowledgements(folder, envelope, outcome, control_numbers_of(client))
"""

from affilia_cli.enrollment_file.acknowledging.acknowledgements import control_numbers_of, write_acknowledgements
from affilia_cli.enrollment_file.acknowledging.received_envelope import ReceivedEnvelope, envelope_of, read_envelope

__all__ = ["ReceivedEnvelope", "control_numbers_of", "envelope_of", "read_envelope", "write_acknowledgements"]
