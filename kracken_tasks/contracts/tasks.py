"""Door of the contracts room: a batch in, a verdict about its exact bytes out."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact

from kracken_tasks import wiring
from kracken_tasks.contracts.render import findings_table
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE


@task(name="check candles", **LOCAL_COMPUTE)
def check_candles(batch: StagedBatch) -> Verdict | None:
    """Hold the whole batch against the contract, once; None for an empty batch."""
    if not batch.series:
        return None
    settings = load_settings()
    verdict = wiring.candle_judge(settings)(batch, wiring.market_now(settings))
    kept, out = sum(one.rows for one in verdict.accepted), sum(one.rows for one in verdict.quarantined)
    create_markdown_artifact(
        f"**{kept}** rows accepted, **{out}** in quarantine, contract `{verdict.contract}`\n\n{findings_table(verdict.findings)}",
        key="candle-contract",
        description="What the data contract found in the newest batch",
    )
    return verdict
