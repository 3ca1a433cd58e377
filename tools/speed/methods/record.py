"""What a run of the methods' timing leaves behind: one row per thing timed, and peaks of memory."""

from typing import Literal

from tools.speed.record import Frozen, Run, Setting

FORWARD = "bare forward"
CHANNELS_LAST = "bare forward, images channels last"
SEVEN = "Locus, seven methods"
ALONE = "Locus, Grad-CAM"
LAYER = "Locus, Grad-CAM one level earlier"
SCORE = "Locus, Score-CAM"
UPSAMPLING = "upsampling the seven methods' maps"
PACKAGE_SIX = "grad-cam, six methods"
PACKAGE_SCORE = "grad-cam, Score-CAM"
CAPTUM = "captum, Grad-CAM"
TORCHCAM = "torchcam, Grad-CAM"

Group = Literal["methods", "scorecam", "layer", "batch"]


class MethodRow(Frozen):
    """The time of one contender; everything of one group and setting was timed interleaved."""

    group: Group
    setting: Setting
    contender: str
    findings: int
    """How many findings were explained; 0 for the bare forward."""
    wall_ms: float | None
    """Milliseconds per image, the minimum over ``rounds``; None where it was left out."""
    cpu_ms: float | None
    """Milliseconds of processor time per image, all threads together, the minimum over ``rounds``."""
    rounds: int
    reason: str = ""
    """Why it was left out."""


class Peak(Frozen):
    """The peak memory of one call in a process of its own, above what the process held with model and images loaded."""

    setting: Setting
    contender: str
    findings: int
    mib: float | None
    """MiB; None where the system does not tell."""


class SpeedRecord(Run):
    """One run of ``tools.speed.methods``."""

    rows: tuple[MethodRow, ...]
    peaks: tuple[Peak, ...]

    def row(self, group: Group, setting: Setting, contender: str, findings: int = 0) -> MethodRow | None:
        """The row of that name, where there is one."""
        wanted = (group, setting, contender, findings)
        return next((r for r in self.rows if (r.group, r.setting, r.contender, r.findings) == wanted), None)

    def wall(self, group: Group, setting: Setting, contender: str, findings: int = 0) -> float | None:
        """Its milliseconds per image, where it was measured."""
        row = self.row(group, setting, contender, findings)
        return None if row is None else row.wall_ms

    def of(self, group: Group) -> list[Setting]:
        """The settings of a group, in the order in which they were measured."""
        return list(dict.fromkeys(row.setting for row in self.rows if row.group == group))
