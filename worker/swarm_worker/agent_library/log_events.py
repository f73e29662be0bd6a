"""The log of the library and of its modules, as events; the last words of a provider's module are kept.

A provider's error says only that the request failed. Its cause, such as a refused key, is in the log at best.
"""

import logging

from .ndjson import ErrorLog, NdjsonStream

PROVIDER_LOGGERS = "amplifier_module_provider_"
LAST_CHARS = 500


class ProviderLog(ErrorLog):
    """A logging handler for warnings and errors."""

    def __init__(self, stream: NdjsonStream) -> None:
        super().__init__(stream, logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(PROVIDER_LOGGERS):
            self.last = record.getMessage()[:LAST_CHARS]
        self._stream.error(record.name, record.getMessage(), recoverable=True)
