"""Read a backend's options from the config's `[models]` table."""

from collections.abc import Collection

from backends.vocabulary import BackendError, ModelSpec, Sampling


def refuse_unknown(spec: ModelSpec, known: Collection[str]) -> None:
    """Raise `BackendError` where the spec has an option that its backend does not know."""
    unknown = sorted(set(spec.options) - set(known))
    if unknown:
        raise BackendError(
            f"The model {spec.name} has an unknown option {unknown[0]!r}; "
            f"the {spec.backend} backend knows: {', '.join(sorted(known))}."
        )


def number(spec: ModelSpec, name: str, default: float, low: float, high: float) -> float:
    """Return a number among the options. Raises `BackendError` where it is out of bounds."""
    value = spec.options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BackendError(
            f"Option {name!r} of the model {spec.name} must be a number "
            f"between {low:g} and {high:g}, not {value!r}."
        )
    return value


def whole_number(spec: ModelSpec, name: str, default: int, low: int, high: int) -> int:
    """Return a whole number among the options. Raises `BackendError` likewise."""
    value = number(spec, name, default, low, high)
    if value != int(value):
        raise BackendError(
            f"Option {name!r} of the model {spec.name} must be a whole number, not {value!r}."
        )
    return int(value)


def string(spec: ModelSpec, name: str, default: str) -> str:
    """Return a text among the options. Raises `BackendError` where it is none.

    What was given is not repeated: it may be a secret in the wrong place.
    """
    value = spec.options.get(name, default)
    if not isinstance(value, str):
        raise BackendError(f"Option {name!r} of the model {spec.name} must be a text in quotes.")
    return value


def refuse_unsupported(sampling: Sampling, backend: str, names: Collection[str]) -> None:
    """Raise `BackendError` where one of these values is set: never drop a wish in silence."""
    usual = Sampling()
    for name in names:
        if getattr(sampling, name) != getattr(usual, name):
            raise BackendError(
                f"The {backend} backend cannot do {name}: leave it unset or choose another model."
            )
