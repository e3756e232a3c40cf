"""Train one model on one split: epochs, the parameters to keep, the figures of validation and test."""

import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from datasets.bag_cache import BagCache
from datasets.dataset_generic import Generic_Split
from models.builder import ModelSettings, build_model
from models.checkpoint import read_checkpoint, save_checkpoint
from stages.early_stopping import EarlyStopping
from stages.epoch import Objective, run_pass
from stages.fold_state import FoldState, read_fold_state, rng_states, set_rng_states, write_fold_state
from stages.loaders import Bags, ordered_bags, part_for_testing, training_bags
from stages.outcomes.outcome import Outcome
from stages.pass_figures import PassFigures
from stages.tensorboard import FoldLog
from utils.device import has_bfloat16
from utils.errors import UsageError
from utils.seed import MAX_SEED, seed_everything

logger = logging.getLogger(__name__)

Sides = tuple[Generic_Split, Generic_Split, Generic_Split]
SGD_MOMENTUM = 0.9
SAVE_STATE_EVERY_S = 30.0  # what an interruption costs at most; saving takes some 10 ms


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained; the same for every fold.

    Attributes:
        model: what is trained.
        max_epochs: epochs at most.
        lr: learning rate.
        reg: weight decay.
        opt: ``adam`` or ``sgd``.
        bag_loss: name of a loss of the task's outcome.
        bag_weight: weight of the bag loss against clustering (CLAM).
        clustering: cluster instances (CLAM).
        weighted_sample: draw bags so that all classes come equally often.
        early_stopping: stop when the validation loss no longer improves and keep the best parameters; else the last.
        testing: use a tenth of the bags.
        seed: of everything random.
        amp: train in bfloat16 where that is safe; the parameters and the final figures are in float32.
        deterministic: use no operation whose result depends on the order of threads.
    """

    model: ModelSettings
    max_epochs: int = 200
    lr: float = 1e-4
    reg: float = 1e-5
    opt: str = "adam"
    bag_loss: str = "ce"
    bag_weight: float = 0.7
    clustering: bool = True
    weighted_sample: bool = False
    early_stopping: bool = False
    testing: bool = False
    seed: int = 1
    amp: bool = False
    deterministic: bool = False


@dataclass(frozen=True)
class FoldPlace:
    """Where a fold's files go, and where it may go on from.

    Attributes:
        fold: number of the split, for messages.
        checkpoint: where the parameters go.
        log_dir: folder for tensorboard logs; None writes none.
        state: where the fold's state is kept while it is trained, and from where it goes on; None keeps none.
        fingerprint: of what is trained; a state of something else does not serve.
        shows_bar: show a bar of epochs; folds side by side say now and then how far they are.
    """

    fold: int
    checkpoint: Path
    log_dir: Path | None = None
    state: Path | None = None
    fingerprint: str = ""
    shows_bar: bool = True


@dataclass(frozen=True)
class FoldResult:
    """What came of a fold: the figures of the parameters kept, and of every epoch.

    Attributes:
        val, test: what the parameters kept say of the bags.
        val_figures, test_figures: headline figures by name; NaN where undefined.
        val_split, test_split: the bags, in order.
        history: a row of figures for each epoch.
        stopped: why training ended before its time; empty where it did not.
    """

    val: PassFigures
    test: PassFigures
    val_figures: dict[str, float]
    test_figures: dict[str, float]
    val_split: Generic_Split
    test_split: Generic_Split
    history: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""


def train_fold(
    sides: Sides,
    bags: BagCache,
    outcome: Outcome,
    settings: TrainingSettings,
    place: FoldPlace,
    device: torch.device,
) -> FoldResult:
    """Train on one split and leave the parameters in ``place.checkpoint``.

    Args:
        sides: training, validation and test slides.
        bags: their features.
        outcome: what is predicted of them.
        settings: how to train.
        place: where files go.
        device: where to compute.
    """
    seed_everything(settings.seed, deterministic=settings.deterministic)
    if settings.testing:
        sides = tuple(part_for_testing(side) for side in sides)  # type: ignore[assignment]
    train = training_bags(sides[0], outcome.targets(sides[0]), bags, weighted=settings.weighted_sample)
    val, test = (ordered_bags(side, outcome.targets(side), bags) for side in sides[1:])
    logger.info("fold %d: %d bags for training, %d for validation, %d for test", place.fold, *map(len, sides))
    # the order model, optimiser, passes decides the random draws, and so the published curves
    trainer = _Trainer(outcome, settings, place, device)
    with FoldLog(place.log_dir, first_epoch=trainer.resume()) as log:
        trainer.run(train, val, log)
        trainer.take(read_checkpoint(place.checkpoint))
        kept_val, kept_test = trainer.evaluate(val), trainer.evaluate(test)
        val_figures = trainer.figures(kept_val, "validation")
        test_figures = trainer.figures(kept_test, "test")
        log.final(val_figures, test_figures, kept_test)
    return FoldResult(
        kept_val, kept_test, val_figures, test_figures, sides[1], sides[2], trainer.history, trainer.stopped
    )


class _Trainer:
    """The model of one fold while it learns."""

    def __init__(self, outcome: Outcome, settings: TrainingSettings, place: FoldPlace, device: torch.device) -> None:
        self.history: list[dict[str, float]] = []
        self.stopped = ""
        self._outcome = outcome
        self._settings = settings
        self._place = place
        self._device = device
        self._amp = settings.amp and has_bfloat16(device)
        self._model = build_model(settings.model).to(device)
        self._optimizer = build_optimizer(self._model, settings)
        self._stopping = EarlyStopping()
        self._objective = Objective.of(
            settings.model.model_type,
            outcome.loss(settings.bag_loss),
            settings.bag_weight,
            settings.clustering and outcome.name == "classification",
            outcome.bags_a_step(settings.bag_loss),
        )
        self._saved_at = time.monotonic()
        self._last_finite = _copy_of(self._model)

    def resume(self) -> int:
        """Go on from the state of an interrupted fold, if there is one, and return the next epoch."""
        place = self._place
        state = read_fold_state(place.state) if place.state else None
        if state is None or state.fingerprint != place.fingerprint:
            return 0
        self._model.load_state_dict(state.model)
        self._optimizer.load_state_dict(state.optimizer)
        self._stopping.resume(state.best_loss, state.epochs_without)
        self.history = list(state.history)
        self._last_finite = _copy_of(self._model)
        set_rng_states(state, self._device)
        logger.info("fold %d goes on at epoch %d", place.fold, state.epoch)
        return state.epoch

    def run(self, train: Bags, val: Bags, log: FoldLog) -> None:
        """Go through the epochs and keep the parameters."""
        epochs = range(len(self.history), self._settings.max_epochs)
        hidden, title = not self._place.shows_bar, f"fold {self._place.fold}"
        bar = tqdm(epochs, desc=title, unit="epoch", dynamic_ncols=True, leave=False, disable=hidden)
        for epoch in bar:
            if self._epoch(epoch, train, val, log):
                break
            bar.set_postfix({name: f"{self.history[-1][name]:.3f}" for name in ("train_loss", "val_loss")})
            self._save_state(epoch + 1, log)
        if not self._settings.early_stopping:
            save_checkpoint(self._place.checkpoint, self._model)
        elif math.isinf(self._stopping.best_loss):
            logger.warning("fold %d: the validation loss was never a number; the last epoch is kept", self._place.fold)
            save_checkpoint(self._place.checkpoint, self._model)

    def _epoch(self, epoch: int, train: Bags, val: Bags, log: FoldLog) -> bool:
        """Learn once from every bag and validate; tell whether that was the last epoch."""
        trained = self._pass(train, self._optimizer)
        if self._has_failed(trained, epoch):
            return True
        validated = self._pass(val)
        figures = self.figures(validated, "validation", warn=epoch == 0)
        log.epoch(epoch, trained, validated, figures)
        self.history.append(self._row(epoch, trained, validated, figures))
        return self._settings.early_stopping and self._keep_best(validated.loss, epoch)

    def _has_failed(self, trained: PassFigures, epoch: int) -> bool:
        """Go back to the last finite parameters where the loss or a parameter is no number any more."""
        # a set without bags has no loss, and that is no failure
        if (math.isfinite(trained.loss) or not len(trained.targets)) and _is_finite(self._model):
            self._last_finite = _copy_of(self._model)
            return False
        self._model.load_state_dict(self._last_finite)
        has_best = self._settings.early_stopping and math.isfinite(self._stopping.best_loss)
        kept = "the best parameters so far" if has_best else "the parameters before it"
        self.stopped = f"the loss was no number in epoch {epoch}: {kept} are kept; lower --lr"
        logger.error("fold %d: %s", self._place.fold, self.stopped)
        return True

    def _row(
        self, epoch: int, trained: PassFigures, validated: PassFigures, figures: dict[str, float]
    ) -> dict[str, float]:
        row: dict[str, float] = {"epoch": epoch, "train_loss": trained.loss, "val_loss": validated.loss}
        if self._outcome.name == "classification":
            row |= {"train_error": trained.error, "val_error": validated.error}
            row |= {"train_clustering_loss": trained.instance_loss}
        return row | {f"val_{name}": value for name, value in figures.items()}

    def _keep_best(self, val_loss: float, epoch: int) -> bool:
        """Save the parameters if they are the best so far; tell whether to stop."""
        if self._stopping.is_best(val_loss):
            save_checkpoint(self._place.checkpoint, self._model)
        return self._stopping.should_stop(epoch)

    def _save_state(self, epoch: int, log: FoldLog) -> None:
        place, now = self._place, time.monotonic()
        if place.state is None or now - self._saved_at < SAVE_STATE_EVERY_S:
            return
        self._saved_at = now
        log.flush()  # the curves must not lack epochs that are not done again
        if not place.shows_bar:
            logger.info("fold %d: epoch %d of %d is done", place.fold, epoch, self._settings.max_epochs)
        rng, cuda_rng = rng_states(self._device)
        state = FoldState(
            fingerprint=place.fingerprint,
            epoch=epoch,
            model=self._model.state_dict(),
            optimizer=self._optimizer.state_dict(),
            rng=rng,
            cuda_rng=cuda_rng,
            best_loss=self._stopping.best_loss,
            epochs_without=self._stopping.epochs_without,
            history=self.history,
        )
        write_fold_state(place.state, state)

    def take(self, parameters: dict[str, torch.Tensor]) -> None:
        """Take other parameters."""
        self._model.load_state_dict(parameters)

    def evaluate(self, bags: Bags) -> PassFigures:
        """Show bags to the model as it is, in float32."""
        return self._pass(bags, amp=False)

    def figures(self, done: PassFigures, side: str, *, warn: bool = True) -> dict[str, float]:
        """Return the headline figures of a side; that one has no bags at all is said of all folds at once, not here."""
        warn = warn and len(done.targets) > 0
        return self._outcome.figures(done, f"fold {self._place.fold}, {side}", warn=warn)

    def _pass(
        self, bags: Bags, optimizer: torch.optim.Optimizer | None = None, *, amp: bool | None = None
    ) -> PassFigures:
        return run_pass(
            self._model,
            bags,
            self._outcome.n_outputs,
            self._device,
            self._objective,
            optimizer,
            amp=self._amp if amp is None else amp,
        )


def check_settings(settings: TrainingSettings) -> None:
    """Refuse numbers that nothing can be trained with.

    Raises:
        UsageError: names the flag and its range.
    """
    if not 0 <= settings.seed <= MAX_SEED:
        raise UsageError(f"--seed {settings.seed} is not between 0 and {MAX_SEED}")
    if not 0 < settings.lr < math.inf:
        raise UsageError(f"--lr {settings.lr} is no number above 0")
    if not 0 <= settings.reg < math.inf:
        raise UsageError(f"--reg {settings.reg} is no number of at least 0")
    if not 0 <= settings.model.drop_out < 1:
        raise UsageError(f"--drop_out {settings.model.drop_out} is not at least 0 and below 1")
    if not 0 <= settings.bag_weight <= 1:
        raise UsageError(f"--bag_weight {settings.bag_weight} is not between 0 and 1")


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return Adam, or SGD with momentum, over the parameters that learn."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if settings.opt == "sgd":
        # not fused: that fails where a parameter has had no gradient yet, such as of a class not drawn so far
        return torch.optim.SGD(parameters, lr=settings.lr, momentum=SGD_MOMENTUM, weight_decay=settings.reg)
    return torch.optim.Adam(parameters, lr=settings.lr, weight_decay=settings.reg, fused=True)


def _copy_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _is_finite(model: nn.Module) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())
