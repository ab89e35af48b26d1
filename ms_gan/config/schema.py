"""Everything that can be set about a run, typed; the YAML files in `configs/` hold what differs from these defaults."""

from dataclasses import dataclass, field
from typing import Any, Literal

LARGEST_SIZE = 4096  # pixels of an image's edge
SHORTEST_FRAME = 0.02  # seconds; browsers show faster GIFs slowly
LENGTHS = ("epochs", "steps", "minutes")  # of a run; exactly one of them is set

LossKind = Literal["gan", "scores", "wasserstein", "pairs"]
# Every loss, and what D's numbers mean with it: by the sigmoid the probability that an image is real, a score, by their
# difference the Wasserstein distance, or scores of pairs. Here and not in ms_gan.objectives, which needs MindSpore.
LOSS_KINDS: dict[str, LossKind] = {
    "non_saturating": "gan",
    "minimax": "gan",
    "wasserstein": "wasserstein",
    "least_squares": "scores",
    "hinge": "scores",
    "relativistic": "pairs",
}
Loss = Literal[tuple(LOSS_KINDS)]
Augmentation = Literal["colour", "translation", "cutout"]
Penalty = Literal["none", "gradient", "gradient_one_sided", "r1", "r2", "r1_r2", "dragan"]


@dataclass(frozen=True)
class DataConfig:
    """Where the images come from and how they are drawn."""

    source: Literal["auto", "mnist", "cifar10", "raw", "pictures", "builtin"] = "auto"
    """`auto`: what the folder holds; without one the `prefer`red set, or built-in digits where it cannot be had."""
    prefer: Literal["mnist", "cifar10"] = "mnist"
    """The data set that `auto` means."""
    prefer_classes: tuple[str, ...] = ()
    """Only these classes of the `prefer`red set, where `classes` names none."""
    folder: str | None = None
    """A folder of the user's; None: the cache."""
    split: Literal["train", "test", "both"] = "train"
    """Which part of the data set."""
    classes: tuple[str, ...] = ()
    """Only these classes, by name or number; empty: all."""
    size: int | None = None
    """Edge length in pixels to resize to; None: as the data are."""
    channels: int | None = None
    """1 grey, 3 colour; None: as the data are."""
    images_per_epoch: int | None = None
    """Images drawn for an epoch, in random order, without repetition; None: all."""
    class_names: tuple[str, ...] = ()
    """Of a conditional run the classes in the order of their numbers; empty: those that the data have."""


@dataclass(frozen=True)
class LatentConfig:
    """Latent vectors, drawn from N(0, 1) on the host."""

    size: int = 100
    """Length of a latent vector."""
    shared: bool = True
    """Whether the G step uses the latents of the (last) D step, or fresh ones."""


@dataclass(frozen=True)
class NetworkConfig:
    """A registered network and its options."""

    name: str = "mlp"
    """A registered name; `ms-gan summary` prints the layers and the options."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of that network; its class documents them."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What D and G optimise."""

    loss: Loss = "non_saturating"
    """Loss of both networks; `relativistic` compares real and generated images in pairs."""
    penalty: Penalty = "none"
    """Gradient penalty in the D step."""
    penalty_weight: float = 10.0
    """Factor of the penalty (for R1 and R2: gamma, the penalty is gamma / 2 times the squared norm)."""
    penalty_every: int = 1
    """Penalty in one of so many D steps, with so many times its weight there (lazy regularisation); 1: in every one."""
    clip: float | None = None
    """After each D update every trainable weight of D is clipped to [-clip, clip]; None: no clipping."""

    @property
    def kind(self) -> LossKind:
        """What D's numbers mean with this loss."""
        return LOSS_KINDS[self.loss]


@dataclass(frozen=True)
class UpdatesConfig:
    """Who is updated when; one step of a run is `d_steps` D steps and one G step."""

    d_steps: int = 1
    """D steps before each G step."""
    fresh_batch: bool = True
    """Whether each D step of a step sees a new batch of real images."""
    real_and_fake: Literal["together", "in_turn"] = "together"
    """One D update from real and fake images together, or one from the real, then one from the fake."""
    accumulate: int = 1
    """A batch is worked through in so many equal parts, and each update made from the mean of their gradients."""


@dataclass(frozen=True)
class AverageConfig:
    """The exponential moving average of G, with which a run that has it draws its pictures."""

    decay: float = 0.0
    """Share of the old average in the new one, for example 0.999; less in the first 9 / (1 - decay) steps. 0: none."""


