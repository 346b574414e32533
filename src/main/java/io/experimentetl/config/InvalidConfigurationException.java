package io.experimentetl.config;

import java.util.List;
import java.util.stream.Collectors;

/** A configuration is invalid; carries every error. */
public final class InvalidConfigurationException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient List<ConfigurationError> errors;

  public InvalidConfigurationException(String origin, List<ConfigurationError> errors) {
    super(
        errors.stream()
            .map(error -> "\n  " + error)
            .collect(
                Collectors.joining(
                    "",
                    origin
                        + " has "
                        + (errors.size() == 1 ? "one error" : errors.size() + " errors")
                        + "; nothing was started:",
                    "")));
    this.errors = List.copyOf(errors);
  }

  /** Every error, in the order of the documented keys. */
  public List<ConfigurationError> errors() {
    return errors;
  }
}
