"""Build a model and record as much of it as a file may hold; imports Keras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerlens.byte_size import readable
from layerlens.comparison.record import record
from layerlens.comparison.recording_plan import PLANS, RecordingPlan, plans_within
from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.files import write_bytes
from layerlens.models.backend.start import describe_environment
from layerlens.models.build.memory import weight_bytes
from layerlens.models.build.request import Built
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.execute.running_memory import running_beyond_memory
from layerlens.models.execute.side import Side
from layerlens.models.external.recording_file import has_content, recording_bytes
from layerlens.models.variants import ModelVariants
from layerlens.numerics.recording import Recording, Versions
from layerlens.run.recorded_file import RecordedFile
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario
from layerlens.versions import own_version


@dataclass(frozen=True)
class Recorder:
    """Records the one model of a scenario."""

    scenario: Scenario
    options: RunOptions
    most_bytes: int

    def write(self, path: str) -> RecordedFile:
        """Record the model in a file.

        Raises:
            UsageError: the model does not build, or cannot be recorded within the size.
            MemoryLimitError: running it needs more memory than is free.
        """
        plan, recording, data = self._recorded()
        is_unchanged = has_content(path, data)
        if not is_unchanged:
            write_bytes(data, path)
        return RecordedFile(
            path,
            len(data),
            recording.samples,
            tuple(recording.weights),
            recording.unseen,
            plan is not PLANS[0],
            is_unchanged,
        )

    def _recorded(self) -> tuple[RecordingPlan, Recording, bytes]:
        variants = ModelVariants(self.scenario, self.options)
        built = variants.build(self.scenario.models[0])
        if not isinstance(built, Built):
            error = built.report.error
            assert error is not None
            message = f"`{built.spec.name}` cannot be built: {error.message}"
            raise UsageError(message, hint=error.hint, code=Code.CANNOT_RECORD)
        beyond = running_beyond_memory("recording", built)
        if beyond is not None:
            raise beyond
        weights = weight_bytes(built.model)
        plans = plans_within(weights, self.most_bytes)
        if not plans:
            raise self._too_large("weights alone take", weights)
        side = Side.of(built.spec.name, built, training=False, seed=self.options.seed)
        side.variants = variants
        twin = variants.in_float64(built)
        if isinstance(twin, Built) and twin.precision == "float64":
            side.add_float64(twin)
        size = 0
        with restoring_weights(built):
            for plan, recording in record(side, _versions(), self.options.seed, plans):
                data = recording_bytes(recording)
                size = len(data)
                if size <= self.most_bytes:
                    return plan, recording, data
        raise self._too_large("recording takes", size)

    def _too_large(self, what: str, size: int) -> UsageError:
        name = self.scenario.models[0].name
        return UsageError(
            f"`{name}` is too large to be recorded: its {what} {readable(size)}, and a recording "
            f"may take {readable(self.most_bytes)}",
            hint="record a smaller part of the model, or raise the limit: --max-size SIZE, or "
            "max_bytes= in Python",
            code=Code.CANNOT_RECORD,
        )


def _versions() -> Versions:
    found = describe_environment()
    return Versions(
        own_version(),
        found.python,
        str(found.keras),
        str(found.backend_version),
        str(np.__version__),
    )
