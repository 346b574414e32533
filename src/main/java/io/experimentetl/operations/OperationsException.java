package io.experimentetl.operations;

/** A failure that the operator can fix; the message names the failure, the place, the remedy. */
public class OperationsException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public OperationsException(String message) {
    super(message);
  }

  public OperationsException(String message, Throwable cause) {
    super(message, cause);
  }
}
