package io.experimentetl.local;

import io.experimentetl.operations.OperationsException;

/** A failure of the one-machine platform; the message names the failure, the place, the remedy. */
public final class PlatformException extends OperationsException {
  private static final long serialVersionUID = 1L;

  public PlatformException(String message) {
    super(message);
  }

  public PlatformException(String message, Throwable cause) {
    super(message, cause);
  }
}
