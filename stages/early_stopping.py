"""When to stop training: the validation loss no longer gets better."""

import math

PATIENCE_EPOCHS = 20
FIRST_STOP_EPOCH = 50  # epochs are numbered from 0; training goes on at least one epoch longer


class EarlyStopping:
    """Watches the mean bag loss on the validation set. A tie counts as an improvement, NaN never does."""

    def __init__(self, patience: int = PATIENCE_EPOCHS, stop_epoch: int = FIRST_STOP_EPOCH) -> None:
        self.best_loss = math.inf
        self._patience = patience
        self._stop_epoch = stop_epoch
        self.epochs_without = 0

    def resume(self, best_loss: float, epochs_without: int) -> None:
        """Go on from where an interrupted training was."""
        self.best_loss = best_loss
        self.epochs_without = epochs_without

    def is_best(self, loss: float) -> bool:
        """Take the loss of an epoch; tell whether its parameters are the ones to keep."""
        if loss <= self.best_loss:
            self.best_loss = loss
            self.epochs_without = 0
            return True
        self.epochs_without += 1
        return False

    def should_stop(self, epoch: int) -> bool:
        """Tell whether training ends after epoch ``epoch``, counted from 0."""
        return self.epochs_without >= self._patience and epoch > self._stop_epoch
