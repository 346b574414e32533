package io.experimentetl.audit;

/** The two sides cannot be compared. The message gives the reason and the remedy. */
public final class CannotCompareException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CannotCompareException(String message) {
    super(message);
  }

  public CannotCompareException(String message, Throwable cause) {
    super(message, cause);
  }
}
