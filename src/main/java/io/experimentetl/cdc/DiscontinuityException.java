package io.experimentetl.cdc;

import io.experimentetl.model.FindingCode;

/** Rows of the source are missing, or its order is broken: going on would be silent loss. */
public class DiscontinuityException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public DiscontinuityException(String message) {
    super(message);
  }

  /** Changes came out of order or again: the failure begins with the finding's code. */
  static DiscontinuityException regression(String message) {
    return new DiscontinuityException(FindingCode.C_LSN_REGRESSION.code() + ": " + message);
  }
}