@dataclass(frozen=True)
class OptimizerConfig:
    """An optimizer and its learning-rate schedule."""

    name: Literal["adam", "rmsprop", "sgd"] = "adam"
    """Which optimizer."""
    lr: float = 2e-4
    """Learning rate at the start."""
    beta1: float = 0.5
    """Adam: decay of the mean of gradients, in [0, 1)."""
    beta2: float = 0.999
    """Adam: decay of the mean of squared gradients, above 0 and below 1."""
    decay: float = 0.99
    """RMSProp: decay of the mean of squared gradients."""
    momentum: float = 0.0
    """RMSProp and SGD: momentum."""
    schedule: Literal["constant", "step", "cosine", "linear"] = "constant"
    """How the learning rate goes from `lr` to `lr * lr_end` over `lr_steps` steps."""
    lr_end: float = 0.0
    """cosine, linear: the final factor. step: the factor at each of its drops."""
    lr_drops: int = 3
    """step: number of drops, evenly spaced over `lr_steps`."""
    lr_steps: int | None = None
    """Steps of the run over which the schedule goes; None: the length of the run."""
    lr_warmup: int = 0
    """Steps over which the rate of the schedule is reached, linearly from near zero; 0: at once."""
    clip_norm: float | None = None
    """Longest that the gradients of all weights together may be, longer ones are shortened; None: any length."""


@dataclass(frozen=True)
class SamplesConfig:
    """The grid that is drawn during training, always from the same latents."""

    every: int | None = None
    """Steps between pictures; None: after every epoch."""
    rows: int = 5
    """Rows of the grid."""
    columns: int = 5
    """Columns of the grid."""
    seed: int = 2323
    """Seed of the fixed latents."""
    seconds_per_frame: float = 1.0
    """Pace of the GIF, 0.02 at least; long runs are shown faster so that the GIF ends within a minute."""


@dataclass(frozen=True)
class SavingConfig:
    """What is kept on disk, and how often."""

    networks_every: int | None = None
    """Steps between checkpoints of the networks; None: after every epoch."""
    networks_keep: int | None = None
    """How many of them are kept, the newest; None: all."""
    best: str | None = None
    """Keep the best networks so far as well, by this one of `evaluation.measures`; None: do not."""
    state_every: int | None = None
    """Steps between states from which a run can be resumed; None: after every epoch."""


@dataclass(frozen=True)
class EvaluationConfig:
    """Cheap measures of the pictures while the training goes on, always from the same latents and real images."""

    every: int | None = None
    """Steps between evaluations; None: none."""
    measures: tuple[str, ...] = ("sliced_wasserstein",)
    """Which ones; `ms_gan.evaluation.cheap` holds them by name."""
    images: int = 512
    """Generated and real images that are compared."""


@dataclass(frozen=True)
class Config:
    """A whole run."""

    recipe: str = "custom"
    """Name of the recipe; the run folder is called after it."""
    title: str = ""
    """One line that says what it is."""
    source: str = ""
    """Where the recipe was published."""
    reading: str = ""
    """One line that tells what the printed numbers mean, whatever the loss; empty: the one that goes with the loss."""
    seed: int = 1
    """Everything random follows from it."""
    mode: Literal["graph", "pynative"] = "graph"
    """`graph` compiles the steps with ms.jit; `pynative` runs the same functions undecorated."""
    jit_level: Literal["O0", "O1"] = "O0"
    """Level of the graph compiler; O1 fuses operators on Ascend, on a CPU it makes no difference."""
    precision: Literal["fp32", "fp16"] = "fp32"
    """`fp16` computes products in float16 with a scaled loss, all else in float32 (see docs/precision.md)."""
    epochs: int | None = 12
    """Length of the run in epochs; exactly one of epochs, steps and minutes is set."""
    steps: int | None = None
    """Length of the run in steps."""
    minutes: float | None = None
    """Length of the run in minutes of training."""
    batch_size: int = 64
    """Images in a batch; the last partial batch of an epoch is dropped."""
    log_every: int = 10
    """Steps between lines of the log and records of the history."""
    on_nan: Literal["stop", "rollback"] = "stop"
    """What follows a NaN or infinity: the end, or going back to the last state and on with other batches."""
    max_rollbacks: int = 3
    """How often a run may go back before it ends all the same."""
    tensorboard: bool = False
    """Whether TensorBoard event files are written too; needs tensorboardX."""
    conditional: bool = False
    """Whether G draws the class that it is asked for, and D judges whether an image is a real one of its class."""
    data: DataConfig = field(default_factory=DataConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    generator: NetworkConfig = field(default_factory=NetworkConfig)
    discriminator: NetworkConfig = field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    updates: UpdatesConfig = field(default_factory=UpdatesConfig)
    augmentation: tuple[Augmentation, ...] = ()
    """How real and fake images are changed, both alike, before D sees them: any of colour, translation, cutout."""
    augmentation_share: float = 1.0
    """Share of the images, in (0, 1], that augmentation changes; the others D sees as they are."""
    ema: AverageConfig = field(default_factory=AverageConfig)
    generator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    discriminator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    samples: SamplesConfig = field(default_factory=SamplesConfig)
    saving: SavingConfig = field(default_factory=SavingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes that G can be asked for; ten digits where the data have not told yet, none without `conditional`."""
        return (self.data.class_names or tuple("0123456789")) if self.conditional else ()
