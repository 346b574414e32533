package io.experimentetl.report;

/** No experiment has this key or id; the message lists similar keys. */
public final class UnknownExperimentException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UnknownExperimentException(String message) {
    super(message);
  }
}
