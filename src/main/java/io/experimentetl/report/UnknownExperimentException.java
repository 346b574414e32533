package io.experimentetl.report;

/** There is no experiment of this key or id; the message lists the near ones. */
public final class UnknownExperimentException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UnknownExperimentException(String message) {
    super(message);
  }
}
