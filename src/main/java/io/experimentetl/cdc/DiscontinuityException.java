package io.experimentetl.cdc;

import io.experimentetl.model.FindingCode;

/** Rows of the source are missing or out of order: continuing would silently lose data. */
public class DiscontinuityException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public DiscontinuityException(String message) {
    super(message);
  }

  /** Changes arrived out of order or repeatedly: the message begins with the finding's code. */
  static DiscontinuityException regression(String message) {
    return new DiscontinuityException(FindingCode.C_LSN_REGRESSION.code() + ": " + message);
  }
}
