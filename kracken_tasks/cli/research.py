"""``kracken train | backtest | models``: research without Prefect, the same functions as the flows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, moment, say
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import BadData
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]

models = typer.Typer(help="The models in the registry.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command("train")(train)
    app.command("backtest")(backtest)
    app.add_typer(models, name="models")


def train(
    symbol: Annotated[str | None, typer.Option(help="Default: the first traded symbol")] = None,
    timeframe: Annotated[Timeframe | None, typer.Option(help="Default: forecast.timeframe")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most passes; default: forecast.epochs", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Default: forecast.seed", min=0)] = None,
) -> None:
    """Train the LSTM on lake data; it ends as candidate or shadow, with reasons."""
    from kracken_tasks.forecast.plan import EpochProgress
    from kracken_tasks.forecast.retraining import TrainingJob, retrain

    settings = load_settings()
    config = wiring.training_config(settings)
    config = replace(config, epochs=epochs or config.epochs, seed=config.seed if seed is None else seed)
    key = SeriesKey(settings.exchange, symbol or settings.traded_symbols[0], timeframe or settings.forecast.timeframe)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bars:
        bar = bars.add_task(f"training {key}", total=config.epochs)

        def show(step: EpochProgress) -> None:
            bars.update(bar, completed=step.epoch, description=f"{key} loss {step.validation_loss:.4f}")

        report = retrain(
            wiring.lake(settings), TrainingJob(key, config), wiring.registry(settings),
            folder=settings.paths.reports / "models", now=_now(key), version=wiring.code_version(), progress=show,
        )  # fmt: skip
    say(f"{report.bundle_id} is {report.state}: {'; '.join(report.reasons)}")
    say(f"pictures: {report.learning_curve}, {report.forecast}")


def backtest(
    strategy: Annotated[str, typer.Option(help="ensemble, sma_cross, rsi_ml or trend_vol")] = "ensemble",
    symbol: Annotated[str | None, typer.Option(help="Default: the first traded symbol")] = None,
    timeframe: Annotated[Timeframe | None, typer.Option(help="Default: backtest.timeframe")] = None,
    start: Annotated[str | None, typer.Option(help="First candle")] = None,
    end: Annotated[str | None, typer.Option(help="Candles before this")] = None,
) -> None:
    """Rehearse a strategy on lake data with Backtrader, fees and slippage."""
    from kracken_tasks.backtest.rehearsal import rehearse

    settings = load_settings()
    key = SeriesKey(settings.exchange, symbol or settings.traded_symbols[0], timeframe or settings.backtest.timeframe)
    snapshot = wiring.lake(settings).snapshot()
    frame = snapshot.candles(key, moment(start), moment(end), last=settings.backtest.max_candles)
    name = f"{strategy}_{key.symbol.replace('/', '-')}_{key.timeframe.value}"
    with console.status(f"rehearsing {strategy} on {len(frame)} candles of {key}"):
        report = rehearse(
            frame, wiring.rehearsal(settings, key, strategy),
            folder=settings.paths.reports / "backtests" / name, commit_seq=snapshot.seq,
        )  # fmt: skip
    console.print(Markdown(report.markdown))
    say(f"report and picture: {report.folder}")


@models.command("list")
def list_models() -> None:
    """Every model with its state and how it got there."""
    table = Table("model", "series", "state", "since", "by", "why")
    registry = wiring.registry(load_settings())
    states = registry.models()
    for record in registry.transitions():
        state = record.to_state if record.to_state == states[record.model_id].value else f"{record.to_state} (was)"
        table.add_row(record.model_id, record.series, state, record.at, record.by, "; ".join(record.reasons))
    console.print(table)


@models.command("promote")
def promote(
    model: Annotated[str, typer.Argument(help="Id of a shadow")],
    by: Annotated[str, typer.Option(help="Your name: it stands in the record")],
    reason: Annotated[str, typer.Option(help="Why")],
) -> None:
    """Make a shadow the champion whose forecasts the ensemble hears; a standing champion must be beaten on bars neither saw."""
    from kracken_tasks.forecast.promotion import promote as promote_model

    settings = load_settings()
    done = promote_model(
        wiring.lake(settings), wiring.registry(settings), model, by=by, reason=reason,
        cost_fraction=settings.backtest.commission,
    )  # fmt: skip
    if done.contest is not None:
        say("; ".join(done.contest.reasons))
    say(f"{model} is champion of {done.record.series}")


@models.command("retire")
def retire(
    model: Annotated[str, typer.Argument(help="Id of a model")],
    by: Annotated[str, typer.Option(help="Your name: it stands in the record")],
    reason: Annotated[str, typer.Option(help="Why")],
) -> None:
    """Take a model out of service."""
    registry = wiring.registry(load_settings())
    registry.retire(model, by=by, reason=reason, now=_now(registry.load(model).key))
    say(f"{model} is retired")


def _now(key: SeriesKey) -> datetime:
    """The close of the newest candle: what the model's data say the time is, with no venue asked."""
    last = wiring.lake(load_settings()).snapshot().last_ts(key)
    if last is None:
        raise BadData(f"the lake holds no candles of {key}; kracken ingest or kracken import first", series=str(key))
    return last + key.timeframe.delta
