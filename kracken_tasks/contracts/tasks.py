"""Door of the contracts room: a batch in, a verdict about its exact bytes out."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact

from kracken_tasks import wiring
from kracken_tasks.contracts.contract import load_contracts
from kracken_tasks.contracts.render import verdict_text
from kracken_tasks.contracts.subject import dataset_of
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE


@task(name="check candles", **LOCAL_COMPUTE)
def check_candles(batch: StagedBatch) -> Verdict | None:
    """Hold the whole batch against the contract, once; None for an empty batch."""
    if not batch.series:
        return None
    settings = load_settings()
    verdict = wiring.judge(settings)(batch, wiring.market_now(settings))
    held_against = load_contracts(wiring.contracts_dir(), {dataset_of(one.key) for one in batch.series})
    create_markdown_artifact(
        verdict_text(verdict, held_against.values()),
        key="candle-contract",
        description="What the data contract found in the newest batch",
    )
    return verdict
