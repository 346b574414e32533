package io.experimentetl.audit;

/** The two sides can't be compared; the message says why and what to do. */
public final class CannotCompareException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CannotCompareException(String message) {
    super(message);
  }

  public CannotCompareException(String message, Throwable cause) {
    super(message, cause);
  }
}
