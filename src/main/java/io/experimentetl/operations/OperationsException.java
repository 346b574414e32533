package io.experimentetl.operations;

/** A failure that the person at the command line can fix: what failed, where, and what to do. */
public class OperationsException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public OperationsException(String message) {
    super(message);
  }

  public OperationsException(String message, Throwable cause) {
    super(message, cause);
  }
}
