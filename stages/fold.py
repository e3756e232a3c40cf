"""Train one model on one split: epochs, the parameters to keep, the figures of validation and test."""

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from datasets.dataset_generic import Generic_Split
from models.builder import ModelSettings, build_model
from models.checkpoint import read_checkpoint, save_checkpoint
from stages.early_stopping import EarlyStopping
from stages.epoch import Objective, PassFigures, run_pass
from stages.loaders import ordered_loader, part_for_testing, training_loader
from stages.tensorboard import FoldLog
from utils.errors import UsageError
from utils.seed import MAX_SEED, seed_everything

logger = logging.getLogger(__name__)

Sides = tuple[Generic_Split, Generic_Split, Generic_Split]
SGD_MOMENTUM = 0.9


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained; the same for every fold.

    Attributes:
        model: what is trained.
        max_epochs: epochs at most.
        lr: learning rate.
        reg: weight decay.
        opt: ``adam`` or ``sgd``.
        bag_loss: ``ce`` or ``svm``.
        bag_weight: weight of the bag loss against clustering (CLAM).
        clustering: cluster instances (CLAM).
        weighted_sample: draw bags so that all classes come equally often.
        early_stopping: stop when the validation loss no longer improves and keep the best parameters; else the last.
        testing: use a tenth of the bags.
        seed: of everything random.
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


@dataclass(frozen=True)
class FoldResult:
    """What came of a fold: the figures of the parameters kept, and of every epoch.

    Attributes:
        val, test: figures of the parameters kept.
        val_auc, test_auc: NaN where undefined.
        test_split: the bags of ``test``, in order.
        history: (training, validation) figures of each epoch.
    """

    val: PassFigures
    test: PassFigures
    val_auc: float
    test_auc: float
    test_split: Generic_Split
    history: list[tuple[PassFigures, PassFigures]] = field(default_factory=list)


def train_fold(
    sides: Sides, settings: TrainingSettings, fold: int, checkpoint: Path, log_dir: Path | None, device: torch.device
) -> FoldResult:
    """Train on one split and leave the parameters in ``checkpoint``.

    Args:
        sides: training, validation and test bags.
        settings: how to train.
        fold: number of the split, for messages.
        checkpoint: where the parameters go.
        log_dir: folder for tensorboard logs; None writes none.
        device: where to compute.
    """
    seed_everything(settings.seed)
    if settings.testing:
        sides = tuple(part_for_testing(side) for side in sides)  # type: ignore[assignment]
    train, val, test = sides
    logger.info("fold %d: %d bags for training, %d for validation, %d for test", fold, *map(len, sides))
    # the order model, optimiser, loaders decides the random draws, and so the published curves
    model = build_model(settings.model).to(device)
    trainer = _Trainer(model, settings, fold, checkpoint, device)
    with FoldLog(log_dir) as log:
        history = trainer.run(train, val, log)
        model.load_state_dict(read_checkpoint(checkpoint))
        kept_val, kept_test = trainer.evaluate(val), trainer.evaluate(test)
        val_auc = kept_val.auc(f"fold {fold}, validation")
        test_auc = kept_test.auc(f"fold {fold}, test")
        log.final(kept_val, val_auc, kept_test, test_auc)
    return FoldResult(kept_val, kept_test, val_auc, test_auc, test, history)


class _Trainer:
    """The model of one fold while it learns."""

    def __init__(
        self, model: nn.Module, settings: TrainingSettings, fold: int, checkpoint: Path, device: torch.device
    ) -> None:
        self._model = model
        self._settings = settings
        self._fold = fold
        self._checkpoint = checkpoint
        self._device = device
        n_classes = settings.model.n_classes
        self._objective = Objective.of(model, settings.bag_loss, n_classes, settings.bag_weight, settings.clustering)
        self._optimizer = build_optimizer(model, settings)

    def run(self, train: Generic_Split, val: Generic_Split, log: FoldLog) -> list[tuple[PassFigures, PassFigures]]:
        """Go through the epochs, keep the parameters, and return the figures of each epoch."""
        train_bags = training_loader(train, self._device, weighted=self._settings.weighted_sample)
        val_bags = ordered_loader(val, self._device)
        stopping = EarlyStopping()
        history = []
        bar = tqdm(range(self._settings.max_epochs), desc=f"fold {self._fold}", unit="epoch", dynamic_ncols=True)
        for epoch in bar:
            trained = self._pass(train_bags, self._optimizer)
            validated = self._pass(val_bags)
            history.append((trained, validated))
            val_auc = validated.auc(f"fold {self._fold}, validation", warn=epoch == 0)
            log.epoch(epoch, trained, validated, val_auc)
            bar.set_postfix(loss=f"{trained.loss:.3f}", val_loss=f"{validated.loss:.3f}", val_auc=f"{val_auc:.3f}")
            if self._settings.early_stopping and self._keep_best(stopping, validated.loss, epoch):
                break
        if not self._settings.early_stopping:
            save_checkpoint(self._checkpoint, self._model)
        elif math.isinf(stopping.best_loss):
            logger.warning("fold %d: the validation loss was never a number; the last epoch is kept", self._fold)
            save_checkpoint(self._checkpoint, self._model)
        return history

    def evaluate(self, split: Generic_Split) -> PassFigures:
        """Show the bags of a split to the model as it is."""
        return self._pass(ordered_loader(split, self._device))

    def _keep_best(self, stopping: EarlyStopping, val_loss: float, epoch: int) -> bool:
        """Save the parameters if they are the best so far; tell whether to stop."""
        if stopping.is_best(val_loss):
            save_checkpoint(self._checkpoint, self._model)
        return stopping.should_stop(epoch)

    def _pass(self, loader: torch.utils.data.DataLoader, optimizer: torch.optim.Optimizer | None = None) -> PassFigures:
        n_classes = self._settings.model.n_classes
        return run_pass(self._model, loader, n_classes, self._device, self._objective, optimizer)


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
        return torch.optim.SGD(parameters, lr=settings.lr, momentum=SGD_MOMENTUM, weight_decay=settings.reg)
    return torch.optim.Adam(parameters, lr=settings.lr, weight_decay=settings.reg)
